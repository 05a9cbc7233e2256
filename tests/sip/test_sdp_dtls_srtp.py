"""DTLS-SRTP and ICE in offer and answer (RFC 5763, RFC 8842, RFC 8839)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sip.sdp import (
    PCMU,
    SENDONLY,
    SENDRECV,
    Fingerprint,
    Ice,
    IceCandidate,
    LocalAudio,
    LocalDtls,
    MediaEncryption,
    SdpRejected,
    SessionDescription,
    accept_answer,
    agree_offer,
    answer_offer,
    demands_dtls,
    make_offer,
    parse_sdp,
)

OURS = Fingerprint("sha-256", bytes(range(32)))
CANDIDATE = IceCandidate("1", 1, "UDP", 2130706431, "192.0.2.1", 4000, "host")
DTLS = LocalDtls(OURS, Ice("ours", "o" * 22, lite=True, candidates=(CANDIDATE,)))
LOCAL = LocalAudio("192.0.2.1", 4000, (PCMU,), session_id=1, dtls=DTLS)
THEIRS = f"sha-256 {bytes(32).hex(':').upper()}"
ICE = ("a=ice-ufrag:theirs", f"a=ice-pwd:{'t' * 22}")
SECURED = (f"a=fingerprint:{THEIRS}", "a=rtcp-mux", "a=mid:audio")


def description(
    *lines: str, setup: str = "actpass", address: str = "0.0.0.0", port: int = 9, session: str = ""
) -> SessionDescription:
    text = [
        "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", *filter(None, [session]),
        f"m=audio {port} UDP/TLS/RTP/SAVPF 0", f"c=IN IP4 {address}", f"a=setup:{setup}", *lines,
    ]  # fmt: skip
    return parse_sdp("".join(f"{line}\r\n" for line in text).encode())


def lines(session: SessionDescription) -> set[str]:
    return set(str(session).split("\r\n"))


BROWSER = description(*ICE, *SECURED)


@pytest.mark.parametrize(("setup", "active"), [("actpass", True), ("passive", True), ("active", False)])
def test_a_browsers_offer_is_answered_as_a_lite_agent(setup: str, active: bool) -> None:
    answer, audio = answer_offer(description(*ICE, *SECURED, setup=setup), LOCAL)
    assert audio.dtls is not None
    assert (audio.dtls.active, audio.dtls.checked, audio.rtcp_mux, audio.srtp) == (active, True, True, None)
    assert audio.dtls.ice is not None
    assert audio.dtls.ice.ufrag == "theirs"
    assert audio.direction == SENDRECV, "0.0.0.0 is no hold where ICE finds the way"
    assert {
        "a=ice-lite", "m=audio 4000 UDP/TLS/RTP/SAVPF 0", "a=ice-ufrag:ours", f"a=ice-pwd:{'o' * 22}",
        "a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host", "a=end-of-candidates", f"a=fingerprint:{OURS}",
        f"a=setup:{'active' if active else 'passive'}", "a=rtcp-mux", "a=mid:audio",
    } <= lines(answer)  # fmt: skip


def test_without_ice_the_address_of_the_sdp_counts() -> None:
    answer, audio = answer_offer(description(*SECURED, address="192.0.2.9", port=5000), LOCAL)
    assert audio.dtls is not None
    assert (audio.dtls.ice, audio.dtls.checked) == (None, False)
    assert (audio.remote_address, audio.remote_port, audio.remote_rtcp) == ("192.0.2.9", 5000, ("192.0.2.9", 5000))
    assert not any("ice" in line or "candidate" in line for line in lines(answer))
    lite = description(*ICE, *SECURED, address="192.0.2.9", session="a=ice-lite")
    agreed = agree_offer(lite, LOCAL).audio.dtls
    assert agreed is not None
    assert not agreed.checked, "two lite agents check nothing"


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        (description(*ICE, *SECURED[1:]), "no usable a=fingerprint"),
        (description(*ICE, "a=fingerprint:sha-256 00:11", *SECURED[1:]), "no usable a=fingerprint"),
        (description(*ICE, SECURED[0]), "DTLS-SRTP without a=rtcp-mux"),
        (description(*ICE, *SECURED, setup="holdconn"), "no role for DTLS"),
        (description(*SECURED), "no way to the media but ICE"),
        (description(ICE[0], *SECURED), "no way to the media but ICE"),
    ],
)
def test_what_no_handshake_can_come_of_is_refused(offer: SessionDescription, reason: str) -> None:
    with pytest.raises(SdpRejected, match=reason) as refused:
        agree_offer(offer, LOCAL)
    assert (refused.value.status, refused.value.warning, refused.value.medium) == (488, 302, 1)


def test_who_does_not_speak_dtls_refuses_it() -> None:
    assert demands_dtls(BROWSER)
    assert not demands_dtls(make_offer(replace(LOCAL, dtls=None)))
    with pytest.raises(SdpRejected, match="DTLS-SRTP is not spoken"):
        agree_offer(BROWSER, replace(LOCAL, dtls=None))
    with pytest.raises(SdpRejected, match="DTLS-SRTP is not spoken"):
        make_offer(replace(LOCAL, dtls=None, offers_dtls=True))


def test_encryption_that_is_required_is_met() -> None:
    assert agree_offer(BROWSER, replace(LOCAL, media_encryption=MediaEncryption.REQUIRED)).audio.dtls is not None


def test_our_offer_leaves_the_role_to_the_browser() -> None:
    local = replace(LOCAL, offers_dtls=True)
    offer = make_offer(local)
    assert {
        "a=ice-lite", "a=setup:actpass", "a=rtcp-mux", "a=mid:0", f"a=fingerprint:{OURS}", "a=ice-ufrag:ours"
    } <= lines(offer)  # fmt: skip
    assert offer.media[0].protocol == "UDP/TLS/RTP/SAVPF"
    for setup, active in (("active", False), ("passive", True)):
        audio = accept_answer(offer, description(*ICE, *SECURED, setup=setup), local)
        assert audio.dtls is not None
        assert (audio.dtls.active, audio.rtcp_mux) == (active, True)
    for wrong in ("actpass", "holdconn"):
        with pytest.raises(SdpRejected, match="no role for DTLS"):
            accept_answer(offer, description(*ICE, *SECURED, setup=wrong), local)


@pytest.mark.parametrize("first", ["active", "passive"])
def test_the_role_stays_for_the_session_and_so_does_the_profile(first: str) -> None:
    answer, audio = answer_offer(description(*ICE, *SECURED, setup=first), LOCAL)
    again, renewed = answer_offer(description(*ICE, *SECURED, "a=sendonly"), LOCAL, previous=answer, in_force=audio)
    assert renewed.dtls == audio.dtls
    assert renewed.direction == "recvonly"
    assert f"a=setup:{'passive' if first == 'active' else 'active'}" in lines(again)
    offer = make_offer(replace(LOCAL, direction=SENDONLY), previous=again)
    assert offer.media[0].protocol == "UDP/TLS/RTP/SAVPF"
    assert {"a=setup:actpass", "a=ice-ufrag:ours", "a=mid:audio", "a=sendonly"} <= lines(offer)
