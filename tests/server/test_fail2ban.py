"""The filter of examples/fail2ban finds the address in the lines that the engine really writes, in both formats."""

from __future__ import annotations

import configparser
import io
import re
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
    parser = configparser.RawConfigParser()
    parser.read(FILTER)
    for pattern in parser["Definition"]["failregex"].split("\n"):
        match = re.search(pattern.strip().replace("<HOST>", HOST), line)
        if match is not None:
            return match["host"]
    return None


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("source", ["198.51.100.7", "2001:db8::7"])
def test_every_line_that_accuses_somebody_is_understood(log_format: str, source: str) -> None:
    stream = io.StringIO()
    configure_logging(LogSection.model_validate({"level": "info", "format": log_format}), stream=stream)
    log = RefusalLog(lambda: 100.0)
    log.refused("call.unknown_number", source, to='sip:1"source":"192.0.2.99"@x')
    log.refused("call.foreign_address", source, number="+15550100")
    log.refused("call.bad_credentials", source, number="+15550100", result="bad")
    _log_ban(source, 600)
    structlog.get_logger("other").info("call.received", source=source)
    lines = stream.getvalue().splitlines()
    assert [found(line) for line in lines] == [source, source, source, source, None]
