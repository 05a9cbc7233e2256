"""Answers that are a file, whole or the part that a Range header asks for (RFC 9110 §14)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from starlette.types import Send

from api.rate_limit import HeaderList
from engine.errors import EngineError, NotFound

CHUNK_BYTES: Final = 65_536
_RANGE: Final = re.compile(r"bytes=[ \t]*([0-9]{0,15})-([0-9]{0,15})[ \t]*", re.IGNORECASE)


class RangeNotSatisfiable(EngineError):
    """Nothing of the file lies in the range; `headers` say how long it is."""

    http_status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} octets")
        self.headers: HeaderList = [(b"content-range", f"bytes */{size}".encode())]


@dataclass(frozen=True, slots=True)
class FilePart:
    """An open file of `size` octets, of which `length` from `first` on are sent; `send_file` closes it."""

    file: IO[bytes]
    size: int
    first: int
    length: int
    status: int


async def open_part(path: Path, asked: str | None) -> FilePart:
    """The part of a file that the Range header `asked` names. Raises NotFound without the file, RangeNotSatisfiable."""
    return await asyncio.to_thread(_open, path, asked)


def _open(path: Path, asked: str | None) -> FilePart:
    try:
        return part_of(path.open("rb"), asked)
    except FileNotFoundError:
        raise NotFound("The file does not exist any more") from None


def part_of(file: IO[bytes], asked: str | None) -> FilePart:
    """The part of an open file that the Range header `asked` names. Raises RangeNotSatisfiable, the file closed."""
    size = file.seek(0, 2)
    try:
        wanted = _range(asked, size)
    except RangeNotSatisfiable:
        file.close()
        raise
    first, length = wanted or (0, size)
    file.seek(first)
    return FilePart(file, size, first, length, 200 if wanted is None else 206)


def _range(asked: str | None, size: int) -> tuple[int, int] | None:
    """First octet and length; None for a header that is ignored (RFC 9110 §14.2): several ranges, another unit."""
    found = None if asked is None else _RANGE.fullmatch(asked)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        if length == 0:
            raise RangeNotSatisfiable(size)
        return size - length, length
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    if first >= size:
        raise RangeNotSatisfiable(size)
    return first, last - first + 1


async def send_file(send: Send, status: int, part: FilePart, headers: HeaderList, *, head: bool) -> None:
    """Sends the response, a chunk at a time, or only its head."""
    sent = [*headers, (b"accept-ranges", b"bytes"), (b"content-length", str(part.length).encode())]
    if status == 206:
        shown = f"bytes {part.first}-{part.first + part.length - 1}/{part.size}"
        sent.append((b"content-range", shown.encode()))
    try:
        await send({"type": "http.response.start", "status": status, "headers": sent})
        left = 0 if head else part.length
        while left:
            data = await asyncio.to_thread(part.file.read, min(CHUNK_BYTES, left))
            if not data:
                break  # cut off meanwhile; the client sees that octets are missing
            left -= len(data)
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        part.file.close()
