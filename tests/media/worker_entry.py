"""What the child processes of the worker tests do: good and bad things, as told."""

from __future__ import annotations

import os
import resource
import signal
import stat
import sys
import time

from media.worker.errors import Refused
from media.worker.frames import Body, Header


def handle(request: Header, body: bytes) -> tuple[Header, Body]:
    """Do what `do` says."""
    return _DEEDS[request["do"]](request, body)


def _echo(request: Header, body: bytes) -> tuple[Header, Body]:
    return {"said": request.get("say"), "pid": os.getpid()}, body


def _refuse(request: Header, body: bytes) -> tuple[Header, Body]:
    raise Refused("not this one")


def _fail(request: Header, body: bytes) -> tuple[Header, Body]:
    raise KeyError("a fault of ours")


def _die(request: Header, body: bytes) -> tuple[Header, Body]:
    print("last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}, b""


def _hang(request: Header, body: bytes) -> tuple[Header, Body]:
    time.sleep(60)
    return {}, b""


def _spin(request: Header, body: bytes) -> tuple[Header, Body]:
    while True:
        pass


def _burn(request: Header, body: bytes) -> tuple[Header, Body]:
    end = time.process_time() + request["seconds"]
    while time.process_time() < end:
        pass
    return {}, b""


def _grow(request: Header, body: bytes) -> tuple[Header, Body]:
    return {"size": len(bytearray(request["size"]))}, b""


def _print(request: Header, body: bytes) -> tuple[Header, Body]:
    print("a library talks")
    os.write(1, b"and another one, past Python")
    return {"read": sys.stdin.read(1)}, b""


def _write_nonsense(request: Header, body: bytes) -> tuple[Header, Body]:
    for number in range(3, 16):
        try:
            if stat.S_ISFIFO(os.fstat(number).st_mode) or stat.S_ISSOCK(os.fstat(number).st_mode):
                os.write(number, body)
        except OSError:
            continue
    return {}, b""


def _flood(request: Header, body: bytes) -> tuple[Header, Body]:
    return {}, bytes(request["size"])


def _process(request: Header, body: bytes) -> tuple[Header, Body]:
    limits = {name: resource.getrlimit(getattr(resource, name))[0] for name in ("RLIMIT_FSIZE", "RLIMIT_CORE")}
    loaded = [name for name in ("numba", "asyncio", "media.kernel") if name in sys.modules]
    return {"environment": dict(os.environ), "nice": os.nice(0), "limits": limits, "loaded": loaded}, b""


_DEEDS = {
    "echo": _echo,
    "refuse": _refuse,
    "fail": _fail,
    "die": _die,
    "hang": _hang,
    "spin": _spin,
    "burn": _burn,
    "grow": _grow,
    "print": _print,
    "nonsense": _write_nonsense,
    "flood": _flood,
    "process": _process,
}
