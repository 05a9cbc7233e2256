"""`python -m sdk.generate.golden`: writes `tests/sdk/golden.json`, scripts for the builders and the XML they make.

A script is a list of calls `[on, method, ...arguments]`. `on` is the number of the call whose result the method is
called on; 0 is the `VoyloResponse`. Names are Node's; options are a last argument that is an object, `{"speech": […]}`
is a Speech. The XML is written here without either builder, from the engine's table of verbs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final
from xml.sax.saxutils import escape

from sdk.generate.golden_values import speech, value
from voyloml.schema import ElementSpec
from voyloml.verbs import BY_NAME, ELEMENTS, parents_of

FILE: Final = Path(__file__).parents[2] / "tests" / "sdk" / "golden.json"
SCRIPTS: Final = 200
SEED: Final = "voylo"

_SPEECH_ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = {
    "break": ("strength", "time"),
    "emphasis": ("level",),
    "lang": ("xml:lang",),
    "phoneme": ("alphabet", "ph"),
    "prosody": ("volume", "rate", "pitch"),
    "sayAs": ("interpret-as", "format"),
    "sub": ("alias",),
    "w": ("role",),
}


@dataclass
class Node:
    """An element of the document that a script is to make; `text` is also a Speech."""

    spec: ElementSpec
    options: dict[str, Any] = field(default_factory=dict)
    text: Any = None
    children: list[Node] = field(default_factory=list)


def scripts() -> list[dict[str, Any]]:
    """All of them, the same each time: each is about one element of the table, with all or some of its attributes."""
    made = []
    for index in range(SCRIPTS):
        random = Random(f"{SEED} {index}")
        verbs = [_around(random, ELEMENTS[index % len(ELEMENTS)], whole=index < 2 * len(ELEMENTS))]
        further = random.choices([spec for spec in ELEMENTS if spec.verb], k=random.randint(0, 4))
        verbs += [_node(random, spec) for spec in further]
        # What ends a document stands at its end, so that the linter has nothing to say.
        last = [verb for verb in verbs if verb.spec.ends_document][:1]
        verbs = [verb for verb in verbs if not verb.spec.ends_document] + last
        calls: list[list[Any]] = []
        for verb in verbs:
            _write_calls(verb, 0, calls)
        xml = '<?xml version="1.0" encoding="UTF-8"?><Response>' + "".join(map(_xml, verbs)) + "</Response>"
        made.append({"calls": calls, "xml": xml})
    return made


def _around(random: Random, spec: ElementSpec, *, whole: bool) -> Node:
    """A node of this element, inside the verbs that it needs around it."""
    node = _node(random, spec, whole=whole)
    while not spec.verb:
        spec = BY_NAME[random.choice([name for name in parents_of(spec.name) if name != "Response"])]
        node = Node(spec, _options(random, spec, whole=False), None, _completed(random, spec, [node]))
    return node


def _node(random: Random, spec: ElementSpec, *, whole: bool = False) -> Node:
    node = Node(spec, _options(random, spec, whole=whole))
    content = spec.content
    optional = content is not None and content.unless is not None and content.unless in node.options
    nested = bool(spec.children) and (content is None or random.random() < 0.5)
    if nested:
        most = random.randint(1 if content is not None else 0, 3)
        node.children = _completed(random, spec, _children(random, spec, most))
    elif content is not None and not (optional and random.random() < 0.8):
        spoken = bool(spec.markup) and random.random() < 0.5
        node.text = speech(random) if spoken else value(random, content.type)
    return node


def _children(random: Random, spec: ElementSpec, most: int) -> list[Node]:
    chosen: list[Node] = []
    while len(chosen) < most:
        child = random.choice(spec.children)
        same = sum(node.spec.name == child.name for node in chosen)
        if child.most is not None and same >= child.most:
            break
        if child.alone and chosen:
            continue
        chosen.append(_node(random, BY_NAME[child.name]))
        if child.alone:
            break
    return chosen


def _completed(random: Random, spec: ElementSpec, children: list[Node]) -> list[Node]:
    """The children, with the one before them that the element cannot be without."""
    if spec.needs_child is None or any(node.spec.name == spec.needs_child for node in children):
        return children
    return [_node(random, BY_NAME[spec.needs_child]), *children]


def _options(random: Random, spec: ElementSpec, *, whole: bool) -> dict[str, Any]:
    chosen = [each for each in spec.attributes if each.required or whole or random.random() < 0.3]
    random.shuffle(chosen)
    return {each.name: value(random, each.type) for each in chosen}


def _write_calls(node: Node, on: int, calls: list[list[Any]]) -> None:
    name = node.spec.name[:1].lower() + node.spec.name[1:]
    text = [] if node.text is None else [node.text]
    calls.append([on, name, *text, *([node.options] if node.options else [])])
    number = len(calls)
    for child in node.children:
        _write_calls(child, number, calls)


def _xml(node: Node) -> str:
    given = node.options
    written = [(each.name, _written(given[each.name])) for each in node.spec.attributes if each.name in given]
    if node.text is None:
        inside = "".join(map(_xml, node.children))
    else:
        inside = _speech(node.text["speech"]) if isinstance(node.text, dict) else _in_text(node.text.strip())
    return _element(node.spec.name, written, inside)


def _written(given: Any) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, list):
        return " ".join(given)
    if isinstance(given, dict):
        return ",".join(f"{name}={each}" for name, each in given.items())
    return str(given).strip()


def _speech(steps: list[list[Any]]) -> str:
    return "".join(_mark(*step) for step in steps)


def _mark(method: str, *arguments: Any) -> str:
    if method == "text":
        return _in_text(arguments[0])
    given = (
        dict(arguments[-1]) if arguments and isinstance(arguments[-1], dict) and "speech" not in arguments[-1] else {}
    )
    if method == "lang":
        given = {"xml:lang": arguments[1]}
    if "interpretAs" in given:
        given["interpret-as"] = given.pop("interpretAs")
    attributes = [(name, given[name]) for name in _SPEECH_ATTRIBUTES.get(method, ()) if name in given]
    inside = "" if method == "break" else arguments[0]
    content = _speech(inside["speech"]) if isinstance(inside, dict) else _in_text(inside)
    return _element("say-as" if method == "sayAs" else method, attributes, content)


def _element(name: str, attributes: list[tuple[str, str]], inside: str) -> str:
    shown = "".join(f' {each}="{_in_attribute(text)}"' for each, text in attributes)
    return f"<{name}{shown}>{inside}</{name}>" if inside else f"<{name}{shown}/>"


def _in_text(text: str) -> str:
    return escape(text, {"\r": "&#13;"})


def _in_attribute(text: str) -> str:
    return escape(text, {"\r": "&#13;", '"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


def text() -> str:
    """The file."""
    lines = [json.dumps(script, ensure_ascii=False) for script in scripts()]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main() -> None:
    """Writes the file where it has changed."""
    if not FILE.is_file() or FILE.read_text() != text():
        FILE.write_text(text())
        print(FILE)


if __name__ == "__main__":
    main()
