"""Keys pressed before anyone reads them."""

from __future__ import annotations

import asyncio

from engine.calls.keys import KEPT_KEYS, KeyBuffer


async def test_keys_come_in_the_order_pressed() -> None:
    keys = KeyBuffer()
    for key in "12#":
        keys.press(key)
    assert [await keys.next() for _ in range(3)] == ["1", "2", "#"]


async def test_a_reader_waits_for_a_key() -> None:
    keys = KeyBuffer()
    reading = asyncio.create_task(keys.next())
    await asyncio.sleep(0)
    assert not reading.done()
    keys.press("5")
    assert await reading == "5"


async def test_a_cancelled_read_loses_no_key() -> None:
    keys = KeyBuffer()
    reading = asyncio.create_task(keys.next())
    await asyncio.sleep(0)
    keys.press("5")
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert await keys.next() == "5"


def test_at_most_32_are_kept_and_the_first_ones_stay() -> None:
    keys = KeyBuffer()
    for n in range(KEPT_KEYS + 3):
        keys.press(str(n % 10))
    assert len(keys) == KEPT_KEYS
    assert keys.dropped == 3
