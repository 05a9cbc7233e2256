"""The path of a request through one resource path: who, how often, what, then the handler, then the answer.

The checks run in this order, and the first that fails answers: method (405), key (401), workspace (400, 403), rate
(429), role (403), body size and type (413, 415), then every fault in path, query and body together (400).
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from api.authentication import authenticate, authorize
from api.errors import answer_to, error_body
from api.file_answer import FilePart, RangeNotSatisfiable, send_file
from api.json_body import ClientGone, parse_json, read_body
from api.metrics import RequestCounter
from api.operation import JSON_MEDIA_TYPE, REPLAYED, ApiRequest, Check, Json, Operation, Principal
from api.rate_limit import HeaderList, LimitReached, RateLimiter
from api.services import ApiServices
from api.validation import merged, validate
from engine.errors import BadRequest, EngineError, FieldError, UnsupportedMediaType, ValidationFailed
from engine.idempotency import RequestKey
from engine.ids import parse_uuid

logger = structlog.get_logger(__name__)

QUERY_FIELDS: Final = 100
"""Query parameters that are looked at."""

EVERY_ANSWER: Final[HeaderList] = [
    # Answers are one caller's own and may hold a secret that is shown once.
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]
JSON_TYPE: Final = (b"content-type", JSON_MEDIA_TYPE.encode())
IDEMPOTENCY_KEY: Final = re.compile("[!-~]{1,255}")
XML_TYPES: Final = frozenset({"application/xml", "text/xml"})


class Endpoint:
    """The ASGI application behind one path, with an operation for each of its methods."""

    def __init__(
        self, operations: Sequence[Operation], services: ApiServices, limiter: RateLimiter, counter: RequestCounter
    ) -> None:
        self._operations: dict[str, Operation] = {operation.method: operation for operation in operations}
        if "GET" in self._operations:
            self._operations["HEAD"] = self._operations["GET"]
        self._allow = ", ".join(sorted(self._operations)).encode()
        self._services = services
        self._limiter = limiter
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request (ASGI)."""
        operation = self._operations.get(scope["method"])
        if operation is None:
            await respond(
                send, 405, error_body(405, f"{scope['method']} is not allowed here"), [(b"allow", self._allow)]
            )
            return
        headers: HeaderList = []
        began = time.monotonic()
        try:
            status, body = await self._run(operation, scope, receive, headers)
        except ClientGone:
            return
        except EngineError as error:
            if isinstance(error, LimitReached | RangeNotSatisfiable):
                headers = error.headers
            status, body, more = answer_to(error)
            if status == 500:
                logger.exception("api.engine_error", operation=operation.name)
            headers += more
        self._counter.count(operation.name, status, time.monotonic() - began)
        if isinstance(body, FilePart):
            await send_file(send, status, body, [*EVERY_ANSWER, *headers], head=scope["method"] == "HEAD")
        else:
            await respond(send, status, body, headers, head=scope["method"] == "HEAD")

    async def _run(
        self, operation: Operation, scope: Scope, receive: Receive, headers: HeaderList
    ) -> tuple[int, bytes | FilePart]:
        fields = _headers(scope)
        principal = None
        by_link = operation.linked and "authorization" not in fields and _is_link(scope)
        if operation.access != "public" and not by_link:
            principal = await authenticate(self._services, fields, operation)
            headers += self._limiter.take(principal.id)
            authorize(operation, principal)
        request = ApiRequest(self._services, principal, scope.get("path_params", {}))
        errors = _check_path(operation, request)
        if operation.query is not None:
            request.query_values, found = validate(operation.query, _query(scope))
            errors += found
        if operation.body is not None:
            errors += await self._take_body(operation, request, fields, receive)
        if operation.keyed and (key := fields.get("idempotency-key")) is not None:
            if IDEMPOTENCY_KEY.fullmatch(key) is None:
                errors.append(FieldError("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))
            elif not errors:
                request.idempotency_key = _request_key(operation, scope["path"], key, request)
        if operation.file:
            request.range = fields.get("range")
        if errors:
            raise ValidationFailed(errors)
        if request.idempotency_key is not None and not operation.stores_key and request.workspace_id:
            return operation.status, await self._once(operation, request, request.idempotency_key, headers)
        result = await operation.handler(request)
        headers += request.answer_headers
        if operation.out is None:
            return operation.status, b""
        if operation.file:
            headers.append((b"content-type", operation.media_type.encode()))
            return result.status, result
        if operation.media_type != JSON_MEDIA_TYPE:
            headers.append((b"content-type", operation.media_type.encode()))
            return operation.status, str(result).encode()
        if isinstance(result, Json):
            return operation.status, to_json(result.value, inf_nan_mode="null")
        return operation.status, operation.adapter.dump_json(result, by_alias=True)

    async def _once(self, operation: Operation, request: ApiRequest, key: RequestKey, headers: HeaderList) -> bytes:
        async def make() -> str:
            await operation.handler(request)
            assert request.kept is not None, f"{operation.name} stores no key"
            return request.kept

        answer, replayed = await self._services.idempotent.once(request.workspace_id, key, make)
        headers += request.answer_headers
        if replayed:
            headers.append(REPLAYED)
        return answer.encode()

    async def _take_body(
        self, operation: Operation, request: ApiRequest, fields: Mapping[str, str], receive: Receive
    ) -> list[FieldError]:
        assert operation.body is not None
        media_type = _media_type(fields)
        data = await read_body(receive, fields.get("content-length"), operation.body_bytes)
        if not data and not operation.body_may_be_absent:
            raise BadRequest("A body is required")
        is_xml = operation.xml_body and media_type in XML_TYPES
        if data and not is_xml and media_type != "application/json":
            raise UnsupportedMediaType("The body must be application/json")
        if fields.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType("The body must not be compressed")
        if is_xml:
            request.raw_body = data
            return []
        values = parse_json(data) if data else {}
        if values is None and operation.body_may_be_null:
            return []
        if not isinstance(values, dict):
            raise BadRequest("The body must be a JSON object")
        request.sent = values
        request.body_values, errors = validate(operation.body, values)
        errors = merged(errors, await self._found_by(operation.check, request.caller, values))
        if errors:
            errors = merged(errors, await self._found_by(operation.named_with, request.caller, values))
        return errors

    async def _found_by(
        self, check: Check | None, principal: Principal | None, values: Mapping[str, Any]
    ) -> Sequence[FieldError]:
        return [] if check is None or principal is None else await check(self._services, principal, values)


def _request_key(operation: Operation, path: str, key: str, request: ApiRequest) -> RequestKey:
    """Two requests are the same when their bodies are the same JSON, in whatever order and space."""
    asked = json.dumps(request.sent, sort_keys=True).encode()
    return RequestKey(operation.method, path, key, hashlib.sha256(asked).hexdigest())


def _headers(scope: Scope) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in scope["headers"]:
        fields.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return fields


def _media_type(fields: Mapping[str, str]) -> str:
    media_type, _, parameters = fields.get("content-type", "").partition(";")
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "').lower()
    if charset not in {"", "utf-8", "utf8"}:
        raise UnsupportedMediaType("The body must be in UTF-8")
    return media_type.strip().lower()


def _query(scope: Scope) -> dict[str, str]:
    try:
        return dict(
            parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=QUERY_FIELDS)
        )
    except ValueError:
        raise BadRequest(f"The query has more than {QUERY_FIELDS} parameters") from None


def _is_link(scope: Scope) -> bool:
    return not {"exp", "sig"}.isdisjoint(_query(scope))


def _check_path(operation: Operation, request: ApiRequest) -> list[FieldError]:
    errors = []
    path = dict(request.path)
    for name, kind in operation.path_parameters.items():
        if kind == "uuid":
            parsed = parse_uuid(path[name])
            if parsed is None:
                errors.append(FieldError(name, "must be a UUID"))
            else:
                path[name] = parsed
    request.path = path
    return errors


async def respond(send: Send, status: int, body: bytes, headers: HeaderList, *, head: bool = False) -> None:
    """Sends a whole response, JSON unless its headers say otherwise, or only its head."""
    headers = [*EVERY_ANSWER, *headers]
    if status != 204:
        if not any(name == JSON_TYPE[0] for name, _ in headers):
            headers.append(JSON_TYPE)
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
