"""Documents in a folder as an application, the way a static file host serves them; nothing outside the folder is read.

`/menu` is the file `menu`, `menu.xml` or `menu.twiml`. Rules of a script come first: they choose by parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from voyloml.simulate.application import NOT_FOUND, Answer, Asked, Function
from voyloml.simulate.script_text import Route

_ENDINGS: Final = ("", ".xml", ".twiml")


def folder(root: Path, routes: Sequence[Route] = (), routes_root: Path | None = None) -> Function:
    """Answers out of the folder `root`; the files of `routes` are found from `routes_root`, by default `root` too."""
    base = (routes_root or root).resolve()

    def answer(asked: Asked) -> Answer:
        for route in routes:
            if route.fits(asked):
                return _read(base, route.file) or NOT_FOUND
        return _read(root.resolve(), unquote(asked.path).lstrip("/")) or NOT_FOUND

    return answer


def _read(root: Path, name: str) -> bytes | None:
    for ending in _ENDINGS:
        path = (root / (name + ending)).resolve()
        if path.is_relative_to(root) and path.is_file():
            return path.read_bytes()
    return None
