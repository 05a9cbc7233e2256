"""What holds for every test: examples of hypothesis are the same each time, no clock decides over them, and what runs
in real time runs by itself."""

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
    "sip/test_useragent",
    "sip/test_transport",
    "sip/test_torture_uas",
)
"""Calls, phones and processes: one after the other in one worker, while another one does the rest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort tests into groups for `--dist loadgroup`: everything in real time, and each other file."""
    for item in items:
        place = item.path.relative_to(TESTS).as_posix()
        item.add_marker(pytest.mark.xdist_group("real time" if place.startswith(REAL_TIME) else place))
