"""Runs the tests in three processes at a time: calls of the engine room, everything else that needs real time, and the
rest, which keeps a core busy while the others mostly wait.

`python -m tests.run [ARGUMENTS]` hands its arguments to all. The output of the first is shown as it comes, that of the
others when they have ended.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from typing import IO

from tests.support.lanes import VARIABLE

NO_TESTS = 5
"""pytest's exit status where nothing was selected."""

SHOWN = "real_time and not whole_engine"
BESIDE = ("real_time and whole_engine", "not real_time")
"""Which tests each process runs, as pytest's -m says it."""


def main(arguments: list[str]) -> int:
    """Run all and return the exit status: of the first failure, else 0; where none selects a test, pytest's 5."""
    pytest = [sys.executable, "-m", "pytest", *arguments]
    with contextlib.ExitStack() as stack:
        others: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
        for lane, selected in enumerate(BESIDE, 1):
            output = stack.enter_context(tempfile.TemporaryFile())
            process = subprocess.Popen(
                [*pytest, "-m", selected],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {VARIABLE: str(lane)},
            )
            stack.callback(_end, process)
            others.append((process, output))
        statuses = [subprocess.run([*pytest, "-m", SHOWN], check=False).returncode]
        for process, output in others:
            statuses.append(process.wait())
            output.seek(0)
            sys.stdout.flush()
            sys.stdout.buffer.write(output.read())
    statuses = [status for status in statuses if status != NO_TESTS]
    return next((status for status in statuses if status), 0 if statuses else NO_TESTS)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
