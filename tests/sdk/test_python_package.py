"""The Python SDK by itself: generated from what the engine is, builder and signatures as the engine judges them."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
import voylo
from voylo.generated import async_resources, builders, resources, values
from voylo.names import camel, pascal
from voylo.voyloml.element import problem

from sdk.generate.node import document
from sdk.generate.python import FOLDER, files
from sdk.generate.python_models import snake
from sdk.generate.received import event_schemas, member, parameters
from tests.sdk.test_node import TEXTS, every_document
from voyloml import lint
from voyloml.binding import _wrong
from voyloml.signature import sign
from voyloml.verbs import ELEMENTS

PACKAGE = Path(voylo.__file__).parent
FILES = ("models.py", "resources.py", "async_resources.py", "builders.py", "values.py")


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    return files()


@pytest.mark.parametrize("name", FILES)
def test_what_is_checked_in_is_what_the_engine_is(generated: dict[str, str], name: str) -> None:
    assert (FOLDER / name).read_text() == generated[name], "stale: run `python -m sdk.generate.python`"


def test_nothing_else_lies_among_the_generated_files(generated: dict[str, str]) -> None:
    assert {path.name for path in FOLDER.glob("*.py")} == {*generated, "__init__.py"}


def test_every_name_of_python_leads_back_to_that_of_the_api() -> None:
    made = document()
    schemas, of_events = made["components"]["schemas"], event_schemas(made)
    bodies = [schema for name, schema in schemas.items() if name not in of_events]
    members = {member for schema in bodies for member in schema.get("properties", ())}
    assert len(members) > 100
    assert {name for name in members if camel(snake(name)) != name} == set()
    received = {member for schema in of_events.values() for member in schema["properties"]}
    assert {name for name in received if snake(name).rstrip("_") != name} == set()
    asked = {each.name for each in parameters()}
    assert {name for name in asked if pascal(snake(member(name))) != name} == set()


def test_the_package_imports_nothing_but_httpx_and_what_python_has_but_for_integrations() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "integrations":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                found.add((node.module or "").partition(".")[0])
    assert found - set(sys.stdlib_module_names) == {"httpx", "voylo"}


def test_both_clients_have_the_same_methods() -> None:
    sync = dict(inspect.getmembers(resources, inspect.isclass))
    asynchronous = dict(inspect.getmembers(async_resources, inspect.isclass))
    names = [name for name, of in sync.items() if of.__module__ == resources.__name__]
    assert len(names) > 10
    for name in names:
        mine, other = sync[name], asynchronous[f"Async{name}"]
        for method in (each for each in vars(mine) if not each.startswith("_")):
            here, there = inspect.signature(getattr(mine, method)), inspect.signature(getattr(other, method))
            assert here.parameters == there.parameters, (name, method)


def call(builder: Any, step: list[Any]) -> Any:
    """One step of the shared documents, whose names are Node's."""
    name, *given = step
    options = given.pop() if given and isinstance(given[-1], dict) else {}
    return getattr(builder, snake(name))(*given, **{snake(key): value for key, value in options.items()})


def built(steps: list[list[Any]]) -> str:
    builder: Any = voylo.VoyloResponse()
    for step in steps:
        builder = call(builder, step)
    return str(builder)


def test_every_verb_and_noun_with_every_option_is_valid_for_the_linter() -> None:
    documents = every_document()
    assert len(documents) > 180
    for steps in documents:
        xml = built(steps)
        found = lint(xml, base_url=...)
        assert (found.valid, found.errors, found.warnings) == (True, (), ()), (steps, xml)


def test_the_builder_takes_and_refuses_what_the_linter_does_in_the_same_words() -> None:
    engine = [attribute.type for spec in ELEMENTS for attribute in spec.attributes]
    engine += [spec.content.type for spec in ELEMENTS if spec.content is not None]
    mine = [attribute.of for spec in specs() for attribute in spec.attributes]
    mine += [spec.content.of for spec in specs() if spec.content is not None]
    assert [repr(each) for each in engine] == [repr(each) for each in mine]
    different = []
    for of, copied in zip(engine, mine, strict=True):
        for text in TEXTS:
            try:
                of.parse(text)
            except ValueError as error:
                expected = _wrong("it", of, text, error)
            else:
                expected = None
            if problem("it", copied, text) != expected:
                different.append((of, text))
    assert different == []


def specs() -> list[Any]:
    found = {name: value for name, value in vars(builders).items() if isinstance(value, builders.ElementSpec)}
    by_name = {spec.name: spec for spec in found.values()}
    return [by_name[spec.name] for spec in ELEMENTS]


def test_the_values_are_of_this_package() -> None:
    assert values.Url.__module__ == "voylo.generated.values"


