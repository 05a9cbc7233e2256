"""Encryption at rest for what must be kept readable: SIP passwords, signing secrets (contract §8.2, §7.2).

AES-256-GCM with a key file in the data directory. The context of a value (which column of which row) is authenticated
with it, so that a value copied to another place does not decrypt there. Losing the key file loses the secrets.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.errors import EngineError

KEY_FILE: Final = "secrets.key"
KEY_BYTES: Final = 32
KEY_FILE_MODE: Final = 0o600
_NONCE_BYTES: Final = 12
_VERSION: Final = "v1."


class SecretUnreadable(EngineError):
    """A stored secret does not decrypt: another key encrypted it, or it was changed or moved."""


class KeyFileInvalid(EngineError):
    """The key file exists and does not hold a key."""


class SecretBox:
    """Encrypts and decrypts short texts. The first of `keys` encrypts, every one of them decrypts."""

    def __init__(self, *keys: bytes) -> None:
        if not keys:
            raise ValueError("at least one key is needed")
        self._ciphers = [AESGCM(key) for key in keys]

    @classmethod
    def open(cls, data_dir: Path) -> SecretBox:
        """The box of this data directory; its key file is created (mode 0600) when there is none.

        Two processes that start at once end up with the same key. Raises KeyFileInvalid, or OSError when the
        directory cannot be read or written.
        """
        return cls(*open_key_file(data_dir / KEY_FILE))

    def encrypt(self, text: str, context: str) -> str:
        """`text` encrypted for the place named by `context`, as printable ASCII."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, text.encode(), context.encode())
        return _VERSION + base64.urlsafe_b64encode(nonce + sealed).decode()

    def decrypt(self, token: str, context: str) -> str:
        """What was encrypted for `context`. Raises SecretUnreadable."""
        if not token.startswith(_VERSION):
            raise SecretUnreadable(f"the secret of {context} has an unknown format")
        try:
            sealed = base64.b64decode(token[len(_VERSION) :], altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise SecretUnreadable(f"the secret of {context} is damaged") from None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode()).decode()
            except (InvalidTag, ValueError):
                continue
        raise SecretUnreadable(f"the secret of {context} was encrypted with another key than that of {KEY_FILE}")


def open_key_file(path: Path) -> list[bytes]:
    """The keys in a key file, which is created (mode 0600) with one when there is none.

    Raises KeyFileInvalid, or OSError when the file cannot be read or written.
    """
    if not path.exists():
        _create_key_file(path)
    return _read_keys(path)


def _create_key_file(path: Path) -> None:
    # Written whole under a name of its own and then linked: a reader never sees half a key, and of two processes
    # that create it at once the first one wins.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
        except OSError:
            # A file system without hard links: the rename is as whole, only the race for the first key is wider.
            if not path.exists():
                temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read_keys(path: Path) -> list[bytes]:
    keys = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        text = line.strip()
        if not text:
            continue
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise KeyFileInvalid(f"{path}, line {number}: not a base64 key") from None
        if len(key) != KEY_BYTES:
            raise KeyFileInvalid(f"{path}, line {number}: {len(key)} bytes instead of {KEY_BYTES}")
        keys.append(key)
    if not keys:
        raise KeyFileInvalid(f"{path} is empty; restore it from a backup")
    return keys
