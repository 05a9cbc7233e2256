"""SIP credentials that end by themselves, which the phone widget of an agent registers and calls with (contract §17).

Nothing of them is stored. The username is the agent's with the time of expiry behind a tilde, the password an HMAC over
it with the agent's own password as its key: another process of the server knows them too, and an agent that gets
another password or is deleted takes them along.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final

_FORM: Final = re.compile(r"([a-z0-9._-]+)~([0-9a-f]{8,10})")
"""No username of an agent or a trunk has a tilde; in a SIP URI it needs no escape (RFC 3261 §25.1)."""


def temporary_username(username: str, expires_at: int) -> str:
    """The username that holds until `expires_at`, in seconds of the epoch."""
    return f"{username}~{expires_at:08x}"


def temporary_password(username: str, password: str) -> str:
    """The password that belongs to a temporary username of the agent with this `password`; 43 characters."""
    digest = hmac.digest(password.encode(), f"voylo-widget:{username}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def owner_of(username: str, now: float) -> str | None:
    """The agent's own username behind a temporary one that has not expired; None for any other text."""
    found = _FORM.fullmatch(username)
    if found is None or int(found[2], 16) <= now:
        return None
    return found[1]
