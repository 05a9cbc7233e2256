"""How long the engine takes from exec to `ready`, with a cold and a warm compile cache, and what it weighs idle.

Target: under 3 s warm, under 300 MB resident (its child processes included).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.engine import started

WARM_SECONDS = 3.0
IDLE_MEGABYTES = 300.0
SETTLE_SECONDS = 3.0


def start_once(cache: Path) -> tuple[float, float]:
    """Starts the engine once; returns seconds to `ready` and resident MB some seconds later."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        with started(Path(folder) / "data", NUMBA_CACHE_DIR=str(cache)) as engine:
            seconds = time.monotonic() - began
            time.sleep(SETTLE_SECONDS)
            return seconds, engine.megabytes()


def run(*, quick: bool) -> dict[str, object]:
    """Prints and returns the figures."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        cold, _ = start_once(cache)
        starts = [start_once(cache) for _ in range(1 if quick else 3)]
    warm = min(seconds for seconds, _ in starts)
    memory = max(megabytes for _, megabytes in starts)
    print(f"start, cold compile cache   {cold:6.2f} s")
    print(f"start, warm compile cache   {warm:6.2f} s   (target < {WARM_SECONDS:g} s)")
    print(f"idle, resident              {memory:6.0f} MB  (target < {IDLE_MEGABYTES:g} MB)")
    return {
        "cold_seconds": cold,
        "warm_seconds": warm,
        "idle_megabytes": memory,
        "missed": warm >= WARM_SECONDS or memory >= IDLE_MEGABYTES,
    }
