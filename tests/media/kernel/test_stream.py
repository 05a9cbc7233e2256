"""The parameters of a stream, checked before the kernel sees them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media.kernel import commands as at
from media.kernel.addresses import address_text
from media.kernel.keys import SrtpParameters
from media.kernel.stream import StreamError, StreamParameters, start_arguments

PLAIN = StreamParameters("192.0.2.7", 40_000, "PCMU", 0, 0, 101, 96)


def argument(parameters: StreamParameters, place: int, version: int = 4) -> int:
    return start_arguments(parameters, version)[place - at.START_ADDRESS]


def test_every_argument_stands_in_its_place() -> None:
    parameters = replace(PLAIN, ptime=30, send=False, rtcp_mux=True, dtmf_clock=48_000, codec="PCMA", payload_type=8)
    names = [name for name in dir(at) if name.startswith("START_") and not name.startswith("START_SRTP")]
    words = {name: argument(parameters, getattr(at, name)) for name in names}
    assert address_text(*start_arguments(parameters, 4)[:3]) == ("192.0.2.7", 40_000)
    assert words["START_RTCP_ADDRESS"] == 0
    assert len(start_arguments(parameters, 4)) == at.START_SRTP_NUMBER - at.START_ADDRESS
    del words["START_ADDRESS"], words["START_RTCP_ADDRESS"]
    assert words == {
        "START_CODEC": 1,
        "START_SILENCE": 0xD5,
        "START_PAYLOAD_TYPE": 8,
        "START_RECEIVE_PAYLOAD_TYPE": 0,
        "START_EVENT_SEND_TYPE": 101,
        "START_EVENT_RECEIVE_TYPE": 96,
        "START_EVENT_CLOCK": 48_000,
        "START_PACKET_SAMPLES": 240,
        "START_SEND": 0,
        "START_RECEIVE": 1,
        "START_RTCP_MUX": 1,
    }


@pytest.mark.parametrize(("host", "port"), [("192.0.2.7", 0), ("0.0.0.0", 4000)])
def test_nothing_is_sent_to_nowhere(host: str, port: int) -> None:
    assert argument(replace(PLAIN, remote_address=host, remote_port=port), at.START_SEND) == 0


def test_without_telephone_event_no_payload_type_matches() -> None:
    parameters = replace(PLAIN, dtmf_send_pt=None, dtmf_receive_pt=None)
    assert argument(parameters, at.START_EVENT_SEND_TYPE) == argument(parameters, at.START_EVENT_RECEIVE_TYPE) == -1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"remote_address": "phone.example"}, "remote_address"),
        ({"remote_address": ""}, "remote_address"),
        ({"remote_address": "2001:db8::1"}, "remote_address"),
        ({"remote_address": "224.0.0.1"}, "remote_address"),
        ({"remote_port": 65_536}, "remote_address"),
        ({"remote_port": -1}, "remote_address"),
        ({"codec": "G729"}, "codec"),
        ({"srtp": SrtpParameters("F8_128_HMAC_SHA1_80", bytes(30), bytes(30))}, "srtp.suite"),
        ({"srtp": SrtpParameters("AES_CM_128_HMAC_SHA1_80", bytes(30), bytes(29))}, "srtp.receive_key"),
        ({"srtp": SrtpParameters("AEAD_AES_256_GCM", bytes(30), bytes(44))}, "srtp.send_key"),
        ({"srtp": SrtpParameters("AEAD_AES_128_GCM", bytes(28), bytes(28), 129)}, "srtp.receive_mki_octets"),
        ({"payload_type": 128}, "payload_type"),
        ({"receive_payload_type": -1}, "receive_payload_type"),
        ({"dtmf_send_pt": 200}, "dtmf_send_pt"),
        ({"dtmf_receive_pt": 0}, "dtmf_receive_pt"),
        ({"dtmf_clock": 0}, "dtmf_clock"),
        ({"ptime": 9}, "ptime"),
        ({"ptime": 61}, "ptime"),
        ({"rtcp_address": ("nowhere", 1)}, "rtcp_address"),
        ({"rtcp_address": ("2001:db8::1", 1)}, "rtcp_address"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(changes: dict, field: str) -> None:
    with pytest.raises(StreamError, match=f"^{field}: "):
        start_arguments(replace(PLAIN, **changes), 4)


@pytest.mark.parametrize("ptime", [10, 60])
def test_the_limits_of_ptime_are_inside(ptime: int) -> None:
    assert argument(replace(PLAIN, ptime=ptime), at.START_PACKET_SAMPLES) == ptime * 8


def test_an_ipv6_address_needs_an_ipv6_socket() -> None:
    parameters = replace(PLAIN, remote_address="2001:db8::1", rtcp_address=("2001:db8::2", 9))
    words = start_arguments(parameters, 6)
    assert address_text(*words[:3]) == ("2001:db8::1", 40_000)
    assert address_text(*words[3:6]) == ("2001:db8::2", 9)
