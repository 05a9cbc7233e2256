"""Digest authentication for SIP (RFC 3261 §22, RFC 7616, RFC 8760; contract §14.1), as server and as client.

MD5, SHA-256 and SHA-512-256 with qop=auth. Text and hashes only: headers, statuses and bans are the caller's.
"""

from sip.digest.authenticator import (
    DEFAULT_ALGORITHMS,
    MAX_TRACKED_NONCES,
    NONCE_SECONDS,
    DigestAuthenticator,
    DigestOutcome,
    DigestResult,
)
from sip.digest.client import Challenge, answer_challenge, choose_challenge
from sip.digest.hashing import MD5, SHA_256, SHA_512_256, Credentials
from sip.digest.params import parse_auth_params
from sip.digest.session import DigestSession

__all__ = [
    "DEFAULT_ALGORITHMS",
    "MAX_TRACKED_NONCES",
    "MD5",
    "NONCE_SECONDS",
    "SHA_256",
    "SHA_512_256",
    "Challenge",
    "Credentials",
    "DigestAuthenticator",
    "DigestOutcome",
    "DigestResult",
    "DigestSession",
    "answer_challenge",
    "choose_challenge",
    "parse_auth_params",
]
