"""What the user agent answers to the torture messages of RFC 4475 and RFC 5118, without sockets and over real ones."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from sip import IncomingCall, UserAgent, UserAgentConfig
from sip.endpoint import Endpoint
from tests.sip.support import Agent, request

ROOT = Path(__file__).resolve().parents[2]
SETS = ("rfc4475", "rfc5118")
REFUSALS = frozenset({400, 416, 420})


def cases() -> list[Any]:
    found: list[Any] = []
    for name in SETS:
        folder = ROOT / "../shared/fixtures" / name
        if not (folder / "expected.json").is_file():
            reason = f"test data not found: ../shared/fixtures/{name}"
            found.append(pytest.param(folder, {}, id=name, marks=pytest.mark.skip(reason=reason)))
            continue
        entries = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        found += [pytest.param(folder / file, entry, id=f"{name}/{file}") for file, entry in entries.items()]
    return found


def matches(outcome: str, statuses: list[int]) -> bool:
    if outcome == "drop":
        return not statuses
    if outcome == "accept":
        return len(statuses) == 1 and statuses[0] not in REFUSALS and not 500 <= statuses[0] < 600
    return statuses == [int(outcome)]


def reject_as_unknown(call: IncomingCall) -> None:
    call.reject(404)


@pytest.mark.parametrize(("path", "entry"), cases())
class TestTortureMessages:
    def test_the_preferred_answer_is_given(self, path: Path, entry: dict[str, Any]) -> None:
        agent = Agent(on_call=reject_as_unknown)
        agent.receive(path.read_bytes(), Endpoint("udp", "127.0.0.9", 5060))
        statuses = agent.statuses()
        wanted = entry.get("prefer") or entry["uas"]
        assert any(matches(outcome, statuses) for outcome in wanted.split("|")), (wanted, statuses)

    def test_the_agent_still_answers_afterwards(self, path: Path, entry: dict[str, Any]) -> None:
        agent = Agent(on_call=reject_as_unknown)
        agent.receive(path.read_bytes())
        agent.core.data_to_send()
        agent.receive(request("OPTIONS", branch="z9hG4bKafter"))
        assert agent.statuses() == [200]


@pytest.mark.parametrize(("path", "entry"), cases())
async def test_the_preferred_answer_is_given_over_a_real_socket(path: Path, entry: dict[str, Any]) -> None:
    data = path.read_bytes()
    agent = UserAgent(UserAgentConfig(udp=(("127.0.0.1", 0),)), reject_as_unknown)
    await agent.start()
    loop = asyncio.get_running_loop()
    target = agent.bound["udp"][0]
    # Few of the messages ask for rport: the answer goes to the port in the top Via, 5060 if there is none (§18.2.2)
    port = top_via_port(data)
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.setblocking(False)
    try:
        try:
            peer.bind(("127.0.0.99", port))
        except OSError:
            pytest.skip(f"127.0.0.99:{port} cannot be bound here")
        await loop.sock_sendto(peer, data, target)
        await loop.sock_sendto(peer, request("OPTIONS", branch="z9hG4bKprobe", call_id="probe"), target)
        statuses: list[int] = []
        while True:
            answer = await loop.sock_recv(peer, 65535)
            if b"\r\nCall-ID: probe\r\n" in answer:
                break
            statuses.append(int(answer.split(b" ", 2)[1]))
        wanted = entry.get("prefer") or entry["uas"]
        assert any(matches(outcome, statuses) for outcome in wanted.split("|")), (wanted, statuses)
        assert answer.startswith(b"SIP/2.0 200 ")
        assert agent.statistics.failures == 0
    finally:
        peer.close()
        await agent.close()


def over_tcp() -> list[Any]:
    """Without what the test data says is for UDP only."""
    return [case for case in cases() if case.id != "rfc4475/dblreq.dat" and "content_length" not in case.values[1]]


@pytest.mark.parametrize(("path", "entry"), over_tcp())
async def test_the_preferred_answer_is_given_over_tcp(path: Path, entry: dict[str, Any]) -> None:
    """A fault of framing is answered and ends the connection; after anything else the connection goes on."""
    agent = UserAgent(UserAgentConfig(udp=(), tcp=(("127.0.0.1", 0),)), reject_as_unknown)
    await agent.start()
    probe = request("OPTIONS", branch="z9hG4bKprobe", call_id="probe")
    try:
        reader, writer = await asyncio.open_connection(*agent.bound["tcp"][0])
        writer.write(path.read_bytes() + probe)
        statuses: list[int] = []
        answer = b""
        async with asyncio.timeout(10):
            while b"\r\nCall-ID: probe\r\n" not in answer:
                try:
                    answer = await reader.readuntil(b"\r\n\r\n")
                except asyncio.IncompleteReadError:
                    break
                statuses.append(int(answer.split(b" ", 2)[1]))
        writer.close()
        if path.name == "mcl01.dat":
            assert agent.stream_counters.broken == 1
            reader, writer = await asyncio.open_connection(*agent.bound["tcp"][0])
            writer.write(probe)
            statuses.append(int((await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]))
            writer.close()
        wanted = entry.get("prefer") or entry["uas"]
        assert statuses[-1] == 200
        assert any(matches(outcome, statuses[:-1]) for outcome in wanted.split("|")), (wanted, statuses)
        assert agent.statistics.failures == 0
    finally:
        await agent.close()


def top_via_port(data: bytes) -> int:
    via = re.search(rb"^(?:via|v)[ \t]*:\s*([^;]*?)\s*(?:;|\r?\n\S)", data, re.IGNORECASE | re.MULTILINE)
    assert via is not None
    port = re.search(rb"(?:[\]\w])\s*:\s*(\d+)$", via[1])
    return int(port[1]) if port else 5060
