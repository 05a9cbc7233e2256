"""Logs: structlog and the standard library's logging through one renderer to stderr, as JSON lines or for people.

Secrets are masked as `security.mask_logged_headers` says (contract §22.2), and one record is one line whatever a peer
put into it. Context variables (`structlog.contextvars`, such as the call's id) are on every record. Where records go
after stderr is the business of whoever runs the process.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TextIO

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from engine.masking import MASK, is_sensitive
from server.config import LogSection

# A record is read by people and collectors; a 64 KiB datagram in it helps neither.
MAX_VALUE_CHARS = 4096
MAX_TRACE_CHARS = 32_768
MAX_ITEMS = 64
MAX_DEPTH = 6

# Libraries whose information is noise in the log of a telephone exchange; the API writes its own line per request.
_QUIET_LOGGERS = {
    "aiohttp.access": logging.WARNING,
    "aiosqlite": logging.INFO,
    "alembic": logging.WARNING,
    "asyncio": logging.WARNING,
    "numba": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "uvicorn": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
}
# Our own credentials have prefixes (contract §1) and are recognised wherever they turn up.
_CREDENTIAL = re.compile(r"\b(vlx_live_|voywt_|whsec_)[A-Za-z0-9]{8,}")
_HEADER_LINE = re.compile(r"((?:proxy-)?authorization|(?:set-)?cookie)([ \t]*:[ \t]*)[^\r\n]+", re.IGNORECASE)
# Too short or too plain for any of these: most values of most records.
_HARMLESS = re.compile(r"[A-Za-z0-9 .+-]{0,256}|[A-Za-z0-9 ._+-]{0,13}|cl_[0-9a-f]{12}|[0-9T:.-]{0,40}Z")
_QUERY_VALUE = re.compile(r"([?&][^=&\s]*(?:key|token|secret|password)[^=&\s]*=)[^&\s]+", re.IGNORECASE)
# SRTP keys in SDP (RFC 4568 §9.2), should a description be logged.
_INLINE_KEY = re.compile(r"\b(inline:)[A-Za-z0-9+/]{16,}={0,2}", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")
# Level → ANSI colour, for terminals only.
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
_FIRST_KEYS = ("timestamp", "level", "event", "call_id")


def effective_format(log: LogSection, stream: TextIO | None = None) -> Literal["console", "json"]:
    """Return what `log.format` comes to: `auto` is `console` on a terminal and `json` elsewhere (contract §22.2)."""
    if log.format != "auto":
        return log.format
    return "console" if (stream or sys.stderr).isatty() else "json"


def configure_logging(
    log: LogSection, *, mask: bool = True, stream: TextIO | None = None, for_good: bool = False
) -> None:
    """Send every record of structlog and of the standard library to `stream` (stderr) as `log` says.

    May be called again; the last call counts, unless one said that it is `for_good`, which spares a look at the
    settings for each record. `mask` is `security.mask_logged_headers`.
    """
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[log.level.upper()]
    render: Processor = _render_json
    if effective_format(log, stream) == "console":
        render = functools.partial(_render_console, colour=stream.isatty() and not os.environ.get("NO_COLOR"))
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Whatever may fail runs in the formatter, where logging catches it, or in _Line: no record may break a call.
    finish: list[Processor] = [structlog.processors.format_exc_info, _Cleaner(mask=mask), render]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=common,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
    )
    handler = _StderrHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _StderrHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name, least in _QUIET_LOGGERS.items():
        logging.getLogger(name).setLevel(max(level, least))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*common, _Line(finish, handler)],
        logger_factory=_named,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=for_good,
    )


def mask_text(text: str) -> str:
    """Return text with API keys, tokens, SRTP keys, credentials in header lines, query strings and URLs masked."""
    if "_" in text and _CREDENTIAL.search(text):
        text = _CREDENTIAL.sub(rf"\1{MASK}", text)
    if ":" in text and _HEADER_LINE.search(text):
        text = _HEADER_LINE.sub(rf"\1\2{MASK}", text)
    if ":" in text and _INLINE_KEY.search(text):
        text = _INLINE_KEY.sub(rf"\1{MASK}", text)
    if "=" in text:
        text = _QUERY_VALUE.sub(rf"\1{MASK}", text)
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
    return text


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Told apart from handlers that others (a test runner) have put on the root logger."""

    def write_line(self, line: str) -> None:
        """Writes a finished line; a stream that is closed or full loses it, as with the standard library's records."""
        with contextlib.suppress(OSError, ValueError), self.lock or contextlib.nullcontext():
            self.stream.write(line + self.terminator)
            self.stream.flush()


