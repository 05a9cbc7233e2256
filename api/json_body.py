"""Reading a request body, and JSON out of it, with the limits of contract §1.

JSON is taken strictly (RFC 8259): UTF-8, no NaN or infinities, no member twice in one object, and no more nesting than
the parser's stack allows.
"""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any, Final, NoReturn

from starlette.types import Receive

from engine.errors import BadRequest, PayloadTooLarge

BODY_SECONDS: Final = 30
"""How long a client may take to send a body."""


class ClientGone(Exception):
    """The client closed the connection before the body was complete."""


async def read_body(receive: Receive, declared: str | None, limit: int) -> bytes:
    """The whole body. `declared` is the Content-Length header.

    Raises PayloadTooLarge over `limit` bytes, BadRequest when it takes too long, ClientGone.
    """
    if declared is not None and declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError:
        raise BadRequest(f"The body was not complete within {BODY_SECONDS} seconds") from None


def parse_json(data: bytes) -> Any:
    """The value of a JSON text. Raises BadRequest with the reason."""
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadRequest("The body is not valid UTF-8") from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"The body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None
    except ValueError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has the same member twice")
    return members


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a number has too many digits") from None


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int
)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body must not be larger than {limit} bytes")
