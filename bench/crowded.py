"""Each kind of media work at the number that is wanted of it, while an engine on the same core serves its API.

The engine has a thousand calls stored and is asked 500 times a second; four of five requests read a call, the fifth
changes an application, which is stored. Nothing may be lost, and 99.9 % of the gaps between packets are to be under
30 ms. The API has what the media threads leave of the core.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.api import FEW, filled
from bench.beside import REQUESTS_PER_SECOND, ask
from bench.engine import Engine
from bench.kernel import cores, most_carried, report

_STRETCH_SECONDS = 0.5

# Sessions of each subject: the wanted number in whole units of the load generator's, two for a bridge.
ROWS: Final = {
    "kernel": 2016,
    "bridges": 1824,
    "recorded bridges": 928,
    "rooms": 1504,
    "streams": 320,
    "G.722": 1824,
    "Opus": 1824,
    "Opus bridges": 128,
    "srtp": 928,
}


class Asker:
    """Asks an engine at the fixed rate in a thread of its own, until it is stopped."""

    def __init__(self, engine: Engine, application: str, call: str, core: int) -> None:
        self.waits_ms: list[float] = []
        self.failure: BaseException | None = None
        self._stop = False
        self._arguments = engine, application, call
        self._core = core
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        # Of this thread only.
        os.sched_setaffinity(0, {self._core})
        try:
            while not self._stop:
                self.waits_ms += asyncio.run(ask(*self._arguments, _STRETCH_SECONDS))
        except BaseException as failure:  # told to whoever stops it
            self.failure = failure

    def stop(self) -> None:
        """End it. Raises RuntimeError where a request was not answered as it should be."""
        self._stop = True
        self._thread.join()
        if self.failure is not None:
            raise RuntimeError("the API did not answer") from self.failure


@contextmanager
def _asked(engine: Engine, application: str, call: str) -> Iterator[Asker]:
    asker = Asker(engine, application, call, cores()[1])
    try:
        yield asker
    finally:
        asker.stop()


def run(*, quick: bool) -> dict[str, object]:
    """Print and return the figures; `missed` names what is not reached."""
    seconds = 2.0 if quick else 5.0
    figures: dict[str, object] = {}
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as folder, filled(Path(folder), FEW, cores()[0]) as (engine, call):
        application = str(engine.post("/v1/applications", {"name": "bench", "xmlTemplate": "<Response/>"})["id"])
        for subject, sessions in ROWS.items():
            try:
                with _asked(engine, application, call) as asker:
                    measured = most_carried(subject, (sessions,), seconds, report)
            except RuntimeError as error:
                # The other rows say something all the same.
                missed.append(f"{error}, beside {REQUESTS_PER_SECOND} requests a second")
                continue
            waits = sorted(asker.waits_ms)
            sys.stdout.write(
                f"{subject}: {measured.calls} sessions beside {len(waits)} requests, answered after "
                f"{waits[len(waits) // 2]:.0f} ms (median), {waits[int(len(waits) * 0.99)]:.0f} ms (p99); "
                f"lost {measured.lost}, longest gap {measured.longest_ms:.1f} ms\n"
            )
            sys.stdout.flush()
            name = f"{subject.lower().replace('.', '').replace(' ', '_')}_beside_api"
            figures |= {f"{name}_lost": measured.lost, f"{name}_longest_ms": round(measured.longest_ms, 1)}
    for text in missed:
        sys.stdout.write(f"missed  {text}\n")
    return {**figures, "missed": missed}
