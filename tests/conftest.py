"""What holds for every test: examples of hypothesis are the same each time, no clock decides over them, and what runs
in real time is marked, so that it can run by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("voylo", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("voylo")

TESTS = Path(__file__).parent

REAL_TIME = (
    "interop/",
    "engine/",
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs in real time."""
    for item in items:
        path = item.path.relative_to(TESTS).as_posix()
        if path.startswith(REAL_TIME):
            item.add_marker(pytest.mark.real_time)
        if path.startswith(WHOLE_ENGINE):
            item.add_marker(pytest.mark.whole_engine)
