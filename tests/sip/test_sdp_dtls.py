"""DTLS lines of SDP (RFC 8122, RFC 4145): typed, and passed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.sdp import PCMU, LocalAudio, SdpRejected, SessionDescription, answer_offer, parse_sdp
from sip.sdp.dtls import Dtls, Fingerprint, dtls_of

DIGEST = ":".join(f"{n:02X}" for n in range(32))
SHA_256 = Fingerprint("sha-256", bytes(range(32)))
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


def sdp(*lines: str) -> SessionDescription:
    return parse_sdp(HEAD + "".join(f"{line}\r\n" for line in lines))


def dtls(*lines: str) -> Dtls | None:
    session = sdp(*lines)
    return dtls_of(session, session.media[0])


class TestFingerprint:
    @pytest.mark.parametrize("value", [f"sha-256 {DIGEST}", f"SHA-256 {DIGEST.lower()}"])
    def test_it_is_read_in_any_case_and_written_in_one(self, value: str) -> None:
        assert Fingerprint.parse(value) == SHA_256
        assert str(SHA_256) == f"sha-256 {DIGEST}"

    @pytest.mark.parametrize(
        "value",
        ["", "sha-256", f"sha-256 {DIGEST}:00", f"sha-1 {DIGEST}", f"md5 {DIGEST[:47]}", "sha-256 " + "0" * 64, "x y"],
    )
    def test_what_is_none(self, value: str) -> None:
        assert Fingerprint.parse(value) is None

    @given(st.text(max_size=80))
    def test_no_text_raises(self, text: str) -> None:
        found = Fingerprint.parse(text)
        assert found is None or Fingerprint.parse(str(found)) == found


class TestOfAMedium:
    M = "m=audio 4000 UDP/TLS/RTP/SAVPF 0"

    def test_its_own_lines_or_those_of_the_session(self) -> None:
        expected = Dtls((SHA_256,), "actpass", "abc")
        lines = (f"a=fingerprint:sha-256 {DIGEST}", "a=setup:actpass", "a=tls-id:abc")
        assert dtls(self.M, *lines) == expected
        assert dtls(*lines, self.M) == expected

    @pytest.mark.parametrize(
        ("line", "setup"), [("a=x", "active"), ("a=setup:PASSIVE", "passive"), ("a=setup:x", "active")]
    )
    def test_the_role(self, line: str, setup: str) -> None:
        found = dtls(self.M, f"a=fingerprint:sha-256 {DIGEST}", line)
        assert found is not None
        assert found.setup == setup

    def test_several_fingerprints_less_the_unreadable(self) -> None:
        sha_1 = "sha-1 " + DIGEST[:59]
        found = dtls(self.M, f"a=fingerprint:{sha_1}", "a=fingerprint:md2 00", f"a=fingerprint:sha-256 {DIGEST}")
        assert found is not None
        assert [f.hash_name for f in found.fingerprints] == ["sha-1", "sha-256"]

    def test_none_at_all(self) -> None:
        assert dtls(self.M) is None
        assert dtls(self.M, "a=fingerprint:x", "a=setup:active") is None

    @pytest.mark.parametrize("protocol", ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "udp/tls/rtp/savpf", "RTP/SAVPF"])
    def test_an_offer_that_demands_it_is_488(self, protocol: str) -> None:
        offer = sdp(f"m=audio 4000 {protocol} 0", f"a=fingerprint:sha-256 {DIGEST}", "a=setup:actpass")
        with pytest.raises(SdpRejected) as caught:
            answer_offer(offer, LocalAudio("192.0.2.100", 10000, (PCMU,), session_id=1))
        assert (caught.value.status, caught.value.warning) == (488, 302)

    def test_on_a_plain_profile_it_is_passed_over(self) -> None:
        offer = sdp("m=audio 4000 RTP/AVP 0", f"a=fingerprint:sha-256 {DIGEST}", "a=setup:actpass")
        answer, agreed = answer_offer(offer, LocalAudio("192.0.2.100", 10000, (PCMU,), session_id=1))
        assert agreed.srtp is None
        assert not answer.media[0].has("fingerprint")
        assert not answer.media[0].has("setup")
