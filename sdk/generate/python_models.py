"""Python types of the schemas in the OpenAPI document: dataclasses of what is answered, TypedDicts of what is sent."""

from __future__ import annotations

import json
import keyword
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sdk.generate.node_models import is_envelope

WIDTH: Final = 116
_SIMPLE: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def written(document: Mapping[str, Any]) -> str:
    """`models.py`: every schema that a request or an answer is made of, but for envelopes and errors."""
    schemas = document["components"]["schemas"]
    sent, answered = _reached(document)
    both = {name for name in sent & answered if "properties" in schemas[name]}
    if both:
        raise ValueError(f"both sent and answered, which needs a model of each: {sorted(both)}")
    parts = [
        '"""Bodies of requests and answers, as the engine documents them."""\n',
        "from __future__ import annotations\n",
        "from collections.abc import Mapping, Sequence\nfrom dataclasses import dataclass\n"
        "from typing import Any, Literal, TypeAlias, TypedDict\n",
    ]
    for name in sorted(sent | answered):
        schema = schemas[name]
        if is_envelope(schema):
            continue
        if "properties" not in schema:
            said = f'\n"""{said_of(schema)}"""' if said_of(schema) else ""
            parts.append(f"{name}: TypeAlias = {type_of(schema, sent=name in sent)}{said}\n")
        else:
            parts.append(_sent(name, schema) if name in sent else dataclass_of(name, schema))
    return "\n".join(parts)


def type_of(schema: Any, prefix: str = "", *, sent: bool) -> str:
    """The Python type of a schema; names of models get `prefix`. Raises ValueError for what it cannot express."""
    if schema is True or schema == {}:
        return "Any"
    if "$ref" in schema:
        return prefix + str(schema["$ref"]).rsplit("/", 1)[1]
    for key in ("anyOf", "oneOf"):
        if key in schema and "properties" not in schema:
            return " | ".join(dict.fromkeys(type_of(each, prefix, sent=sent) for each in schema[key]))
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        words = schema["enum"]
        return "bool" if words == ["true", "false"] else f"Literal[{', '.join(map(_literal, words))}]"
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(type_of({**schema, "type": each}, prefix, sent=sent) for each in kind)
    if kind == "array":
        return f"{'Sequence' if sent else 'list'}[{type_of(schema.get('items', {}), prefix, sent=sent)}]"
    if kind == "object" and "properties" not in schema:
        values = type_of(schema.get("additionalProperties", True), prefix, sent=sent)
        return f"{'Mapping' if sent else 'dict'}[str, {values}]"
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    raise ValueError(f"no Python for {schema}")


def snake(name: str) -> str:
    """The Python name of a member: `applicationId` is `application_id`, `from` is `from_`."""
    lower = re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
    return f"{lower}_" if keyword.iskeyword(lower) else lower


def said_of(schema: Any) -> str:
    """The description of a schema on one line."""
    return " ".join(str(schema.get("description", "")).replace("\\", "\\\\").split())


def meaning(schema: Any) -> str:
    """What a member means, its bounds and its default, as one line; empty when there is nothing to say."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    bounds = {**schema, **choices[0]} if len(choices) == 1 else schema
    said = [said_of(schema)]
    low, high = bounds.get("minimum"), bounds.get("maximum")
    if low is not None or high is not None:
        said.append(
            f"{low} to {high}" if None not in {low, high} else f"{low} or more" if high is None else f"to {high}"
        )
    default = schema.get("default")
    if default is not None and default not in ([], {}):
        said.append(f"Default: {default!r}")
    return ". ".join(part.removesuffix(".") for part in said if part)


def docstring(text: str, items: Mapping[str, str] | None = None, indent: str = "    ") -> str:
    """A docstring: the text, and a list of what its items mean."""
    paragraphs = [part for part in text.split("\n\n") if part]
    lines = [line for part in paragraphs for line in (*_wrapped(part, WIDTH - len(indent)), "")][:-1]
    for position, (name, said) in enumerate((items or {}).items()):
        if position == 0:
            lines.append("")
        lines += _wrapped(f"{name}: {said}", WIDTH - len(indent), "    ")
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}"""\n'
    inner = "\n".join(f"{indent}{line}".rstrip() for line in lines).removeprefix(indent)
    return f'{indent}"""{inner}\n{indent}"""\n'


def _wrapped(text: str, width: int, hanging: str = "") -> list[str]:
    return textwrap.wrap(text, width - 6, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)


def _literal(word: Any) -> str:
    return json.dumps(word, ensure_ascii=False) if isinstance(word, str) else repr(word)


def dataclass_of(name: str, schema: Mapping[str, Any]) -> str:
    """The dataclass of an answer, or of anything else that comes in."""
    required = set(schema.get("required", ()))
    lines = [f"@dataclass(frozen=True, slots=True, kw_only=True)\nclass {name}:\n{_head(name, schema)}\n"]
    for member, of in schema["properties"].items():
        kind = type_of(of, sent=False)
        if member not in required:
            kind = f"{kind} = None" if "None" in kind.split(" | ") else f"{kind} | None = None"
        lines.append(f"    {snake(member)}: {kind}\n{_note(of)}")
    return "".join(lines) + "\n"


def _sent(name: str, schema: Mapping[str, Any]) -> str:
    required = {member for member in schema["properties"] if member in schema.get("required", ())}
    members = {
        member: f"    {snake(member)}: {type_of(of, sent=True)}\n{_note(of)}"
        for member, of in schema["properties"].items()
    }
    optional = "".join(text for member, text in members.items() if member not in required)
    head = _head(name, schema)
    if not required:
        return f"class {name}(TypedDict, total=False):\n{head}\n{optional}\n"
    needed = "".join(members[member] for member in members if member in required)
    if not optional:
        return f"class {name}(TypedDict):\n{head}\n{needed}\n"
    base = f'class {name}Required(TypedDict):\n    """What {name} cannot be without."""\n\n{needed}\n'
    return f"{base}\nclass {name}({name}Required, total=False):\n{head}\n{optional}\n"


def _head(name: str, schema: Mapping[str, Any]) -> str:
    text = "\n\n".join(" ".join(part.split()) for part in str(schema.get("description", name)).split("\n\n"))
    return docstring(text if text.endswith(".") else f"{text}.")


def _note(schema: Any) -> str:
    said = meaning(schema)
    return docstring(said if said.endswith(".") else f"{said}.") if said else ""


def _reached(document: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """The names of the schemas that requests and that answers below `/v1` are made of."""
    schemas = document["components"]["schemas"]
    sent: set[str] = set()
    answered: set[str] = set()
    for path, item in document["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for shown in item.values():
            collect(shown.get("requestBody", {}), schemas, sent)
            collect([shown["responses"][status] for status in shown["responses"] if status < "300"], schemas, answered)
    return sent, answered


def collect(of: Any, schemas: Mapping[str, Any], found: set[str]) -> None:
    """Adds the names of all schemas that `of` is made of."""
    for reference in _references(of):
        name = reference.rsplit("/", 1)[1]
        if name not in found:
            found.add(name)
            collect(schemas[name], schemas, found)
    if "Pagination" in found:
        found.discard("Pagination")


def _references(of: Any) -> Iterator[str]:
    if isinstance(of, Mapping):
        if isinstance(of.get("$ref"), str):
            yield of["$ref"]
        for name, each in of.items():
            if name not in {"example", "examples"}:
                yield from _references(each)
    elif isinstance(of, list):
        for each in of:
            yield from _references(each)
