"""What all commands share: the configuration, results on stdout, complaints on stderr, exit status (contract §22.1)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from server.config import Config, ConfigError, LogSection, load_config
from server.logs import configure_logging

FAILED = 1
WRONG_USAGE = 2


def read_config(path: Path | None) -> Config:
    """Return the configuration; end the program with status 2 and every complaint about it on stderr."""
    try:
        return load_config(path)
    except ConfigError as error:
        leave(WRONG_USAGE, error.problems)


def leave(status: int, complaints: Iterable[str]) -> NoReturn:
    """End the program with complaints on stderr, one a line."""
    for complaint in complaints:
        print(f"voylo: {complaint}", file=sys.stderr)
    raise SystemExit(status)


def log_quietly(config: Config) -> None:
    """Log what a short command has to say beside its result: warnings and worse, unless more was asked for."""
    level = "warning" if config.log.level == "info" else config.log.level
    configure_logging(LogSection(level=level, format=config.log.format), mask=config.security.mask_logged_headers)


def print_json(document: object) -> None:
    """Print the one JSON document of a command."""
    print(json.dumps(document, indent=2, ensure_ascii=False))
