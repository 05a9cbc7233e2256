"""A pytest fixture for call flows: put `pytest_plugins = ["voyloml.simulate.fixture"]` in `conftest.py`."""

from __future__ import annotations

from typing import Any

import pytest

from voyloml.simulate.run import Simulated, simulate


class Calls:
    """Makes simulated calls; when the test fails, the report shows their timelines."""

    def __init__(self) -> None:
        self.made: list[Simulated] = []

    def __call__(self, document: str | None = None, **options: Any) -> Simulated:
        """As `voyloml.simulate.simulate`."""
        ran = simulate(document, **options)
        self.made.append(ran)
        print(ran.text())
        return ran


@pytest.fixture
def simulated_call() -> Calls:
    """Call it with what `simulate` takes."""
    return Calls()
