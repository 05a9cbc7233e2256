"""The API under load: reading one call, listing few and many, placing calls beside calls that play audio.

wrk reads from the other core; what places calls keeps a fixed rate, for a queue that grows shows in its delays. The
callee answers that it is busy, so that what is measured is the taking of an order and not the calls that follow.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.calls import sound
from bench.engine import API_KEY, Engine, started
from bench.paced import paced

READS_PER_SECOND = 2000
LIST_RATIO = 1.5
ORDERS_PER_SECOND = 300
ORDER_P99_MS = 50.0
PLAYING = 500
FEW, MANY = 1_000, 1_000_000
NUMBER = "+15550100"
BUSY = Path(__file__).with_name("sipp-busy.xml")
UNLIMITED = {
    "VOYLO_LIMITS__REQUESTS_PER_MINUTE": "1000000",
    "VOYLO_LIMITS__REQUEST_BURST": "100000",
    "VOYLO_LIMITS__CALLS_PER_SECOND": "100000",
    "VOYLO_LIMITS__CONCURRENT_CALLS": "100000",
    "VOYLO_MEDIA__RTP_PORTS": "20000-29999",
}

_FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO calls (id, public_id, workspace_id, direction, from_number, to_number, status, destination_kind, variables,
    outcome, hangup_by, hangup_cause, sip_code, started_at, answered_at, ended_at, ring_s, duration_s, billed_s, cost,
    currency, routing_attempts, created_at)
SELECT printf('%08x-0000-4000-8000-%012x', i, i), printf('cl_%012x', i), :workspace, 'inbound',
    printf('+1555%07d', i % 100000), '+15550100', 'completed', 'application', '{}', 'answered', 'caller', 'normal', 200,
    :now - i * 1000, :now - i * 1000 + 300, :now - i * 1000 + 60000, 1, 60, 60, 0, 'USD', '[]', :now - i * 1000 FROM n
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw: answers a second, and the delay that 99 % of them did not exceed."""

    per_second: float
    p99_ms: float


