"""How the functions of the kernel are compiled: the one decorator, and where the machine code is cached.

numba notices a change of a function's own file but not of the files of the functions it calls, so the cache directory
carries a digest of every source of this package: a changed kernel never runs half old. The cache lies in the package's
own `__pycache__`, or in the user's cache directory where the package is not writable, or below `NUMBA_CACHE_DIR` where
that is set. With `NUMBA_DISABLE_JIT=1` the decorator does nothing and the same functions run as plain Python.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config

# numba's settings come and go with its environment variables, so they are no attributes that a type checker knows.
_config: Any = config

JIT_DISABLED = bool(_config.DISABLE_JIT)

_Function = TypeVar("_Function", bound=Callable[..., Any])

_PACKAGE = Path(__file__).parent
_PREFIX = "kernel-"


def _digest() -> str:
    """Return a name for exactly these sources under exactly this numba."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(_PACKAGE.glob("*.py")):
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _candidates() -> list[Path]:
    configured = os.environ.get("NUMBA_CACHE_DIR")
    if configured:
        return [Path(configured)]
    places = [_PACKAGE / "__pycache__"]
    user_cache = os.environ.get("XDG_CACHE_HOME")
    if user_cache:
        places.append(Path(user_cache) / "voylo")
    elif os.environ.get("HOME"):
        places.append(Path(os.environ["HOME"]) / ".cache" / "voylo")
    return places


def _writable(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def _remove_stale(current: Path) -> None:
    """Remove what other versions of this very package left; a cache shared with other installations is left alone."""
    for directory in current.parent.glob(f"{_PREFIX}*"):
        if directory != current:
            shutil.rmtree(directory, ignore_errors=True)


def _prepare_cache() -> Path | None:
    """Return the directory for this kernel's machine code, or None where nothing is writable.

    A shared temporary directory is not a candidate: what lies in the cache is executed.
    """
    for place in _candidates():
        directory = place / f"{_PREFIX}{_digest()}"
        if not _writable(directory):
            continue
        if place == _PACKAGE / "__pycache__":
            _remove_stale(directory)
        return directory
    return None


CACHE_DIRECTORY: Path | None = None if JIT_DISABLED else _prepare_cache()


def _compile(function: _Function, *, nogil: bool) -> _Function:
    if JIT_DISABLED:
        return function
    configured = _config.CACHE_DIR
    _config.CACHE_DIR = str(CACHE_DIRECTORY or "")
    try:
        compiled_function: Any = numba.njit(
            cache=CACHE_DIRECTORY is not None, error_model="numpy", boundscheck=False, nogil=nogil
        )(function)
    finally:
        _config.CACHE_DIR = configured
    result: _Function = compiled_function
    return result


def compiled(function: _Function) -> _Function:
    """Compile a function that other compiled functions call, or that asyncio calls for a microsecond.

    It keeps the GIL: giving it back and waiting for it again would cost up to one switch interval.
    """
    return _compile(function, nogil=False)


def compiled_without_gil(function: _Function) -> _Function:
    """Compile the entry of a thread, which runs for as long as the engine lives and never touches a Python object."""
    return _compile(function, nogil=True)
