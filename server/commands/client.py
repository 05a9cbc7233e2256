"""`voylo call`, `calls` and `trace`: an engine's API from the command line (contract §22.1).

Where the engine is and who asks comes from `VOYLO_API_URL`, `VOYLO_API_KEY` and `VOYLO_WORKSPACE_ID`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from server.commands.console import FAILED, WRONG_USAGE, print_json

DEFAULT_URL: Final = "http://127.0.0.1:8080"
REQUEST_SECONDS: Final = 30


class Refused(Exception):
    """The engine said no, or could not be asked; the message is for the person at the terminal."""


def place_call(from_: str, to: str, app: str, variables: list[str], *, as_json: bool) -> int:
    """Places a call and prints its public id; the exit status."""
    values: dict[str, str] = {}
    for text in variables:
        name, separator, value = text.partition("=")
        if not separator:
            print(f"--var {text}: must be NAME=VALUE", file=sys.stderr)
            return WRONG_USAGE
        values[name] = value
    body = {"from": from_, "to": to, "applicationId": app, "variables": values}

    def shown(placed: Any) -> str:
        return f"{placed['publicId']}  {placed['status']}"

    # With a key of its own, so that a lost answer can be asked for again without a second call
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    return _run("POST", "/v1/calls", shown, as_json=as_json, body=body, headers=headers)


def list_calls(limit: int, *, as_json: bool) -> int:
    """Prints the newest calls, a line each; the exit status."""

    def shown(calls: Any) -> str:
        return "\n".join(_call_line(call) for call in calls) or "no calls"

    return _run("GET", f"/v1/calls?limit={limit}", shown, as_json=as_json)


def trace_call(call: str, *, as_json: bool) -> int:
    """Prints what happened in a call, moment by moment; the exit status."""

    def shown(entries: Any) -> str:
        return "\n".join(_log_line(entry) for entry in entries) or "nothing is logged"

    return _run("GET", f"/v1/calls/{call}/events", shown, as_json=as_json)


def _call_line(call: Mapping[str, Any]) -> str:
    state = call["pendingStatus"] if call["pending"] else f"{call['outcome']} {call['durationS']} s"
    return f"{call['createdAt']}  {call['publicId']}  {call['direction']:8}  {call['from']} -> {call['to']}  {state}"


def _log_line(entry: Mapping[str, Any]) -> str:
    data = "  ".join(f"{name}={value}" for name, value in entry["data"].items() if value is not None)
    return f"{entry['at']}  {entry['type']:18}  {data}".rstrip()


def _run(
    method: str,
    path: str,
    shown: Any,
    *,
    as_json: bool,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> int:
    key = os.environ.get("VOYLO_API_KEY")
    if not key:
        print("VOYLO_API_KEY: set it to an API key of the engine", file=sys.stderr)
        return WRONG_USAGE
    sent = {"Authorization": f"Bearer {key}", **(headers or {})}
    if workspace := os.environ.get("VOYLO_WORKSPACE_ID"):
        sent["X-Workspace-Id"] = workspace
    base = os.environ.get("VOYLO_API_URL", DEFAULT_URL).rstrip("/")
    try:
        answer = asyncio.run(_ask(method, base + path, sent, body))
    except Refused as error:
        print(error, file=sys.stderr)
        return FAILED
    if as_json:
        print_json(answer)
    else:
        print(shown(answer))
    return 0


async def _ask(method: str, url: str, headers: Mapping[str, str], body: Mapping[str, Any] | None) -> Any:
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, url, headers=headers, json=body) as response,
        ):
            answer = await response.json(content_type=None)
            status = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Refused(
            f"{url}: {error or 'no answer in time'}; is the engine running, and VOYLO_API_URL right?"
        ) from None
    if status >= 400:
        raise Refused(f"{status}: {_message(answer)}")
    return answer


def _message(answer: Any) -> str:
    message = answer.get("message") if isinstance(answer, dict) else None
    if isinstance(message, list):
        return "; ".join(f"{fault['field']} {fault['message']}" for fault in message)
    return str(message or answer)
