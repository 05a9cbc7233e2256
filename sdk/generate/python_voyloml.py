"""The builders of VoyloML in Python: a method for each verb and noun of the engine's table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from sdk.generate.node_voyloml import _BY_NAME, _RESPONSE, _text_name
from sdk.generate.python_models import docstring, snake
from voyloml import attribute_types
from voyloml.attribute_types import (
    AttributeType,
    Boolean,
    Choice,
    Integer,
    IntegerOr,
    SipHeaders,
    Words,
)
from voyloml.schema import Attribute, ElementSpec
from voyloml.verbs import ELEMENTS

_ENGINE_ONLY: Final = (
    r"from voyloml\.errors import Code\n\n",
    r"def error_code\(.*?\n\n\n",
)


def values() -> str:
    """`values.py`: the engine's own types of values, so that the builder refuses what the linter does in its words."""
    text = Path(attribute_types.__file__).read_text()
    for pattern in _ENGINE_ONLY:
        text, count = re.subn(pattern, "", text, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"voyloml/attribute_types.py is not as expected: {pattern}")
    old = text[: text.index('"""', 3)]
    return text.replace(
        old, '"""The types that attributes and contents of VoyloML have, as the engine reads them.\n', 1
    )


def written() -> str:
    """`builders.py`."""
    parts = [
        '"""Builders of VoyloML, made from the engine\'s table of verbs."""\n',
        "from __future__ import annotations\n\nfrom collections.abc import Mapping, Sequence\n"
        "from typing import Literal, TypeVar, overload\n\n"
        "from voylo.generated.values import (\n"
        + "".join(f"    {name},\n" for name in sorted(_used()))
        + ")\nfrom voylo.voyloml.builder import Builder\n"
        "from voylo.voyloml.element import AttributeSpec, ChildSpec, ContentSpec, Element, ElementSpec\n"
        "from voylo.voyloml.speech import Speech\n",
        *(f"{_constant(spec.name)} = {_spec(spec)}\n" for spec in (*ELEMENTS, _RESPONSE)),
        *(_builder(spec) for spec in ELEMENTS if spec.children),
        _builder(_RESPONSE),
    ]
    return "\n\n".join(parts)


def _used() -> set[str]:
    types = [attribute.type for spec in ELEMENTS for attribute in spec.attributes]
    types += [spec.content.type for spec in ELEMENTS if spec.content is not None]
    return {type(each).__name__ for each in types}


def _spec(spec: ElementSpec) -> str:
    parts = [repr(spec.name)]
    if spec.attributes:
        shown = (
            f"AttributeSpec({each.name!r}, {each.type!r}, {each.meaning!r}{', required=True' if each.required else ''})"
            for each in spec.attributes
        )
        parts.append(f"attributes=({', '.join(shown)},)")
    if spec.content is not None:
        unless = f", unless={spec.content.unless!r}" if spec.content.unless else ""
        parts.append(f"content=ContentSpec({spec.content.type!r}, {spec.content.meaning!r}{unless})")
    if spec.children:
        shown = (f"{child.name!r}: ChildSpec({', '.join(_rule(child.most, child.alone))})" for child in spec.children)
        parts.append(f"children={{{', '.join(shown)}}}")
    if spec.needs_child is not None:
        parts.append(f"needs_child={spec.needs_child!r}")
    if spec.markup:
        parts.append("markup=True")
    return f"ElementSpec({', '.join(parts)})"


def _rule(most: int | None, alone: bool) -> list[str]:
    return ([] if most is None else [f"most={most}"]) + (["alone=True"] if alone else [])


def _builder(spec: ElementSpec) -> str:
    name = "VoyloResponse" if spec is _RESPONSE else spec.name
    head = spec.summary if spec is _RESPONSE else f"What stands inside `<{name}>`."
    start = '    def __init__(self) -> None:\n        super().__init__(Element("Response", RESPONSE))\n\n'
    body = "\n".join(_method(_BY_NAME[child.name], name) for child in spec.children)
    return f"class {name}(Builder):\n{docstring(head)}\n{start if spec is _RESPONSE else ''}{body}"


