"""The file a child process starts with: `python -P launch.py MODULE:FUNCTION LIMITS`, LIMITS as JSON.

It is run by its path and not as a module, because `python -m media.…` would first load the room's public face and with
it the compiled media kernel: half a second and sixty megabytes that a child has no use for.
"""

from __future__ import annotations

import importlib
import json
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

_ROOM = Path(__file__).resolve().parent.parent


def _open_room() -> None:
    """Make `media` importable as a bare folder, without running its `__init__`."""
    spec = ModuleSpec("media", None, is_package=True)
    spec.submodule_search_locations = [str(_ROOM)]
    sys.modules["media"] = module_from_spec(spec)
    if str(_ROOM.parent) not in sys.path:
        sys.path.append(str(_ROOM.parent))


def main() -> None:
    """Serve requests on stdin and stdout until stdin ends."""
    entry, limits = sys.argv[1:3]
    _open_room()
    from media.worker.child import ChildLimits, serve

    # Asked for first, so that what a module prints while it loads does not end up between frames.
    with serve(ChildLimits(**json.loads(limits))) as run:
        module, _, function = entry.partition(":")
        run(getattr(importlib.import_module(module), function))


if __name__ == "__main__":
    main()
