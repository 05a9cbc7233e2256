"""One attempt of a delivery: the signed request, and what its answer means (contract §13.4, §13.5)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from engine.http import USER_AGENT
from engine.store.deliveries import DueDelivery
from engine.store.json_text import dump_json, load_json, storable
from engine.webhook_directory import Target
from voyloml import HttpReply, HttpRequest
from voyloml.signature import HEADER as SIGNATURE
from voyloml.signature import sign

RETRY_SECONDS: Final = (10, 60, 300, 1800, 7200, 21_600, 43_200)
"""Waits after the first, second … failed attempt; the last one repeats where more attempts are configured."""

RETRY_SPREAD: Final = 0.1
"""Each wait is up to this much shorter or longer, so that a target that comes back is not met by all at once."""

BODY_KEPT: Final = 4096
"""Bytes of an answer's body that are kept."""

ERROR_KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an attempt came to; `error` is None for a delivery that arrived, `made` false when nothing was sent.

    `payload` is what was sent, where it is not the payload of the event.
    """

    error: str | None
    url: str
    headers: Mapping[str, str]
    began: datetime
    status: int | None = None
    body: str | None = field(default=None, repr=False)
    made: bool = True
    payload: str | None = field(default=None, repr=False)


def request_of(delivery: DueDelivery, target: Target, at: datetime, seconds: float) -> HttpRequest:
    """The request at this time, signed over the very bytes that are sent; `seconds` for the whole exchange."""
    body = delivery.payload.encode()
    own = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "Voylo-Event": delivery.event_type,
        "Voylo-Event-Id": delivery.event_id,
        "Voylo-Delivery-Id": delivery.id,
        SIGNATURE: sign(target.secrets, body, int(at.timestamp())),
    }
    taken = {name.lower() for name in own}
    headers = {name: value for name, value in target.headers.items() if name.lower() not in taken} | own
    return HttpRequest(
        method="POST",
        url=target.url,
        headers=headers,
        body=body,
        connect_timeout=seconds,
        total_timeout=seconds,
        max_bytes=BODY_KEPT,
    )


def with_recording(delivery: DueDelivery, url: str | None) -> DueDelivery:
    """The delivery with `recording_url` in its payload, where there is one."""
    if url is None:
        return delivery
    return replace(delivery, payload=dump_json(load_json(delivery.payload) | {"recording_url": url}))


def answered(request: HttpRequest, began: datetime, reply: HttpReply) -> Attempt:
    """What an answer means: any 2xx is success, a redirect is none."""
    error = None if 200 <= reply.status <= 299 else f"The answer was {reply.status}"
    body = storable(reply.body.decode("utf-8", "replace"))
    return Attempt(error, request.url, request.headers, began, reply.status, body)


def unanswered(request: HttpRequest, began: datetime, reason: str) -> Attempt:
    """No complete answer came."""
    return Attempt(storable(reason[:ERROR_KEPT]), request.url, request.headers, began)


def retry_seconds(attempts: int, spread: float | None = None) -> float:
    """How long to wait after `attempts` that failed; `spread` from -1 to 1, else random."""
    wait = RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1]
    chosen = random.uniform(-1, 1) if spread is None else spread
    return wait * (1 + RETRY_SPREAD * chosen)
