"""SDP for calls: reading and writing descriptions (RFC 8866), offer and answer (RFC 3264).

Knows nothing of the SIP messages which carry them, nor of the media they are about.
"""

from sip.sdp.codecs import G722, OPUS, PCMA, PCMU, Codec, codecs_named
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
from sip.sdp.negotiation import LocalAudio, NegotiatedAudio, SdpRejected, accept_answer, answer_offer, make_offer
from sip.sdp.parser import DEFAULT_LIMITS, SdpLimits, parse_sdp

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
    "Codec",
    "Connection",
    "LocalAudio",
    "MediaDescription",
    "NegotiatedAudio",
    "Origin",
    "RtcpAddress",
    "RtpMap",
    "SdpLimits",
    "SdpRejected",
    "SessionDescription",
    "accept_answer",
    "answer_offer",
    "codecs_named",
    "make_offer",
    "parse_sdp",
]
