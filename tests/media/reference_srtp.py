"""SRTP and SRTCP once more, from RFC 3711 and RFC 7714 and the primitives of `cryptography` alone, to compare with."""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_OCTETS = {
    "AES_CM_128_HMAC_SHA1_80": 16,
    "AES_CM_128_HMAC_SHA1_32": 16,
    "AEAD_AES_128_GCM": 16,
    "AEAD_AES_256_GCM": 32,
}
SALT_OCTETS = {name: 12 if name.startswith("AEAD") else 14 for name in KEY_OCTETS}
MASTER_OCTETS = {name: KEY_OCTETS[name] + SALT_OCTETS[name] for name in KEY_OCTETS}


def _counter_mode(key: bytes, start: int, data: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CTR(start.to_bytes(16))).encryptor()
    return cipher.update(data) + cipher.finalize()


def derive(key: bytes, salt: bytes, label: int, octets: int) -> bytes:
    """RFC 3711 §4.3.1, with a key derivation rate of zero; a shorter salt is filled up (RFC 7714 §11)."""
    start = int.from_bytes(salt.ljust(14, b"\0")) ^ label << 48
    return _counter_mode(key, start << 16, bytes(octets))


@dataclass
class Reference:
    """One direction under one master key. Whoever calls knows the packet's index."""

    suite: str
    master: bytes

    def __post_init__(self) -> None:
        at = KEY_OCTETS[self.suite]
        self.key, self.salt = self.master[:at], self.master[at:]
        self.aead = self.suite.startswith("AEAD")

    def _session(self, first_label: int) -> tuple[bytes, bytes, bytes]:
        cipher = derive(self.key, self.salt, first_label, len(self.key))
        authentication = derive(self.key, self.salt, first_label + 1, 20)
        return cipher, authentication, derive(self.key, self.salt, first_label + 2, len(self.salt))

    def rtp(self, packet: bytes, roc: int = 0, mki: bytes = b"") -> bytes:
        """The SRTP packet of an RTP packet without CSRCs or extension."""
        key, authentication, salt = self._session(0)
        header, payload = packet[:12], packet[12:]
        sequence, ssrc = struct.unpack("!2xH4xI", header)
        if self.aead:
            nonce = _xor(struct.pack("!HIIH", 0, ssrc, roc, sequence), salt)
            return header + AESGCM(key).encrypt(nonce, payload, header) + mki
        start = int.from_bytes(salt) << 16 ^ ssrc << 64 ^ (roc << 16 | sequence) << 16
        secured = header + _counter_mode(key, start, payload)
        tag = hmac.new(authentication, secured + roc.to_bytes(4), hashlib.sha1).digest()
        return secured + mki + tag[: 4 if self.suite.endswith("_32") else 10]

    def rtcp(self, packet: bytes, index: int, mki: bytes = b"") -> bytes:
        """The SRTCP packet of a compound RTCP packet."""
        key, authentication, salt = self._session(3)
        header, body = packet[:8], packet[8:]
        (ssrc,) = struct.unpack("!4xI", header)
        trailer = (1 << 31 | index).to_bytes(4)
        if self.aead:
            nonce = _xor(struct.pack("!HIHI", 0, ssrc, 0, index), salt)
            return header + AESGCM(key).encrypt(nonce, body, header + trailer) + trailer + mki
        start = int.from_bytes(salt) << 16 ^ ssrc << 64 ^ index << 16
        secured = header + _counter_mode(key, start, body) + trailer
        return secured + mki + hmac.new(authentication, secured, hashlib.sha1).digest()[:10]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
