"""Processor time as a multiple of a fixed loop's, measured beside it: tells linear from quadratic on any machine."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

_ROUNDS = 10_000


def _loop_seconds() -> float:
    """Processor time of the loop that is the unit; about a millisecond."""
    began = time.process_time()
    value = 0
    for number in range(_ROUNDS):
        value = (value * 31 + number) & 0xFFFF
    return time.process_time() - began


@contextmanager
def effort_below(units: int) -> Iterator[None]:
    """Asserts that the block takes less processor time than so many runs of a loop of ten thousand rounds."""
    unit = max(_loop_seconds() for _ in range(3))
    # A collection goes through all that the other tests have left alive, which is no part of the work.
    gc.collect()
    gc.disable()
    try:
        began = time.process_time()
        yield
        used = time.process_time() - began
    finally:
        gc.enable()
    unit = max(unit, *(_loop_seconds() for _ in range(3)))
    assert used < units * unit, f"{used / unit:.0f} times the loop, not under {units}"
