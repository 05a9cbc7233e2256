"""Bans after repeated failures (contract §14.1): counting, expiry, bounds."""

from __future__ import annotations

from sip.defence import Defence, source_network


def defence(**changes: object) -> tuple[Defence, list[str]]:
    bans: list[str] = []
    settings = {"limit": 5, "window": 60.0, "ban_seconds": 600.0, "sources": 100, **changes}
    return Defence(on_ban=lambda host, _seconds: bans.append(host), **settings), bans  # type: ignore[arg-type]


def test_the_fifth_failure_in_a_minute_bans_for_ten() -> None:
    table, bans = defence()
    for second in range(4):
        assert not table.record_failure("a", second)
    assert not table.is_banned("a", 4)
    assert table.record_failure("a", 59)
    assert bans == ["a"]
    assert table.is_banned("a", 60)
    assert table.is_banned("a", 658.9)
    assert not table.is_banned("a", 659)
    assert table.dropped == 2


def test_failures_that_are_too_far_apart_do_not_add_up() -> None:
    table, bans = defence()
    for number in range(20):
        table.record_failure("a", number * 20)
    assert bans == []


def test_addresses_are_counted_apart() -> None:
    table, bans = defence()
    for number in range(20):
        table.record_failure(f"host{number % 5}", number)
    assert bans == []


def test_a_ban_is_told_once() -> None:
    table, bans = defence()
    for _ in range(50):
        table.record_failure("a", 1)
    assert bans == ["a"]


def test_after_a_ban_counting_starts_again() -> None:
    table, bans = defence()
    for _ in range(5):
        table.record_failure("a", 1)
    assert not table.is_banned("a", 700)
    for _ in range(4):
        table.record_failure("a", 700)
    assert bans == ["a"]
    table.record_failure("a", 700)
    assert bans == ["a", "a"]


def test_a_ban_that_ran_out_unnoticed_does_not_shield_from_the_next() -> None:
    table, bans = defence()
    for _ in range(5):
        table.record_failure("a", 1)
    for _ in range(5):
        table.record_failure("a", 1000)
    assert bans == ["a", "a"]


def test_the_table_is_bounded_and_forgets_the_oldest() -> None:
    table, bans = defence(sources=10)
    for number in range(1000):
        table.record_failure(f"host{number}", 1)
    assert len(table) == 10
    for number in range(1000):
        for _ in range(5):
            table.record_failure(f"ban{number}", 1)
    assert len(bans) == 1000
    assert len(table) <= 20
    assert table.is_banned("ban999", 2)
    assert table.is_banned("ban990", 2)
    assert not table.is_banned("ban989", 2)
    assert not table.is_banned("ban0", 2)


def test_a_limit_of_zero_bans_nobody() -> None:
    table, bans = defence(limit=0)
    assert not any(table.record_failure("a", 1) for _ in range(50))
    assert bans == []
    assert not table.is_banned("a", 1)


def test_an_address_can_be_forgiven() -> None:
    table, _ = defence()
    for _ in range(5):
        table.record_failure("a", 1)
    table.forgive("a")
    assert not table.is_banned("a", 2)
    for _ in range(4):
        table.record_failure("a", 3)
    table.forgive("a")
    assert not table.record_failure("a", 4)
    assert len(table) == 1


def test_who_moves_about_in_an_ipv6_network_is_banned_all_the_same() -> None:
    table, bans = defence()
    for number in range(5):
        table.record_failure(f"2001:db8::{number + 1:x}", number)
    assert bans == ["2001:db8::5"]
    assert table.is_banned("2001:db8::ffff:1", 10)
    assert not table.is_banned("2001:db8:0:1::1", 10)
    table.forgive("2001:db8::9")
    assert not table.is_banned("2001:db8::1", 10)


def test_an_ipv4_address_stands_for_itself_in_whatever_form() -> None:
    assert source_network("192.0.2.1") == "192.0.2.1"
    assert source_network("::ffff:192.0.2.1") != source_network("::ffff:192.0.2.2")
    assert source_network("fe80::1%eth0") == source_network("fe80::2")
    assert source_network("no:address") == "no:address"
