"""SDP for calls: reading and writing descriptions (RFC 8866), offer and answer (RFC 3264), SRTP keys (RFC 4568).

Knows nothing of the SIP messages which carry them, nor of the media they are about.
"""

from sip.sdp.audio import LocalAudio, NegotiatedAudio
from sip.sdp.codecs import G722, OPUS, PCMA, PCMU, Codec, codecs_named
from sip.sdp.crypto import SUITES, CryptoAttribute, CryptoSuite, MasterKey, Mki
from sip.sdp.description import (
    INACTIVE,
    RECVONLY,
    SENDONLY,
    SENDRECV,
    Connection,
    MediaDescription,
    Origin,
    RtcpAddress,
    RtpMap,
    SessionDescription,
)
from sip.sdp.dtls import Dtls, Fingerprint, demands_dtls, dtls_of
from sip.sdp.dtls_srtp import LocalDtls, NegotiatedDtls
from sip.sdp.formats import OpusParameters, opus_parameters, telephone_events
from sip.sdp.ice import Ice, IceCandidate, ice_of
from sip.sdp.keying import MediaEncryption, SrtpKeys
from sip.sdp.negotiation import (
    OfferAgreement,
    accept_answer,
    agree_offer,
    answer_offer,
    make_offer,
    same_session,
    write_answer,
)
from sip.sdp.parser import DEFAULT_LIMITS, SdpLimits, parse_sdp
from sip.sdp.rejection import SdpRejected

__all__ = [
    "DEFAULT_LIMITS",
    "G722",
    "INACTIVE",
    "OPUS",
    "PCMA",
    "PCMU",
    "RECVONLY",
    "SENDONLY",
    "SENDRECV",
    "SUITES",
    "Codec",
    "Connection",
    "CryptoAttribute",
    "CryptoSuite",
    "Dtls",
    "Fingerprint",
    "Ice",
    "IceCandidate",
    "LocalAudio",
    "LocalDtls",
    "MasterKey",
    "MediaDescription",
    "MediaEncryption",
    "Mki",
    "NegotiatedAudio",
    "NegotiatedDtls",
    "OfferAgreement",
    "OpusParameters",
    "Origin",
    "RtcpAddress",
    "RtpMap",
    "SdpLimits",
    "SdpRejected",
    "SessionDescription",
    "SrtpKeys",
    "accept_answer",
    "agree_offer",
    "answer_offer",
    "codecs_named",
    "demands_dtls",
    "dtls_of",
    "ice_of",
    "make_offer",
    "opus_parameters",
    "parse_sdp",
    "same_session",
    "telephone_events",
    "write_answer",
]
