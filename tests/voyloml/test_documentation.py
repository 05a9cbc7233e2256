"""The Python in `docs/testing-call-flows.md` runs, and its tests say what the page says of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "testing-call-flows.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def names(source: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(source, found)
    return found


def test_the_first_version_warns_as_the_page_says() -> None:
    flow = names("\n".join(BLOCKS))
    ran = flow["simulate"](url="http://app.test/voice", app=flow["answer"])
    assert ran.warnings == ["missing_content: <Redirect> must contain the URL of a document"]
    with pytest.raises(AssertionError):
        flow["test_a_caller_who_is_silent_hears_the_menu_again"]()


def test_the_mended_one_passes_its_tests() -> None:
    flow = names("\n".join(BLOCKS).replace("<Redirect/>", "<Redirect>/voice</Redirect>"))
    tests = [value for name, value in flow.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test()
