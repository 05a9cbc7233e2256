"""`voylo simulate`: runs a document against a scripted caller, or with the terminal as the phone (contract §22.1).

With a script the clock is virtual and nothing takes time. Without one it is real: the terminal shows what the caller
hears, and each line typed is a key, words, or a hang-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from pathlib import Path
from typing import Final

from server.commands.console import FAILED, WRONG_USAGE
from voyloml.simulate import (
    Caller,
    PartyScript,
    Setting,
    Simulated,
    Simulation,
    Timeline,
    World,
    answers,
    over_http,
    simulate,
)
from voyloml.simulate.application import BASE_URL, Function
from voyloml.simulate.folder import folder
from voyloml.simulate.script_text import Script, ScriptError, parse_script

KEYS: Final = frozenset("0123456789*#ABCD")
HELP: Final = "Type keys (1, 42#), say WORDS, or hang up."
PARTY: Final[PartyScript] = answers(3, hangs_up_after=15)
"""Everybody who is dialled in an interactive call."""


def run_simulation(source: str, script_file: str | None, *, as_json: bool, http: bool) -> int:
    """Simulate `source`, a file or with `http` a URL; print the timeline; return the exit status.

    1: the run ended with an application error; 2: something cannot be read.
    """
    try:
        script = Script() if script_file is None else parse_script(Path(script_file).read_text())
        document, url, app = _application(source, script_file, script, http=http)
    except ScriptError as error:
        print(f"voylo: {script_file}: {error}", file=sys.stderr)
        return WRONG_USAGE
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        name = getattr(error, "filename", None) or source
        print(f"voylo: {name}: cannot be read: {reason}", file=sys.stderr)
        return WRONG_USAGE
    if script_file is None:
        ran = asyncio.run(_interactive(document, url, app, as_json=as_json))
        if as_json:
            print(ran.json(), end="")
    else:
        ran = simulate(
            None if script.template else document,
            url=None if script.template else url,
            app=app,
            caller=script.caller,
            world=script.world,
            setting=script.setting,
            template=document if script.template else None,
        )
        print(ran.json() if as_json else ran.text(), end="")
    return FAILED if ran.ended == "application_error" else 0


def _application(
    source: str, script_file: str | None, script: Script, *, http: bool
) -> tuple[str | None, str, Function]:
    """The document, the URL it stands at, and who answers further requests."""
    if http:
        return None, source, over_http
    path = Path(source)
    routes_root = None if script_file is None else Path(script_file).parent
    return path.read_text(), BASE_URL + path.name, folder(path.parent, script.routes, routes_root)


async def _interactive(document: str | None, url: str, app: Function, *, as_json: bool) -> Simulated:
    timeline = Timeline(None if as_json else lambda moment: print(moment, flush=True))
    world = World(parties={"*": PARTY})
    simulation = Simulation(document, url, app, Caller(), world, Setting(), timeline=timeline)
    print(HELP, file=sys.stderr)
    loop = asyncio.get_running_loop()

    def read() -> None:
        # The call, and the loop with it, may have ended before the terminal does.
        with contextlib.suppress(RuntimeError):
            for line in sys.stdin:
                loop.call_soon_threadsafe(_take, simulation, line.strip())
            loop.call_soon_threadsafe(simulation.hang_up)

    running = asyncio.ensure_future(simulation.run())
    # A thread of its own, because nothing else can be waited for while a terminal has no line.
    threading.Thread(target=read, daemon=True).start()
    return await running


def _take(simulation: Simulation, line: str) -> None:
    """Does what was typed."""
    word, _, rest = line.partition(" ")
    if line in {"hang up", "hangup", "bye"}:
        simulation.hang_up()
    elif word == "say" and rest:
        simulation.say(rest)
    elif line and set(line) <= KEYS:
        for key in line:
            simulation.press(key)
    elif line:
        print(HELP, file=sys.stderr)
