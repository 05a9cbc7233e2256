"""Sessions secured for browsers, without SIP: two at one port, early handshakes, another way to the same browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from media import (
    FarEnd,
    IceCredentials,
    MediaConfig,
    MediaEvent,
    MediaPlane,
    MediaSession,
    MediaUnsecured,
    PeerFingerprint,
    PromptAudio,
    StreamError,
    StreamParameters,
    WebRtcLink,
    our_certificate,
)
from media.webrtc import link as link_module
from tests.support.browser_media import HOST, PCMU, BrowserMedia, browser_media
from tests.support.tones import sine

PARAMETERS = StreamParameters("0.0.0.0", 9, "PCMU", 0, 0, 126, 126)


class Side:
    """Our side of one call: session, link and what they told."""

    def __init__(self, plane: MediaPlane) -> None:
        self.events: list[MediaEvent] = []
        self.session: MediaSession = plane.open(HOST, self.events.append)
        self.credentials = IceCredentials.new()
        self.link = WebRtcLink(self.session, self.credentials, our_certificate(), self.events.append)

    def description(self, setup: str) -> str:
        """What our SDP would say."""
        port = self.session.local[1]
        lines = (
            f"m=audio {port} UDP/TLS/RTP/SAVPF 0 126", "a=rtpmap:126 telephone-event/8000", "a=ice-lite",
            f"a=ice-ufrag:{self.credentials.ufrag}", f"a=ice-pwd:{self.credentials.password}",
            f"a=candidate:1 1 UDP 1 {HOST} {port} typ host", f"a=setup:{setup}",
            f"a=fingerprint:sha-256 {our_certificate().fingerprint.hex(':')}",
        )  # fmt: skip
        return "\n".join(lines)

    def far_end(self, media: BrowserMedia, *, active: bool) -> FarEnd:
        digest = bytes.fromhex(media.fingerprint.split()[1].replace(":", ""))
        ufrag = media.gatherer.getLocalParameters().usernameFragment
        return FarEnd((PeerFingerprint("sha-256", digest),), active, ufrag)

    def connect(self, media: BrowserMedia) -> None:
        self.link.connect(self.far_end(media, active=True), PARAMETERS)
        media.connect(self.description("active"))

    def say(self, hertz: float) -> None:
        self.session.play(PromptAudio(sine(hertz, 10.0), f"{hertz} Hz"))

    async def close(self) -> None:
        self.link.close()
        self.link.close()
        await self.session.close()


@pytest.fixture
async def plane() -> AsyncIterator[MediaPlane]:
    """One port pair for everybody."""
    plane = MediaPlane(MediaConfig(rtp_ports=(21990, 21991), realtime=False, capacity=8))
    await plane.start()
    yield plane
    await plane.close()


async def test_two_browsers_at_one_port_are_told_apart(plane: MediaPlane) -> None:
    async with browser_media(PCMU) as one, browser_media(PCMU) as other:
        first = Side(plane)
        first.say(440)
        first.connect(one)
        one.say(600)
        await one.hears(440)
        # the first is known by its address now, so that the second can have the port's seat
        second = Side(plane)
        assert second.session.local == first.session.local
        second.say(880)
        second.connect(other)
        other.say(700)
        await other.hears(880)
        await one.hears(440, at_least=0.2)
        await first.close()
        await other.hears(880, at_least=0.2)
        for side in (first, second):
            assert side.session.statistics().dropped["authentication"] == 0
            assert side.session.statistics().packets_in > 10
        await second.close()
    assert second.session.lodging.pair.companion is None


async def test_a_handshake_that_is_ahead_of_its_sdp_waits_for_it(plane: MediaPlane) -> None:
    async with browser_media(PCMU) as media:
        side = Side(plane)
        media.connect(side.description("passive"))
        async with asyncio.timeout(5):
            while not side.link._early:
                await asyncio.sleep(0.01)
        side.say(440)
        side.link.connect(side.far_end(media, active=False), PARAMETERS)
        async with asyncio.timeout(0.9):  # before it would be sent again
            await media.connected()
        await media.hears(440, at_least=0.2)
        with pytest.raises(StreamError, match="another certificate"):
            side.link.connect(FarEnd((PeerFingerprint("sha-256", bytes(32)),), False, None), PARAMETERS)
        await media.hears(440, at_least=0.2)
        await side.close()


async def test_what_does_not_come_about_is_told_once(plane: MediaPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "SECURING_SECONDS", 0.1)
    silent = Side(plane)
    silent.link.connect(FarEnd((PeerFingerprint("sha-256", bytes(32)),), True, "nobody"), PARAMETERS)
    async with asyncio.timeout(5):
        while not silent.events:
            await asyncio.sleep(0.01)
    await silent.close()
    # one without ICE, at whose address nobody speaks DTLS
    deaf = Side(plane)
    deaf.link.connect(
        FarEnd((PeerFingerprint("sha-256", bytes(32)),), True, None),
        StreamParameters(HOST, 9, "PCMU", 0, 0, None, None),
    )
    async with asyncio.timeout(5):
        while not deaf.events:
            await asyncio.sleep(0.01)
    await deaf.close()
    told = [event for side in (silent, deaf) for event in side.events]
    assert all(isinstance(event, MediaUnsecured) for event in told)
    assert [event.reason for event in told if isinstance(event, MediaUnsecured)] == [
        "ICE: no check of the far end has reached UDP 127.0.0.1 port 21990 in 0 s",
        "DTLS: no handshake with 127.0.0.1 port 9 in 0 s",
    ]
