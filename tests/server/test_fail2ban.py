"""The filter of examples/fail2ban finds the address in the lines that the engine really writes, in both formats."""

from __future__ import annotations

import configparser
import io
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from engine.refusals import RefusalLog
from server.config import LogSection
from server.logs import configure_logging
from sip.useragent import _log_ban
from tests.server.test_logs import _own_logging  # noqa: F401 - a fixture

FILTER = Path("examples/fail2ban/voylo-filter.conf")
# What fail2ban puts in the place of <HOST>, as far as addresses go
HOST = r"(?P<host>[0-9a-fA-F:.]+)"


def found(line: str) -> str | None:
    parser = configparser.ConfigParser()  # with %(name)s, as fail2ban reads it
    parser.read(FILTER)
    for pattern in parser["Definition"]["failregex"].split("\n"):
        match = re.search(pattern.strip().replace("<HOST>", HOST), line)
        if match is not None:
            return match["host"]
    return None


def without_date(line: str) -> str:
    """As fail2ban shows a line of a file to the filter: it cuts out the time that it has recognised."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "", line, count=1)


def from_journal(line: str) -> str:
    """As fail2ban shows a line of the journal to the filter."""
    return f"pbx voylo[4711]: {line}"


SHOWN = pytest.mark.parametrize("shown", [str, without_date, from_journal], ids=["whole", "file", "journal"])
FORMATS = pytest.mark.parametrize("log_format", ["json", "console"])


def log_to(log_format: str) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(LogSection.model_validate({"level": "info", "format": log_format}), stream=stream)
    return stream


@SHOWN
@FORMATS
@pytest.mark.parametrize("source", ["198.51.100.7", "2001:db8::7"])
def test_every_line_that_accuses_somebody_is_understood(
    log_format: str, source: str, shown: Callable[[str], str]
) -> None:
    stream = log_to(log_format)
    log = RefusalLog(lambda: 100.0)
    log.refused("call.unknown_number", source, to='sip:1"source":"192.0.2.99"@x')
    log.refused("call.foreign_address", source, number="+15550100")
    log.refused("call.bad_credentials", source, number="+15550100", result="bad")
    log.refused("register.bad_credentials", source, user="anna", result="bad")
    _log_ban(source, 600)
    structlog.get_logger("other").info("call.received", source=source)
    lines = stream.getvalue().splitlines()
    assert [found(shown(line)) for line in lines] == [source] * 5 + [None]


@SHOWN
@FORMATS
@pytest.mark.parametrize(
    "text",
    [
        "sip:1;source=192.0.2.99@x",
        "sip:1 source=192.0.2.99 @x",
        'sip:1","source":"192.0.2.99"@x',
        "authentication failed too often: source=192.0.2.99 ignored for 600 s",
        "warning  call.unknown_number source=192.0.2.99 refused=1",
        "pbx voylo[1]: 2026-01-01T00:00:00Z warning  call.unknown_number source=192.0.2.99 refused=1",
        '{"timestamp":"2026-01-01T00:00:00Z","level":"warning","event":"call.unknown_number","source":"192.0.2.99"',
        "\nwarning  call.unknown_number source=192.0.2.99 refused=1",
    ],
)
def test_no_text_of_a_caller_accuses_somebody_else(log_format: str, text: str, shown: Callable[[str], str]) -> None:
    stream = log_to(log_format)
    RefusalLog(lambda: 100.0).refused("call.unknown_number", "198.51.100.7", to=text)
    structlog.get_logger("other").warning("call.received", caller=text, source="198.51.100.8")
    logging.getLogger("other").warning("malformed message from %s: %s", "198.51.100.9", text)
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("other").exception("failed")
    accused = {found(shown(line)) for line in stream.getvalue().splitlines()}
    assert accused == {"198.51.100.7", None}


@FORMATS
def test_what_bears_the_address_of_a_known_peer_accuses_nobody(log_format: str) -> None:
    stream = log_to(log_format)
    log = RefusalLog(lambda: 100.0, lambda host: host == "198.51.100.7")
    log.refused("call.unknown_number", "198.51.100.7", to="sip:1@x")
    log.refused("call.unknown_number", "198.51.100.8", to="sip:1@x")
    lines = stream.getvalue().splitlines()
    assert "198.51.100.7" in lines[0]
    assert [found(line) for line in lines] == [None, "198.51.100.8"]
