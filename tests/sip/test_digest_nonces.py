"""Nonces: ours or not, in time or not, and each count once, whatever is forgotten in between."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.digest.nonces import NonceBook

SECRET = b"0123456789abcdef"


def book(max_tracked: int = 100) -> NonceBook:
    return NonceBook(SECRET, 300, max_tracked)


def opened(nonces: NonceBook, now: float) -> bytes:
    key = nonces.open(nonces.issue("r", "192.0.2.1", now), "r", "192.0.2.1", now)
    assert key is not None
    return key


class TestRecognition:
    def test_a_nonce_holds_for_its_life_and_no_longer(self) -> None:
        nonces = book()
        text = nonces.issue("r", "192.0.2.1", 1000.0)
        assert nonces.open(text, "r", "192.0.2.1", 1000.0) is not None
        assert nonces.open(text, "r", "192.0.2.1", 1300.0) is not None
        assert nonces.open(text, "r", "192.0.2.1", 1300.1) is None

    def test_a_clock_a_little_behind_is_forgiven_a_clock_far_behind_is_not(self) -> None:
        nonces = book()
        text = nonces.issue("r", "192.0.2.1", 1000.0)
        assert nonces.open(text, "r", "192.0.2.1", 996.0) is not None
        assert nonces.open(text, "r", "192.0.2.1", 990.0) is None

    def test_it_is_bound_to_source_and_realm(self) -> None:
        nonces = book()
        text = nonces.issue("r", "192.0.2.1", 1.0)
        assert nonces.open(text, "r", "192.0.2.2", 1.0) is None
        assert nonces.open(text, "q", "192.0.2.1", 1.0) is None

    def test_another_secret_makes_other_nonces_and_the_same_one_reads_them(self) -> None:
        text = book().issue("r", "s", 1.0)
        assert NonceBook(b"x" * 16, 300, 1).open(text, "r", "s", 1.0) is None
        assert NonceBook(SECRET, 300, 1).open(text, "r", "s", 1.0) is not None

    def test_no_two_are_alike(self) -> None:
        nonces = book()
        assert len({nonces.issue("r", "s", 1.0) for _ in range(100)}) == 100

    def test_every_octet_is_protected(self) -> None:
        nonces = book()
        raw = base64.urlsafe_b64decode(nonces.issue("r", "s", 1.0))
        for place in range(len(raw)):
            forged = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
            assert nonces.open(base64.urlsafe_b64encode(forged).decode(), "r", "s", 1.0) is None

    @given(st.text(max_size=60))
    def test_foreign_text_is_not_ours(self, text: str) -> None:
        assert book().open(text, "r", "s", 1.0) is None

    def test_no_other_spelling_of_a_nonce_is_taken(self) -> None:
        nonces = book()
        text = nonces.issue("r", "s", 1.0)
        for spelling in (
            text + "=",
            text + "\n",
            " " + text,
            text[:-1],
            text + "AAAA",
            text[:10] + "." + text[10:],
            "+" * 32,
        ):
            assert nonces.open(spelling, "r", "s", 1.0) is None

    def test_a_short_secret_is_refused(self) -> None:
        with pytest.raises(ValueError, match="16"):
            NonceBook(b"short", 300, 1)
        with pytest.raises(ValueError, match="one"):
            NonceBook(SECRET, 300, 0)


class TestUses:
    def test_a_count_is_taken_once(self) -> None:
        nonces = book()
        key = opened(nonces, 1.0)
        assert nonces.take(key, 1, 1.0)
        assert not nonces.take(key, 1, 1.0)
        assert nonces.take(key, 2, 1.0)

    def test_counts_may_overtake_each_other_within_the_window(self) -> None:
        nonces = book()
        key = opened(nonces, 1.0)
        assert [nonces.take(key, n, 1.0) for n in (1, 70, 10, 7, 6, 7, 10, 70, 69, 71)] == [
            True, True, True, True, False, False, False, False, True, True,
        ]  # fmt: skip

    def test_a_clock_may_begin_at_zero(self) -> None:
        nonces = book()
        assert nonces.take(opened(nonces, 0.0), 1, 0.0)

    def test_a_leap_of_the_count_costs_nothing(self) -> None:
        nonces = book()
        key = opened(nonces, 1.0)
        assert nonces.take(key, 1, 1.0)
        assert nonces.take(key, 2**32 - 1, 1.0)
        assert not nonces.take(key, 1, 1.0)

    def test_without_a_count_a_nonce_serves_once(self) -> None:
        nonces = book()
        key = opened(nonces, 1.0)
        assert nonces.take(key, None, 1.0)
        assert not nonces.take(key, None, 1.0)
        assert not nonces.take(key, 2**32 - 1, 1.0)
        other = opened(nonces, 1.0)
        assert nonces.take(other, 1, 1.0)
        assert not nonces.take(other, None, 1.0)

    @given(st.lists(st.integers(1, 200), max_size=60))
    def test_no_count_is_ever_taken_twice(self, counts: list[int]) -> None:
        nonces = book()
        key = opened(nonces, 1.0)
        taken = [count for count in counts if nonces.take(key, count, 1.0)]
        assert len(taken) == len(set(taken))
        assert not counts or taken[0] == counts[0]


class TestMemory:
    def test_issuing_and_opening_costs_none(self) -> None:
        nonces = book()
        for _ in range(1000):
            opened(nonces, 1.0)
        assert len(nonces) == 0

    def test_it_is_bounded_and_forgetting_lets_nothing_in_twice(self) -> None:
        nonces = book(max_tracked=10)
        keys = [opened(nonces, float(n)) for n in range(50)]
        assert all(nonces.take(key, 1, 50.0) for key in keys)
        assert len(nonces) == 10
        assert not any(nonces.take(key, 1, 50.0) for key in keys)

    def test_a_nonce_as_old_as_a_forgotten_one_is_refused_a_younger_one_is_not(self) -> None:
        nonces = book(max_tracked=1)
        unused, first, second, young = (opened(nonces, now) for now in (1.0, 1.0, 2.0, 3.0))
        assert nonces.take(first, 1, 3.0)
        assert nonces.take(second, 1, 3.0)
        assert not nonces.take(unused, 1, 3.0)
        assert nonces.take(young, 1, 3.0)

    def test_expired_ones_go_first(self) -> None:
        nonces = book()
        for n in range(50):
            nonces.take(opened(nonces, float(n)), 1, float(n))
        assert len(nonces) == 50
        nonces.take(opened(nonces, 400.0), 1, 400.0)
        assert len(nonces) == 1