def _method(spec: ElementSpec, owner: str) -> str:
    name, constant = snake(spec.name), _constant(spec.name)
    options = [_option(each) for each in sorted(spec.attributes, key=lambda each: not each.required)]
    meanings = {snake(each.name): _meaning(each) for each in spec.attributes}
    if spec.content is None:
        given = ", ".join(["self", *(["*", *options] if options else [])])
        result = spec.name if spec.children else owner
        lines = f"    def {name}({given}) -> {result}:\n{docstring(spec.summary, meanings, '        ')}"
        if spec.children:
            return f"{lines}        return self._open({spec.name}, {constant}, None, {_passed(spec)})\n"
        return f"{lines}        self._add({constant}, None, {_passed(spec)})\n        return self\n"
    text = _text_name(spec)
    text = f"{text}_" if text in {snake(each.name) for each in spec.attributes} else text
    meanings = {text: f"{spec.content.meaning[:1].upper()}{spec.content.meaning[1:]}"} | meanings
    named = ["*", *options] if options else []
    if not spec.children:
        kind = "str | Speech" if spec.markup else "str" if spec.content.unless is None else "str | None = None"
        given = ", ".join(["self", f"{text}: {kind}", *named])
        doc = docstring(spec.summary, meanings, "        ")
        return (
            f"    def {name}({given}) -> {owner}:\n{doc}"
            f"        self._add({constant}, {text}, {_passed(spec)})\n        return self\n"
        )
    summary = f"{spec.summary}\n\nWithout {text}: returns the builder of what is inside."
    either = ", ".join(["self", f"{text}: str | None = None", *named])
    return (
        f"    @overload\n    def {name}({', '.join(['self', f'{text}: str', *named])}) -> {owner}: ...\n\n"
        f"    @overload\n    def {name}({', '.join(['self', f'{text}: None = None', *named])}) -> {spec.name}: ...\n\n"
        f"    def {name}({either}) -> {owner} | {spec.name}:\n{docstring(summary, meanings, '        ')}"
        f"        if {text} is None:\n"
        f"            return self._open({spec.name}, {constant}, None, {_passed(spec)})\n"
        f"        self._add({constant}, {text}, {_passed(spec)})\n        return self\n"
    )


def _passed(spec: ElementSpec) -> str:
    return "{" + ", ".join(f'"{each.name}": {snake(each.name)}' for each in spec.attributes) + "}"


def _option(attribute: Attribute) -> str:
    kind = _type_of(attribute.type)
    return f"{snake(attribute.name)}: {kind}" + ("" if attribute.required else " | None = None")


def _meaning(attribute: Attribute) -> str:
    said = [attribute.meaning[:1].upper() + attribute.meaning[1:], f"Must be {attribute.type.expected}"]
    if attribute.default is not None and attribute.default != "":
        default: Any = attribute.default
        said.append(f"Default: {' '.join(default) if isinstance(default, tuple) else default!r}")
    return ". ".join(said).replace("\\", "\\\\")


def _type_of(of: AttributeType) -> str:
    match of:
        case Integer():
            return "int"
        case IntegerOr():
            return f"int | Literal[{', '.join(map(repr, of.words))}]"
        case Boolean():
            return "bool"
        case Choice():
            words = ", ".join(repr(word) for word in of.words if word not in {"true", "false"})
            return f"bool | Literal[{words}]" if "true" in of.words else f"Literal[{words}]"
        case Words():
            words = ", ".join(map(repr, of.words))
            return f"Literal[{words}] | Sequence[Literal[{words}]]"
        case SipHeaders():
            return "str | Mapping[str, str]"
        case _:
            return "str"


def _constant(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()
