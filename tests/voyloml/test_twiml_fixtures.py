"""Public documents written for Twilio: all parse; what the contract has lints, what it has not is named once each."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from voyloml import lint, parse_document

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "fixtures" / "twiml"
INDEX = FOLDER / "index.json"
DOCUMENTS: dict[str, dict[str, list[str]]] = json.loads(INDEX.read_text()) if INDEX.is_file() else {}

pytestmark = pytest.mark.skipif(not DOCUMENTS, reason="test data not found: ../shared/fixtures/twiml")


@pytest.mark.parametrize("name", DOCUMENTS)
class TestEach:
    def test_parses(self, name: str) -> None:
        document = parse_document((FOLDER / name).read_bytes())
        assert [verb.name for verb in document.verbs] == DOCUMENTS[name]["verbs"]

    def test_names_each_unknown_element_once(self, name: str) -> None:
        data = (FOLDER / name).read_bytes()
        unknown = DOCUMENTS[name]["not_in_contract"]
        expected = Counter(element.path for element in parse_document(data).root.walk() if element.name in unknown)
        errors = lint(data).errors
        assert Counter(error.path for error in errors if error.code.value == "unknown_verb") == expected
        assert {path.rsplit("/", 1)[1].partition("[")[0] for path in expected} == set(unknown)
        for error in errors:
            assert error.code.value in {"unknown_verb", "bad_nesting"} or "statusCallbackEvent" in error.message
