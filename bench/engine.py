"""The engine as a process of its own, for the benches that load it from outside: started, fed over its API, weighed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

API_KEY = "vlx_live_" + "Bb0" * 13 + "B"
START_LIMIT = 180.0
_LEFT_OUT = frozenset({"PYTHONDONTWRITEBYTECODE"})
"""Without its bytecode, Python compiles every module at each start; an installed engine has it."""

_TICKS = os.sysconf("SC_CLK_TCK")


class Subject:
    """A process under load: where its SIP listens, what it uses."""

    def __init__(self, process: subprocess.Popen[str], sip: str) -> None:
        self.process = process
        self.sip = sip

    def cpu_seconds(self) -> float:
        """Processor time of the process and its living children so far."""
        total = 0
        for pid in descendants(self.process.pid):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / _TICKS

    def megabytes(self) -> float:
        """Resident memory of the process and its children."""
        return resident_megabytes(self.process.pid)


class Engine(Subject):
    """A `voylo serve` that is ready."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        super().__init__(process, ready["sip"]["udp"])
        self.http: str = ready["http"]

    def post(self, path: str, body: object) -> dict[str, Any]:
        """POST JSON with the engine's key and return the answer."""
        answer: dict[str, Any] = self._ask(path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return answer

    def get(self, path: str) -> Any:
        """GET with the engine's key and return the answer."""
        return self._ask(path, None, {})

    def _ask(self, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(self.http + path, body, {"Authorization": f"Bearer {API_KEY}", **headers})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def route(self, e164: str, document: str) -> None:
        """A number that loopback may call, with an application that runs this document."""
        application = self.post("/v1/applications", {"name": "bench", "xmlTemplate": document})
        self.post(
            "/v1/numbers/import",
            {
                "e164": e164,
                "destination": {"kind": "application", "id": application["id"]},
                "sip": {"allowedSourceIps": ["127.0.0.1/32"]},
            },
        )


def descendants(pid: int) -> Iterator[int]:
    """A process and all that it has started."""
    pending = [pid]
    while pending:
        current = pending.pop()
        yield current
        for task in Path(f"/proc/{current}/task").iterdir():
            pending.extend(int(child) for child in (task / "children").read_text().split())


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process and all its descendants, in MB; pages shared between them counted once each."""
    total = 0
    for current in descendants(pid):
        status = Path(f"/proc/{current}/status").read_text()
        total += int(status.partition("VmRSS:")[2].split()[0])
    return total / 1024


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """Environment of an engine on free loopback ports with its data in a folder of its own."""
    return {
        **{
            name: value for name, value in os.environ.items() if not name.startswith("VOYLO_") and name not in _LEFT_OUT
        },
        "VOYLO_STORAGE__DATA_DIR": str(folder),
        "VOYLO_HTTP__BIND": "127.0.0.1:0",
        "VOYLO_SIP__UDP": "127.0.0.1:0",
        "VOYLO_SIP__TCP": "",
        "VOYLO_LOG__FORMAT": "json",
        "VOYLO_LOG__LEVEL": "warning",
        "VOYLO_BOOTSTRAP_API_KEY": API_KEY,
        **changes,
    }


@contextmanager
def started(folder: Path, *, core: int | None = None, show_log: bool = True, **changes: str) -> Iterator[Engine]:
    """An engine that is ready, on one processor core where one is given; stopped in good order at the end.

    `show_log` lets its log through to our stderr.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", "serve"],
        env=environment(folder, **changes),
        stdout=subprocess.PIPE,
        text=True,
        stderr=None if show_log else subprocess.DEVNULL,
    )
    if core is not None:
        os.sched_setaffinity(process.pid, {core})  # before it has threads, which inherit it
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{") and (ready := json.loads(line)).get("event") == "ready":
                break
        else:
            raise RuntimeError(f"the engine ended with {process.wait()} before it was ready")
        yield Engine(process, ready)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_LIMIT)


@contextmanager
def bare_agent(core: int) -> Iterator[Subject]:
    """The SIP room alone on one processor core, see `bench.bare_agent`."""
    process = subprocess.Popen([sys.executable, "-m", "bench.bare_agent"], stdout=subprocess.PIPE, text=True)
    os.sched_setaffinity(process.pid, {core})
    try:
        assert process.stdout is not None
        yield Subject(process, process.stdout.readline().strip())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_LIMIT)
