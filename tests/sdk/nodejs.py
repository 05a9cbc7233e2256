"""Node and npm for the tests of the Node SDK: what it takes to build it, and running things with it."""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).parents[2] / "sdk" / "node"
PYTHON_SOURCES: Final = PACKAGE.parent / "python" / "src"
OLDEST: Final = 20
"""The major version of Node that the SDK needs."""

SECONDS: Final = 300
"""For one run of npm, the compiler or the tests."""


def require_node() -> None:
    """Skips the test without Node and npm; fails it where `CI` is set."""
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if not missing:
        shown = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout
        if int(shown.removeprefix("v").partition(".")[0]) >= OLDEST:
            return
        missing = [f"node {OLDEST}"]
    reason = f"{' and '.join(missing)} is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(*command: str, cwd: Path = PACKAGE, given: str | None = None) -> str:
    """The output of a command, which must succeed."""
    done = subprocess.run(command, cwd=cwd, input=given, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


async def run_beside(*command: str, cwd: Path = PACKAGE, env: Mapping[str, str]) -> str:
    """As `run`, while this process goes on serving."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()
    return output.decode()


def run_python(python: str, *arguments: str, cwd: Path | None = None, path: str | None = None) -> str:
    """The output of Python, which must succeed; `path` is where it finds packages, by default the SDK's sources."""
    env = {**os.environ, "PYTHONPATH": str(PYTHON_SOURCES) if path is None else path}
    done = subprocess.run(
        [python, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def require_modules() -> None:
    """Installs the compiler and what the tests need, where they are not yet there."""
    if not all((PACKAGE / "node_modules" / name).is_dir() for name in ("fastify", "tsd", "typedoc")):
        run("npm", "install", "--no-package-lock", "--no-audit", "--no-fund")


@functools.cache
def build() -> None:
    """Compiles the SDK, once."""
    require_modules()
    shutil.rmtree(PACKAGE / "dist", ignore_errors=True)
    run("npm", "run", "build")
