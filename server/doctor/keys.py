"""Looks at the configuration itself, beyond what stops a start."""

from __future__ import annotations

from collections.abc import Iterator

from server.config import Config
from server.config.reference import set_without_effect
from server.doctor.finding import Finding, ok, warn

# A bearer token is tried by anybody who reaches the API: it has to be longer than a word.
_TOKEN_CHARS = 16


def check_keys(config: Config) -> Iterator[Finding]:
    """Warn of keys that were set for nothing, and of an admin token that can be guessed."""
    idle = set_without_effect(config)
    if idle:
        yield warn("config", f"set, and without effect in this version: {', '.join(idle)}", "remove them, or upgrade")
    token = config.security.admin_token
    short = token is not None and len(token.get_secret_value()) < _TOKEN_CHARS
    if short:
        change = f"set security.admin_token to {_TOKEN_CHARS} random characters or more"
        yield warn("config", f"security.admin_token is shorter than {_TOKEN_CHARS} characters", change)
    if not idle and not short:
        yield ok("config", "every key is known and right")
