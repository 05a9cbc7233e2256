"""`voylo serve`: the engine in the foreground, until SIGINT or SIGTERM (contract §22.1, §22.4)."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import uvloop

from engine.errors import EngineError, ValidationFailed
from server.commands.console import FAILED, WRONG_USAGE, leave, read_config


def serve(config_file: Path | None, *, demo: bool) -> int:
    """Run the engine and return the exit status."""
    # A third of the start would go into collections that find nothing; the engine enables them once it is ready.
    gc.disable()
    # Before the rooms are loaded, so that a typing error in a file is told at once.
    config = read_config(config_file)
    from server.process import serve as run_engine

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run_engine(config, demo=demo))
    except ValidationFailed as error:
        leave(WRONG_USAGE, [f"{wrong.field}: {wrong.message}" for wrong in error.errors])
    except EngineError as error:
        leave(FAILED, [error.message])
