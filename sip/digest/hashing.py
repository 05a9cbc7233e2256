"""What both sides compute (RFC 7616 §3.4, RFC 8760): hash algorithms, H(A1) and the request digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives import hashes

MD5: Final = "MD5"
SHA_256: Final = "SHA-256"
SHA_512_256: Final = "SHA-512-256"
SESSION_SUFFIX: Final = "-sess"


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data, usedforsecurity=False).hexdigest()


def _sha512_256(data: bytes) -> str:
    return hashlib.new("sha512_256", data, usedforsecurity=False).hexdigest()


def sha512_256_without_hashlib(data: bytes) -> str:
    """SHA-512/256 in hex from the library `cryptography`, for Pythons whose hashlib was built without it."""
    digest = hashes.Hash(hashes.SHA512_256())
    digest.update(data)
    return digest.finalize().hex()


_HASHES: Final[Mapping[str, Callable[[bytes], str]]] = {
    MD5.lower(): _md5,
    SHA_256.lower(): _sha256,
    SHA_512_256.lower(): (_sha512_256 if "sha512_256" in hashlib.algorithms_available else sha512_256_without_hashlib),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name with its password, or with H(username:realm:password) in hex by algorithm for those it works with."""

    username: str
    password: str | None = field(default=None, repr=False)
    hashed: Mapping[str, str] = field(default_factory=dict, repr=False)

    def ha1(self, algorithm: str, realm: str) -> str | None:
        """H(A1) without the session part, in hex (RFC 7616 §3.4.2); None when it is not known for that algorithm."""
        if self.password is not None:
            return hash_hex(algorithm, f"{self.username}:{realm}:{self.password}")
        wanted = algorithm.lower().removesuffix(SESSION_SUFFIX)
        return next((value for name, value in self.hashed.items() if name.lower() == wanted), None)


def is_known(algorithm: str) -> bool:
    """Whether the algorithm, session variant or not, can be computed here."""
    return algorithm.lower().removesuffix(SESSION_SUFFIX) in _HASHES


def request_digest(
    algorithm: str,
    ha1: str,
    method: str,
    uri: str,
    nonce: str,
    *,
    qop: str | None = None,
    nc: str = "",
    cnonce: str = "",
    body: bytes = b"",
) -> str:
    """The `response` parameter in hex (RFC 7616 §3.4.1); without qop that of RFC 2069. `ha1` is the final H(A1)."""
    a2 = f"{method}:{uri}:{hash_hex(algorithm, body)}" if qop == "auth-int" else f"{method}:{uri}"
    middle = nonce if qop is None else f"{nonce}:{nc}:{cnonce}:{qop}"
    return hash_hex(algorithm, f"{ha1}:{middle}:{hash_hex(algorithm, a2)}")


def hash_hex(algorithm: str, data: str | bytes) -> str:
    """The algorithm's hash of `data` in hex. Raises `KeyError` for an algorithm that is not `is_known`."""
    compute = _HASHES[algorithm.lower().removesuffix(SESSION_SUFFIX)]
    return compute(octets(data) if isinstance(data, str) else data)


def octets(text: str) -> bytes:
    """UTF-8; unlike `str.encode` never raises, whatever the text was decoded from."""
    return text.encode("utf-8", "surrogatepass")
