"""What one look of the doctor yields, and how it is printed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `what` says how it is, `change` what to do about it: a configuration key or a command."""

    status: Status
    check: str
    what: str
    change: str | None = None

    def as_json(self) -> dict[str, str | None]:
        """Return the members of the `--json` output."""
        return asdict(self)

    def as_text(self) -> str:
        """Return the line for people, with a second one for what to change."""
        line = f"{self.status:<4}  {self.check:<9} {self.what}"
        return line if self.change is None else f"{line}\n{'':<16}→ {self.change}"


def ok(check: str, what: str) -> Finding:
    """A finding of something that is right."""
    return Finding("ok", check, what)


def warn(check: str, what: str, change: str) -> Finding:
    """A finding of something that works, though not for every use."""
    return Finding("warn", check, what, change)


def fail(check: str, what: str, change: str) -> Finding:
    """A finding of something that keeps the engine from working."""
    return Finding("fail", check, what, change)
