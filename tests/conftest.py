"""What holds for every test: examples of hypothesis are the same each time, no clock decides over them, and what runs
in real time is marked, so that it can run by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("voylo", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("voylo")

TESTS = Path(__file__).parent

REAL_TIME = (
    "interop/",
    "engine/calls/",
    "engine/store/",
    "engine/test_",
    "server/",
    "media/test_",
    "sdk/test_control",
    "sdk/test_examples",
    "sdk/test_golden",
    "sdk/test_node",
    "sdk/test_python_engine",
    "sdk/test_python_requests",
    "sip/test_useragent",
    "sip/test_transport",
    "sip/test_torture_uas",
)
"""Calls, phones and processes."""

WHOLE_ENGINE = ("engine/",)
"""Those of them that run in a process beside the others."""


LAST = "test_exercised.py"
"""Looks back at the other tests of its folder."""

LEFT_OUT = pytest.StashKey[set[Path]]()
"""Files of which tests were deselected."""


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Keep whose tests do not run."""
    for item in items:
        item.config.stash.setdefault(LEFT_OUT, set()).add(item.path)


@pytest.fixture(scope="session")
def left_out(pytestconfig: pytest.Config) -> set[Path]:
    """Files of which tests were deselected."""
    return pytestconfig.stash.get(LEFT_OUT, set())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs in real time, and put what looks back at its folder behind the others of it."""
    folders = {folder: place for place, folder in enumerate(dict.fromkeys(item.path.parent for item in items))}
    items.sort(key=lambda item: (folders[item.path.parent], item.path.name == LAST))
    for item in items:
        path = item.path.relative_to(TESTS).as_posix()
        if path.startswith(REAL_TIME):
            item.add_marker(pytest.mark.real_time)
        if path.startswith(WHOLE_ENGINE):
            item.add_marker(pytest.mark.whole_engine)
