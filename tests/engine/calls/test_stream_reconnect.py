"""How often and when the connection of a stream is opened again."""

from __future__ import annotations

import pytest

from engine.calls.stream_reconnect import Attempts, BadReconnect, reconnects


def test_each_attempt_waits_twice_as_long_up_to_half_a_minute_and_no_more_are_made_than_asked_for() -> None:
    attempts = Attempts(9)
    waits = [attempts.next_wait(open_seconds) for open_seconds in (9.9, *[0.0] * 9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, None]


def test_after_ten_seconds_of_an_open_connection_they_are_counted_anew() -> None:
    attempts = Attempts(2)
    waits = [attempts.next_wait(seconds) for seconds in (0.1, 9.9, 10.0, 0.0, 0.0, 10.0)]
    assert waits == [0.5, 1, 0.5, 1, None, 0.5]


def test_nothing_is_opened_again_unless_asked_for() -> None:
    assert reconnects({"other": "3"}) == 0
    assert Attempts(0).next_wait(60.0) is None


@pytest.mark.parametrize("wanted", ["1", " 7 ", "10"])
def test_from_one_to_ten_may_be_asked_for(wanted: str) -> None:
    assert reconnects({"reconnect": wanted}) == int(wanted)


@pytest.mark.parametrize("wanted", ["", "0", "11", "-1", "1.5", "true", "\u0663", "1\n2"])
def test_anything_else_is_refused(wanted: str) -> None:
    with pytest.raises(BadReconnect, match="from 1 to 10"):
        reconnects({"reconnect": wanted})