def test_nesting_and_chaining() -> None:
    response = voylo.VoyloResponse()
    response.gather(num_digits=1, action="/menu").say("Press 1 for sales & more").pause(length=2)
    response.dial("+20223456789", timeout=20).say("Goodbye").hangup()
    response.dial(sip_headers={"X-Order": "7"}).number("+20223456789", send_digits="ww1").agent("ali")
    assert str(response) == (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Gather action="/menu" numDigits="1">'
        '<Say>Press 1 for sales &amp; more</Say><Pause length="2"/></Gather>'
        '<Dial timeout="20">+20223456789</Dial><Say>Goodbye</Say><Hangup/>'
        '<Dial sipHeaders="X-Order=7"><Number sendDigits="ww1">+20223456789</Number><Agent>ali</Agent></Dial>'
        "</Response>"
    )
    nested = voylo.VoyloResponse().gather().say("Hello")
    assert str(nested).endswith("<Response><Gather><Say>Hello</Say></Gather></Response>")


REFUSED = [
    (lambda it: it.gather(num_digits=65), "numDigits must be 1 to 64, not '65'"),
    (lambda it: it.say(""), "<Say> must contain the text to speak"),
    (lambda it: it.say("x" * 4001), "the text of <Say> has at most 4000 characters, not 4001"),
    (lambda it: it.play("ftp://a/b"), "the text of <Play> must be an http or https URL, absolute or relative, not 'ftp://a/b'"),
    (lambda it: it.dial().conference("a").agent("b"), "<Conference> must be the only element in <Dial>"),
    (lambda it: it.dial().conference("a").conference("b"), "<Dial> may contain only one <Conference>"),
    (lambda it: it.dial(sip_headers={"A": "1,2"}), "sipHeaders: the value of A must not contain a comma"),
    (lambda it: it.say("\x00"), "the text of <Say> contains a character that XML cannot carry"),
    (lambda it: it.say(7), "the text of <Say> must be a string, not int"),
    (lambda it: str(it.play()), "<Play> must contain the URL of a WAV or MP3 file"),
    (lambda it: str(it.connect()), "<Connect> must contain a <Stream>"),
    (lambda it: [it.hangup() for _ in range(200)] and str(it), "A document has at most 200 elements, not 201"),
]  # fmt: skip


@pytest.mark.parametrize(("use", "message"), REFUSED)
def test_what_is_not_valid_is_refused_when_built(use: Any, message: str) -> None:
    with pytest.raises(voylo.VoyloMLError) as raised:
        use(voylo.VoyloResponse())
    assert str(raised.value) == message


def test_wrong_nesting_is_refused() -> None:
    with pytest.raises(AttributeError):
        voylo.VoyloResponse().gather().hangup()  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        voylo.VoyloResponse().say("Hello", loops=2)  # type: ignore[call-arg]
    child = builders.Element("Hangup", builders.HANGUP)
    with pytest.raises(voylo.VoyloMLError, match="<Hangup> is not allowed in <Gather>"):
        builders.Element("Gather", builders.GATHER).append(child)


def test_placeholders_of_a_template_pass() -> None:
    response = voylo.VoyloResponse().play("{{ greeting }}").dial("{{to}}")
    assert lint(str(response), base_url=...).valid


def test_what_the_engine_signs_is_accepted_and_nothing_else() -> None:
    body, at = '{"event":"call.completed","to":"مرحبا"}'.encode(), 1_750_000_000
    header = sign(("whsec_old", "whsec_new"), body, at)

    def verify(secrets: Any = "whsec_new", of: bytes = body, given: str | None = header, **how: Any) -> bool:
        return voylo.verify_signature(secrets, of, given, **{"now": at, **how})

    assert verify()
    assert verify("whsec_old")
    assert verify(["whsec_other", "whsec_new"])
    assert verify(of=body.decode())  # type: ignore[arg-type]
    assert verify(now=at + 300)
    assert verify(now=at + 3000, tolerance=3000)
    assert not verify(now=at + 301)
    assert not verify(now=at - 301)
    assert not verify(now=at + 11, tolerance=10)
    assert not verify("whsec_other")
    assert not verify(of=body + b" ")
    for wrong in (None, "", "t=", f"t={at}", "v1=ab", f"t=é{at},v1=é", header.replace("v1=", "v0="), "," * 5000):
        assert not verify(given=wrong), wrong
    assert voylo.verify_signature("whsec_old", body, sign("whsec_old", body, 1), tolerance=float("inf"))
    assert not voylo.verify_signature("whsec_old", body, header, tolerance=float("nan"), now=at)
    for none in ("", [], [""]):
        with pytest.raises(ValueError, match="secrets"):
            voylo.verify_signature(none, body, header)
