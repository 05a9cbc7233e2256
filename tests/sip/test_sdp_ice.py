"""ICE lines of SDP (RFC 8839): typed and passed on; not needed to talk to us."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.sdp import PCMU, LocalAudio, SdpRejected, SessionDescription, answer_offer, parse_sdp
from sip.sdp.ice import MAX_CANDIDATES, Ice, IceCandidate, ice_of

HOST = "1 1 UDP 2130706431 203.0.113.141 8998 typ host"
REFLEXIVE = "2 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998 generation 0"
UFRAG, PASSWORD = "8hhY", "asd88fgpdd777uzjYhagZg"
LOCAL = LocalAudio("192.0.2.100", 10000, (PCMU,), session_id=1)


def sdp(*lines: str, address: str = "192.0.2.1") -> SessionDescription:
    head = f"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
    return parse_sdp(head + "".join(f"{line}\r\n" for line in lines))


def ice(*lines: str) -> Ice | None:
    session = sdp(*lines)
    return ice_of(session, session.media[0])


class TestCandidate:
    def test_a_host(self) -> None:
        found = IceCandidate.parse(HOST)
        assert found == IceCandidate("1", 1, "UDP", 2130706431, "203.0.113.141", 8998, "host")
        assert str(found) == HOST

    def test_a_reflexive_one_with_an_extension(self) -> None:
        found = IceCandidate.parse(REFLEXIVE)
        assert found is not None
        assert (found.related, found.extensions) == (("203.0.113.141", 8998), (("generation", "0"),))
        assert str(found) == REFLEXIVE

    @pytest.mark.parametrize(
        ("address", "known"),
        [("2001:db8::3", True), ("a1b2.local", True), ("256.1.1.1", False), ("fe80::1%eth0", False), ("a/b", False)],
    )
    def test_its_address(self, address: str, known: bool) -> None:
        assert (IceCandidate.parse(f"1 1 UDP 1 {address} 9 typ host") is not None) is known

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "1 1 UDP 1 192.0.2.1 9",
            "1 1 UDP 1 192.0.2.1 9 typ",
            "1 1 UDP 1 192.0.2.1 9 kind host",
            "1 0 UDP 1 192.0.2.1 9 typ host",
            "1 257 UDP 1 192.0.2.1 9 typ host",
            "1 1 UDP 0 192.0.2.1 9 typ host",
            "1 1 UDP 2147483648 192.0.2.1 9 typ host",
            "1 1 UDP 1 192.0.2.1 65536 typ host",
            "1 1 UDP 1 192.0.2.1 -1 typ host",
            "- 1 UDP 1 192.0.2.1 9 typ host",
            "x" * 33 + " 1 UDP 1 192.0.2.1 9 typ host",
            HOST + " odd",
        ],
    )
    def test_a_malformed_one_is_none(self, value: str) -> None:
        assert IceCandidate.parse(value) is None

    @given(st.text(max_size=80) | st.builds("{} {}".format, st.just(HOST), st.text(max_size=30)))
    def test_no_text_raises(self, text: str) -> None:
        found = IceCandidate.parse(text)
        assert found is None or IceCandidate.parse(str(found)) == found


class TestOfAMedium:
    M = "m=audio 4000 RTP/AVP 0"
    CREDENTIALS = (f"a=ice-ufrag:{UFRAG}", f"a=ice-pwd:{PASSWORD}")

    def test_its_lines_and_those_of_the_session(self) -> None:
        found = ice(
            "a=ice-lite",
            "a=ice-options:trickle rtp+ecn",
            *self.CREDENTIALS,
            self.M,
            f"a=candidate:{HOST}",
            "a=candidate:nonsense",
            f"a=candidate:{REFLEXIVE}",
            "a=end-of-candidates",
        )
        assert found is not None
        assert (found.ufrag, found.password, found.lite, found.complete) == (UFRAG, PASSWORD, True, True)
        assert found.options == ("trickle", "rtp+ecn")
        assert [candidate.kind for candidate in found.candidates] == ["host", "srflx"]
        assert PASSWORD not in repr(found)

    @pytest.mark.parametrize(
        "lines",
        [(), CREDENTIALS[:1], CREDENTIALS[1:], ("a=ice-ufrag:abc", CREDENTIALS[1]), (CREDENTIALS[0], "a=ice-pwd:x")],
    )
    def test_none_without_lawful_credentials(self, lines: tuple[str, ...]) -> None:
        assert ice(self.M, *lines) is None

    def test_candidates_are_bounded(self) -> None:
        found = ice(self.M, *self.CREDENTIALS, *[f"a=candidate:{HOST}"] * (MAX_CANDIDATES + 1))
        assert found is not None
        assert len(found.candidates) == MAX_CANDIDATES

    def test_on_plain_rtp_it_is_passed_over(self) -> None:
        answer, agreed = answer_offer(sdp(self.M, *self.CREDENTIALS, f"a=candidate:{HOST}"), LOCAL)
        assert (agreed.remote_address, agreed.remote_port) == ("192.0.2.1", 4000)
        assert not any("ice" in name or name == "candidate" for name, _ in answer.media[0].attributes)

    def test_an_offer_with_no_way_but_ice_is_488(self) -> None:
        offer = sdp("m=audio 9 RTP/AVP 0", *self.CREDENTIALS, "a=ice-options:trickle", address="0.0.0.0")
        with pytest.raises(SdpRejected) as caught:
            answer_offer(offer, LOCAL)
        assert (caught.value.status, caught.value.warning) == (488, 302)

    def test_a_hold_by_address_of_an_ice_phone_is_a_hold(self) -> None:
        assert answer_offer(sdp(self.M, *self.CREDENTIALS, address="0.0.0.0"), LOCAL)[1].held

    def test_a_hold_on_the_discard_port_is_no_ice(self) -> None:
        assert answer_offer(sdp("m=audio 9 RTP/AVP 0", address="0.0.0.0"), LOCAL)[1].held
