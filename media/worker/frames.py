"""The frames between the engine and a child: two lengths, a JSON header, a binary body.

Both sides are checked against limits, because a child that parsed a hostile file may send anything.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    # A child reads and writes plain files and has no event loop.
    import asyncio

# Lengths of the header and of the body, big-endian.
_LENGTHS = struct.Struct("!II")
MAX_HEADER_BYTES = 65_536
# A body goes over the pipe in slices, so that the loop serves calls between two of them.
_SLICE_BYTES = 262_144

Header = dict[str, Any]
Body = bytes | bytearray | memoryview


class FrameError(ValueError):
    """The other side sent something that is no frame, or a longer one than is allowed."""


def _opening(header: Mapping[str, object], body: Body) -> bytes:
    encoded = json.dumps(header, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(encoded), memoryview(body).nbytes) + encoded


def _lengths(prefix: bytes, max_body: int) -> tuple[int, int]:
    header_length, body_length = _LENGTHS.unpack(prefix)
    if header_length > MAX_HEADER_BYTES:
        raise FrameError(f"header of {header_length} bytes; at most {MAX_HEADER_BYTES} allowed")
    if body_length > max_body:
        raise FrameError(f"body of {body_length} bytes; at most {max_body} allowed")
    return header_length, body_length


def _header(encoded: bytes) -> Header:
    try:
        header = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise FrameError("header is not a JSON object")
    return header


def write_frame(stream: BinaryIO, header: Mapping[str, object], body: Body = b"") -> None:
    """Write one frame and flush; the child's side. Raises OSError when the engine is gone."""
    stream.write(_opening(header, body))
    stream.write(body)
    stream.flush()


def read_frame(stream: BinaryIO, max_body: int) -> tuple[Header, bytes] | None:
    """Read one frame; the child's side. None at the end of the stream. Raises FrameError."""
    prefix = stream.read(_LENGTHS.size)
    if len(prefix) < _LENGTHS.size:
        return None
    header_length, body_length = _lengths(prefix, max_body)
    encoded = stream.read(header_length)
    body = stream.read(body_length)
    if len(encoded) < header_length or len(body) < body_length:
        return None
    return _header(encoded), body


async def send_frame(writer: asyncio.StreamWriter, header: Mapping[str, object], body: Body = b"") -> None:
    """Send one frame to a child, at the pace the child reads. Raises OSError when the child is gone."""
    writer.write(_opening(header, body))
    view = memoryview(body)
    for start in range(0, len(view), _SLICE_BYTES):
        writer.write(view[start : start + _SLICE_BYTES])
        await writer.drain()
    await writer.drain()


async def receive_frame(reader: asyncio.StreamReader, max_body: int) -> tuple[Header, bytearray]:
    """Receive one frame from a child. Raises FrameError, or EOFError when the child closed its side."""
    header_length, body_length = _lengths(await reader.readexactly(_LENGTHS.size), max_body)
    header = _header(await reader.readexactly(header_length))
    body = bytearray(body_length)
    view = memoryview(body)
    filled = 0
    while filled < body_length:
        part = await reader.read(min(_SLICE_BYTES, body_length - filled))
        if not part:
            raise EOFError("the stream ended inside a frame")
        view[filled : filled + len(part)] = part
        filled += len(part)
    return header, body
