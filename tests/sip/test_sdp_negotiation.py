"""Offer and answer (RFC 3264): what is agreed, what is refused, and how descriptions follow each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import SipError, SipParseError
from sip.sdp import (
    G722,
    OPUS,
    PCMA,
    PCMU,
    SUITES,
    Codec,
    LocalAudio,
    MediaEncryption,
    NegotiatedAudio,
    SdpRejected,
    SessionDescription,
    accept_answer,
    answer_offer,
    make_offer,
    parse_sdp,
    same_session,
)
from sip.sdp.codecs import codecs_of

LOCAL = LocalAudio("192.0.2.100", 10000, (PCMU, PCMA), session_id=77)
EVENTS_101 = "a=rtpmap:101 telephone-event/8000"


def sdp(*lines: str, connection: str = "IN IP4 192.0.2.1") -> SessionDescription:
    head = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "t=0 0", *([f"c={connection}"] if connection else [])]
    return parse_sdp("\r\n".join([*head, *lines, ""]))


def agree(*lines: str, local: LocalAudio = LOCAL, connection: str = "IN IP4 192.0.2.1") -> NegotiatedAudio:
    return answer_offer(sdp(*lines, connection=connection), local)[1]


def answer(*lines: str, local: LocalAudio = LOCAL, connection: str = "IN IP4 192.0.2.1") -> list[str]:
    return str(answer_offer(sdp(*lines, connection=connection), local)[0]).split("\r\n")[:-1]


def rejection(*lines: str, local: LocalAudio = LOCAL, connection: str = "IN IP4 192.0.2.1") -> SdpRejected:
    with pytest.raises(SdpRejected) as caught:
        answer_offer(sdp(*lines, connection=connection), local)
    assert isinstance(caught.value, SipError)
    assert caught.value.status == 488
    return caught.value


class TestAnswer:
    def test_a_phones_offer_word_for_word(self) -> None:
        assert answer("m=audio 4000 RTP/AVP 0 8 101", EVENTS_101, "a=fmtp:101 0-16", "a=ptime:20") == [
            "v=0",
            "o=- 77 1 IN IP4 192.0.2.100",
            "s=-",
            "c=IN IP4 192.0.2.100",
            "t=0 0",
            "m=audio 10000 RTP/AVP 0 101",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-15",
            "a=ptime:20",
            "a=maxptime:60",
            "a=sendrecv",
        ]

    def test_what_the_media_session_gets(self) -> None:
        assert agree("m=audio 4000 RTP/AVP 0 8 13 101", EVENTS_101) == NegotiatedAudio(
            remote_address="192.0.2.1",
            remote_port=4000,
            remote_rtcp=("192.0.2.1", 4001),
            rtcp_mux=False,
            codec=PCMU,
            receive_payload_type=0,
            dtmf_send_pt=101,
            dtmf_receive_pt=101,
            dtmf_clock=8000,
            ptime=20,
            direction="sendrecv",
            comfort_noise_pt=13,
            protocol="RTP/AVP",
            receive_codecs=(PCMU,),
        )

    def test_the_codec_is_the_first_of_ours_that_is_offered(self) -> None:
        assert agree("m=audio 4000 RTP/AVP 8 0").codec == PCMU
        assert agree("m=audio 4000 RTP/AVP 18 8").codec == PCMA

    def test_dynamic_payload_types_are_those_of_the_offer(self) -> None:
        local = replace(LOCAL, codecs=(replace(OPUS, payload_type=111, fmtp="useinbandfec=1"), PCMU))
        lines = (
            "m=audio 4000 RTP/AVP 0 97 98",
            "a=rtpmap:97 opus/48000/2",
            "a=fmtp:97 stereo=1",
            "a=rtpmap:98 telephone-event/48000",
        )
        agreed = agree(*lines, local=local)
        assert agreed.codec == Codec("opus", 48000, 97, 2, "stereo=1")
        assert agreed.receive_payload_type == 97
        assert answer(*lines, local=local)[5:9] == [
            "m=audio 10000 RTP/AVP 97 98",
            "a=rtpmap:97 opus/48000/2",
            "a=fmtp:97 useinbandfec=1",
            "a=rtpmap:98 telephone-event/48000",
        ]

    def test_a_static_codec_under_a_dynamic_number(self) -> None:
        assert agree("m=audio 4000 RTP/AVP 96", "a=rtpmap:96 pcmu/8000").codec == Codec("PCMU", 8000, 96)

    def test_g722_is_matched_at_its_nominal_rate(self) -> None:
        assert agree("m=audio 4000 RTP/AVP 9", local=replace(LOCAL, codecs=(G722,))).codec == G722

    def test_the_time_line_is_that_of_the_offer(self) -> None:
        offer = replace(sdp("m=audio 4000 RTP/AVP 0"), timing="5 6")
        assert answer_offer(offer, LOCAL)[0].timing == "5 6"

    def test_an_ipv6_answer_says_so(self) -> None:
        lines = answer(
            "m=audio 4000 RTP/AVP 0", local=replace(LOCAL, address="2001:db8::1"), connection="IN IP6 2001:db8::9"
        )
        assert lines[1] == "o=- 77 1 IN IP6 2001:db8::1"
        assert lines[3] == "c=IN IP6 2001:db8::1"

    def test_feedback_profile_is_answered_as_it_came(self) -> None:
        assert "m=audio 10000 RTP/AVPF 0" in answer("m=audio 4000 RTP/AVPF 0")
        assert agree("m=audio 4000 RTP/AVPF 0").protocol == "RTP/AVPF"

    def test_what_is_not_understood_is_not_answered(self) -> None:
        text = "\n".join(
            answer(
                "m=audio 4000 RTP/AVP 0",
                "a=ice-ufrag:x",
                "a=candidate:1",
                "a=crypto:1 x",
            )
        )
        assert not any(word in text for word in ("ice", "candidate", "crypto"))


class TestMediaLines:
    def test_other_media_are_refused_in_their_places(self) -> None:
        lines = answer(
            "m=video 5000 RTP/AVP 31 32",
            "m=audio 4000 RTP/AVP 0",
            "m=audio 4002 RTP/AVP 0",
            "m=image 5004 udptl t38",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        )
        assert [line for line in lines if line.startswith("m=")] == [
            "m=video 0 RTP/AVP 31",
            "m=audio 10000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 0",
            "m=image 0 udptl t38",
            "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        ]

    def test_the_first_audio_that_can_be_spoken_is_taken(self) -> None:
        offer = ("m=audio 4000 RTP/SAVP 0", "m=audio 4002 RTP/AVP 18", "m=audio 4004 RTP/AVP 0")
        assert agree(*offer).remote_port == 4004
        assert [m.port for m in answer_offer(sdp(*offer), LOCAL)[0].media] == [0, 0, 10000]

    def test_each_medium_has_its_own_address(self) -> None:
        agreed = agree(
            "m=audio 7000 RTP/AVP 0",
            "c=IN IP4 192.0.2.1",
            "m=video 7100 RTP/AVP 120",
            "c=IN IP6 2001:db8::1",
            connection="",
        )
        assert agreed.remote_address == "192.0.2.1"


class TestLabels:
    def test_the_label_of_the_line_taken_is_repeated_and_its_bundle_left_out(self) -> None:
        lines = answer(
            "a=group:BUNDLE 0 1",
            "m=video 1 RTP/AVP 31",
            "a=mid:0",
            "m=audio 4000 RTP/AVP 0",
            "a=mid:1",
            "a=bundle-only",
        )
        assert [line for line in lines if line.startswith("a=mid")] == ["a=mid:1"]
        assert not any("BUNDLE" in line or "bundle" in line for line in lines)

    @pytest.mark.parametrize("label", ["", "a b", "x" * 65, "ä"])
    def test_a_label_that_is_none_is_not_repeated(self, label: str) -> None:
        assert not any("mid" in line for line in answer("m=audio 4000 RTP/AVP 0", f"a=mid:{label}"))

    def test_it_stays_in_our_next_offer(self) -> None:
        first, _ = answer_offer(sdp("m=audio 4000 RTP/AVP 0", "a=mid:audio"), LOCAL)
        assert make_offer(LOCAL, previous=first).media[0].value("mid") == "audio"


class TestRefusal:
    @pytest.mark.parametrize(
        ("lines", "warning"),
        [
            ((), 304),
            (("m=video 4000 RTP/AVP 31",), 304),
            (("m=audio 0 RTP/AVP 0",), 304),
            (("m=audio 4000 RTP/SAVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x"), 302),
            (("m=audio 4000 UDP/TLS/RTP/SAVPF 0",), 302),
            (("m=audio 4000 TCP/RTP/AVP 0",), 302),
            (("m=audio 4000 RTP/AVP 18 101", EVENTS_101), 305),
            (("m=audio 4000 RTP/AVP 101", EVENTS_101), 305),
            (("m=audio 4000 RTP/AVP",), 305),
            (("m=audio 4000 RTP/AVP 0", "c=IN IP4 224.2.1.1/127"), 301),
            (("m=audio 4000 RTP/AVP 0", "c=IN IP4 255.255.255.255"), 301),
        ],
    )
    def test_without_agreement_488_and_why(self, lines: tuple[str, ...], warning: int) -> None:
        assert rejection(*lines).warning == warning

    def test_audio_without_an_address(self) -> None:
        assert rejection("m=audio 4000 RTP/AVP 0", connection="").warning == 301

    def test_the_first_audio_line_tells_why(self) -> None:
        error = rejection("m=video 1 RTP/AVP 31", "m=audio 1 RTP/AVP 18", "m=audio 2 RTP/SAVP 0")
        assert (error.warning, error.medium) == (305, 2)
        assert str(error) == "media line 2: no codec in common"


class TestTelephoneEvent:
    BOTH = ("a=rtpmap:96 opus/48000/2", "a=rtpmap:100 telephone-event/8000", "a=rtpmap:110 telephone-event/48000")

    def test_it_has_the_clock_of_the_codec(self) -> None:
        opus = agree("m=audio 1 RTP/AVP 96 100 110", *self.BOTH, local=replace(LOCAL, codecs=(OPUS,)))
        assert (opus.dtmf_send_pt, opus.dtmf_receive_pt, opus.dtmf_clock) == (110, 110, 48000)
        pcmu = agree("m=audio 1 RTP/AVP 0 110 100", *self.BOTH)
        assert (pcmu.dtmf_send_pt, pcmu.dtmf_clock) == (100, 8000)

    def test_where_only_another_clock_is_offered_that_one_is_used(self) -> None:
        opus = agree("m=audio 1 RTP/AVP 96 100", *self.BOTH, local=replace(LOCAL, codecs=(OPUS,)))
        assert (opus.dtmf_send_pt, opus.dtmf_clock) == (100, 8000)

    def test_none_offered_or_none_wanted(self) -> None:
        for agreed in (
            agree("m=audio 1 RTP/AVP 0"),
            agree("m=audio 1 RTP/AVP 0 101", EVENTS_101, local=replace(LOCAL, telephone_event=False)),
        ):
            assert (agreed.dtmf_send_pt, agreed.dtmf_receive_pt, agreed.dtmf_clock) == (None, None, 8000)

    @pytest.mark.parametrize(
        ("fmtp", "events"), [("a=x", 16), ("a=fmtp:101 0-15", 16), ("a=fmtp:101 0-11", 12), ("a=fmtp:101 0-16,66", 18)]
    )
    def test_the_events_that_the_peer_takes_are_known(self, fmtp: str, events: int) -> None:
        lines = ("m=audio 1 RTP/AVP 0 101", EVENTS_101, fmtp)
        assert len(agree(*lines).dtmf_events) == events
        assert len(accept_answer(make_offer(LOCAL), sdp(*lines), LOCAL).dtmf_events) == events


class TestDirection:
    @pytest.mark.parametrize(
        ("offered", "wanted", "ours"),
        [
            ("sendrecv", "sendrecv", "sendrecv"),
            ("sendonly", "sendrecv", "recvonly"),
            ("recvonly", "sendrecv", "sendonly"),
            ("inactive", "sendrecv", "inactive"),
            ("sendrecv", "sendonly", "sendonly"),
            ("sendrecv", "inactive", "inactive"),
            ("sendonly", "sendonly", "inactive"),
            ("recvonly", "recvonly", "inactive"),
        ],
    )
    def test_it_mirrors_the_offer(self, offered: str, wanted: str, ours: str) -> None:
        local = replace(LOCAL, direction=wanted)
        assert agree("m=audio 1 RTP/AVP 0", f"a={offered}", local=local).direction == ours
        assert f"a={ours}" in answer("m=audio 1 RTP/AVP 0", f"a={offered}", local=local)

    def test_that_of_the_session_counts_where_the_medium_has_none(self) -> None:
        assert agree("a=sendonly", "m=audio 1 RTP/AVP 0").direction == "recvonly"

    @pytest.mark.parametrize("connection", ["IN IP4 0.0.0.0", "IN IP6 ::", "IN IP4 hold.invalid"])
    def test_nothing_is_sent_to_an_address_of_hold(self, connection: str) -> None:
        agreed = agree("m=audio 1 RTP/AVP 0", connection=connection)
        assert (agreed.direction, agreed.held, agreed.sends, agreed.receives) == ("recvonly", True, False, True)
        assert agree("m=audio 1 RTP/AVP 0", "a=sendonly", connection=connection).direction == "recvonly"
        assert agree("m=audio 1 RTP/AVP 0", "a=recvonly", connection=connection).direction == "inactive"

    @pytest.mark.parametrize(
        ("offered", "held"), [("sendrecv", False), ("recvonly", False), ("sendonly", True), ("inactive", True)]
    )
    def test_hold_shows(self, offered: str, held: bool) -> None:
        assert agree("m=audio 1 RTP/AVP 0", f"a={offered}").held is held


class TestPacketTime:
    @pytest.mark.parametrize(
        ("attributes", "ptime"),
        [
            ((), 20),
            (("a=ptime:30",), 30),
            (("a=ptime:25",), 20),
            (("a=ptime:5",), 10),
            (("a=ptime:200",), 60),
            (("a=ptime:0",), 20),
            (("a=maxptime:10",), 10),
            (("a=ptime:60", "a=maxptime:45"), 40),
            (("a=maxptime:150",), 20),
        ],
    )
    def test_it_is_the_peers_wish_in_whole_ticks_within_bounds(self, attributes: tuple[str, ...], ptime: int) -> None:
        assert agree("m=audio 1 RTP/AVP 0", *attributes).ptime == ptime
        assert f"a=ptime:{ptime}" in answer("m=audio 1 RTP/AVP 0", *attributes)

    def test_opus_of_a_browser_is_not_cut_finer_than_it_takes(self) -> None:
        local = replace(LOCAL, codecs=(OPUS,))
        lines = ("m=audio 1 RTP/AVP 111", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=40;useinbandfec=1")
        assert agree(*lines, local=local).ptime == 40
        assert agree(*lines, "a=maxptime:20", local=local).ptime == 20


class TestRtcp:
    MUX = replace(LOCAL, rtcp_mux=True)

    @pytest.mark.parametrize(
        ("attribute", "expected"),
        [
            ("a=rtcp:5555", ("192.0.2.1", 5555)),
            ("a=rtcp:5555 IN IP4 192.0.2.9", ("192.0.2.9", 5555)),
            ("a=rtcp:0", None),
            ("a=rtcp:5555 IN IP4 224.0.0.1", None),
            ("a=rtcp:nonsense", ("192.0.2.1", 4001)),
        ],
    )
    def test_where_it_goes(self, attribute: str, expected: tuple[str, int] | None) -> None:
        assert agree("m=audio 4000 RTP/AVP 0", attribute).remote_rtcp == expected

    def test_the_last_port_has_no_next(self) -> None:
        assert agree("m=audio 65535 RTP/AVP 0").remote_rtcp is None

    def test_ports_are_shared_only_when_both_can(self) -> None:
        both = agree("m=audio 4000 RTP/AVP 0", "a=rtcp-mux", local=self.MUX)
        assert (both.rtcp_mux, both.remote_rtcp) == (True, ("192.0.2.1", 4000))
        assert "a=rtcp-mux" in answer("m=audio 4000 RTP/AVP 0", "a=rtcp-mux", local=self.MUX)
        for lines, local in ((("a=rtcp-mux",), LOCAL), ((), self.MUX)):
            agreed = agree("m=audio 4000 RTP/AVP 0", *lines, local=local)
            assert (agreed.rtcp_mux, agreed.remote_rtcp) == (False, ("192.0.2.1", 4001))
            assert "a=rtcp-mux" not in answer("m=audio 4000 RTP/AVP 0", *lines, local=local)

    def test_reduced_size_only_when_both_can(self) -> None:
        able = replace(LOCAL, rtcp_rsize=True)
        lines = ("m=audio 4000 RTP/AVPF 0", "a=rtcp-rsize")
        assert agree(*lines, local=able).rtcp_rsize
        assert "a=rtcp-rsize" in answer(*lines, local=able)
        assert not agree(*lines).rtcp_rsize
        assert not agree(lines[0], local=able).rtcp_rsize
        assert "a=rtcp-rsize" not in answer(*lines)
        assert accept_answer(make_offer(able), sdp("m=audio 4000 RTP/AVP 0", "a=rtcp-rsize"), able).rtcp_rsize
        assert not accept_answer(make_offer(LOCAL), sdp("m=audio 4000 RTP/AVP 0", "a=rtcp-rsize"), LOCAL).rtcp_rsize


class TestHold:
    @pytest.mark.parametrize(
        ("direction", "holding"),
        [("sendrecv", "sendonly"), ("sendonly", "sendonly"), ("recvonly", "inactive"), ("inactive", "inactive")],
    )
    def test_holding_takes_nothing_and_resuming_takes_again(self, direction: str, holding: str) -> None:
        held = replace(LOCAL, direction=direction).holding()
        assert held == replace(LOCAL, direction=holding)
        assert held.resuming().direction == ("sendrecv" if holding == "sendonly" else "recvonly")

    def test_a_hold_and_its_end_as_the_peer_sees_them(self) -> None:
        first = make_offer(LOCAL)
        held = make_offer(LOCAL.holding(), previous=first)
        reply, peer = answer_offer(held, replace(LOCAL, address="192.0.2.5"))
        assert (peer.direction, reply.media[0].direction) == ("recvonly", "recvonly")
        assert accept_answer(held, reply, LOCAL.holding()).direction == "sendonly"
        back = make_offer(LOCAL.holding().resuming(), previous=held)
        assert answer_offer(back, replace(LOCAL, address="192.0.2.5"))[1].direction == "sendrecv"
        assert [d.origin.session_version for d in (first, held, back)] == ["1", "2", "3"]


class TestOffer:
    def test_word_for_word(self) -> None:
        local = replace(LOCAL, codecs=(PCMU, OPUS), rtcp_mux=True, ptime=30, direction="sendonly")
        assert str(make_offer(local)).split("\r\n")[:-1] == [
            "v=0",
            "o=- 77 1 IN IP4 192.0.2.100",
            "s=-",
            "c=IN IP4 192.0.2.100",
            "t=0 0",
            "m=audio 10000 RTP/AVP 0 96 101 97",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:96 opus/48000/2",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-15",
            "a=rtpmap:97 telephone-event/48000",
            "a=fmtp:97 0-15",
            "a=ptime:30",
            "a=maxptime:60",
            "a=sendonly",
            "a=rtcp-mux",
        ]


class TestAcceptedAnswer:
    OFFER = make_offer(LOCAL)

    def accept(self, *lines: str, offer: SessionDescription = OFFER, local: LocalAudio = LOCAL) -> NegotiatedAudio:
        return accept_answer(offer, sdp(*lines), local)

    def test_our_own_answer_to_our_own_offer_agrees_on_both_sides(self) -> None:
        reply, callee = answer_offer(self.OFFER, replace(LOCAL, address="192.0.2.5", port=20000, codecs=(PCMA,)))
        caller = accept_answer(self.OFFER, reply, LOCAL)
        assert caller.codec == callee.codec == PCMA
        assert (caller.remote_address, caller.remote_port) == ("192.0.2.5", 20000)
        assert (callee.remote_address, callee.remote_port) == ("192.0.2.100", 10000)
        assert caller.dtmf_send_pt == callee.dtmf_receive_pt == 101

    def test_each_side_sends_under_the_numbers_of_the_other(self) -> None:
        offer = make_offer(replace(LOCAL, codecs=(OPUS,)))
        agreed = self.accept(
            "m=audio 4000 RTP/AVP 111 110",
            "a=rtpmap:111 opus/48000/2",
            "a=fmtp:111 cbr=1",
            "a=rtpmap:110 telephone-event/48000",
            offer=offer,
        )
        assert agreed.codec == Codec("opus", 48000, 111, 2, "cbr=1")
        assert (agreed.receive_payload_type, agreed.dtmf_send_pt, agreed.dtmf_receive_pt) == (96, 110, 101)

    def test_of_several_codecs_the_peers_first_is_sent_and_all_may_come(self) -> None:
        agreed = self.accept("m=audio 4000 RTP/AVP 101 18 8 0", EVENTS_101)
        assert agreed.codec == PCMA
        assert agreed.receive_codecs == (PCMA, PCMU)

    def test_mappings_missing_from_the_answer_are_those_of_the_offer(self) -> None:
        agreed = self.accept("m=audio 4000 RTP/AVP 0 101")
        assert agreed.dtmf_send_pt == 101

    def test_an_event_we_did_not_offer_is_not_used(self) -> None:
        offer = make_offer(replace(LOCAL, telephone_event=False))
        agreed = self.accept("m=audio 4000 RTP/AVP 0 101", EVENTS_101, offer=offer)
        assert (agreed.dtmf_send_pt, agreed.dtmf_receive_pt) == (None, None)

    @pytest.mark.parametrize(
        ("offered", "answered", "ours"),
        [
            ("sendrecv", "sendrecv", "sendrecv"),
            ("sendrecv", "recvonly", "sendonly"),
            ("sendrecv", "sendonly", "recvonly"),
            ("sendonly", "recvonly", "sendonly"),
            ("sendonly", "sendrecv", "sendonly"),
            ("inactive", "sendrecv", "inactive"),
        ],
    )
    def test_direction_is_what_both_leave(self, offered: str, answered: str, ours: str) -> None:
        offer = make_offer(replace(LOCAL, direction=offered))
        assert self.accept("m=audio 4000 RTP/AVP 0", f"a={answered}", offer=offer).direction == ours

    def test_ports_are_shared_only_when_offered_and_answered(self) -> None:
        offer = make_offer(replace(LOCAL, rtcp_mux=True))
        assert self.accept("m=audio 4000 RTP/AVP 0", "a=rtcp-mux", offer=offer).rtcp_mux
        assert not self.accept("m=audio 4000 RTP/AVP 0", offer=offer).rtcp_mux
        assert not self.accept("m=audio 4000 RTP/AVP 0", "a=rtcp-mux").rtcp_mux

    @pytest.mark.parametrize(
        "lines",
        [
            (),
            ("m=audio 0 RTP/AVP 0",),
            ("m=video 4000 RTP/AVP 31",),
            ("m=audio 4000 RTP/AVP 18",),
            ("m=audio 4000 RTP/AVP 101", EVENTS_101),
            ("m=audio 4000 RTP/SAVP 0",),
        ],
    )
    def test_an_answer_without_audio_for_us_is_rejected(self, lines: tuple[str, ...]) -> None:
        with pytest.raises(SdpRejected):
            self.accept(*lines)

    def test_an_answer_with_another_number_of_lines_is_taken_when_one_audio_line_is_meant(self) -> None:
        first, _ = answer_offer(sdp("m=video 1 RTP/AVP 31", "m=audio 4000 RTP/AVP 0"), LOCAL)
        offer = make_offer(LOCAL, previous=first)
        assert self.accept("m=audio 4444 RTP/AVP 0", offer=offer).remote_port == 4444
        extra = ("m=audio 4000 RTP/AVP 0", "m=video 0 RTP/AVP 31", "m=audio 0 RTP/AVP 0")
        assert self.accept(*extra).remote_port == 4000

    @pytest.mark.parametrize(
        "lines",
        [
            ("m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0"),
            ("m=audio 0 RTP/AVP 0", "m=video 4000 RTP/AVP 31"),
        ],
    )
    def test_where_it_is_in_doubt_which_line_is_meant_it_is_not(self, lines: tuple[str, ...]) -> None:
        with pytest.raises(SdpRejected, match="another number of lines"):
            self.accept(*lines)

    def test_our_line_is_found_by_its_place(self) -> None:
        first, _ = answer_offer(sdp("m=audio 4000 RTP/AVP 18", "m=audio 4002 RTP/AVP 0"), LOCAL)
        offer = make_offer(LOCAL, previous=first)
        assert self.accept("m=audio 5000 RTP/AVP 0", "m=audio 5002 RTP/AVP 0", offer=offer).remote_port == 5002

    def test_an_offer_without_audio_cannot_be_answered(self) -> None:
        with pytest.raises(SdpRejected):
            self.accept("m=audio 4000 RTP/AVP 0", offer=sdp("m=video 1 RTP/AVP 31"))


class TestVersion:
    def test_it_stays_when_nothing_changes_and_rises_by_one_when_something_does(self) -> None:
        first = make_offer(LOCAL)
        assert make_offer(LOCAL, previous=first) == first
        held = make_offer(replace(LOCAL, direction="sendonly"), previous=first)
        assert held.origin == replace(first.origin, session_version="2")
        assert make_offer(LOCAL, previous=held).origin.session_version == "3"

    def test_it_runs_on_through_answers(self) -> None:
        offer = sdp("m=audio 4000 RTP/AVP 0")
        first, _ = answer_offer(offer, LOCAL)
        assert answer_offer(offer, LOCAL, previous=first)[0] == first
        second, _ = answer_offer(sdp("m=audio 4000 RTP/AVP 0", "a=sendonly"), LOCAL, previous=first)
        assert second.origin.session_version == "2"

    def test_an_origin_does_not_change_with_the_media_address(self) -> None:
        first = make_offer(LOCAL)
        moved = make_offer(replace(LOCAL, address="192.0.2.101", session_id=5), previous=first)
        assert (moved.origin.address, moved.origin.session_id) == ("192.0.2.100", "77")
        assert moved.connection is not None
        assert moved.connection.address == "192.0.2.101"

    def test_media_lines_keep_their_places_in_our_next_offer(self) -> None:
        first, _ = answer_offer(sdp("m=video 1 RTP/AVP 31", "m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0"), LOCAL)
        again = make_offer(LOCAL, previous=first)
        assert [(m.kind, m.port) for m in again.media] == [("video", 0), ("audio", 10000), ("audio", 0)]
        settled = accept_answer(
            again, sdp("m=video 0 RTP/AVP 31", "m=audio 4000 RTP/AVP 0", "m=audio 0 RTP/AVP 0"), LOCAL
        )
        assert settled.remote_port == 4000

    def test_payload_types_keep_their_meaning_in_our_next_offer(self) -> None:
        local = replace(LOCAL, codecs=(OPUS, PCMU))
        first, _ = answer_offer(
            sdp("m=audio 1 RTP/AVP 97 96", "a=rtpmap:97 opus/48000/2", "a=rtpmap:96 telephone-event/48000"), local
        )
        (again,) = make_offer(local, previous=first).media
        assert again.formats == ("97", "0", "96", "101")

    def test_a_session_without_audio_so_far_gets_it_at_the_end(self) -> None:
        first = replace(make_offer(LOCAL), media=sdp("m=video 1 RTP/AVP 31").media)
        assert [(m.kind, m.port) for m in make_offer(LOCAL, previous=first).media] == [("video", 0), ("audio", 10000)]

    def test_a_line_in_use_keeps_its_profile(self) -> None:
        first, _ = answer_offer(sdp("m=audio 4000 RTP/AVPF 0"), LOCAL)
        assert make_offer(LOCAL, previous=first).media[0].protocol == "RTP/AVPF"


class TestRefresh:
    OFFER = ("a=x", "m=audio 4000 RTP/AVP 0", "a=sendrecv")

    def test_an_offer_with_an_unchanged_origin_and_media_is_one(self) -> None:
        assert same_session(sdp(*self.OFFER), sdp(*self.OFFER))
        assert same_session(sdp(*self.OFFER), replace(sdp(*self.OFFER), timing="1 2", name="x", bandwidth=(("AS", 1),)))

    @pytest.mark.parametrize(
        "field",
        [
            {"session_version": "2"},
            {"session_id": "2"},
            {"address": "192.0.2.2"},
            {"username": "x"},
        ],
    )
    def test_a_changed_origin_is_none(self, field: dict[str, str]) -> None:
        first = sdp(*self.OFFER)
        assert not same_session(first, replace(first, origin=replace(first.origin, **field)))

    def test_a_change_without_a_new_version_is_taken_for_a_change(self) -> None:
        first = sdp(*self.OFFER)
        for lines in (("a=x", "m=audio 4000 RTP/AVP 0", "a=sendonly"), ("a=sendonly", *self.OFFER[1:])):
            assert not same_session(first, sdp(*lines))
        assert not same_session(first, sdp(*self.OFFER, connection="IN IP4 0.0.0.0"))


KEY = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR"
LINES = st.sampled_from(
    [
        "m=audio 4000 RTP/AVP 0 8 101",
        "m=audio 4000 RTP/AVP 96 97 9 999 x",
        "m=audio 0 RTP/AVP 0",
        "m=video 1 RTP/AVP 31",
        "m=audio 65535 RTP/SAVP 0",
        "c=IN IP4 0.0.0.0",
        "c=IN IP6 ff02::1",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:97 telephone-event/48000",
        "a=rtpmap:0 telephone-event/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:8 CN/8000",
        "a=inactive",
        "a=sendonly",
        "a=ptime:1",
        "a=maxptime:99",
        "a=rtcp:0",
        "a=rtcp:9 IN IP4 192.0.2.9",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "m=audio 4000 RTP/SAVP 8",
        "m=audio 4000 UDP/TLS/RTP/SAVPF 0",
        "m=image 1 udptl t38",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY,
        "a=crypto:5 AES_CM_128_HMAC_SHA1_32 inline:" + KEY + "|2^20|1:4 WSH=64",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY + " KDR=1",
        "a=crypto:nonsense",
        "a=fingerprint:sha-256 00",
        "a=ice-ufrag:8hhY",
        "a=group:BUNDLE 0 1",
        "a=mid:0",
        "a=mid:x y",
        "a=fmtp:101 0-11",
        "a=fmtp:96 minptime=60;stereo=1",
        "b=AS:64",
    ]
)
NAMES = ["rtpmap", "fmtp", "ptime", "maxptime", "rtcp", "mid", "crypto", "fingerprint", "setup", "candidate", "ice-pwd"]
ODD = st.builds("a={}:{}".format, st.sampled_from(NAMES), st.text("0169 /.:-=|;^\u0660é\tAZaz+", max_size=24))
LOCALS = st.builds(
    LocalAudio,
    st.sampled_from(["192.0.2.100", "2001:db8::1"]),
    st.integers(1, 65535),
    st.lists(st.sampled_from([PCMU, PCMA, G722, OPUS]), max_size=4, unique=True).map(tuple),
    st.booleans(),
    st.integers(1, 100),
    st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"]),
    st.booleans(),
    rtcp_rsize=st.booleans(),
    media_encryption=st.sampled_from(MediaEncryption),
    srtp=st.lists(st.sampled_from(SUITES), unique=True).map(tuple),
    session_id=st.integers(0, 2**63),
)


class TestProperties:
    @given(st.lists(LINES | ODD, max_size=14), LOCALS)
    def test_an_answer_fits_its_offer_or_the_offer_is_rejected(self, lines: list[str], local: LocalAudio) -> None:
        try:
            offer = sdp(*lines)
            reply, agreed = answer_offer(offer, local)
        except (SdpRejected, SipParseError):
            return
        assert parse_sdp(bytes(reply)) == reply
        assert [(m.kind, m.protocol) for m in reply.media] == [(m.kind, m.protocol) for m in offer.media]
        (taken,) = [m for m in reply.media if m.port]
        place = reply.media.index(taken)
        assert set(taken.formats) <= set(offer.media[place].formats)
        assert agreed.ptime in {10, 20, 30, 40, 50, 60}
        assert agreed.codec.name in {c.name for c in local.codecs}
        assert taken.direction == agreed.direction
        assert len(taken.crypto) == (agreed.srtp is not None)
        assert agreed.srtp is not None or local.media_encryption is not MediaEncryption.REQUIRED
        again = make_offer(local, previous=reply)
        assert parse_sdp(bytes(again)) == again
        assert [(m.kind, m.protocol) for m in again.media] == [(m.kind, m.protocol) for m in offer.media]

    @given(st.lists(LINES | ODD, max_size=14), LOCALS)
    def test_an_answer_of_any_kind_settles_our_offer_or_is_rejected(self, lines: list[str], local: LocalAudio) -> None:
        try:
            offer = make_offer(local)
            agreed = accept_answer(offer, sdp(*lines), local)
        except (SdpRejected, SipParseError):
            return
        assert agreed.codec.name in {c.name for c in local.codecs}
        assert set(agreed.receive_codecs) <= set(codecs_of(offer.media[0]))
        assert agreed.srtp is not None or local.media_encryption is not MediaEncryption.REQUIRED

    @given(LOCALS, LOCALS)
    def test_two_of_us_agree_or_both_see_that_they_do_not(self, caller: LocalAudio, callee: LocalAudio) -> None:
        required = MediaEncryption.REQUIRED in {caller.media_encryption, callee.media_encryption}
        try:
            offer = make_offer(caller)
            reply, theirs = answer_offer(offer, callee)
        except SdpRejected:
            assert required or not {c.name for c in caller.codecs} & {c.name for c in callee.codecs}
            return
        ours = accept_answer(offer, reply, caller)
        assert ours.codec == replace(theirs.codec, fmtp=ours.codec.fmtp)
        assert (ours.sends, ours.receives) == (theirs.receives, theirs.sends)
        assert ours.dtmf_send_pt == theirs.dtmf_receive_pt
        assert (ours.rtcp_mux, ours.rtcp_rsize) == (theirs.rtcp_mux, theirs.rtcp_rsize)
        assert (ours.srtp is None) == (theirs.srtp is None)
        if ours.srtp is not None and theirs.srtp is not None:
            assert (ours.srtp.send, ours.srtp.receive) == (theirs.srtp.receive, theirs.srtp.send)
