"""Keys in the bodies of INFO, and keys that come by two ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calls.info_keys import BODY_TYPES, key_of_info
from engine.calls.keys import TWICE_SECONDS, KeyWays


@pytest.mark.parametrize(
    ("content_type", "body", "key"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", b"Signal= 5\nDuration= 160", "5"),
        ("Application/DTMF-Relay; charset=utf-8", b"signal = #\r\n", "#"),
        ("application/dtmf-relay", b"Duration=160\r\nSignal=10\r\n", "*"),
        ("application/dtmf-relay", b"Signal=11\r\n", "#"),
        ("application/dtmf-relay", b"Signal=d\r\n", "D"),
        ("application/dtmf", b"7", "7"),
        ("application/dtmf", b" *\r\n", "*"),
        ("application/dtmf", b"11", "#"),
        ("application/dtmf", b"Signal=0\r\n", "0"),
        ("application/vnd.nortelnetworks.digits", b"p=Digit-Collection\r\ny=Digits\r\ns=success\r\nd=9\r\n", "9"),
    ],
)
def test_a_key_is_read_from_each_kind_of_body(content_type: str, body: bytes, key: str) -> None:
    assert key_of_info(content_type, body) == key


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, b"5"),
        ("text/plain", b"5"),
        ("application/dtmf-relay", b""),
        ("application/dtmf-relay", b"5"),
        ("application/dtmf-relay", b"Signal=16\r\n"),
        ("application/dtmf-relay", b"Signal=\r\nDuration=5\r\n"),
        ("application/dtmf", b"55"),
        ("application/dtmf", b"\xff\x00"),
        ("application/dtmf", b"Signal=5\r\n" + b" " * 2000),
        ("application/media_control+xml", b"<media_control/>"),
    ],
)
def test_anything_else_is_no_key(content_type: str | None, body: bytes) -> None:
    assert key_of_info(content_type, body) is None


@given(kind=st.sampled_from(sorted(BODY_TYPES)), body=st.binary(max_size=200))
def test_no_body_is_anything_but_a_key_or_nothing(kind: str, body: bytes) -> None:
    key = key_of_info(kind, body)
    assert key is None or key in "0123456789*#ABCD"


class TestWays:
    def test_a_press_sent_in_two_ways_is_one(self) -> None:
        ways = KeyWays()
        presses = [("5", "event", 0.0), ("5", "info", 0.1), ("5", "event", 0.4), ("5", "info", 0.5)]
        assert [ways.is_new(*press) for press in presses] == [True, False, True, False]

    def test_whichever_comes_first(self) -> None:
        ways = KeyWays()
        presses = [("1", "info", 0.0), ("2", "event", 0.1), ("1", "event", 0.2), ("2", "info", 0.3)]
        assert [ways.is_new(*press) for press in presses] == [True, True, False, False]

    def test_equal_keys_of_one_way_are_presses_of_their_own(self) -> None:
        ways = KeyWays()
        assert all(ways.is_new("7", "event", at / 10) for at in range(20))

    def test_long_after_it_is_another_press(self) -> None:
        ways = KeyWays()
        assert ways.is_new("5", "event", 0.0)
        assert ways.is_new("5", "info", TWICE_SECONDS + 0.1)
