"""The resource classes of the client: a method for each operation below `/v1`, named by its path (contract §19)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sdk.generate.node_models import HEADER, WIDTH, comment, is_envelope, members_of, type_of

NAMES: Final[Mapping[tuple[str, str], str]] = {
    ("GET", "/v1/auth/me"): "auth.me",
    ("POST", "/v1/auth/invitations/accept"): "auth.acceptInvitation",
    ("GET", "/v1/openapi.json"): "meta.openapi",
    ("POST", "/v1/billing/plan"): "billing.changePlan",
    ("GET", "/v1/billing/invoices/{id}/pdf"): "billing.getInvoicePdf",
}
"""Names that the rules do not give."""

GROUPS: Final = {"trunks": ("inbound", "outbound")}
"""Path segments that hold resources of their own."""

_UNCOUNTABLE = ("settings", "credentials", "usage")


@dataclass
class Method:
    """One operation as a method of a resource."""

    name: str
    http: str
    path: str
    shown: Mapping[str, Any]

    @property
    def query(self) -> list[Any]:
        """Its query parameters."""
        return [each for each in self.shown["parameters"] if each["in"] == "query"]

    @property
    def query_type(self) -> str:
        """The name of the interface of its query."""
        identifier: str = self.shown["operationId"]
        return f"{_upper(identifier)}Query"


@dataclass
class Group:
    """A resource: its methods and the resources inside."""

    methods: dict[str, Method] = field(default_factory=dict)
    inside: dict[str, Group] = field(default_factory=dict)


def written(document: Mapping[str, Any]) -> str:
    """`resources.ts`."""
    schemas = document["components"]["schemas"]
    root = Group()
    for path, item in document["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for http, shown in item.items():
            names = method_name(http.upper(), path, shown, schemas).split(".")
            group = root
            for name in names[:-1]:
                group = group.inside.setdefault(name, Group())
            if names[-1] in group.methods:
                raise ValueError(f"two operations are named {'.'.join(names)}: give one of them a name in NAMES")
            group.methods[names[-1]] = Method(names[-1], http.upper(), path, shown)
    parts = [
        "/** The resources of the API, a method for each operation. */\n\n" + HEADER,
        'import { List } from "../pagination.js";\n'
        'import { path, Resource, Transport, type RequestOptions } from "../transport.js";\n'
        'import type * as models from "./models.js";',
    ]
    for name, group in root.inside.items():
        parts += _classes(_upper(name), group, schemas)
    parts.append(_entry(root))
    return "\n\n".join(parts) + "\n"


def method_name(http: str, path: str, shown: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """`numbers.import` for `POST /v1/numbers/import`, and so on. Raises ValueError for a path no rule fits."""
    if (http, path) in NAMES:
        return NAMES[http, path]
    segments = path.removeprefix("/v1/").split("/")
    length = 2 if segments[0] in GROUPS and segments[1] in GROUPS[segments[0]] else 1
    resource = ".".join(_camel(segment) for segment in segments[:length])
    tail = segments[length:]
    statics = [segment for segment in tail if not segment.startswith("{")]
    noun = "".join(_upper(_camel(segment)) for segment in statics)
    by_id = bool(tail) and tail[-1].startswith("{")
    if not statics and len(tail) <= 1:
        verb = {"GET": "get" if by_id or not _is_list(shown, schemas) else "list", "PATCH": "update", "PUT": "replace"}
        return f"{resource}.{(verb | {'POST': 'create', 'DELETE': 'delete'})[http]}"
    if by_id:
        verb = {"GET": "get", "PATCH": "update", "PUT": "replace", "DELETE": "delete"}
        return f"{resource}.{verb[http]}{_singular(noun)}"
    if http == "POST":
        return f"{resource}.{_action(tail, statics)}"
    verb = {"GET": "list" if _is_list(shown, schemas) else "get", "PATCH": "set", "PUT": "set", "DELETE": "delete"}
    return f"{resource}.{verb[http]}{noun}"


def _action(tail: list[str], statics: list[str]) -> str:
    *nouns, last = statics
    if last.endswith("s") and not last.endswith(_UNCOUNTABLE):
        return f"create{_singular(''.join(_upper(_camel(each)) for each in statics))}"
    noun = "".join(_upper(_camel(each)) for each in nouns)
    return _camel(last) + (_singular(noun) if len(tail) > 1 and tail[-2].startswith("{") else noun)


def takes_key(shown: Mapping[str, Any]) -> bool:
    """Whether an operation is known by an Idempotency-Key, so that the client sends one and may repeat it."""
    return any(each["in"] == "header" and each["name"] == "Idempotency-Key" for each in shown["parameters"])


def _classes(name: str, group: Group, schemas: Mapping[str, Any]) -> list[str]:
    """The class of a resource, after those of what it needs."""
    parts: list[str] = []
    for inner, below in group.inside.items():
        parts += _classes(name + _upper(inner), below, schemas)
    for method in group.methods.values():
        if method.query:
            parts.append(_query(method))
    body = [f"  readonly {inner} = new {name}{_upper(inner)}(this.transport);\n" for inner in group.inside]
    body += [_method(method, schemas) for method in group.methods.values()]
    parts.append(f"export class {name} extends Resource {{\n" + "\n".join(body) + "}")
    return parts


def _query(method: Method) -> str:
    schema = {"properties": {each["name"]: each["schema"] for each in method.query}}
    head = comment(f"Query of `{method.http} {method.path}`.")
    return f"{head}export interface {method.query_type} {{\n{members_of(schema, 'models.')}}}"


def _method(method: Method, schemas: Mapping[str, Any]) -> str:
    identifiers = re.findall(r"\{(\w+)\}", method.path)
    arguments = [f"{each}: string" for each in identifiers]
    request = [f'method: "{method.http}"', f"path: {_path(method.path)}"]
    wanted = method.shown.get("requestBody", {})
    content = wanted.get("content", {})
    if content:
        arguments.append(
            f"body{'' if wanted['required'] else '?'}: {type_of(content['application/json']['schema'], 'models.')}"
        )
        request.append("body")
    if method.query:
        arguments.append(f"query?: {method.query_type}")
        request.append("query: query ?? {}")
    arguments.append("options?: RequestOptions")
    if takes_key(method.shown):
        request.append("idempotencyKey: true")
    said = f"{method.shown['summary'].rstrip('.')}. {method.shown.get('description', '')}".strip()
    head = comment(f"{said} `{method.http} {method.path}`", "  ")
    result, call = _answer(method, schemas, request)
    return f"{head}{_signature(method.name, arguments, result)}    return {call};\n  }}\n"


def _signature(name: str, arguments: list[str], result: str) -> str:
    line = f"  {name}({', '.join(arguments)}): {result} {{\n"
    if len(line) <= WIDTH + 1:
        return line
    return f"  {name}(\n" + "".join(f"    {each},\n" for each in arguments) + f"  ): {result} {{\n"


def _answer(method: Method, schemas: Mapping[str, Any], request: list[str]) -> tuple[str, str]:
    """The type a method returns and the expression that makes it."""
    content = _success(method.shown).get("content", {})
    if not content:
        return "Promise<void>", _call("this.transport.request<void>", request)
    media_type, answer = next(iter(content.items()))
    if media_type != "application/json":
        text = media_type.startswith("text/") or media_type.endswith("xml")
        request = [*request, f'answer: "{"text" if text else "bytes"}"']
        kind = "string" if text else "Uint8Array"
        return f"Promise<{kind}>", _call(f"this.transport.request<{kind}>", request)
    item = _item(answer["schema"], schemas)
    pages = {each["name"] for each in method.query} & {"page", "before"}
    if item is None or not pages:
        kind = type_of(answer["schema"], "models.")
        return f"Promise<{kind}>", _call(f"this.transport.request<{kind}>", request)
    kind = " | ".join(dict.fromkeys(type_of(each, "models.") for each in item))
    last = ["options"]
    if "before" in pages:
        last.append(f'"{_cursor(item, schemas)}"')
    return f"List<{kind}>", _call(f"new List<{kind}>", request, last, first=["this.transport"])


def _call(function: str, request: list[str], last: list[str] | None = None, first: list[str] | None = None) -> str:
    arguments = [*(first or []), "{ " + ", ".join(request) + " }", *(last or ["options"])]
    line = f"{function}({', '.join(arguments)})"
    if len(line) + 12 <= WIDTH:
        return line
    return f"{function}(\n" + "".join(f"      {each},\n" for each in arguments) + "    )"


def _path(path: str) -> str:
    return "path`" + path.replace("{", "${") + "`" if "{" in path else f'"{path}"'


def _success(shown: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(response for status, response in shown["responses"].items() if status < "300")
    return found


def _is_list(shown: Mapping[str, Any], schemas: Mapping[str, Any]) -> bool:
    content = _success(shown).get("content", {}).get("application/json")
    return content is not None and _item(content["schema"], schemas) is not None


def _item(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[Any] | None:
    """The schemas of the items of a list; None for what is no list."""
    if "anyOf" in schema:
        found = [_item(each, schemas) for each in schema["anyOf"]]
        return None if None in found else [item for items in found for item in items or ()]
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
        if not is_envelope(schema):
            return None
        schema = schema["properties"]["data"]
    return [schema["items"]] if schema.get("type") == "array" else None


def _cursor(items: list[Any], schemas: Mapping[str, Any]) -> str:
    """The member that names an item in `before`: the public id where there is one."""
    model = items[0]["anyOf"][0] if "anyOf" in items[0] else items[0]
    members = schemas[model["$ref"].rsplit("/", 1)[1]]["properties"]
    return "publicId" if "publicId" in members else "id"


def _entry(root: Group) -> str:
    lines = [
        comment("Every resource; the client is one of these."),
        "export class Resources {\n",
        *(f"  readonly {name}: {_upper(name)};\n" for name in root.inside),
        "\n  constructor(transport: Transport) {\n",
        *(f"    this.{name} = new {_upper(name)}(transport);\n" for name in root.inside),
        "  }\n}",
    ]
    return "".join(lines)


def _camel(segment: str) -> str:
    first, *others = segment.split("-")
    return first + "".join(map(_upper, others))


def _upper(name: str) -> str:
    return name[:1].upper() + name[1:]


def _singular(noun: str) -> str:
    if noun.endswith("ies"):
        return f"{noun[:-3]}y"
    return noun.removesuffix("s")
