"""One fuzz target from its corpus, for the programs beside this one."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import atheris


def fuzz(targets: Mapping[str, tuple[Callable[[bytes], Any], Sequence[bytes]]], most_octets: int = 4096) -> None:
    """Fuzz the target that the command line names from its corpus until libFuzzer's own limits end it."""
    target, seeds = targets[sys.argv[1]]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds):
            Path(folder, f"seed{number}").write_bytes(seed)
        atheris.Setup([sys.argv[0], f"-max_len={most_octets}", *sys.argv[2:], folder], target)
        atheris.Fuzz()
