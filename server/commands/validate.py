"""`voylo validate`: lints VoyloML files as `POST /v1/voyloml/validate` does (contract §10.9, §22.1)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from server.commands.console import FAILED, WRONG_USAGE, print_json
from voyloml import DocumentError, LanguageLimits, LintResult, lint, parse_document

if TYPE_CHECKING:
    from voyloml.compatibility import Usage

STDIN = "-"


def validate(files: Sequence[str], *, as_json: bool, twiml: bool = False) -> int:
    """Lint each file (`-` is stdin) and print what was found; return the exit status.

    With `twiml`, also how each name of Twilio's in it stands here. 1: some document has an error; 2: some file cannot
    be read. Where a file will be served from is not known here, so nothing is said about relative URLs.
    """
    limits = LanguageLimits()
    results: list[tuple[str, LintResult]] = []
    names: dict[str, list[Usage]] = {}
    unreadable = False
    for name in files:
        try:
            # One byte more than allowed is enough to see that there are too many.
            document = _read(name, limits.document_bytes + 1)
        except OSError as error:
            unreadable = True
            print(f"voylo: {name}: cannot be read: {error.strerror or error}", file=sys.stderr)
            continue
        results.append((name, lint(document, limits=limits, base_url=...)))
        if twiml:
            names[name] = _usages(document)
    if as_json:
        print_json([_members(name, result, names.get(name)) for name, result in results])
    else:
        for name, result in results:
            _print_lines(name, result)
            _print_usages(name, names.get(name, []))
        _print_summary([result for _, result in results])
    if unreadable:
        return WRONG_USAGE
    return 0 if all(result.valid for _, result in results) else FAILED


def _read(name: str, limit: int) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read(limit)
    with Path(name).open("rb") as stream:
        return stream.read(limit)


def _usages(document: bytes) -> list[Usage]:
    from voyloml.compatibility import usages

    try:
        return list(usages(parse_document(document)))
    except DocumentError:
        # The linter has said so.
        return []


def _print_usages(name: str, usages: Sequence[Usage]) -> None:
    for one in usages:
        what = f"{one.attribute} of <{one.element}>" if one.attribute else f"<{one.element}>"
        note = f": {one.note}" if one.note else ""
        print(f"{_shown(name)}:{one.line}:{one.column}: {one.standing}: {what}{note}")


def _shown(name: str) -> str:
    return "<stdin>" if name == STDIN else name


def _print_lines(name: str, result: LintResult) -> None:
    found = [("error", one) for one in result.errors] + [("warning", one) for one in result.warnings]
    shown = _shown(name)
    for severity, one in sorted(found, key=lambda pair: (pair[1].line, pair[1].column)):
        print(f"{shown}:{one.line}:{one.column}: {severity} {one.code} {one.message}")


def _print_summary(results: Sequence[LintResult]) -> None:
    errors = sum(len(result.errors) for result in results)
    warnings = sum(len(result.warnings) for result in results)
    counts = [_count(len(results), "file"), _count(errors, "error"), _count(warnings, "warning")]
    print(f"{counts[0]}: {counts[1]}, {counts[2]}", file=sys.stderr)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _members(name: str, result: LintResult, usages: Sequence[Usage] | None) -> dict[str, object]:
    twiml = {} if usages is None else {"twiml": [one.as_dict() for one in usages]}
    return {
        "file": name,
        "valid": result.valid,
        "errors": [one.as_dict() for one in result.errors],
        "warnings": [one.as_dict() for one in result.warnings],
        **twiml,
    }
