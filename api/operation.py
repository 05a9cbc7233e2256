"""An operation of the API as data: what the router, the request path and the OpenAPI document all read.

One `Operation` is one method on one path. Its handler gets an `ApiRequest` in which everything is checked, and returns
a value of the `out` type.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, TypeAdapter

from api.services import ApiServices
from engine.errors import FieldError
from engine.idempotency import Keep, RequestKey, no_key
from engine.limits import JSON_BODY_BYTES
from engine.model import Role, User
from engine.store import Row
from engine.widget_sessions import WidgetSession

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

Access = Literal[
    "public",
    "user",
    "read",
    "write",
    "members",
    "change_members",
    "own_keys",
    "account",
    "billing",
    "change_billing",
    "operator",
    "widget",
]
"""Who may call it (contract §16). `public`: anybody; `user`: whoever is signed in, without a workspace; `account`: who
is signed in and owns the account; `operator`: who has the admin token; `widget`: who has the token of a widget session.
The others are names of rows in ROLES."""

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
PathKind = Literal["uuid", "call", "workspace", "account"]

JSON_MEDIA_TYPE: Final = "application/json"

REPLAYED: Final = (b"idempotency-replayed", b"true")
"""The header of an answer that an earlier request with the same Idempotency-Key got (contract §6.2)."""

EVERY_ROLE: Final[frozenset[Role]] = frozenset({"owner", "admin", "developer", "billing", "viewer"})
ROLES: Final[Mapping[Access, frozenset[Role]]] = {
    "read": EVERY_ROLE,
    "write": frozenset({"owner", "admin", "developer"}),
    "members": EVERY_ROLE - {"developer"},
    "change_members": frozenset({"owner", "admin"}),
    # A developer has keys of their own; which ones those are, the handler decides.
    "own_keys": frozenset({"owner", "admin", "developer"}),
    "account": frozenset({"owner"}),
    "billing": EVERY_ROLE - {"developer"},
    "change_billing": frozenset({"owner", "billing"}),
    "user": EVERY_ROLE,
}
"""The roles that may call an operation, by its access."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request: a key acting in its workspace, or a user in the workspace that the header names.

    `id` is that of the key or session, which may be that of a `widget`. For operations with the access `user`, which
    name no workspace, a user's `workspace_id` is empty and the role that of a viewer.
    """

    workspace_id: str
    id: str
    role: Role
    user: User | None = None
    widget: WidgetSession | None = None


@dataclass(slots=True)
class ApiRequest:
    """A request whose path, query and body have passed their checks."""

    services: ApiServices
    caller: Principal | None
    path: Mapping[str, str]
    query_values: BaseModel | None = None
    body_values: BaseModel | None = None
    sent: Any = None
    """The JSON body as it was sent, before anything was made of it."""
    raw_body: bytes = b""
    idempotency_key: RequestKey | None = None
    """The Idempotency-Key of an operation that takes one, with the request that it came with (contract §6.2)."""
    range: str | None = None
    """The Range header of an operation that answers with a file."""
    kept: str | None = None
    """The answer that was stored with the Idempotency-Key, which is the one to give."""
    answer_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Headers that the handler adds to its answer."""

    @property
    def principal(self) -> Principal:
        """The caller of an operation that is not public."""
        assert self.caller is not None
        return self.caller

    @property
    def user(self) -> User:
        """The signed-in user of an operation that only users may call."""
        assert self.principal.user is not None
        return self.principal.user

    @property
    def workspace_id(self) -> str:
        """The workspace acted on."""
        return self.principal.workspace_id

    def keep(self, answer: Callable[[T], BaseModel]) -> Keep[T]:
        """What stores the Idempotency-Key, if there is one, with the answer about what the request makes."""
        key = self.idempotency_key
        if key is None:
            return no_key

        def rows(made: T) -> Sequence[Row]:
            self.kept = answer(made).model_dump_json(by_alias=True)
            return self.services.idempotent.rows(self.workspace_id, key, self.kept)

        return rows

    def body(self, model: type[M]) -> M:
        """The checked body."""
        assert isinstance(self.body_values, model)
        return self.body_values

    def query(self, model: type[M]) -> M:
        """The checked query parameters."""
        assert isinstance(self.query_values, model)
        return self.query_values


@dataclass(frozen=True, slots=True)
class Json:
    """An answer that its handler has made JSON values of, in the shape of the operation's `out`."""

    value: Any


Handler = Callable[[ApiRequest], Awaitable[Any]]
Check = Callable[[ApiServices, Principal, Mapping[str, Any]], Awaitable[Sequence[FieldError]]]
"""Checks of a JSON body that need more than its shape; it gets the body as sent, right or wrong."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation. `out` None means an empty answer, `errors` are the statuses beside those every operation has.

    One that creates something in a workspace takes an Idempotency-Key: a POST answered with 201, one that `creates`
    though it is answered otherwise, and one that `stores_key` in a way of its own; the handlers of the others store it
    with `ApiRequest.keep`. A body may have `body_bytes`.

    An answer with another `media_type` than JSON is a text, of which `example` is one, or with `file` a part of a file.

    `named_with` finds faults that the handler finds by itself, so that they are told together with those of the body.

    `linked` operations also take a signed link instead of a key; the handler checks it when there is no caller.
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
    body_may_be_absent: bool = False
    creates: bool = False
    stores_key: bool = False
    xml_body: bool = False
    check: Check | None = None
    named_with: Check | None = None
    out: Any = None
    errors: Sequence[int] = ()
    media_type: str = JSON_MEDIA_TYPE
    example: str = ""
    file: bool = False
    linked: bool = False
    body_bytes: int = JSON_BODY_BYTES
    adapter: TypeAdapter[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "adapter", TypeAdapter(self.out))

    @property
    def keyed(self) -> bool:
        """Whether it takes an Idempotency-Key."""
        made = self.method == "POST" and self.status == 201 and self.access not in {"public", "user", "operator"}
        return made or self.creates or self.stores_key

    @property
    def statuses(self) -> list[int]:
        """Every error status it can answer with."""
        found = {500, *self.errors}
        if self.access != "public":
            found |= {401, 429, 503}
        if self.access in ROLES:
            # What a workspace is named for, and what a role decides
            found |= {400, 403}
        if self.access == "widget":
            found.add(403)
        if self.body is not None:
            found |= {400, 413, 415}
        if self.path_parameters:
            found.add(404)
            if "uuid" in self.path_parameters.values():
                found.add(400)
        if self.query is not None:
            found.add(400)
        if self.file:
            found.add(416)
        if self.keyed:
            found.add(409)
        return sorted(found)
