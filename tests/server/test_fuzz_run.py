"""`make fuzz` where atheris cannot be imported: skipped on a machine of ours, a failure in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def without_atheris(tmp_path: Path, **more: str) -> dict[str, str]:
    """An environment in which its import fails, installed or not."""
    (tmp_path / "atheris.py").write_text("raise ImportError('not for this Python')\n")
    kept = {name: value for name, value in os.environ.items() if name not in {"CI", "MAKEFLAGS", "MFLAGS"}}
    return {**kept, "PYTHONPATH": str(tmp_path), **more}


@pytest.mark.parametrize(("more", "status", "verdict"), [({}, 0, "skipped"), ({"CI": "1"}, 1, "failed")])
def test_what_cannot_fuzz_says_so(tmp_path: Path, more: dict[str, str], status: int, verdict: str) -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "tests/fuzz/run.py"), "1"],
        check=False,
        capture_output=True,
        text=True,
        env=without_atheris(tmp_path, **more),
    )
    assert (ran.returncode, ran.stderr) == (status, "")
    assert ran.stdout.startswith("fuzz: no atheris ")
    assert ran.stdout.endswith(f": not for this Python: {verdict}\n")


@pytest.mark.parametrize(("more", "status"), [({}, 0), ({"CI": "1"}, 2)])
def test_make_fuzz_needs_atheris_in_ci_only(tmp_path: Path, more: dict[str, str], status: int) -> None:
    """pip cannot install it here; what comes after it runs where that may be."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nif [ "$1" = -m ]; then exit 1; fi\n')
    python.chmod(0o755)
    ran = subprocess.run(
        ["make", "--no-print-directory", "-o", "install-dev", "fuzz", f"BIN={tmp_path}"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=without_atheris(tmp_path, **more),
    )
    assert ran.returncode == status, ran.stderr
