"""The resource classes of the Python clients: a method for each operation below `/v1`, named as in Node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from sdk.generate.node_resources import GROUPS, _cursor, _item, _success, method_name, takes_key
from sdk.generate.python_models import docstring, meaning, said_of, snake, type_of

FILES: Final = frozenset({"audio/wav", "application/pdf"})
"""Media types whose octets a method returns."""


@dataclass
class Group:
    """A resource: its methods by name, and the resources inside."""

    methods: dict[str, str] = field(default_factory=dict)
    inside: dict[str, Group] = field(default_factory=dict)


def written(document: Mapping[str, Any], *, asynchronous: bool) -> str:
    """`resources.py`, or `async_resources.py`."""
    schemas = document["components"]["schemas"]
    root = Group()
    for path, item in document["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for http, shown in item.items():
            names = [snake(name) for name in method_name(http.upper(), path, shown, schemas).split(".")]
            group = root
            for name in names[:-1]:
                group = group.inside.setdefault(name, Group())
            if names[-1] in group.methods:
                raise ValueError(f"two operations are named {'.'.join(names)}: give one of them a name in NAMES")
            group.methods[names[-1]] = _method(names[-1], http.upper(), path, shown, schemas, asynchronous)
    prefix = "Async" if asynchronous else ""
    parts = [
        f'"""The resources of the {"async " if asynchronous else ""}client, a method for each operation."""\n',
        "from __future__ import annotations\n\nimport builtins\nfrom collections.abc import Mapping, Sequence\n"
        "from typing import Any, Literal\n\n"
        "from voylo.bodies import encode\nfrom voylo.generated import models\n"
        f"from voylo.pagination import {prefix}Items\n"
        "from voylo.requests import Request, RequestOptions, path\n"
        f"from voylo.transport import {prefix}Resource, {prefix}Transport\nfrom voylo.unset import UNSET, Unset\n",
    ]
    for name, group in root.inside.items():
        parts += _classes(f"{prefix}{_class(name)}", group, prefix)
    lines = [f'class {prefix}Resources:\n    """Every resource; the client is one of these."""\n\n']
    lines.append(f"    def __init__(self, transport: {prefix}Transport) -> None:\n")
    lines += [f"        self.{name} = {prefix}{_class(name)}(transport)\n" for name in root.inside]
    return "\n\n".join((*parts, "".join(lines)))


def _classes(name: str, group: Group, prefix: str) -> list[str]:
    """The class of a resource, after those of the resources inside."""
    parts: list[str] = []
    for inner, below in group.inside.items():
        parts += _classes(name + _class(inner), below, prefix)
    body = [f'class {name}({prefix}Resource):\n    """`client.{_attribute(name, prefix)}`."""\n']
    if group.inside:
        lines = [f"\n    def __init__(self, transport: {prefix}Transport) -> None:\n"]
        lines.append("        super().__init__(transport)\n")
        lines += [f"        self.{inner} = {name}{_class(inner)}(transport)\n" for inner in group.inside]
        body.append("".join(lines))
    body += [f"\n{method}" for method in group.methods.values()]
    return [*parts, "".join(body)]


def _attribute(name: str, prefix: str) -> str:
    shown = snake(name.removeprefix(prefix))
    for outer, inner in GROUPS.items():
        for each in inner:
            shown = shown.replace(f"{outer}_{each}", f"{outer}.{each}")
    return shown


def _method(
    name: str, http: str, path: str, shown: Mapping[str, Any], schemas: Mapping[str, Any], asynchronous: bool
) -> str:
    identifiers = _identifiers(path)
    members = _body(shown, schemas)
    query = {each["name"]: each["schema"] for each in shown["parameters"] if each["in"] == "query"}
    positional = [f"{each}: str" for each in identifiers]
    request = [repr(http), _path(path, identifiers)]
    keywords: dict[str, str] = {}
    meanings: dict[str, str] = {}
    if members is None and "requestBody" in shown:
        schema = shown["requestBody"]["content"]["application/json"]["schema"]
        positional.append(f"body: {type_of(schema, 'models.', sent=True)}")
        request.append(f"body=encode({type_of(schema, 'models.', sent=True)}, body)")
    elif members is not None:
        model, schema = members
        required = set(schema.get("required", ()))
        for member, of in sorted(schema["properties"].items(), key=lambda each: each[0] not in required):
            kind = type_of(of, "models.", sent=True)
            default = "" if member in required else " | Unset = UNSET"
            _add(keywords, meanings, member, f"{kind}{default}", of)
        pairs = ", ".join(f'"{snake(member)}": {snake(member)}' for member in schema["properties"])
        request.append(f"body=encode(models.{model}, {{{pairs}}})")
    for member, of in query.items():
        _add(keywords, meanings, member, f"{type_of(of, 'models.', sent=True)} | Unset = UNSET", of)
    if query:
        request.append("query={" + ", ".join(f'"{member}": {snake(member)}' for member in query) + "}")
    if takes_key(shown):
        request.append("keyed=True")
    clash = set(keywords) & {*identifiers, "options", "self"}
    if clash:
        raise ValueError(f"{http} {path}: two arguments are named {sorted(clash)}")
    given = [*positional, "*", *(f"{each}: {kind}" for each, kind in keywords.items())]
    given.append("options: RequestOptions | None = None")
    result, lines, is_list = _answer(shown, schemas, query, asynchronous)
    text = f"{shown['summary'].rstrip('.')}.\n\n{said_of(shown)}".strip() + f"\n\n`{http} {path}`"
    define = "async def" if asynchronous and not is_list else "def"
    return (
        f"    {define} {name}(self, {', '.join(given)}) -> {result}:\n{docstring(text, meanings, '        ')}"
        f"        request = Request({', '.join(request)})\n{lines}"
    )


def _add(keywords: dict[str, str], meanings: dict[str, str], member: str, kind: str, schema: Any) -> None:
    name = snake(member)
    if name in keywords:
        raise ValueError(f"two arguments are named {name}")
    keywords[name] = kind
    if meaning(schema):
        meanings[name] = meaning(schema)


def _answer(
    shown: Mapping[str, Any], schemas: Mapping[str, Any], query: Mapping[str, Any], asynchronous: bool
) -> tuple[str, str, bool]:
    """The type a method returns, the statements that make it, and whether it is a list asked for in pages."""
    content = _success(shown).get("content", {})
    send = f"{'await ' if asynchronous else ''}self._transport.request"
    if not content:
        return "None", f"        {send}(request, None, options)\n", False
    if set(content) <= FILES:
        return "bytes", f"        answer: bytes = {send}(request, bytes, options)\n        return answer\n", False
    if set(content) != {"application/json"}:
        raise ValueError(f"no method for an answer of {set(content)}")
    schema = content["application/json"]["schema"]
    item = _item(schema, schemas)
    if item is not None and {"page", "before"} & set(query):
        kinds = dict.fromkeys(type_of(each, "models.", sent=False) for each in item)
        kind = " | ".join(dict.fromkeys(part for each in kinds for part in each.split(" | ")))
        items = f"{'Async' if asynchronous else ''}Items"
        cursor = f', "{_cursor(item, schemas)}"' if "before" in query else ""
        made = f"        return {items}(self._transport, request, {kind}, options{cursor})\n"
        return f"{items}[{kind}]", made, True
    # Inside a class with a method named list, the name is that method.
    kind = re.sub(r"\b(list|dict)\[", r"builtins.\1[", type_of(schema, "models.", sent=False))
    return kind, f"        answer: {kind} = {send}(request, {kind}, options)\n        return answer\n", False


def _body(shown: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """The model of a body whose members are arguments of the method; None for any other."""
    content = shown.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    if "$ref" not in schema:
        return None
    name = str(schema["$ref"]).rsplit("/", 1)[1]
    return name, schemas[name]


def _identifiers(path: str) -> list[str]:
    """The names of the arguments in a path: `{id}` is the id of what stands before it."""
    segments = path.removeprefix("/v1/").split("/")
    names = []
    for before, segment in pairwise(segments):
        if segment == "{id}":
            noun = segments[0] if segments[0] in GROUPS else before
            names.append(f"{noun.removesuffix('s').replace('-', '_')}_id")
        elif segment.startswith("{"):
            names.append(snake(segment[1:-1]))
    return names


def _path(path: str, identifiers: list[str]) -> str:
    if not identifiers:
        return f'"{path}"'
    template = re.sub(r"\{\w+\}", "{}", path)
    return f'path("{template}", {", ".join(identifiers)})'


def _class(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
