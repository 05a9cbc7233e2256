"""One DTLS association that makes keys for SRTP (RFC 5764): datagrams in, datagrams and then keys out, by OpenSSL.

No sockets and no clock: the owner moves the datagrams, and calls `expired` when `timeout` has passed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from OpenSSL.crypto import X509

from media.kernel.keys import SUITES, SrtpParameters
from media.webrtc.certificate import DtlsCertificate

_LABEL: Final = b"EXTRACTOR-dtls_srtp"
_RECORD_HEADER: Final = 13
_MTU: Final = 1200
"""Octets of a datagram: what passes everywhere, IPv6 and tunnels included."""

_READ: Final = 1 << 16

_DTLS_1_2: Final = 0xFEFD
"""RFC 6347 §4.1. Browsers speak it beside 1.3, whose records have another header than the one that is cut at here."""

_CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE+AESGCM"
)
# RFC 8122 §5: not MD5, and SHA-1 only from whoever has nothing better.
_HASHES: Final = {"sha-1": "sha1", "sha-224": "sha224", "sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}


@dataclass(frozen=True, slots=True)
class _Profile:
    """A protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2) by OpenSSL's name, and the octets of its key and salt."""

    suite: str
    key: int
    salt: int


# In our order of preference. The short authentication tag is for whoever asks for it by SDES.
_PROFILES: Final = {
    b"SRTP_AEAD_AES_128_GCM": _Profile("AEAD_AES_128_GCM", 16, 12),
    b"SRTP_AES128_CM_SHA1_80": _Profile("AES_CM_128_HMAC_SHA1_80", 16, 14),
    b"SRTP_AEAD_AES_256_GCM": _Profile("AEAD_AES_256_GCM", 32, 12),
}


class DtlsError(Exception):
    """The handshake has failed: the far end is not who its SDP said, or nothing was agreed on."""


@dataclass(frozen=True, slots=True)
class PeerFingerprint:
    """The hash of the far end's certificate as its SDP gave it: `hash_name` in lower case, as in "sha-256"."""

    hash_name: str
    digest: bytes


@dataclass(slots=True)
class _Proof:
    """Whether the certificate that was shown is one of those announced."""

    fingerprints: Sequence[PeerFingerprint]
    refused: bool = field(default=False, init=False)

    def check(self, certificate: X509) -> bool:
        """Compare by the strongest hash that was given (RFC 8122 §5)."""
        known = [one for one in self.fingerprints if one.hash_name in _HASHES]
        strongest = max((len(one.digest) for one in known), default=0)
        octets = certificate.to_cryptography().public_bytes(Encoding.DER)
        for one in known:
            digest = hashlib.new(_HASHES[one.hash_name], octets).digest()
            if len(one.digest) == strongest and hmac.compare_digest(digest, one.digest):
                return True
        self.refused = True
        return False


class DtlsAssociation:
    """A handshake with the far end whose certificate has one of `fingerprints`.

    `active` is the client of RFC 5763 §5: it speaks first, when `start` is called.
    """

    def __init__(self, certificate: DtlsCertificate, fingerprints: Sequence[PeerFingerprint], *, active: bool) -> None:
        self._proof = _Proof(fingerprints)
        self._active = active
        self._done = False
        self._ssl = SSL.Connection(_context(certificate, self._proof), None)
        self._ssl.set_ciphertext_mtu(_MTU)
        if active:
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()

    @property
    def timeout(self) -> float | None:
        """Seconds until `expired` is to be called, for what may have been lost; None while nothing is awaited."""
        return self._ssl.DTLSv1_get_timeout()

    def start(self) -> list[bytes]:
        """Return the datagrams that open the handshake; none where the far end is to speak first."""
        return self._advance()[0] if self._active else []

    def receive(self, datagram: bytes) -> tuple[list[bytes], SrtpParameters | None]:
        """Take a datagram; return those to send, and the keys with the one that ends the handshake.

        Raises DtlsError where the handshake has failed, also when the far end said so. What comes after the handshake
        is answered as DTLS wants it, and changes nothing.
        """
        self._ssl.bio_write(datagram)
        return self._advance()

    def expired(self) -> list[bytes]:
        """Return what is to be sent again. Raises DtlsError where that was tried too often."""
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise DtlsError(f"DTLS: {_reason(error)}") from error
        return list(self._outgoing())

    def close(self) -> list[bytes]:
        """Return the datagrams that tell the far end that it is over."""
        if not self._done:
            return []
        try:
            self._ssl.shutdown()
        except SSL.Error:
            return []
        return list(self._outgoing())

    def _advance(self) -> tuple[list[bytes], SrtpParameters | None]:
        keys = None
        try:
            if self._done:
                # Alerts, and the last flight that the far end has missed
                self._ssl.recv(_READ)
            else:
                self._ssl.do_handshake()
                self._done = True
                keys = self._keys()
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            pass
        except SSL.Error as error:
            if not self._done:
                raise DtlsError(self._failure(error)) from error
        return list(self._outgoing()), keys

    def _failure(self, error: SSL.Error) -> str:
        if self._proof.refused:
            return "the far end's certificate is not the one of its SDP (a=fingerprint)"
        return f"DTLS: {_reason(error)}"

    def last_words(self) -> list[bytes]:
        """Return the alert that goes with a failed handshake."""
        return list(self._outgoing())

    def _keys(self) -> SrtpParameters:
        profile = _PROFILES.get(self._ssl.get_selected_srtp_profile())
        if profile is None:
            raise DtlsError("DTLS: no SRTP protection profile in common")
        key, salt = profile.key, profile.salt
        material = self._ssl.export_keying_material(_LABEL, 2 * (key + salt))
        # RFC 5764 §4.2: the keys of client and server, then their salts
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        assert len(client) == SUITES[profile.suite].key_octets
        send, receive = (client, server) if self._active else (server, client)
        return SrtpParameters(suite=profile.suite, send_key=send, receive_key=receive)

    def _outgoing(self) -> Iterator[bytes]:
        """What OpenSSL wrote, cut at its records: memory does not keep the bounds of datagrams."""
        try:
            written = self._ssl.bio_read(_READ)
        except SSL.WantReadError:
            return
        start = end = 0
        while end < len(written):
            after = end + _RECORD_HEADER + int.from_bytes(written[end + 11 : end + 13])
            if after - start > _MTU and end > start:
                yield written[start:end]
                start = end
            end = after
        yield written[start:]


def _context(certificate: DtlsCertificate, proof: _Proof) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(_DTLS_1_2)
    context.set_max_proto_version(_DTLS_1_2)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_cipher_list(_CIPHERS)
    context.use_certificate(certificate.certificate)
    context.use_privatekey(certificate.key)
    context.set_verify(
        SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
        lambda _connection, shown, _error, depth, _ok: depth > 0 or proof.check(shown),
    )
    context.set_tlsext_use_srtp(b":".join(_PROFILES))
    return context


def _reason(error: SSL.Error) -> str:
    details = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return str(details[0][-1]) if details else type(error).__name__
