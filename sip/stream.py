"""SIP messages out of a byte stream (RFC 3261 §18.3, §7.5; RFC 5626 §4.4.1): framing by Content-Length, without I/O.

Feed what arrives; take whole messages and the number of keep-alive pings. A message whose end cannot be found makes the
stream `broken`: its head is handed out once, for the parser to say what is wrong with it, and nothing after it is read,
since nobody knows where the next one begins. The connection is to be closed then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sip.framing import split_head
from sip.limits import DEFAULT_LIMITS, MessageLimits

PING = b"\r\n\r\n"
PONG = b"\r\n"

# The value may stand on a continuation line (§7.3.1).
_lengths = re.compile(rb"\n(?:content-length|l)[ \t]*:(?:[ \t]|\n[ \t])*([^\n]*)", re.IGNORECASE).findall
_find_blank_line = re.compile(rb"\n\r?\n").search
_LENGTH_DIGITS = 10


@dataclass(slots=True)
class Taken:
    """What one piece of the stream completed: `messages` in order, `pings` to be answered with PONG each."""

    messages: list[bytes] = field(default_factory=list)
    pings: int = 0


class MessageStream:
    """The receiving half of one connection."""

    __slots__ = ("_buffer", "_needed", "_scanned", "broken", "limits")

    def __init__(self, limits: MessageLimits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.broken = False
        self._buffer = bytearray()
        self._scanned = 0  # before this offset no head ends
        self._needed = 0  # octets of the message that is being received, once its head is known

    def __len__(self) -> int:
        """Octets that wait for the rest of their message."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Taken:
        """Take in what arrived and return what is complete. Ignores everything once the stream is broken."""
        taken = Taken()
        if self.broken:
            return taken
        self._buffer += data
        while self._buffer and not self.broken:
            if not self._needed and not self._find_head(taken):
                break
            if len(self._buffer) < self._needed or self.broken:
                break
            taken.messages.append(bytes(self._buffer[: self._needed]))
            self._drop(self._needed)
        return taken

    def take_pong(self) -> bool:
        """Whether all that waits is a single line end, which is the answer to a ping of ours; it is taken."""
        if self._buffer != PONG:
            return False
        self._drop(len(PONG))
        return True

    def _find_head(self, taken: Taken) -> bool:
        """Skip line ends before a message (§7.5), find the end of its head and with it the message's length."""
        if not self._skip_line_ends(taken):
            return False
        end = self._head_end()
        if end < 0:
            if len(self._buffer) > self.limits.message_bytes:
                self._break(taken, len(self._buffer))
            return False
        head, _ = split_head(bytes(self._buffer[:end]))
        lengths = {value.strip() for value in _lengths(head)}
        length = lengths.pop() if len(lengths) == 1 else b""
        if not length.isdigit() or len(length.lstrip(b"0")) > _LENGTH_DIGITS:
            self._break(taken, end)
            return False
        self._needed = end + int(length)
        if self._needed > self.limits.message_bytes:
            self._break(taken, end)
            return False
        return True

    def _skip_line_ends(self, taken: Taken) -> bool:
        skipped = 0
        while self._buffer[skipped : skipped + 4] == PING:
            taken.pings += 1
            skipped += 4
        if skipped:
            self._drop(skipped)
        if not self._buffer.startswith((b"\r", b"\n")):
            return bool(self._buffer)
        ends = 0
        while ends < len(self._buffer) and self._buffer[ends] in b"\r\n":
            ends += 1
        if ends == len(self._buffer) < len(PING):
            return False  # perhaps the beginning of a ping
        self._drop(ends)
        return bool(self._buffer)

    def _head_end(self) -> int:
        """The offset after the blank line that ends the head; -1 while it has not come."""
        # One search for every way to write the blank line: whichever is absent would be looked for to the end of the
        # buffer, for each of the small messages in it.
        found = _find_blank_line(self._buffer, max(0, self._scanned - 2))
        if found is None:
            self._scanned = len(self._buffer)
            return -1
        return found.end()

    def _break(self, taken: Taken, end: int) -> None:
        self.broken = True
        taken.messages.append(bytes(self._buffer[:end]))
        self._buffer.clear()

    def _drop(self, octets: int) -> None:
        del self._buffer[:octets]
        self._scanned = self._needed = 0
