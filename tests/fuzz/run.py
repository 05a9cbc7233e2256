"""Every fuzz target in turn, for so many seconds altogether: `python tests/fuzz/run.py 60`.

Exit status 1 when one finds a fault. Says so and does nothing where atheris cannot be imported; where `CI` is set, that
is a fault as well.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TARGETS = {
    **dict.fromkeys(("message", "stream", "uri", "sdp", "digest", "core"), "fuzz_sip.py"),
    **dict.fromkeys(("credentials", "register"), "fuzz_registrar.py"),
    **dict.fromkeys(("rtp", "rtcp"), "fuzz_rtp.py"),
    **dict.fromkeys(("document", "template"), "fuzz_voyloml.py"),
}


def main() -> int:
    """Run the targets one after the other."""
    try:
        import atheris  # noqa: F401
    except ImportError as error:
        in_ci = bool(os.environ.get("CI"))
        verdict = "failed" if in_ci else "skipped"
        sys.stdout.write(f"fuzz: no atheris (pip install -e '.[fuzz]'): {error}: {verdict}\n")
        return int(in_ci)
    seconds = max(1, int(sys.argv[1]) // len(TARGETS))
    for target, name in TARGETS.items():
        script = Path(__file__).with_name(name)
        process = subprocess.run(
            [sys.executable, str(script), target, f"-max_total_time={seconds}", "-print_final_stats=1"],
            check=False,
            capture_output=True,
            text=True,
            cwd=script.parents[2],
            env={"PYTHONPATH": str(script.parents[2]), "NUMBA_DISABLE_JIT": "1"},
        )
        if process.returncode:
            sys.stdout.write(f"fuzz {target}: failed\n{process.stdout[-4000:]}{process.stderr[-8000:]}\n")
            return 1
        runs = process.stderr.rpartition("stat::number_of_executed_units:")[2].split()[0]
        sys.stdout.write(f"fuzz {target}: {runs} inputs in {seconds} s, no fault\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
