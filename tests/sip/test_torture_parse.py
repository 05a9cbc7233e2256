from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sip.errors import SipParseError
from sip.message import Request, Response, parse_message
from sip.uri import SipUri

ROOT = Path(__file__).resolve().parents[2]
SETS = ("rfc4475", "rfc5118")


def index() -> list[Any]:
    cases: list[Any] = []
    for name in SETS:
        folder = ROOT / "../shared/fixtures" / name
        if not (folder / "expected.json").is_file():
            reason = f"test data not found: ../shared/fixtures/{name}"
            cases.append(pytest.param(folder, {}, id=name, marks=pytest.mark.skip(reason=reason)))
            continue
        entries = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        cases += [pytest.param(folder / file, entry, id=f"{name}/{file}") for file, entry in entries.items()]
    return cases


def parse(data: bytes) -> tuple[Request | Response | None, SipParseError | None]:
    try:
        return parse_message(data), None
    except SipParseError as error:
        return None, error


def preferred(entry: dict[str, Any]) -> str:
    """The one answer to build: the preferred one, or the only one."""
    return str(entry.get("prefer") or entry["uas"])


@pytest.mark.parametrize(("path", "entry"), index())
class TestTorture:
    def test_it_parses_or_is_refused_as_expected(self, path: Path, entry: dict[str, Any]) -> None:
        parsed, error = parse(path.read_bytes())
        if entry["parse"] == "ok":
            assert error is None
        elif entry["parse"] == "error":
            assert parsed is None
        if parsed is not None:
            assert isinstance(parsed, Request if entry["kind"] == "request" else Response)
            assert parsed.top_via.transport == entry["via_transport"]

    def test_the_request_uri_is_read_right(self, path: Path, entry: dict[str, Any]) -> None:
        parsed, _ = parse(path.read_bytes())
        if entry.get("ruri_host") is None:
            assert "ruri_host" not in entry or parsed is None
            return
        assert isinstance(parsed, Request)
        assert isinstance(parsed.uri, SipUri)
        assert (parsed.uri.host, parsed.uri.port) == (entry["ruri_host"], entry["ruri_port"])

    def test_a_refused_request_carries_the_preferred_answer(self, path: Path, entry: dict[str, Any]) -> None:
        _, error = parse(path.read_bytes())
        if error is None:
            return
        if entry["kind"] == "response":
            assert error.partial is None
            return
        assert str(error.status) == preferred(entry)
        assert error.partial is not None
        assert error.partial.top_via.transport == entry["via_transport"]
        response = error.partial.build_response(error.status, error.reason, to_tag="t")
        assert response.via == error.partial.via
        # From, To, Call-ID and CSeq go back as they came, even where that is what was wrong.
        assert bytes(response).startswith(f"SIP/2.0 {error.status} {error.reason}\r\n".encode())

    def test_what_must_be_accepted_is_not_refused(self, path: Path, entry: dict[str, Any]) -> None:
        parsed, _ = parse(path.read_bytes())
        if preferred(entry) != "400" and entry["parse"] == "either" and preferred(entry) != "501":
            assert parsed is not None

    def test_a_parsed_message_can_be_sent_on_and_parses_to_the_same(self, path: Path, entry: dict[str, Any]) -> None:
        parsed, _ = parse(path.read_bytes())
        if parsed is None:
            return
        again = parse_message(bytes(parsed), stream=True)
        assert bytes(again) == bytes(parsed)
        assert again.via == parsed.via
        assert again.from_ == parsed.from_
        assert again.to == parsed.to
        if isinstance(parsed, Request):
            response = parse_message(bytes(parsed.build_response(500, to_tag="t")), stream=True)
            assert response.via == parsed.via

    def test_damage_to_it_is_no_worse_than_a_parse_error(self, path: Path, entry: dict[str, Any]) -> None:
        data = path.read_bytes()
        for cut in range(0, len(data), 3):
            parse(data[:cut])
            parse(data[:cut] + data[cut + 1 :])
            parse(data[:cut] + b"\x00" + data[cut:])
            parse(data[:cut] + b'"' + data[cut:])