@dataclass(frozen=True, slots=True)
class _Named:
    """What structlog's processors ask of a logger: its name."""

    name: str


@functools.lru_cache(maxsize=256)
def _named(name: str = "voylo") -> _Named:
    return _Named(name)


class _Line:
    """Writes a record of structlog itself: the way through the standard library's logging takes three times as long."""

    def __init__(self, finish: Sequence[Processor], handler: _StderrHandler) -> None:
        self._finish = finish
        self._handler = handler

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> NoReturn:
        name = event.get("event")
        line: Any = event
        try:
            for processor in self._finish:
                line = processor(logger, method, line)
        except Exception as error:
            line = f"a record {name!a} could not be written: {type(error).__name__}"
        self._handler.write_line(line)
        raise structlog.DropEvent


class _Cleaner:
    """Turns what was logged into plain, bounded values, masked where that is asked for."""

    def __init__(self, *, mask: bool) -> None:
        self._mask = mask

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        cleaned = {name: self._value(name, value, 0) for name, value in event.items() if name != "exception"}
        if "exception" in event:
            cleaned["exception"] = self._text(str(event["exception"]), MAX_TRACE_CHARS)
        ordered = {name: cleaned.pop(name) for name in _FIRST_KEYS if name in cleaned}
        return ordered | cleaned

    def _value(self, name: str, value: object, depth: int) -> object:
        if type(value) is str and _HARMLESS.fullmatch(value) and not is_sensitive(name):
            return value
        if isinstance(value, SecretStr):
            return MASK
        if self._mask and value is not None and not isinstance(value, bool) and is_sensitive(name):
            return MASK
        if isinstance(value, str):
            return self._text(value, MAX_VALUE_CHARS)
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if depth < MAX_DEPTH:
            if isinstance(value, Mapping):
                items = list(value.items())[:MAX_ITEMS]
                return {self._name(key): self._value(self._name(key), inner, depth + 1) for key, inner in items}
            if isinstance(value, list | tuple | set | frozenset):
                return self._sequence(list(value)[:MAX_ITEMS], depth)
        text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else _described(value)
        return self._text(text, MAX_VALUE_CHARS)

    def _sequence(self, items: list[object], depth: int) -> list[object]:
        # A pair may be a header: (name, value), as servers and clients of HTTP hold them.
        if len(items) == 2 and isinstance(items[0], str | bytes):
            name = self._name(items[0])
            return [name, self._value(name, items[1], depth + 1)]
        return [self._value("", item, depth + 1) for item in items]

    def _name(self, key: object) -> str:
        text = key.decode("latin-1") if isinstance(key, bytes) else str(key)
        return text[:MAX_VALUE_CHARS]

    def _text(self, text: str, limit: int) -> str:
        if len(text) > limit:
            text = f"{text[:limit]}… ({len(text) - limit} more characters)"
        return mask_text(text) if self._mask else text


def _described(value: object) -> str:
    """Return a value's text; that of a foreign object whose `__repr__` fails is its type."""
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__} whose text cannot be had: {type(error).__name__}>"


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    # ASCII only: no line separator of Unicode's and no terminal sequence survives.
    return _ENCODER.encode(event)


def _render_console(_logger: WrappedLogger, _method: str, event: EventDict, *, colour: bool) -> str:
    rest = dict(event)
    timestamp = str(rest.pop("timestamp", ""))
    level = str(rest.pop("level", "info"))
    text = _one_line(str(rest.pop("event", "")))
    name = rest.pop("logger", None)
    exception = rest.pop("exception", None)
    label = f"{level:<8}"
    if colour:
        label = f"\x1b[{_COLOURS.get(level, '0')}m{label}\x1b[0m"
    parts = [timestamp, label, text, *(f"{_one_line(key)}={_quoted(value)}" for key, value in rest.items())]
    if name:
        parts.append(f"[{_one_line(str(name))}]")
    line = " ".join(parts)
    if exception is None:
        return line
    # Indented, so that no line of a message inside a trace can pass for a record.
    return line + "".join(f"\n    {_one_line(part)}" for part in str(exception).splitlines())


def _one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]


def _quoted(value: object) -> str:
    if not isinstance(value, str):
        return _one_line(str(value))
    plain = value.isprintable() and value and not any(character in value for character in " ='\"")
    return value if plain else repr(value)
