"""Times in the store are exact to the millisecond and in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.store.times import from_ms, from_ms_or_none, to_ms, to_ms_or_none


@given(st.integers(min_value=-62_000_000_000_000, max_value=250_000_000_000_000))
def test_every_stored_time_comes_back_exactly(ms: int) -> None:
    assert to_ms(from_ms(ms)) == ms


def test_fractions_are_cut_off_and_offsets_are_taken_into_account() -> None:
    east = timezone(timedelta(hours=2))
    moment = datetime(2026, 6, 23, 12, 31, 0, 123_999, tzinfo=east)
    assert from_ms(to_ms(moment)) == datetime(2026, 6, 23, 10, 31, 0, 123_000, tzinfo=UTC)


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(TypeError):
        to_ms(datetime(2026, 6, 23))


def test_none_stays_none() -> None:
    assert to_ms_or_none(None) is None
    assert from_ms_or_none(None) is None
