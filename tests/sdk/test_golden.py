"""The golden scripts: both builders make the same bytes of them, which are those of the file, and valid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import voylo
from typer.testing import CliRunner

from sdk.generate import golden
from sdk.generate.python_models import snake
from server.cli import app
from tests.sdk.nodejs import build, require_node, run
from tests.sdk.test_node import every_document
from tests.sdk.test_python_package import built
from voyloml import lint, parse_document
from voyloml.declared.prompts import SSML
from voyloml.document import Element
from voyloml.verbs import ELEMENTS

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def scripts() -> list[dict[str, Any]]:
    found = json.loads(golden.FILE.read_text())
    assert len(found) == 200
    return list(found)


def argument(given: Any) -> Any:
    if not isinstance(given, dict) or "speech" not in given:
        return given
    speech = voylo.Speech()
    for method, *inside in given["speech"]:
        call(speech, method, inside)
    return speech


def call(on: Any, method: str, given: list[Any]) -> Any:
    positional = [argument(each) for each in given]
    options = positional.pop() if positional and isinstance(positional[-1], dict) else {}
    return getattr(on, snake(method))(*positional, **{snake(name): value for name, value in options.items()})


def replayed(calls: list[list[Any]]) -> str:
    results: list[Any] = [voylo.VoyloResponse()]
    for on, method, *given in calls:
        results.append(call(results[on], method, given))
    (xml,) = {str(result) for result in results}
    return xml


def test_the_file_is_what_the_table_of_verbs_makes() -> None:
    assert golden.FILE.read_text() == golden.text(), "stale: run `python -m sdk.generate.golden`"


def test_python_makes_the_bytes_of_the_file(scripts: list[dict[str, Any]]) -> None:
    for script in scripts:
        assert replayed(script["calls"]).encode() == script["xml"].encode(), script["calls"]


def test_node_makes_the_bytes_of_the_file(scripts: list[dict[str, Any]]) -> None:
    require_node()
    build()
    given = json.dumps([script["calls"] for script in scripts])
    for script, xml in zip(scripts, json.loads(run("node", "test/support/replay.mjs", given=given)), strict=True):
        assert xml.encode() == script["xml"].encode(), script["calls"]


def test_every_option_by_itself_makes_the_same_bytes_in_both() -> None:
    require_node()
    build()
    documents = every_document()
    made = json.loads(run("node", "test/support/build.mjs", given=json.dumps(documents)))
    assert [each.get("xml") for each in made] == [built(steps) for steps in documents]


def test_each_is_valid_without_a_warning(scripts: list[dict[str, Any]]) -> None:
    for script in scripts:
        found = lint(script["xml"], base_url=...)
        assert (found.errors, found.warnings) == ((), ()), script["xml"]


def test_each_is_valid_for_the_command(scripts: list[dict[str, Any]], tmp_path: Path) -> None:
    paths = []
    for index, script in enumerate(scripts):
        path = tmp_path / f"{index}.xml"
        path.write_text(script["xml"], newline="")
        paths.append(str(path))
    done = CliRunner().invoke(app, ["validate", *paths])
    assert done.exit_code == 0, done.output
    broken = tmp_path / "broken.xml"
    broken.write_text(scripts[0]["xml"].replace("<Response>", "<Response><Speak/>"))
    assert CliRunner().invoke(app, ["validate", *paths, str(broken)]).exit_code == 1


def test_every_element_and_attribute_is_in_them(scripts: list[dict[str, Any]]) -> None:
    found: set[str] = set()
    for script in scripts:
        collect(parse_document(script["xml"]).root, found)
    expected = {spec.name for spec in ELEMENTS} | {"Response"} | SSML
    expected |= {f"{spec.name} {attribute.name}" for spec in ELEMENTS for attribute in spec.attributes}
    assert expected - found == set()


def collect(element: Element, found: set[str]) -> None:
    found.add(element.name)
    found.update(f"{element.name} {name}" for name in element.attributes)
    for child in element.children:
        collect(child, found)


def test_all_of_ssml_can_be_said_in_python() -> None:
    methods = {name for name in vars(voylo.Speech) if not name.startswith("_")} - {
        "text",
        "plain",
        "count",
        "depth",
        "xml",
    }
    assert {name.rstrip("_").replace("_", "-") for name in methods} == SSML


REFUSED = [
    (lambda it: it.play(voylo.Speech("a")), "the text of <Play> must be a string, not Speech"),
    (lambda it: it.say(voylo.Speech()), "<Say> must contain the text to speak"),
    (lambda it: it.say(voylo.Speech(" ")), "<Say> must contain the text to speak"),
    (lambda it: it.say(voylo.Speech("a" * 4000).p("b")), "the text of <Say> has at most 4000 characters, not 4001"),
    (lambda it: voylo.Speech("\x00"), "the text of a Speech contains a character that XML cannot carry"),
    (lambda it: voylo.Speech().lang("a", "\x01"), "xml:lang contains a character that XML cannot carry"),
    (lambda it: str(it.say(nested(5))), "elements nest at most 6 deep"),
    (lambda it: str(it.say(many(199))), "A document has at most 200 elements, not 201"),
]  # fmt: skip


def nested(deep: int) -> voylo.Speech:
    return voylo.Speech("a") if deep == 0 else voylo.Speech().p(nested(deep - 1))


def many(count: int) -> voylo.Speech:
    speech = voylo.Speech()
    for _ in range(count):
        speech.break_()
    return speech


@pytest.mark.parametrize(("use", "message"), REFUSED)
def test_what_is_not_valid_is_refused_in_speech_too(use: Any, message: str) -> None:
    with pytest.raises(voylo.VoyloMLError) as raised:
        use(voylo.VoyloResponse())
    assert str(raised.value) == message


def test_what_is_just_within_the_limits_is_valid() -> None:
    for speech in (nested(4), many(198), voylo.Speech().break_()):
        xml = str(voylo.VoyloResponse().say(speech))
        assert lint(xml, base_url=...).valid
