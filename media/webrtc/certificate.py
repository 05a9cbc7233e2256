"""The certificate with which the engine speaks DTLS: made at random at each start, and known by its fingerprint."""

from __future__ import annotations

import datetime
import functools
import secrets
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LIFE = datetime.timedelta(days=3650)
_CLOCK_SKEW = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DtlsCertificate:
    """A self-signed certificate with a key on P-256; `fingerprint` are the 32 octets of its SHA-256 (RFC 8122 §5)."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate = field(repr=False)
    fingerprint: bytes

    @classmethod
    def new(cls) -> DtlsCertificate:
        """A fresh one. Its name says nothing, since nobody looks at it."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, secrets.token_hex(8))])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + _LIFE)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate, certificate.fingerprint(hashes.SHA256()))


@functools.cache
def our_certificate() -> DtlsCertificate:
    """The one of this process, made when it is first asked for."""
    return DtlsCertificate.new()
