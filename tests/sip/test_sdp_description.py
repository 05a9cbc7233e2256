"""Descriptions as values: typed access to attributes, and their text."""

from __future__ import annotations

import pytest

from sip.errors import LocalProtocolError
from sip.sdp.description import (
    Attribute,
    Connection,
    MediaDescription,
    Origin,
    RtcpAddress,
    RtpMap,
    SessionDescription,
    address_type_of,
)

ORIGIN = Origin("-", "1", "2", "192.0.2.1")


def audio(*attributes: Attribute, formats: tuple[str, ...] = ("0",)) -> MediaDescription:
    return MediaDescription("audio", 4000, "RTP/AVP", formats, attributes=attributes)


class TestTypedAccess:
    def test_rtpmaps_give_encoding_rate_and_channels(self) -> None:
        medium = audio(("rtpmap", "0 PCMU/8000"), ("rtpmap", "96 opus/48000/2"))
        assert medium.rtpmaps == {0: RtpMap("PCMU", 8000), 96: RtpMap("opus", 48000, 2)}

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "0",
            "0 PCMU",
            "0 /8000",
            "x PCMU/8000",
            "0 PCMU/x",
            "-1 PCMU/8000",
            "٠ PCMU/8000",
            "0 PCMU/8000/1/1",
            "0 " + "x" * 99 + "/8",
        ],
    )
    def test_a_malformed_rtpmap_maps_nothing(self, value: str) -> None:
        assert audio(("rtpmap", value), ("rtpmap", None)).rtpmaps == {}

    def test_of_two_mappings_for_a_payload_type_the_first_counts(self) -> None:
        assert audio(("rtpmap", "96 a/8000"), ("rtpmap", "96 b/8000")).rtpmaps == {96: RtpMap("a", 8000)}

    def test_fmtps_are_keyed_by_format(self) -> None:
        medium = audio(("fmtp", "101 0-16"), ("fmtp", "96 useinbandfec=1; stereo=0"), ("fmtp", None))
        assert medium.fmtps == {"101": "0-16", "96": "useinbandfec=1; stereo=0"}

    @pytest.mark.parametrize(
        ("value", "ms"),
        [
            ("20", 20),
            ("30.0", 30),
            (" 40 ", 40),
            ("0", None),
            ("-20", None),
            ("x", None),
            ("9" * 9, None),
            (None, None),
        ],
    )
    def test_packet_times_are_whole_milliseconds(self, value: str | None, ms: int | None) -> None:
        assert audio(("ptime", value)).ptime == ms
        assert audio(("maxptime", value)).maxptime == ms

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("53020", RtcpAddress(53020)),
            ("53020 IN IP4 126.16.64.4", RtcpAddress(53020, "126.16.64.4")),
            ("53020 IN IP6 2001:db8::1", RtcpAddress(53020, "2001:db8::1")),
            ("53020 IN IP4 not/an/address", RtcpAddress(53020)),
            ("65536", None),
            ("x", None),
            ("", None),
            (None, None),
        ],
    )
    def test_rtcp_port_and_address(self, value: str | None, expected: RtcpAddress | None) -> None:
        assert audio(("rtcp", value)).rtcp == expected

    def test_attributes_not_understood_are_passed_on_in_order(self) -> None:
        medium = audio(("crypto", "1 A inline:x"), ("candidate", "1"), ("crypto", "2 B inline:y"), ("rtcp-mux", None))
        assert medium.crypto == ("1 A inline:x", "2 B inline:y")
        assert medium.rtcp_mux
        assert medium.has("candidate")
        assert medium.value("candidate") == "1"
        assert medium.value("missing") is None
        assert not medium.has("missing")


class TestInheritance:
    def test_the_media_direction_overrides_that_of_the_session(self) -> None:
        session = SessionDescription(ORIGIN, attributes=(("sendonly", None),))
        assert session.direction_for(audio(("inactive", None))) == "inactive"
        assert session.direction_for(audio()) == "sendonly"
        assert SessionDescription(ORIGIN).direction_for(audio()) == "sendrecv"

    def test_the_media_connection_overrides_that_of_the_session(self) -> None:
        session = SessionDescription(ORIGIN, connection=Connection("192.0.2.1"))
        own = MediaDescription("audio", 4000, "RTP/AVP", ("0",), connection=Connection("192.0.2.9"))
        assert session.connection_for(own) == Connection("192.0.2.9")
        assert session.connection_for(audio()) == Connection("192.0.2.1")
        assert SessionDescription(ORIGIN).connection_for(audio()) is None

    def test_fingerprints_and_ice_come_from_either_level(self) -> None:
        session = SessionDescription(ORIGIN, attributes=(("fingerprint", "sha-256 AA"), ("ice-ufrag", "s")))
        medium = audio(("ice-ufrag", "m"))
        assert session.values_for(medium, "fingerprint") == ("sha-256 AA",)
        assert session.values_for(medium, "ice-ufrag") == ("m",)


class TestText:
    def test_lines_stand_in_the_order_of_the_grammar(self) -> None:
        session = SessionDescription(
            ORIGIN,
            (
                MediaDescription(
                    "audio",
                    4000,
                    "RTP/AVP",
                    ("0", "101"),
                    2,
                    Connection.to("2001:db8::1"),
                    (("TIAS", 64000),),
                    (("ptime", "20"),),
                ),
                MediaDescription("video", 0, "RTP/AVP", ("31",)),
            ),
            connection=Connection.to("192.0.2.1"),
            bandwidth=(("AS", 64),),
            attributes=(("sendrecv", None),),
        )
        assert bytes(session) == (
            b"v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nb=AS:64\r\nt=0 0\r\na=sendrecv\r\n"
            b"m=audio 4000/2 RTP/AVP 0 101\r\nc=IN IP6 2001:db8::1\r\nb=TIAS:64000\r\na=ptime:20\r\n"
            b"m=video 0 RTP/AVP 31\r\n"
        )

    @pytest.mark.parametrize("text", ["x\r\na=evil", "x\na=evil", "x\r", "x\0"])
    def test_no_value_can_forge_a_line(self, text: str) -> None:
        forged = [
            SessionDescription(ORIGIN, name=text),
            SessionDescription(ORIGIN, attributes=(("tool", text),)),
            SessionDescription(ORIGIN, (audio(("fmtp", text)),)),
            SessionDescription(Origin("-", "1", "1", text)),
        ]
        for session in forged:
            with pytest.raises(LocalProtocolError):
                bytes(session)

    def test_the_address_type_follows_the_address(self) -> None:
        assert [address_type_of(a) for a in ("192.0.2.1", "2001:db8::1", "host.example")] == ["IP4", "IP6", "IP4"]
