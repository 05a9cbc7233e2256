"""The file a child process starts with: `python -P launch.py MODULE:FUNCTION LIMITS`, LIMITS as JSON.

It is run by its path, so that a child finds the code of its engine, installed or not, and nothing that happens to lie
in the working directory.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path


def main() -> None:
    """Serve requests on stdin and stdout until stdin ends."""
    entry, limits = sys.argv[1:3]
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    from media.worker.child import ChildLimits, serve

    # Asked for first, so that what a module prints while it loads does not end up between frames.
    with serve(ChildLimits(**json.loads(limits))) as run:
        module, _, function = entry.partition(":")
        run(getattr(importlib.import_module(module), function))


if __name__ == "__main__":
    main()
