"""`python -m sdk.generate.reference [FOLDER]`: the API references of both SDKs as HTML, below `build/sdk` by default.

pdoc writes the one of Python, typedoc, of the Node SDK's own `node_modules`, that of Node. What either warns of fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[2]
PYTHON: Final = PROJECT / "sdk" / "python" / "src"
NODE: Final = PROJECT / "sdk" / "node"

MODULES: Final = (
    "voylo",
    "voylo.generated.resources",
    "voylo.generated.async_resources",
    "voylo.generated.models",
    "voylo.generated.events",
    "voylo.generated.builders",
    "voylo.integrations.starlette",
    "voylo.integrations.fastapi",
    "voylo.integrations.flask",
)


def python_reference(folder: Path) -> None:
    """Writes the reference of the Python SDK. Raises CalledProcessError."""
    # A TypedDict does not know which of its members it has inherited, and pdoc tells of each.
    strictly = ("-W", "error", "-W", "ignore:Cannot determine where:UserWarning")
    command = (sys.executable, *strictly, "-m", "pdoc", "--no-show-source", "--output-directory", str(folder), *MODULES)
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(PYTHON)}, check=True)  # noqa: S603


def node_reference(folder: Path) -> None:
    """Writes the reference of the Node SDK. Raises CalledProcessError."""
    typedoc = NODE / "node_modules" / "typedoc" / "bin" / "typedoc"
    subprocess.run(("node", str(typedoc), "--out", str(folder)), cwd=NODE, check=True)  # noqa: S603, S607


def main() -> None:
    """Writes both."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "build" / "sdk"
    python_reference(folder / "python")
    node_reference(folder / "node")
    print(folder)


if __name__ == "__main__":
    main()
