"""What a leg has beside its audio session when the far end is a browser: our side of DTLS and ICE, and the link that
turns both into keys (contract §17)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from media import (
    FarEnd,
    IceCredentials,
    MediaEvent,
    MediaSession,
    MediaUnsecured,
    PeerFingerprint,
    PortsExhausted,
    StreamError,
    StreamParameters,
    WebRtcLink,
    our_certificate,
)
from sip.sdp import Fingerprint, Ice, IceCandidate, LocalAudio, LocalDtls, NegotiatedDtls

# RFC 8445 §5.1.2.1 for a host candidate of the only address that we give, and the only component.
_PRIORITY: Final = (126 << 24) | (65535 << 8) | 255


def prepare_for_browsers() -> None:
    """Makes the certificate of this process, so that no call has to wait for it."""
    our_certificate()


class BrowserAudio:
    """One leg's side of DTLS and ICE. `on_media` is told, once, when no keys came about."""

    def __init__(self, on_media: Callable[[MediaEvent], None]) -> None:
        self._on_media = on_media
        self._credentials = IceCredentials.new()
        self._renewed: IceCredentials | None = None
        self._link: WebRtcLink | None = None
        self._failure: str | None = None

    def local(self, address: str, port: int) -> LocalDtls:
        """What our SDP says, with the address and port at which the far end is to reach us."""
        candidate = IceCandidate("1", 1, "UDP", _PRIORITY, address, port, "host")
        ice = Ice(self._credentials.ufrag, self._credentials.password, lite=True, candidates=(candidate,))
        return LocalDtls(Fingerprint("sha-256", our_certificate().fingerprint), ice)

    def open(self, session: MediaSession) -> None:
        """Answers ICE checks at the session's port from now on.

        Raises media.PortsExhausted where there is no second socket to be had.
        """
        if self._link is not None:
            return
        try:
            self._link = WebRtcLink(session, self._credentials, our_certificate(), self._failed)
        except OSError as error:
            raise PortsExhausted(f"no second socket at the RTP port: {error.strerror}") from error

    def connect(self, dtls: NegotiatedDtls, parameters: StreamParameters) -> None:
        """Takes what was agreed on; the session starts with it once there are keys, at once where there are.

        Raises media.StreamError where it cannot be met, and where no keys came about.
        """
        renewed, self._renewed = self._renewed, None
        if self._failure is not None:
            raise StreamError(self._failure)
        assert self._link is not None
        fingerprints = tuple(PeerFingerprint(one.hash_name, one.digest) for one in dtls.fingerprints)
        ufrag = dtls.ice.ufrag if dtls.ice is not None and dtls.checked else None
        self._link.connect(FarEnd(fingerprints, dtls.active, ufrag), parameters)
        if renewed is not None:
            self._credentials = renewed
            self._link.restart_ice(renewed)

    def renewed(self, before: NegotiatedDtls | None, dtls: NegotiatedDtls, local: LocalAudio) -> LocalAudio:
        """What our SDP says to a later offer: an ICE restart of the far end, which new credentials of its own say, is
        answered with new ones of ours (RFC 8839 §4.4.1.1.1). They count when `connect` has taken the rest."""
        assert local.dtls is not None
        if before is None or before.ice is None or dtls.ice is None:
            return local
        if (before.ice.ufrag, before.ice.password) == (dtls.ice.ufrag, dtls.ice.password):
            return local
        self._renewed = IceCredentials.new()
        ice = replace(local.dtls.ice, ufrag=self._renewed.ufrag, password=self._renewed.password)
        return replace(local, dtls=replace(local.dtls, ice=ice))

    def close(self) -> None:
        """Ends the link, before its session. May be called again."""
        if self._link is not None:
            self._link.close()

    def _failed(self, event: MediaEvent) -> None:
        assert isinstance(event, MediaUnsecured)
        self._failure = event.reason
        self._on_media(event)
