"""The call flows in `examples/`: each lints, and its scripted call goes as the golden timeline has it.

After a wanted change, `python -m tests.voyloml.test_examples` writes the timelines anew.
"""

from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from voyloml import lint
from voyloml.simulate import Simulated, simulate, wsgi
from voyloml.simulate.application import Function
from voyloml.simulate.folder import folder
from voyloml.simulate.script_text import parse_script

FLOWS = Path(__file__).parents[2] / "examples" / "call_flows"
NAMES = sorted(path.name for path in FLOWS.iterdir() if (path / "main.xml").is_file())
GOLDEN = "timeline.json"


def application_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if hasattr(module, "now"):
        module.now = lambda: datetime(2026, 1, 6, 22, 30, tzinfo=UTC)
    return module


def call_of(name: str) -> Simulated:
    path = FLOWS / name
    script = parse_script((path / "call.txt").read_text())
    document = (path / "main.xml").read_text()
    app: Function = folder(path, script.routes)
    if (path / "app.py").is_file():
        app = wsgi(application_of(path / "app.py").application)
    given = {"caller": script.caller, "world": script.world, "setting": script.setting, "app": app}
    if script.template:
        return simulate(template=document, **given)  # type: ignore[arg-type]
    return simulate(document, url="http://app.test/main.xml", **given)  # type: ignore[arg-type]


def test_there_are_ten() -> None:
    assert len(NAMES) == 10


@pytest.mark.parametrize("name", NAMES)
class TestEach:
    def test_lints_without_a_finding(self, name: str) -> None:
        for path in (FLOWS / name).glob("*.xml"):
            found = lint(path.read_bytes(), base_url=...)
            assert (found.errors, found.warnings) == ((), ()), path.name

    def test_goes_as_recorded(self, name: str) -> None:
        golden = json.loads((FLOWS / name / GOLDEN).read_text())
        assert json.loads(call_of(name).json()) == golden

    def test_ends_well(self, name: str) -> None:
        ran = call_of(name)
        assert ran.ended in {"completed", "hangup"}
        assert ran.warnings == []

    def test_uses_every_document_or_says_in_its_script_when(self, name: str) -> None:
        path = FLOWS / name
        said = (path / "call.txt").read_text() + (path / "main.xml").read_text()
        documents = "".join(other.read_text() for other in path.glob("*.xml"))
        for document in path.glob("*.xml"):
            assert document.name in said or f"/{document.stem}" in documents or document.stem in {"main", "agent"}


if __name__ == "__main__":
    for each in NAMES:
        ran = call_of(each)
        (FLOWS / each / GOLDEN).write_text(ran.json())
        print(f"== {each}\n{ran.text()}")
