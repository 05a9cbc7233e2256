"""Ports of the processes in which the tests run side by side: what one still sends to a port that it has closed must
not reach an engine of another."""

from __future__ import annotations

import os

VARIABLE = "VOYLO_TEST_LANE"
"""Which of the processes this is, from 0; `tests.run` sets it."""

APART = 4000


def lane_ports(first: int, last: int) -> tuple[int, int]:
    """A range of ports as this process has it."""
    moved = APART * int(os.environ.get(VARIABLE, "0"))
    return first + moved, last + moved
