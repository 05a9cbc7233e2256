"""`voylo doctor`: prints what was looked at; exit status 1 when something fails (contract §22.1)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from server.commands.console import FAILED, log_quietly, print_json, read_config
from server.doctor import examine


def doctor(config_file: Path | None, *, as_json: bool) -> int:
    """Look at everything the engine needs, print the findings and return the exit status."""
    config = read_config(config_file)
    log_quietly(config)
    findings = asyncio.run(examine(config))
    if as_json:
        print_json([finding.as_json() for finding in findings])
    else:
        for finding in findings:
            print(finding.as_text())
        counts = {status: sum(finding.status == status for finding in findings) for status in ("ok", "warn", "fail")}
        print(f"\n{counts['ok']} ok, {counts['warn']} warn, {counts['fail']} fail")
    return FAILED if any(finding.status == "fail" for finding in findings) else 0
