"""The audio of streams in text messages: written as Python's own base64 would write it, and read the same back."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.kernel import constants as c
from media.kernel.g711 import decode, encode
from media.kernel.messages import ENDING, UNREAD, frame_octets, read_message, write_message

HEAD = b'{"event":"media","streamSid":"st_1","media":{"payload":"'


def message_of(octets: bytes, head: bytes = HEAD) -> bytes:
    return head + base64.b64encode(octets) + ENDING


def read(message: bytes, *, ring: int = 400, tail: int = 0, head: int = 0) -> tuple[int, bytes, int]:
    """What came of a message that lies in the middle of others: the count, what was written as µ-law, the new tail."""
    cursors, samples = np.zeros(c.LIVE_CURSOR_WORDS, np.int64), np.zeros(ring, np.int16)
    cursors[c.LIVE_HEAD], cursors[c.LIVE_TAIL] = head, tail
    data = b"~~" + message + b"~"
    count = read_message(data, 2, 2 + len(message), HEAD, cursors, samples, tail)
    written = samples[(tail + np.arange(max(count, 0))) % ring]
    return count, encode(written, "PCMU").tobytes(), int(cursors[c.LIVE_TAIL])


@pytest.mark.parametrize("count", [158, 159, 160])
def test_a_frame_is_masked_text_with_the_audio_in_base64(count: int) -> None:
    samples = np.random.default_rng(count).integers(-32768, 32768, count).astype(np.int16)
    frame = np.zeros(frame_octets(HEAD, count), np.uint8)
    assert write_message(HEAD, samples, 0x01F20384, frame) == len(frame)
    text = message_of(encode(samples, "PCMU").tobytes())
    assert frame[:8].tobytes() == b"\x81\xfe" + len(text).to_bytes(2) + b"\x01\xf2\x03\x84"
    mask = np.resize(frame[4:8], len(text))
    assert (frame[8:] ^ mask).tobytes() == text


@given(st.binary(min_size=1, max_size=330), st.integers(0, 399))
def test_audio_is_read_as_it_was_written_wherever_it_lies(octets: bytes, tail: int) -> None:
    # Of the two zeros of µ-law the encoder writes one.
    expected = encode(decode(np.frombuffer(octets, np.uint8), "PCMU"), "PCMU").tobytes()
    assert read(message_of(octets), tail=tail, head=tail) == (len(octets), expected, tail + len(octets))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        HEAD,
        HEAD + ENDING,
        message_of(b"abc")[:-1],
        message_of(b"abc", HEAD.replace(b"st_1", b"st_2")),
        HEAD + b"YWJ" + ENDING,
        HEAD + b"Y===" + ENDING,
        HEAD + b"====" + ENDING,
        HEAD + b"YQ==YQ==" + ENDING,
        HEAD + b"YW\xffj" + ENDING,
        HEAD + b'YW"}' + ENDING,
        HEAD + b"YWJj" + b'"} }',
    ],
)
def test_anything_else_is_left_to_others(message: bytes) -> None:
    assert read(message, tail=7, head=7) == (UNREAD, b"", 7)


def test_what_does_not_fit_as_a_whole_is_left_to_others() -> None:
    assert read(message_of(bytes(160)), ring=400, tail=241, head=0)[0] == UNREAD
    assert read(message_of(bytes(160)), ring=400, tail=240, head=0)[0] == 160
