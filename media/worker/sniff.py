"""Tells from the first bytes whether a file is WAV or MP3, and what else it is. Names and types given by others lie.

Cheap and without dependencies: the engine refuses most of what is not audio before a child process sees it.
"""

from __future__ import annotations

import codecs
import re
from typing import Literal

from media.worker.errors import Refused

AudioFormat = Literal["wav", "mp3"]

# First bytes of what people serve instead of WAV or MP3 by mistake. Longer ones before their beginnings.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"OggS", "Ogg audio"),
    (b"fLaC", "FLAC audio"),
    (b"FORM", "AIFF audio"),
    (b".snd", "Sun audio"),
    (b"#!AMR", "AMR audio"),
    (b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
    (b"MThd", "MIDI"),
    (b"RIFX", "big-endian WAV"),
    (b"RF64", "64-bit WAV"),
    (b"#EXTM3U", "a playlist"),
    (b"%PDF", "PDF"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x7fELF", "a program"),
)
_SEND = "send WAV or MP3"

# Where the first MP3 frame has to begin, counted from the end of tags and padding.
_SYNC_SEARCH_BYTES = 4096
_MAX_TAGS = 8
_NOT_ZERO = re.compile(rb"[^\0]")
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|meta|script)[\s>]", re.IGNORECASE)
_HEAD_BYTES = 512

# Kilobits a second by index, ISO/IEC 11172-3 §2.4.2.3 for layer III of MPEG 1, 13818-3 §2.4.2.3 for MPEG 2 and 2.5.
_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = {0: (11025, 12000, 8000), 2: (22050, 24000, 16000), 3: (44100, 48000, 32000)}


def sniff(data: bytes) -> AudioFormat:
    """The format of an audio file. Raises Refused with what it looks like instead."""
    if not data:
        raise Refused("not audio: the file is empty")
    head = data[:_HEAD_BYTES]
    if head[:4] == b"RIFF":
        if head[8:12] == b"WAVE":
            return "wav"
        raise Refused(f"not audio: a RIFF file of type {head[8:12]!r} instead of WAVE")
    for magic, what in _OTHERS:
        if head.startswith(magic):
            raise Refused(f"not playable: looks like {what}; {_SEND}")
    if head[4:8] == b"ftyp":
        raise Refused(f"not playable: looks like MP4 or M4A; {_SEND}")
    if _is_mp3(data):
        return "mp3"
    raise Refused(f"not audio: looks like {_describe(head)}")


def _describe(head: bytes) -> str:
    if _is_aac(head):
        return f"AAC audio; {_SEND}"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _HTML.search(start):
        return "HTML"
    if start[:1] == b"<":
        return "XML"
    if start[:1] in {b"{", b"["}:
        return "JSON"
    if _is_text(head):
        return "text"
    return f"unknown data (it starts with {head[:8].hex(' ')})"


def _is_text(head: bytes) -> bool:
    try:
        # A character may be cut where the head ends.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(mark.isprintable() or mark.isspace() for mark in text)


def _is_aac(head: bytes) -> bool:
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


def _is_mp3(data: bytes) -> bool:
    """Whether two frames follow each other, or one fills the file, after tags and padding."""
    start = _after_tags(data)
    first = _NOT_ZERO.search(data, start)
    if first is None:
        return False
    at = first.start()
    end = at + _SYNC_SEARCH_BYTES
    while (at := data.find(0xFF, at, end)) >= 0:
        length = _frame_length(data, at)
        following = at + length
        if length and (following >= len(data) or _frame_length(data, following) or data.startswith(b"TAG", following)):
            return True
        at += 1
    return False


def _after_tags(data: bytes) -> int:
    """Where the ID3v2 tags at the beginning end (ID3v2.4 §3.1)."""
    at = 0
    for _ in range(_MAX_TAGS):
        head = data[at : at + 10]
        if len(head) < 10 or head[:3] != b"ID3":
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        footer = 10 if head[5] & 0x10 else 0
        at += 10 + size + footer
    return at


def _frame_length(data: bytes, at: int) -> int:
    """Bytes of the layer III frame whose header is at `at`; 0 when there is none (ISO/IEC 11172-3 §2.4.1.3)."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, kbps_index, rate_index = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or kbps_index in {0, 15} or rate_index == 3:
        return 0
    padding = head[2] >> 1 & 1
    rate = _RATES[version][rate_index]
    if version == 3:
        return 144_000 * _KBPS_1[kbps_index] // rate + padding
    return 72_000 * _KBPS_2[kbps_index] // rate + padding
