"""Runs the tests in two processes at a time: what needs real time in one, everything else in the other.

`python -m tests.run [ARGUMENTS]` hands its arguments to both. The output of the first is shown as it comes, that of the
other when it has ended.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

NO_TESTS = 5
"""pytest's exit status where nothing was selected."""


def main(arguments: list[str]) -> int:
    """Run both and return the exit status: of the first failure, else 0; where neither selects a test, pytest's 5."""
    pytest = [sys.executable, "-m", "pytest", *arguments]
    with tempfile.TemporaryFile() as output:
        rest = subprocess.Popen([*pytest, "-m", "not real_time"], stdout=output, stderr=subprocess.STDOUT)
        try:
            real_time = subprocess.run([*pytest, "-m", "real_time"], check=False).returncode
            rest.wait()
        finally:
            rest.kill()
            rest.wait()
        output.seek(0)
        sys.stdout.flush()
        sys.stdout.buffer.write(output.read())
    statuses = [status for status in (real_time, rest.returncode) if status != NO_TESTS]
    return next((status for status in statuses if status), 0 if statuses else NO_TESTS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
