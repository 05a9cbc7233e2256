"""The builders of VoyloML: a method for each verb and noun of the engine's table."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from sdk.generate.node_models import HEADER, WIDTH, comment
from voyloml.attribute_types import (
    SIP_HEADER_CHARS,
    SIP_HEADERS,
    AttributeType,
    Boolean,
    Choice,
    Integer,
    IntegerOr,
    PhoneNumber,
    SipHeaders,
    SipUri,
    Text,
    Tones,
    Url,
    Words,
)
from voyloml.schema import Attribute, Child, ElementSpec
from voyloml.verbs import ELEMENTS

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_BY_NAME: Final[Mapping[str, ElementSpec]] = {spec.name: spec for spec in ELEMENTS}
_RESPONSE: Final = ElementSpec(
    "Response", "10.1", "A VoyloML document.", children=tuple(Child(spec.name) for spec in ELEMENTS if spec.verb)
)


def written() -> str:
    """`voyloml.ts`."""
    parts = [
        "/** Builders of VoyloML, made from the engine's table of verbs. */\n\n" + HEADER,
        'import { Builder } from "../voyloml/builder.js";\n'
        'import { Element, type ElementSpec } from "../voyloml/element.js";\n'
        'import type { Speech } from "../voyloml/speech.js";',
        *(_options(spec) for spec in ELEMENTS if spec.attributes),
        *(f"const {_constant(spec.name)}: ElementSpec = {_literal(_shape(spec))};" for spec in (*ELEMENTS, _RESPONSE)),
        *(_builder(spec) for spec in ELEMENTS if spec.children),
        _builder(_RESPONSE),
    ]
    return "\n\n".join(parts) + "\n"


def _options(spec: ElementSpec) -> str:
    lines = []
    for attribute in spec.attributes:
        lines.append(comment(_meaning(attribute), "  "))
        mark = "" if attribute.required else "?"
        lines.append(f"  {attribute.name}{mark}: {_type_of(attribute.type)};\n")
    head = comment(f"Attributes of `<{spec.name}>`.")
    return f"{head}export interface {spec.name}Options {{\n{''.join(lines)}}}"


def _meaning(attribute: Attribute) -> str:
    said = [attribute.meaning[:1].upper() + attribute.meaning[1:], f"Must be {attribute.type.expected}"]
    if attribute.default is not None and attribute.default != "":
        default = attribute.default
        said.append(f"Default: {json.dumps(' '.join(default) if isinstance(default, tuple) else default)}")
    return ". ".join(said)


def _type_of(of: AttributeType) -> str:
    match of:
        case Integer():
            return "number"
        case IntegerOr():
            return " | ".join(["number", *map(json.dumps, of.words)])
        case Boolean():
            return "boolean"
        case Choice():
            words = [json.dumps(word) for word in of.words if word not in {"true", "false"}]
            return " | ".join([*(["boolean"] if "true" in of.words else []), *words])
        case Words():
            words = [json.dumps(word) for word in of.words]
            return " | ".join([*words, f"readonly ({' | '.join(words)})[]"])
        case SipHeaders():
            return "Record<string, string>"
        case _:
            return "string"


def _shape(spec: ElementSpec) -> dict[str, Any]:
    """What the builder checks of an element."""
    shape: dict[str, Any] = {}
    if spec.content is not None:
        shape["content"] = {"of": shape_of_value(spec.content.type), "meaning": spec.content.meaning}
        if spec.content.unless is not None:
            shape["content"]["unless"] = spec.content.unless
    shape["attributes"] = []
    for attribute in spec.attributes:
        shown = {"name": attribute.name, "of": shape_of_value(attribute.type), "meaning": attribute.meaning}
        shape["attributes"].append(shown | ({"required": True} if attribute.required else {}))
    shape["children"] = {}
    for child in spec.children:
        rule: dict[str, Any] = {} if child.most is None else {"most": child.most}
        shape["children"][child.name] = rule | ({"alone": True} if child.alone else {})
    if spec.needs_child is not None:
        shape["needsChild"] = spec.needs_child
    if spec.markup:
        shape["markup"] = True
    return shape


def shape_of_value(of: AttributeType) -> dict[str, Any]:
    """What the builder checks of a value."""
    name = type(of).__name__
    fields: dict[str, Any] = dataclasses.asdict(of)  # type: ignore[call-overload]
    if isinstance(of, Choice):
        fields["spellings"] = [spelling for spelling, _ in of.spellings]
    if isinstance(of, SipHeaders):
        fields |= {"most": SIP_HEADERS, "chars": SIP_HEADER_CHARS}
    return {"type": name[:1].lower() + name[1:], **fields}


def _builder(spec: ElementSpec) -> str:
    constructor = ""
    name = spec.name
    if spec is _RESPONSE:
        name = "VoyloResponse"
        constructor = '  constructor() {\n    super(new Element("Response", RESPONSE));\n  }\n\n'
    methods = "\n".join(_method(_BY_NAME[child.name]) for child in spec.children)
    head = comment(spec.summary if spec is _RESPONSE else f"What stands inside `<{name}>`.")
    return f"{head}export class {name} extends Builder {{\n{constructor}{methods}}}"


def _method(spec: ElementSpec) -> str:
    name = spec.name[:1].lower() + spec.name[1:]
    head = comment(spec.summary, "  ")
    required = any(attribute.required for attribute in spec.attributes)
    options = f"options{'' if required else '?'}: {spec.name}Options" if spec.attributes else ""
    constant = _constant(spec.name)
    if spec.content is None:
        passed = "options" if options else ""
        if spec.children:
            arguments = ", ".join(each for each in (spec.name, f'"{spec.name}"', constant, passed) if each)
            return f"{head}  {name}({options}): {spec.name} {{\n    return this.open({arguments});\n  }}\n"
        last = ", undefined, options" if options else ""
        return f'{head}  {name}({options}): this {{\n    return this.add("{spec.name}", {constant}{last});\n  }}\n'
    text = _text_name(spec)
    kind = "string | Speech" if spec.markup else "string"
    with_text = ", ".join(each for each in (f"{text}: {kind}", options) if each)
    if not spec.children and spec.content.unless is None:
        last = ", options" if options else ""
        add = f'this.add("{spec.name}", {constant}, {text}{last})'
        return f"{head}  {name}({with_text}): this {{\n    return {add};\n  }}\n"
    return _either(spec, name, head, text, with_text, options)


def _either(spec: ElementSpec, name: str, head: str, text: str, with_text: str, options: str) -> str:
    """A method that takes a text, or else elements inside, or else an attribute."""
    constant = _constant(spec.name)
    instead = f"{spec.name}" if spec.children else "this"
    other = f"Without {text}: returns the builder of what is inside." if spec.children else ""
    kind = f"{spec.name}Options" if options else "undefined"
    lines = [
        head,
        f"  {name}({with_text}): this;\n",
        comment(f"{spec.summary} {other}".strip(), "  "),
        f"  {name}({options if spec.children else options.replace('?', '')}): {instead};\n",
    ]
    parameters = [f"{text}?: string" + (f" | {kind}" if options else "")] + ([f"options?: {kind}"] if options else [])
    lines.append(f"  {name}({', '.join(parameters)}): {'this | ' + spec.name if spec.children else 'this'} {{\n")
    passed = ", options" if options else ""
    add = f'this.add("{spec.name}", {constant}, {text}{passed})'
    is_text = f'typeof {text} === "string"' if options else f"{text} !== undefined"
    lines.append(f"    if ({is_text}) return {add};\n")
    if spec.children:
        last = f", {text}" if options else ""
        lines.append(f'    return this.open({spec.name}, "{spec.name}", {constant}{last});\n  }}\n')
    else:
        lines.append(f'    return this.add("{spec.name}", {constant}, undefined, {text});\n  }}\n')
    return "".join(lines)


def _text_name(spec: ElementSpec) -> str:
    assert spec.content is not None
    match spec.content.type:
        case Url():
            return "url"
        case Tones():
            return "digits"
        case SipUri():
            return "uri"
        case PhoneNumber(sip=True):
            return "target"
        case PhoneNumber():
            return "number"
        case Text():
            return "text" if spec.content.cut else "name"
        case _:
            raise ValueError(f"no name for the text of {spec.name}")


def _constant(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def _literal(value: Any, indent: str = "") -> str:
    """The value as a TypeScript literal, on one line where it fits."""
    line = _one_line(value)
    if len(indent) + len(line) <= WIDTH - 40:
        return line
    inner = indent + "  "
    if isinstance(value, Mapping):
        lines = [f"{inner}{_key(key)}: {_literal(each, inner)},\n" for key, each in value.items()]
        return "{\n" + "".join(lines) + f"{indent}}}"
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        return "[\n" + "".join(f"{inner}{_literal(each, inner)},\n" for each in value) + f"{indent}]"
    return line


def _one_line(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)}: {_one_line(each)}" for key, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_one_line, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)
