"""`python -m bench`: what one bench breaks on does not keep the next ones from running."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from bench import __main__ as bench


def test_a_bench_that_breaks_is_a_miss_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(*, quick: bool) -> dict[str, object]:
        raise RuntimeError(f"nothing is carried, quick: {quick}")

    monkeypatch.setitem(sys.modules, "bench.broken", SimpleNamespace(run=breaks))
    monkeypatch.setitem(sys.modules, "bench.whole", SimpleNamespace(run=lambda *, quick: {"figure": 1, "missed": []}))
    monkeypatch.setattr(bench, "BENCHES", ("broken", "whole"))
    monkeypatch.setattr(sys, "argv", ["bench", "--quick", "--json"])
    assert bench.main() == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "broken": {"missed": ["RuntimeError: nothing is carried, quick: True"]},
        "whole": {"figure": 1, "missed": []},
    }
    assert "Traceback" in err
    assert "targets missed in: broken" in err
