"""From octets to header lines: where the head of a message ends, its characters, its folding (RFC 3261 §7.3.1, §7.5).

What the lines say is :mod:`sip.message`'s business.
"""

from __future__ import annotations

import re

from sip.errors import SipParseError
from sip.grammar import WS

# CR counts as a control: it is looked for when line ends have become LF.
_CONTROLS = bytes(c for c in (*range(32), 127) if c not in b"\t\n")
_drop_quoted_pairs = re.compile(rb"\\[^\r\n]").sub


def is_keepalive(data: bytes) -> bool:
    """Whether a datagram is empty or nothing but line ends: a NAT keep-alive (RFC 5626 §4.4.1), not a message."""
    return not data.strip(b"\r\n")


def split_head(data: bytes) -> tuple[bytes, int]:
    r"""The head of a message, and the offset of its body or -1 when no blank line ends the head.

    Line ends of the head come back as LF, the last one and the blank line left out. LF alone is taken for CRLF.
    """
    end = data.find(b"\n\r\n")
    body = end + 3
    bare = data.find(b"\n\n", 0, end + 1) if end >= 0 else data.find(b"\n\n")
    if bare >= 0:
        end, body = bare, bare + 2
    if end < 0:
        return data.replace(b"\r\n", b"\n"), -1
    return data[: end + 1].replace(b"\r\n", b"\n")[:-1], body


def decode_head(head: bytes) -> str:
    """The head as text: UTF-8 as RFC 3261 §7.3.1 says, else Latin-1, which is what phones that break this rule send.

    The text holds no lone surrogates, so whoever stores or sends any part of it as UTF-8 cannot fail.
    """
    try:
        return head.decode()
    except UnicodeDecodeError:
        return head.decode("latin-1")


def has_bare_control(head: bytes) -> bool:
    """Whether a control character other than HTAB and LF stands outside of a backslash escape, or a CR anywhere."""
    if len(head.translate(None, _CONTROLS)) == len(head):
        return False
    rest = _drop_quoted_pairs(b"", head)
    return len(rest.translate(None, _CONTROLS)) != len(rest)


def unfold(lines: list[str], max_chars: int) -> list[str]:
    """Join each continuation line to the one before with a single space.

    SipParseError when the first header line is a continuation, or a line grows beyond ``max_chars``.
    """
    unfolded: list[str] = []
    for line in lines:
        if line[:1] not in {" ", "\t"}:
            unfolded.append(line)
            continue
        if len(unfolded) < 2:
            raise SipParseError("Continuation line without a header field")
        more = line.strip(WS)
        # Without this, many empty continuations of one long line would each copy it.
        if not more:
            continue
        unfolded[-1] = f"{unfolded[-1].rstrip(WS)} {more}"
        if len(unfolded[-1]) > max_chars:
            raise SipParseError("Header field too long")
    return unfolded