def read(engine: Engine, path: str, seconds: int, core: int) -> Load:
    """Ask for a path as fast as eight connections can. Raises RuntimeError when an answer is not a 2xx."""
    command = ["wrk", "-t1", "-c8", f"-d{seconds}s", "--latency", "-H", f"Authorization: Bearer {API_KEY}"]
    process = subprocess.Popen([*command, engine.http + path], stdout=subprocess.PIPE, text=True)
    os.sched_setaffinity(process.pid, {core})
    shown, _ = process.communicate()
    if "Non-2xx" in shown or process.returncode:
        raise RuntimeError(f"wrk on {path}: {shown}")
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", shown)
    delay = re.search(r"99%\s+([0-9.]+)(us|ms|s)", shown)
    assert rate is not None
    assert delay is not None
    return Load(float(rate[1]), float(delay[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[delay[2]])


def fill(folder: Path, workspace: str, count: int) -> str:
    """Store so many ended calls; the id of one of them."""
    with closing(sqlite3.connect(folder / "voylo.db")) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_FILL, {"count": count, "workspace": workspace, "now": int(time.time() * 1000)})
        connection.commit()
    return f"cl_{count // 2:012x}"


@contextmanager
def filled(folder: Path, count: int, core: int) -> Iterator[tuple[Engine, str]]:
    """An engine with so many calls, and the id of one."""
    with started(folder, core=core, **UNLIMITED) as engine:
        workspace = str(engine.get("/v1/workspaces")[0]["id"])
    call = fill(folder, workspace, count)
    with started(folder, core=core, **UNLIMITED) as engine:
        yield engine, call


async def orders(engine: Engine, application: str, seconds: float) -> list[float]:
    """Place calls at the fixed rate; how long each waited for its answer, in ms, counted from when it was due."""
    body = {"from": NUMBER, "to": "+201091447677", "applicationId": application}
    return await paced(
        lambda session, _: session.post(f"{engine.http}/v1/calls", json=body),
        per_second=ORDERS_PER_SECOND,
        seconds=seconds,
        status=202,
    )


@contextmanager
def busy_callee(core: int) -> Iterator[int]:
    """A callee that is always busy; its port."""
    port = 27060
    with tempfile.TemporaryDirectory() as folder:
        command = ["sipp", "-sf", str(BUSY), "-i", "127.0.0.1", "-p", str(port), "-nostdin"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.sched_setaffinity(process.pid, {core})
        try:
            time.sleep(0.5)
            yield port
        finally:
            process.terminate()
            process.wait()


@contextmanager
def playing_calls(engine: Engine, count: int, core: int) -> Iterator[None]:
    """Calls that hear a sound as long as this lasts."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "sipp", "-sn", "uac", "-s", "+15550101", engine.sip, "-i", "127.0.0.1", "-r", "50", "-m", str(count),
            "-l", str(count), "-d", "600000", "-nostdin",
        ]  # fmt: skip
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.sched_setaffinity(process.pid, {core})
        try:
            time.sleep(count / 50 + 2)
            yield
        finally:
            process.kill()
            process.wait()


def run(*, quick: bool) -> dict[str, object]:
    """Prints and returns the figures; skipped with a word where wrk or sipp is not installed."""
    for tool, package in (("wrk", "wrk"), ("sipp", "sip-tester")):
        if shutil.which(tool) is None:
            print(f"{tool} is not installed (Debian: {package}): skipped")
            return {"skipped": tool}
    cores = sorted(os.sched_getaffinity(0))
    seconds = 3 if quick else 10
    many = MANY // 10 if quick else MANY
    with tempfile.TemporaryDirectory() as folder:
        with filled(Path(folder) / "few", FEW, cores[0]) as (engine, call):
            one = read(engine, f"/v1/calls/{call}", seconds, cores[-1])
            print(f"read one call: {one.per_second:.0f} a second, p99 {one.p99_ms:.1f} ms", flush=True)
            few = read(engine, "/v1/calls?limit=20", seconds, cores[-1])
        with filled(Path(folder) / "many", many, cores[0]) as (engine, _):
            listed = read(engine, "/v1/calls?limit=20", seconds, cores[-1])
        ratio = few.per_second / listed.per_second
        print(f"list 20 calls of {FEW}: {few.per_second:.0f} a second, of {many}: {listed.per_second:.0f}")
        print(f"a list of many takes {ratio:.2f} times as long as one of few", flush=True)
        waits = _orders_beside_audio(
            Path(folder) / "orders", 3.0 if quick else 20.0, PLAYING // (5 if quick else 1), cores
        )
    p99 = waits[int(len(waits) * 0.99)]
    missed = [
        text
        for text, wrong in (
            (f"reading one call: at least {READS_PER_SECOND} a second", one.per_second < READS_PER_SECOND),
            (f"listing many: within {LIST_RATIO:g} times of listing few", ratio > LIST_RATIO),
            (f"an order's answer, p99: under {ORDER_P99_MS:g} ms", p99 >= ORDER_P99_MS),
        )
        if wrong
    ]
    for text in missed:
        print(f"missed  {text}")
    return {
        "reads_per_second": one.per_second,
        "list_ratio": ratio,
        "order_p99_ms": p99,
        "missed": bool(missed),
    }


def _orders_beside_audio(folder: Path, seconds: float, playing: int, cores: list[int]) -> list[float]:
    folder.mkdir()
    with (
        started(folder / "data", core=cores[0], **UNLIMITED) as engine,
        busy_callee(cores[-1]) as port,
        sound(folder) as url,
    ):
        engine.route("+15550101", f'<Response><Play loop="0">{url}</Play></Response>')
        application = engine.post("/v1/applications", {"name": "bench", "xmlTemplate": "<Response/>"})
        outbound = {"host": "127.0.0.1", "port": port, "transport": "udp"}
        engine.post("/v1/numbers/import", {"e164": NUMBER, "sip": {"outbound": outbound}})
        with playing_calls(engine, playing, cores[-1]):
            waits = asyncio.run(orders(engine, application["id"], seconds))
    print(
        f"place calls, {ORDERS_PER_SECOND} a second beside {playing} that play: answered after "
        f"{waits[len(waits) // 2]:.1f} ms (median), {waits[int(len(waits) * 0.99)]:.1f} ms (p99), "
        f"{waits[-1]:.1f} ms (longest)",
        flush=True,
    )
    return waits
