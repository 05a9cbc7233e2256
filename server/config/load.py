"""Finds, reads and checks the configuration (contract §22.2): a TOML file, the environment over it, defaults below.

Everything wrong is reported at once, one line each, with the file (or variable), the key and the reason.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from server.config.sections import DISAGREEMENT, Config, section_fields
from server.config.toml_lines import key_lines
from server.config.values import EnvText, one_line, shown

DEFAULT_FILE = "config.toml"
ENVIRONMENT_PREFIX = "VOYLO_"
FILE_VARIABLE = "VOYLO_CONFIG"
# A configuration is a few kilobytes; whatever is bigger is another file, given by mistake.
MAX_FILE_BYTES = 1 << 20

_CLOSE_ENOUGH = 0.75


class ConfigError(Exception):
    """The configuration cannot be used. `problems` has one line for each thing that is wrong."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where each key came from, for the messages."""

    file: Path | None
    lines: Mapping[tuple[str, ...], int]
    variables: Mapping[tuple[str, ...], str]

    def line(self, path: tuple[str, ...]) -> int:
        """The line of a key; that of its table for one that is absent and missed by another; 0 if there is none."""
        return 0 if path in self.variables else self.lines.get(path) or self.lines.get(path[:1], 0)

    def complaint(self, path: tuple[str, ...], reason: str) -> str:
        key = ".".join(one_line(part) for part in path)
        if variable := self.variables.get(path):
            return f"environment variable {variable}: {key}: {reason}"
        if self.file is None:
            return f"built-in defaults: {key}: {reason}"
        line = self.line(path)
        return f"{self.file}:{line}: {key}: {reason}" if line else f"{self.file}: {key}: {reason}"


def find_config_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file to read: `path`, else `$VOYLO_CONFIG`, else ./config.toml if it exists, else None."""
    if path is not None:
        return path
    if named := environ.get(FILE_VARIABLE):
        return Path(named)
    default = Path(DEFAULT_FILE)
    return default if default.exists() else None


def load_config(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Return the configuration from the file (see `find_config_file`) with `VOYLO_<SECTION>__<KEY>` over it.

    Raises ConfigError for a file that cannot be read, an unknown key or variable, and a bad value.
    """
    environ = os.environ if environ is None else environ
    file = find_config_file(path, environ)
    text = _read_file(file) if file is not None else ""
    values = _parse(file, text)
    problems: list[str] = []
    variables = _apply_environment(values, environ, problems)
    sources = _Sources(file, key_lines(text), variables)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        found = [pair for details in error.errors(include_url=False) for pair in _reasons(details)]
        found.sort(key=lambda pair: sources.line(pair[0]))
        problems.extend(sources.complaint(key, reason) for key, reason in found)
        raise ConfigError(problems) from None
    if problems:
        raise ConfigError(problems)
    return config


def _read_file(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror or error}"]) from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError([f"{file}: is bigger than {MAX_FILE_BYTES} bytes, which is no configuration"])
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{file}:{line}: is not UTF-8 text"]) from None


def _parse(file: Path | None, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{file}: is not TOML: {error}"]) from None
    except RecursionError:
        raise ConfigError([f"{file}: is not TOML: nested too deeply"]) from None


def _apply_environment(
    values: dict[str, Any], environ: Mapping[str, str], problems: list[str]
) -> dict[tuple[str, ...], str]:
    """Put the variables over the file's values; return which variable set which key. Unknown ones become problems."""
    known = {_variable(section, key): (section, key) for section, keys in section_fields().items() for key in keys}
    # Written with one underscore a variable would be taken for somebody else's and be ignored in silence.
    misspelt = {name.replace("__", "_"): name for name in known}
    variables: dict[tuple[str, ...], str] = {}
    for name, value in sorted(environ.items()):
        if not name.startswith(ENVIRONMENT_PREFIX) or _is_other_use(name):
            continue
        if name in misspelt:
            problems.append(f"environment variable {name}: has two underscores after the section: {misspelt[name]}")
            continue
        if "__" not in name:
            continue
        if name not in known:
            problems.append(f"environment variable {one_line(name)}: unknown key{_suggestion(name, known)}")
            continue
        section, key = known[name]
        table = values.setdefault(section, {})
        if isinstance(table, dict):
            table[key] = EnvText(value)
            variables[section, key] = name
    return variables


def _is_other_use(name: str) -> bool:
    """Whether a variable is no configuration key: the bootstrap values (§22.3); the rest have no double underscore."""
    return name.startswith("VOYLO_BOOTSTRAP_")


def _variable(section: str, key: str) -> str:
    return f"{ENVIRONMENT_PREFIX}{section.upper()}__{key.upper()}"


def _reasons(details: ErrorDetails) -> list[tuple[tuple[str, ...], str]]:
    """Return the keys one validation error is about, with the reason in the words of this project."""
    path = tuple(str(part) for part in details["loc"][:2])
    context = details.get("ctx", {})
    match details["type"]:
        case "value_error":
            return [(path, str(context["error"]))]
        case kind if kind == DISAGREEMENT:
            return [(tuple(key.split(".")), reason) for key, reason in context["problems"]]
        case "extra_forbidden":
            what = "section" if isinstance(details["input"], dict) and len(path) == 1 else "key"
            sections = section_fields()
            names = list(sections) if len(path) == 1 else [f"{path[0]}.{key}" for key in sections[path[0]]]
            return [(path, f"unknown {what}{_suggestion('.'.join(path), names)}")]
        case "literal_error":
            return [(path, f"must be one of {context['expected'].replace(chr(39), '')}, not {shown(details['input'])}")]
        case "greater_than_equal":
            return [(path, f"must be at least {context['ge']:g}, not {shown(details['input'])}")]
        case "less_than_equal":
            return [(path, f"must be at most {context['le']:g}, not {shown(details['input'])}")]
        case "model_type":
            return [(path, f"must be a table, written [{path[0]}], not {shown(details['input'])}")]
        case _:
            return [(path, details["msg"])]


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=_CLOSE_ENOUGH)
    return f"; did you mean {close[0]}?" if close else ""
