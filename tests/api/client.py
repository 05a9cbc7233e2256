"""A client that speaks to the API in process and hands out parsed answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from api import ApiServices, create_app
from engine.limits import Limits
from engine.model import Role
from engine.sip_accounts import AccountRegistration, SipDomain
from tests.api.documented import check_documented
from tests.engine.opened import REALM, Opened

BASE = "http://api.test"
JSON = "application/json"
ADMIN_TOKEN = "an-admin-token-of-32-characters."
GENEROUS = Limits(requests_per_minute=1_000_000, request_burst=1_000_000)


@dataclass
class Answer:
    """A response with its JSON body; None for an empty one."""

    status: int
    body: Any
    headers: httpx.Headers
    content: bytes = b""

    def __iter__(self) -> Any:
        """Status and body, which is what most tests compare."""
        return iter((self.status, self.body))


class Api:
    """The application with what it serves; `ready`, `draining` and the settings can be changed by a test."""

    def __init__(self, engine: Opened, limits: Limits = GENEROUS, **settings: Any) -> None:
        self.engine = engine
        self.key = engine.first.api_key
        self.is_ready = True
        self.is_draining = False
        self.registered: dict[str, AccountRegistration] = {}
        self.app = create_app(
            ApiServices(
                accounts=engine.accounts,
                sessions=engine.sessions,
                members=engine.members,
                workspaces=engine.workspaces,
                applications=engine.applications,
                numbers=engine.numbers,
                agents=engine.agents,
                widget_sessions=engine.widget_sessions,
                inbound_trunks=engine.inbound_trunks,
                outbound_trunks=engine.outbound_trunks,
                records=engine.records,
                recordings=engine.recordings,
                webhooks=engine.webhooks,
                deliveries=engine.deliveries,
                monitor=engine.monitor,
                billing=engine.billing,
                idempotent=engine.idempotent,
                rentals=engine.rentals,
                rental_review=engine.rental_review,
                invoices=engine.invoices,
                sip_domain=SipDomain(host=lambda: REALM, port=lambda: 5060),
                registration=self.registered.get,
                ready=self._ready,
                draining=lambda: self.is_draining,
                limits=limits,
                **({"public_url": BASE, "admin_token": ADMIN_TOKEN} | settings),
            )
        )

    async def _ready(self) -> bool:
        return self.is_ready

    async def key_of(self, role: Role, workspace_id: str | None = None) -> str:
        """A raw key with this role."""
        return (await self.engine.accounts.create_key(workspace_id or self.engine.workspace_id, role, role)).raw

    async def call(
        self,
        method: str,
        path: str,
        body: Any = ...,
        *,
        key: str | None = ...,  # type: ignore[assignment]
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request, with the owner's key unless another, or None, is given."""
        sent = dict(headers or {})
        bearer = self.key if key is ... else key
        if bearer is not None:
            sent.setdefault("Authorization", f"Bearer {bearer}")
        if body is not ...:
            content = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            response = await client.request(method, path, content=content, headers=sent)
        parsed = response.json() if response.content and response.headers["content-type"] == JSON else response.text
        parsed = parsed if response.content else None
        check_documented(method, path, response.status_code, parsed)
        return Answer(response.status_code, parsed, response.headers, response.content)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = ..., **options: Any) -> Answer:
        return await self.call("POST", path, body, **options)

    async def put(self, path: str, body: Any = ..., **options: Any) -> Answer:
        return await self.call("PUT", path, body, **options)

    async def patch(self, path: str, body: Any = ..., **options: Any) -> Answer:
        return await self.call("PATCH", path, body, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        return await self.call("DELETE", path, **options)

    async def sign_in(self, email: str | None = None, password: str | None = None) -> Answer:
        """The answer to a sign-in, as the first owner unless another user is named."""
        first = self.engine.first
        body = {"email": email or first.owner_email, "password": password or first.owner_password}
        return await self.post("/v1/auth/login", body, key=None)

    async def session(
        self, email: str | None = None, password: str | None = None, *, workspace: str | None = None
    ) -> dict[str, Any]:
        """Options of a request that is made signed in, in the first workspace unless another is named."""
        answer = await self.sign_in(email, password)
        assert answer.status == 200, answer.body
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return {"key": None, "headers": {"Cookie": cookie, "X-Workspace-Id": workspace or self.engine.workspace_id}}

    async def session_of(self, role: Role) -> dict[str, Any]:
        """As `session`, as a new member with this role."""
        email = f"{role}@customer.example"
        await self.engine.accounts.create_user(email, self.engine.workspace_id, role, password="a-good-password")
        return await self.session(email, "a-good-password")

    async def application(self, name: str = "Menu", **members: Any) -> Any:
        """A new application's body."""
        answer = await self.post("/v1/applications", {"name": name, **members})
        assert answer.status == 201, answer.body
        return answer.body

    async def number(self, e164: str = "+97142345678", **members: Any) -> Any:
        """A new number's body."""
        answer = await self.post("/v1/numbers/import", {"e164": e164, **members})
        assert answer.status == 201, answer.body
        return answer.body

    async def agent(self, email: str = "anna@customer.example", **members: Any) -> Any:
        """A new agent's body, without what only the creation shows."""
        answer = await self.post("/v1/agents", {"email": email, **members})
        assert answer.status == 201, answer.body
        return {name: value for name, value in answer.body.items() if name not in {"password", "uri"}}

    async def inbound_trunk(self, name: str = "Agents", **members: Any) -> Any:
        """A new inbound trunk's body."""
        body = {"name": name, "destinations": [{"uri": "sip:agent@sip.provider.example"}]} | members
        answer = await self.post("/v1/trunks/inbound", body)
        assert answer.status == 201, answer.body
        return answer.body

    async def trunk(self, name: str = "PBX", **members: Any) -> Any:
        """A new outbound trunk's body, without its password."""
        answer = await self.post("/v1/trunks/outbound", {"name": name, **members})
        assert answer.status == 201, answer.body
        del answer.body["sip"]["password"]
        return answer.body


def error(status: int, reason: str, message: str) -> dict[str, Any]:
    """The whole body of an error that is not about fields."""
    return {"statusCode": status, "error": reason, "message": message}


def invalid(**fields: str | list[str]) -> dict[str, Any]:
    """The whole body of a 400 about these fields; `__` in a name stands for a dot."""
    details = {name.replace("__", "."): [text] if isinstance(text, str) else text for name, text in fields.items()}
    return {
        "statusCode": 400,
        "error": "Bad Request",
        "message": [{"field": name, "message": text} for name, texts in details.items() for text in texts],
        "details": details,
    }
