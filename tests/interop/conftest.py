"""Tools for the interop tests: each is required by name; missing, the test skips with a reason, and fails in CI."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sip import IncomingCall
from tests.interop.sipp_party import MovableClock, Party, wait
from tests.interop.sipp_run import Sipp
from tests.support.module_engine import engine, phone, shared

__all__ = ["engine", "phone", "shared"]

PYVOIP_PYTHON = Path(".venv-pyvoip/bin/python")


def missing(reason: str) -> None:
    """Skips the test; in CI, where every tool is installed, a missing one is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """`program("sipp")` is the path of an installed program."""

    def find(name: str) -> str:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin")  # where not only root finds kamailio
        if path is None:
            missing(f"{name} is not installed; .ci/run installs it")
        return str(path)

    return find


@pytest.fixture
def pyvoip_python() -> Path:
    """The Python of the environment that has pyVoIP."""
    if not PYVOIP_PYTHON.exists():
        missing(f"pyVoIP is not installed in {PYVOIP_PYTHON.parent.parent}; .ci/run installs it")
    return PYVOIP_PYTHON.absolute()


@pytest.fixture
def raw_sockets() -> None:
    """sipp plays captures through raw sockets, and the test listens to it through one."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)).close()
    except (OSError, AttributeError):
        missing("raw sockets are not allowed here (CAP_NET_RAW)")


@pytest.fixture
def free_port() -> Callable[[], int]:
    """`free_port()` is an even UDP and TCP port of 127.0.0.1 whose odd neighbour is free too."""
    taken: set[int] = set()

    def find() -> int:
        for port in range(26_000 + os.getpid() % 500 * 4, 32_000, 4):
            if port in taken:
                continue
            try:
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    for neighbour in (port, port + 1):
                        with socket.socket(socket.AF_INET, kind) as probe:
                            probe.bind(("127.0.0.1", neighbour))
            except OSError:
                continue
            taken.add(port)
            return port
        raise RuntimeError("no free port")

    return find


@pytest.fixture
def sipp(program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path) -> Sipp:
    """Plays the scenarios of tests/interop/sipp."""
    return Sipp(program("sipp"), tmp_path, free_port)


@pytest.fixture
async def clock() -> MovableClock:
    """The clock of the loop and of the user agents that are made after it."""
    return MovableClock()


@pytest.fixture
async def party() -> AsyncIterator[Callable[..., Awaitable[Party]]]:
    """`await party(take)` is a user agent on 127.0.0.1; in the end it must have no call left and no fault met."""
    made: list[Party] = []

    async def make(take: Callable[[IncomingCall], None] = wait, **more: object) -> Party:
        one = Party(take, **more)  # type: ignore[arg-type]
        await one.agent.start()
        made.append(one)
        return one

    yield make
    for one in made:
        await one.agent.close()
    for one in made:
        statistics = one.agent.statistics
        left = (one.agent.calls, statistics.failures, statistics.send_errors, statistics.parse_errors)
        assert left == (0, 0, one.send_errors, one.parse_errors), "calls left, bugs, not sent, not parsed"
