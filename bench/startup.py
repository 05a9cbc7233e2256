"""How long the engine takes from exec to `ready`, with a cold and a warm compile cache, and what it weighs idle.

Target: under 3 s warm, under 300 MB resident (its child processes included).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WARM_SECONDS = 3.0
IDLE_MEGABYTES = 300.0
START_LIMIT = 180.0
SETTLE_SECONDS = 3.0


def _environment(folder: Path, cache: Path) -> dict[str, str]:
    return {
        **os.environ,
        "NUMBA_CACHE_DIR": str(cache),
        "VOYLO_STORAGE__DATA_DIR": str(folder),
        "VOYLO_HTTP__BIND": "127.0.0.1:0",
        "VOYLO_SIP__UDP": "127.0.0.1:0",
        "VOYLO_SIP__TCP": "",
        "VOYLO_LOG__FORMAT": "json",
        "VOYLO_LOG__LEVEL": "warning",
    }


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process and all its descendants, in MB; pages shared between them counted once each."""
    total = 0
    pending = [pid]
    while pending:
        current = pending.pop()
        status = Path(f"/proc/{current}/status").read_text()
        total += int(status.partition("VmRSS:")[2].split()[0])
        for task in Path(f"/proc/{current}/task").iterdir():
            pending.extend(int(child) for child in (task / "children").read_text().split())
    return total / 1024


def start_once(cache: Path) -> tuple[float, float]:
    """Starts the engine once; returns seconds to `ready` and resident MB some seconds later."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve"],
            env=_environment(Path(folder), cache),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("{") and json.loads(line).get("event") == "ready":
                    seconds = time.monotonic() - began
                    time.sleep(SETTLE_SECONDS)
                    return seconds, resident_megabytes(process.pid)
            raise RuntimeError(f"the engine ended with {process.wait()} before it was ready")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_LIMIT)


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
