"""DTLS-SRTP agreed by offer and answer (RFC 5763, RFC 8842), with ICE beside it (RFC 8839): what browsers speak.

We are an ICE lite agent: we say where we are and let the far end check it. RTP and RTCP share a port, as browsers
demand (RFC 8834 §4.5). The handshake itself, and what it proves, are matters of the media room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sip.sdp.description import Attribute, MediaDescription, SessionDescription
from sip.sdp.dtls import Fingerprint, dtls_of
from sip.sdp.ice import Ice, ice_of
from sip.sdp.rejection import INCOMPATIBLE_TRANSPORT, SdpRejected

OFFERED_PROTOCOL: Final = "UDP/TLS/RTP/SAVPF"
OFFERED_MID: Final = "0"

ACTIVE: Final = "active"
PASSIVE: Final = "passive"
ACTPASS: Final = "actpass"


@dataclass(frozen=True, slots=True)
class LocalDtls:
    """Our side: the fingerprint of our certificate, and our ICE credentials and candidates."""

    fingerprint: Fingerprint
    ice: Ice


@dataclass(frozen=True, slots=True)
class NegotiatedDtls:
    """The far end as it described itself, and who speaks first.

    The certificate in the handshake must have one of `fingerprints`. `active`: we are the client. `ice` is what the far
    end said of ICE, None where it said nothing.
    """

    fingerprints: tuple[Fingerprint, ...]
    active: bool
    ice: Ice | None

    @property
    def checked(self) -> bool:
        """Whether the far end will check its ways to us, so that the address in its SDP means nothing."""
        return self.ice is not None and not self.ice.lite


def agree_dtls(
    remote: SessionDescription,
    medium: MediaDescription,
    number: int,
    *,
    answered: bool,
    in_force: NegotiatedDtls | None,
) -> NegotiatedDtls:
    """What a line with a DTLS profile settles: an offer to us, or with `answered` the answer to our offer.

    Of an offer that leaves the role to us we take the client's (RFC 8842 §5.3), or keep the one that we have. Raises
    SdpRejected, which names the media line `number`.
    """
    theirs = dtls_of(remote, medium)
    if theirs is None:
        raise SdpRejected("no usable a=fingerprint", warning=INCOMPATIBLE_TRANSPORT, medium=number)
    if not medium.rtcp_mux:
        raise SdpRejected("DTLS-SRTP without a=rtcp-mux", warning=INCOMPATIBLE_TRANSPORT, medium=number)
    if theirs.setup == ACTPASS and not answered:
        active = in_force is None or in_force.active
    elif theirs.setup in {ACTIVE, PASSIVE}:
        active = theirs.setup == PASSIVE
    else:
        raise SdpRejected("no role for DTLS (a=setup)", warning=INCOMPATIBLE_TRANSPORT, medium=number)
    return NegotiatedDtls(theirs.fingerprints, active, ice_of(remote, medium))


def dtls_attributes(local: LocalDtls, setup: str, *, ice: bool) -> list[Attribute]:
    """The lines of our audio that say who we are and, with `ice`, where."""
    attributes: list[Attribute] = []
    if ice:
        attributes += [("ice-ufrag", local.ice.ufrag), ("ice-pwd", local.ice.password)]
        attributes += [("candidate", str(candidate)) for candidate in local.ice.candidates]
        attributes.append(("end-of-candidates", None))
    attributes += [("fingerprint", str(local.fingerprint)), ("setup", setup)]
    return attributes
