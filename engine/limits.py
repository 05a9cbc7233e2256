"""Every limit of contract §20, named as its configuration key under `limits.`, with the contract's default.

Only values; what they bound is enforced where the input arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

JSON_BODY_BYTES: Final = 1_048_576
"""Largest JSON request body (contract §1)."""

CALL_SECONDS_MAX: Final = 14_400
"""The longest `timeLimit` of a call (contract §6.1), and so the most that `limits.call_seconds` may be."""

PAGE_SIZE_MAX: Final = 100
"""Largest page (contract §4); fixed, not configurable."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits an operator can change; times in the unit that their names say."""

    requests_per_minute: int = 600
    request_burst: int = 100
    calls_per_second: int = 10
    concurrent_calls: int = 100
    call_seconds: float = CALL_SECONDS_MAX
    variables: int = 50
    variable_chars: int = 1024
    variables_bytes: int = 16384
    idempotency_hours: int = 24
    document_bytes: int = 262_144
    document_elements: int = 200
    document_depth: int = 6
    verbs_per_call: int = 500
    redirects: int = 20
    action_connect_seconds: float = 3.0
    action_seconds: float = 10.0
    action_retries: int = 1
    webhook_seconds: float = 10.0
    webhook_attempts: int = 8
    webhooks: int = 20
    audio_bytes: int = 20_971_520
    audio_seconds: float = 10.0
    trunk_destinations: int = 10
    conference_members: int = 250
    sip_message_bytes: int = 65535
    sip_headers: int = 128
    auth_failures: int = 5
    ban_seconds: int = 600
    drain_seconds: float = 30.0
    delivery_days: int = 30
