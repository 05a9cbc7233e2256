"""`voylo bench`: the measurements of the source tree, run with the Python that runs the engine (contract §22.1)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence

from server.commands.console import WRONG_USAGE, leave


def bench(names: Sequence[str], *, quick: bool, as_json: bool) -> int:
    """Run the named measurements, or all; the exit status is 1 when one misses its target."""
    if importlib.util.find_spec("bench") is None:
        leave(WRONG_USAGE, ["the measurements are in the source tree and were not installed: run `make bench` there"])
    flags = [flag for flag, wanted in (("--quick", quick), ("--json", as_json)) if wanted]
    command = [sys.executable, "-m", "bench", *names, *flags]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - no shell, and whoever calls could run it
