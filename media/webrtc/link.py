"""Secures a media session for a browser: answers its ICE checks, makes keys by DTLS, and starts the audio with them.

The link stands beside its session and ends with it. Until the keys are there the session sends nothing and takes
nothing; what is queued in it meanwhile is heard from its first packet on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aioice.stun import Message

from media.events import MediaEvent, MediaUnsecured
from media.kernel.keys import SrtpParameters
from media.kernel.stream import StreamError, StreamParameters
from media.session import MediaSession
from media.webrtc.certificate import DtlsCertificate
from media.webrtc.companion import Companion
from media.webrtc.dtls import DtlsAssociation, DtlsError, PeerFingerprint
from media.webrtc.ice import Address, IceCredentials, IceLite

_log = logging.getLogger(__name__)

SECURING_SECONDS: Final = 15.0
"""From the SDP of both sides to the keys; a browser gives up its checks in about that time."""

EARLY_LIMIT: Final = 4
"""Datagrams of a handshake that are kept for the SDP which says whose it is."""


@dataclass(frozen=True, slots=True)
class FarEnd:
    """The far end as its SDP describes it.

    `active`: we are the client of the handshake. `ufrag` is None for one without ICE, or one as lite as we are: there
    the address of its SDP is taken as it stands.
    """

    fingerprints: tuple[PeerFingerprint, ...]
    active: bool
    ufrag: str | None


class WebRtcLink:
    """ICE and DTLS at the port of one session. `local` are the ICE credentials that our SDP gives.

    A failure is told to `on_event`, once, as `MediaUnsecured`. Raises OSError where the port cannot be shared.
    """

    def __init__(
        self,
        session: MediaSession,
        local: IceCredentials,
        certificate: DtlsCertificate,
        on_event: Callable[[MediaEvent], None],
    ) -> None:
        self._session = session
        self._ice = IceLite(local)
        self._certificate = certificate
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._pair = session.lodging.pair
        self._companion = Companion.at(self._pair)
        self._companion.admit(local.ufrag, self)
        self._far_end: FarEnd | None = None
        self._parameters: StreamParameters | None = None
        self._dtls: DtlsAssociation | None = None
        self._keys: SrtpParameters | None = None
        # Where the far end is, once it has proven to be there; what it nominates goes before what it only checks.
        self._remote: Address | None = None
        # Of a far end that begins before its SDP has come
        self._early: deque[bytes] = deque(maxlen=EARLY_LIMIT)
        self._deadline: asyncio.TimerHandle | None = None
        self._retransmission: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def secured(self) -> bool:
        """Whether the keys are there."""
        return self._keys is not None

    def connect(self, far_end: FarEnd, parameters: StreamParameters) -> None:
        """Take what was negotiated, at first and after every later offer and answer.

        The session is started when the keys are there, with `parameters` but for its address and keys. Raises
        StreamError for a certificate that is another than before: its keys would need a handshake of their own.
        """
        before = self._far_end
        if before is not None and set(before.fingerprints) != set(far_end.fingerprints):
            raise StreamError("a=fingerprint: another certificate within a call is not taken")
        self._far_end, self._parameters = far_end, parameters
        self._ice.remote_ufrag = far_end.ufrag
        if before is not None:
            self._start()
            return
        self._dtls = DtlsAssociation(self._certificate, far_end.fingerprints, active=far_end.active)
        self._deadline = self._loop.call_later(SECURING_SECONDS, self._too_late)
        if far_end.ufrag is None:
            remote = (parameters.remote_address, parameters.remote_port)
            self._companion.know(remote, self)
            self._found(remote)
        elif self._remote is not None:
            self._open()

    def restart_ice(self, local: IceCredentials) -> None:
        """Give new credentials (RFC 8839 §4.4.1.1.1); the audio stays where it is until the far end nominates anew."""
        self._ice.local = local
        if not self._closed:
            self._companion.admit(local.ufrag, self)

    def close(self) -> None:
        """Tell the far end, and let the port go. May be called again."""
        if self._closed:
            return
        if self._dtls is not None and self._keys is not None:
            self._send_all(self._dtls.close())
        self._stop()

    def _stop(self) -> None:
        self._closed = True
        for timer in (self._deadline, self._retransmission):
            if timer is not None:
                timer.cancel()
        self._companion.dismiss(self._pair, self)

    def check(self, request: Message, source: Address) -> None:
        """Take a connectivity check; called by the companion."""
        checked = self._ice.answer(request, source)
        self._companion.send(checked.response, source)
        if not checked.proven:
            return
        self._companion.know(source, self)
        if self._remote is None or checked.nominated:
            self._found(source)

    def handshake(self, data: bytes, source: Address) -> None:
        """Take a datagram of DTLS; called by the companion."""
        del source
        if self._dtls is None:
            self._early.append(data)
        else:
            self._advance(self._dtls, data)

    def _found(self, remote: Address) -> None:
        """The far end is there, for the first time or somewhere else than before."""
        before, self._remote = self._remote, remote
        if self._far_end is None or remote == before:
            return
        if before is None:
            self._open()
        else:
            self._start()

    def _open(self) -> None:
        if self._dtls is None:
            return
        self._send_all(self._dtls.start())
        self._await_more(self._dtls)
        while self._early and not self._closed:
            self._advance(self._dtls, self._early.popleft())

    def _advance(self, dtls: DtlsAssociation, data: bytes) -> None:
        try:
            datagrams, keys = dtls.receive(data)
        except DtlsError as error:
            self._send_all(dtls.last_words())
            self._fail(str(error))
            return
        self._send_all(datagrams)
        if keys is not None:
            self._keys = keys
            if self._deadline is not None:
                self._deadline.cancel()
            self._start()
        self._await_more(dtls)

    def _await_more(self, dtls: DtlsAssociation) -> None:
        if self._retransmission is not None:
            self._retransmission.cancel()
            self._retransmission = None
        timeout = dtls.timeout
        if timeout is not None and not self._closed:
            self._retransmission = self._loop.call_later(timeout, self._send_again, dtls)

    def _send_again(self, dtls: DtlsAssociation) -> None:
        try:
            self._send_all(dtls.expired())
        except DtlsError as error:
            self._fail(str(error))
            return
        self._await_more(dtls)

    def _start(self) -> None:
        """Starts the session, or changes it, with what is known by now."""
        if self._keys is None or self._parameters is None or self._remote is None:
            return
        host, port = self._remote
        parameters = replace(
            self._parameters,
            remote_address=host,
            remote_port=port,
            rtcp_address=self._remote,
            rtcp_mux=True,
            srtp=self._keys,
        )
        try:
            self._session.start(parameters)
        except StreamError as error:
            self._fail(str(error))

    def _too_late(self) -> None:
        if self._remote is None:
            self._fail(f"ICE: no check of the far end has reached {self._where()} in {SECURING_SECONDS:.0f} s")
        else:
            self._fail(f"DTLS: no handshake with {self._remote[0]} port {self._remote[1]} in {SECURING_SECONDS:.0f} s")

    def _where(self) -> str:
        return "UDP {} port {}".format(*self._session.local)

    def _fail(self, reason: str) -> None:
        if self._closed:
            return
        _log.info("no secure media at %r: %s", self._session, reason)
        self._stop()
        self._on_event(MediaUnsecured(self._session, reason))

    def _send_all(self, datagrams: Sequence[bytes]) -> None:
        for datagram in datagrams:
            if self._remote is not None:
                self._companion.send(datagram, self._remote)
