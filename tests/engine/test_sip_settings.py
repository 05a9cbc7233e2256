"""Settings of the section `sip` that a peer sees (contract §22.2): a running engine, asked with real datagrams."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sip import Response
from sip.digest import Credentials, DigestSession, parse_auth_params
from sip.message import parse_message
from tests.support.engine import TestEngine, running_engine


class Stranger:
    """A socket that asks the engine one thing at a time."""

    def __init__(self, sock: socket.socket, engine: TestEngine) -> None:
        self._sock = sock
        self._engine = engine
        self._asked = 0

    async def ask(self, method: str, *fields: str, to: str | None = None, body: str = "") -> Response:
        """A request outside of any dialog, and its final response. `to` is From as well."""
        host, port = self._engine.sip
        to = to or f"<sip:stranger@{host}>"
        own = "{}:{}".format(*self._sock.getsockname())
        self._asked += 1
        lines = (
            f"{method} sip:{host} SIP/2.0",
            f"Via: SIP/2.0/UDP {own};branch=z9hG4bKs{self._asked};rport",
            f"From: {to};tag=1",
            f"To: {to}",
            f"Call-ID: settings-{self._asked}",
            f"CSeq: {self._asked} {method}",
            f"Contact: <sip:stranger@{own}>",
            "Max-Forwards: 70",
            f"User-Agent: {'a phone that is well known ' * 20}",  # no answer is larger than 1.5 times its request
            *fields,
            f"Content-Length: {len(body)}",
            "",
            body,
        )
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            await loop.sock_sendto(self._sock, "\r\n".join(lines).encode(), (host, port))
            answer = parse_message(await loop.sock_recv(self._sock, 65536))
        assert isinstance(answer, Response)
        return answer


@asynccontextmanager
async def a_stranger(engine: TestEngine) -> AsyncIterator[Stranger]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield Stranger(sock, engine)


@pytest.mark.parametrize(
    ("settings", "status", "field"),
    [
        ({}, 405, "Allow"),
        ({"message_status": 200}, 200, None),
        ({"message_status": 202}, 202, None),
        ({"message_status": 415}, 415, "Accept"),
        ({"message_status": 488}, 488, None),
    ],
)
async def test_a_message_is_answered_as_the_configuration_says(
    tmp_path: Path, settings: dict[str, int], status: int, field: str | None
) -> None:
    async with running_engine(tmp_path / "data", sip=settings) as engine, a_stranger(engine) as stranger:
        answer = await stranger.ask("MESSAGE", "Content-Type: text/plain", body="hello")
        assert answer.status == status
        assert {name for name in ("Allow", "Accept") if name in answer.headers} == ({field} if field else set())
        assert "MESSAGE" not in (await stranger.ask("OPTIONS", "Accept: application/sdp")).allow


@pytest.mark.parametrize("algorithms", [["MD5", "SHA-256"], ["SHA-512-256", "MD5"], ["SHA-512-256"]])
async def test_a_registration_is_challenged_with_the_configured_algorithms_in_their_order(
    tmp_path: Path, algorithms: list[str]
) -> None:
    """RFC 8760 §2.4: whoever answers takes the first it knows, and may register with it."""
    settings = {"digest_algorithms": algorithms}
    async with running_engine(tmp_path / "data", sip=settings) as engine, a_stranger(engine) as stranger:
        agent = await engine.post("/v1/agents", {"email": "anna@example.com", "label": "Anna"})
        user = f"<sip:{agent['username']}@{engine.sip[0]}>"
        challenge = await stranger.ask("REGISTER", to=user)
        offered = challenge.headers.get_all("WWW-Authenticate")
        assert challenge.status == 401
        assert [parse_auth_params(value)[1]["algorithm"] for value in offered] == algorithms
        digest = DigestSession(Credentials(agent["username"], agent["password"]))
        assert digest.learn(offered, proxy=False)
        ((name, value),) = digest.authorize("REGISTER", f"sip:{engine.sip[0]}")
        assert parse_auth_params(value)[1]["algorithm"] == algorithms[0]
        assert (await stranger.ask("REGISTER", f"{name}: {value}", to=user)).status == 200
        shown = await engine.client.get(f"/v1/agents/{agent['id']}")
        assert shown.json()["registered"] is True


async def test_an_algorithm_that_is_not_offered_is_challenged_again(tmp_path: Path) -> None:
    settings = {"digest_algorithms": ["SHA-512-256"]}
    async with running_engine(tmp_path / "data", sip=settings) as engine, a_stranger(engine) as stranger:
        agent = await engine.post("/v1/agents", {"email": "anna@example.com", "label": "Anna"})
        user = f"<sip:{agent['username']}@{engine.sip[0]}>"
        (offered,) = (await stranger.ask("REGISTER", to=user)).headers.get_all("WWW-Authenticate")
        digest = DigestSession(Credentials(agent["username"], agent["password"]))
        assert digest.learn([offered.replace("SHA-512-256", "MD5")], proxy=False)
        ((name, value),) = digest.authorize("REGISTER", f"sip:{engine.sip[0]}")
        assert (await stranger.ask("REGISTER", f"{name}: {value}", to=user)).status == 401
