"""The two sides of a negotiation as typed values: what we can do with an audio stream, and what was agreed on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from sip.sdp.codecs import Codec
from sip.sdp.crypto import CryptoSuite
from sip.sdp.description import INACTIVE, RECVONLY, SENDONLY, SENDRECV
from sip.sdp.dtls_srtp import LocalDtls, NegotiatedDtls
from sip.sdp.formats import KEYS
from sip.sdp.keying import MediaEncryption, SrtpKeys

SENDS: Final = frozenset({SENDRECV, SENDONLY})
RECEIVES: Final = frozenset({SENDRECV, RECVONLY})


@dataclass(frozen=True, slots=True)
class LocalAudio:
    """Our side of an audio stream.

    `codecs` are in order of preference, `ptime` is in ms, `direction` is what we would like. `rtcp_mux` and
    `rtcp_rsize` say that the session can take RTP and RTCP on one port, and RTCP packets of reduced size (RFC 5506).
    `srtp` are the crypto suites that the media session can serve, in order of preference; while there is none, offers
    that demand SRTP are refused. `media_encryption` is what we offer (contract §14.1). With `dtls` offers of DTLS-SRTP
    are answered, and with `offers_dtls` it is what we offer, in place of all other encryption. `session_version` is
    used where there is no previous description.
    """

    address: str
    port: int
    codecs: tuple[Codec, ...]
    telephone_event: bool = True
    ptime: int = 20
    direction: str = SENDRECV
    rtcp_mux: bool = False
    rtcp_rsize: bool = field(default=False, kw_only=True)
    media_encryption: MediaEncryption = field(default=MediaEncryption.DISABLED, kw_only=True)
    srtp: tuple[CryptoSuite, ...] = field(default=(), kw_only=True)
    dtls: LocalDtls | None = field(default=None, kw_only=True)
    offers_dtls: bool = field(default=False, kw_only=True)
    session_id: int = field(kw_only=True)
    session_version: int = field(default=1, kw_only=True)

    def holding(self) -> LocalAudio:
        """The same with the peer put on hold: we send, if we did, and take nothing (RFC 3264 §8.4)."""
        return replace(self, direction=SENDONLY if self.direction in SENDS else INACTIVE)

    def resuming(self) -> LocalAudio:
        """The same with the peer off hold again: what `holding` took away is back."""
        return replace(self, direction=SENDRECV if self.direction in SENDS else RECVONLY)


@dataclass(frozen=True, slots=True)
class NegotiatedAudio:
    """What both sides agreed on, as the media session needs it.

    `remote_address` may be a host name; with `0.0.0.0` or `::` nothing may be sent. `codec` has the payload type that
    we send. `receive_codecs` are all formats the peer may send, with the payload types it uses; the first of them is
    that of `codec`. `remote_rtcp` is None when the peer has no place for RTCP. `dtmf_clock` is the clock of
    telephone-event in Hz, `dtmf_events` the events the peer takes (RFC 4733 §3.2), `ptime` the packet time to send in
    ms (10 to 60, a multiple of 10). `comfort_noise_pt` is the payload type on which the peer, unasked, may send comfort
    noise. `direction` is ours. `srtp` has the keys of both sides, `dtls` whose keys a handshake is to make;
    with neither it is plain RTP.
    """

    remote_address: str
    remote_port: int
    remote_rtcp: tuple[str, int] | None
    rtcp_mux: bool
    codec: Codec
    receive_payload_type: int
    dtmf_send_pt: int | None
    dtmf_receive_pt: int | None
    dtmf_clock: int
    ptime: int
    direction: str
    comfort_noise_pt: int | None
    protocol: str
    receive_codecs: tuple[Codec, ...] = ()
    dtmf_events: frozenset[int] = KEYS
    rtcp_rsize: bool = False
    srtp: SrtpKeys | None = None
    dtls: NegotiatedDtls | None = None

    @property
    def sends(self) -> bool:
        """Whether we may send audio."""
        return self.direction in SENDS

    @property
    def receives(self) -> bool:
        """Whether the peer may send audio."""
        return self.direction in RECEIVES

    @property
    def held(self) -> bool:
        """Whether our audio is not wanted, as on a call put on hold (RFC 3264 §8.4)."""
        return not self.sends
