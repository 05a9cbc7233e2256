"""An operation of the API as data: what the router, the request path and the OpenAPI document all read.

One `Operation` is one method on one path. Its handler gets an `ApiRequest` in which everything is checked, and returns
a value of the `out` type.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, TypeAdapter

from api.services import ApiServices
from engine.errors import FieldError
from engine.model import Role

M = TypeVar("M", bound=BaseModel)

Access = Literal["public", "read", "write"]
"""Who may call it: anybody; any key; a key whose role may change things (contract §16)."""

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
PathKind = Literal["uuid", "call"]

WRITING_ROLES: frozenset[Role] = frozenset({"owner", "admin", "developer"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request: a key, acting in its workspace."""

    workspace_id: str
    key_id: str
    role: Role


@dataclass(slots=True)
class ApiRequest:
    """A request whose path, query and body have passed their checks."""

    services: ApiServices
    caller: Principal | None
    path: Mapping[str, str]
    query_values: BaseModel | None = None
    body_values: BaseModel | None = None
    raw_body: bytes = b""

    @property
    def principal(self) -> Principal:
        """The caller of an operation that is not public."""
        assert self.caller is not None
        return self.caller

    @property
    def workspace_id(self) -> str:
        """The workspace acted on."""
        return self.principal.workspace_id

    def body(self, model: type[M]) -> M:
        """The checked body."""
        assert isinstance(self.body_values, model)
        return self.body_values

    def query(self, model: type[M]) -> M:
        """The checked query parameters."""
        assert isinstance(self.query_values, model)
        return self.query_values


Handler = Callable[[ApiRequest], Awaitable[Any]]
Check = Callable[[ApiServices, Principal, Mapping[str, Any]], Awaitable[Sequence[FieldError]]]
"""Checks of a JSON body that need more than its shape; it gets the body as sent, right or wrong."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation. `out` None means an empty answer, `errors` are the statuses beside those every operation has.

    With a `media_type` other than JSON the handler returns the text itself, and `out` is `str`.
    """

    method: Method
    path: str
    name: str
    summary: str
    tag: str
    handler: Handler
    access: Access = "read"
    status: int = 200
    description: str = ""
    path_parameters: Mapping[str, PathKind] = field(default_factory=dict)
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_may_be_null: bool = False
    xml_body: bool = False
    check: Check | None = None
    out: Any = None
    media_type: str = "application/json"
    errors: Sequence[int] = ()
    adapter: TypeAdapter[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "adapter", TypeAdapter(self.out))

    @property
    def statuses(self) -> list[int]:
        """Every error status it can answer with."""
        found = {500, *self.errors}
        if self.access != "public":
            found |= {400, 401, 403, 429, 503}
        if self.body is not None:
            found |= {400, 413, 415}
        if self.path_parameters:
            found.add(404)
            if "uuid" in self.path_parameters.values():
                found.add(400)
        if self.query is not None:
            found.add(400)
        return sorted(found)
