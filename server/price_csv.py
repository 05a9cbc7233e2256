"""A price book as CSV: the same keys as in the TOML file, a line for each plan, country, rate, KYC field and document.

The first line names the columns. `record` says what a line is: book, plan, country, rate, field or document; a cell
that is empty is a key that is not there.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any, Final

Path = tuple[str, ...]

_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "book": ("currency", "increment_seconds"),
    "plan": ("name", "monthly_price", "included_minutes", "overage_per_minute", "max_workspaces"),
    "country": ("name", "did_price", "channel_price", "local_rate", "international_rate"),
    "rate": (),
    "field": (),
    "document": (),
}
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "book": (),
    "plan": ("code",),
    "country": ("country",),
    "rate": ("country", "prefix", "rate"),
    "field": ("country", "code", "name", "required"),
    "document": ("country", "code", "name", "required"),
}
_KNOWN: Final = frozenset({"record"}.union(*_COLUMNS.values(), *_NAMES.values()))
_WHOLE: Final = frozenset({"increment_seconds", "included_minutes", "max_workspaces"})
_SWITCH: Final[Mapping[str, bool]] = {"yes": True, "no": False, "": True}


class CsvProblem(Exception):
    """A line cannot be read: `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def read_csv(text: str) -> tuple[dict[str, Any], dict[Path, int]]:
    """The values of a price book as TOML would give them, and the line of each. Raises CsvProblem."""
    values: dict[str, Any] = {}
    lines: dict[Path, int] = {}
    for line, cells in _rows(text):
        record = cells.get("record", "")
        if record not in _COLUMNS:
            raise CsvProblem(line, f"record must be one of {', '.join(_COLUMNS)}")
        allowed = {"record", *_COLUMNS[record], *_NAMES[record]}
        for column in cells:
            if column not in allowed:
                raise CsvProblem(line, f"{column} must be empty in a {record}")
        for path, value in _placed(line, record, cells):
            if path in lines:
                raise CsvProblem(line, f"{'.'.join(path)} is there twice, first in line {lines[path]}")
            _put(values, lines, path, value, line)
    return values, lines


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(text.splitlines(), strict=True)
    header: list[str] | None = None
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = [cell.strip() for cell in row]
                unknown = [column for column in header if column not in _KNOWN]
                if unknown or len(set(header)) != len(header):
                    raise CsvProblem(reader.line_num, f"must name each column once, of {', '.join(sorted(_KNOWN))}")
                continue
            if len(row) > len(header):
                raise CsvProblem(reader.line_num, f"has {len(row)} cells, more than the {len(header)} columns")
            cells = {column: cell.strip() for column, cell in zip(header, row, strict=False) if cell.strip()}
            yield reader.line_num, cells
    except csv.Error as error:
        raise CsvProblem(reader.line_num, str(error)) from None
    if header is None:
        raise CsvProblem(1, "must name the columns")


def _placed(line: int, record: str, cells: Mapping[str, str]) -> Iterator[tuple[Path, Any]]:
    for column in _NAMES[record]:
        if column not in cells and column != "required":
            raise CsvProblem(line, f"{column} is missing")
    if record == "rate":
        yield ("countries", cells["country"], "rates", cells["prefix"]), cells["rate"]
        return
    if record in {"field", "document"}:
        required = _SWITCH.get(cells.get("required", ""))
        if required is None:
            raise CsvProblem(line, "required must be yes or no")
        place = ("countries", cells["country"], "kyc", f"{record}s", cells["code"])
        yield place, {"label": cells["name"], "required": required}
        return
    base: Path = {"plan": ("plans", cells.get("code", "")), "country": ("countries", cells.get("country", ""))}.get(
        record, ()
    )
    if base:
        yield base, {}
    for column in _COLUMNS[record]:
        if column in cells:
            cell = cells[column]
            yield (*base, column), int(cell) if column in _WHOLE and cell.isdecimal() else cell


def _put(values: dict[str, Any], lines: dict[Path, int], path: Path, value: Any, line: int) -> None:
    table = values
    for name in path[:-1]:
        table = table.setdefault(name, {})
    if path[-1] not in table:
        table[path[-1]] = value
    lines[path] = line
