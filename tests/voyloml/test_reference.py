"""The generated pages: up to date, complete, and true: every example runs and lints."""

from __future__ import annotations

from pathlib import Path

import pytest

from voyloml import lint
from voyloml.reference import pages
from voyloml.reference.page import NOUNS_OF
from voyloml.reference.samples import SAMPLES
from voyloml.schema import ElementSpec
from voyloml.verbs import ELEMENTS

DOCS = Path(__file__).parents[2] / "docs"
VERBS = [spec for spec in ELEMENTS if spec.verb]


@pytest.mark.parametrize("name", pages())
def test_what_is_shipped_is_what_the_table_says(name: str) -> None:
    path = DOCS / name
    assert path.is_file(), "run `python -m voyloml.reference`"
    assert path.read_text() == pages()[name], "stale: run `python -m voyloml.reference`"


def test_nothing_else_lies_among_the_pages() -> None:
    found = {f"voyloml/{path.name}" for path in (DOCS / "voyloml").iterdir()}
    assert found == {name for name in pages() if name.startswith("voyloml/")}


@pytest.mark.parametrize("spec", VERBS, ids=lambda spec: spec.name)
def test_a_page_names_everything_of_its_verb(spec: ElementSpec) -> None:
    page = pages()[f"voyloml/{spec.name.lower()}.md"]
    nouns = [noun for noun in ELEMENTS if noun.name in NOUNS_OF.get(spec.name, ())]
    for element in (spec, *nouns):
        for attribute in element.attributes:
            assert f"| `{attribute.name}`" in page
            assert attribute.type.expected in page
        for parameter in element.parameters:
            assert f"`{parameter.name}`" in page


def test_every_noun_is_on_some_page() -> None:
    nouns = {name for names in NOUNS_OF.values() for name in names}
    assert nouns == {spec.name for spec in ELEMENTS if not spec.verb}


def test_every_verb_has_an_example() -> None:
    assert set(SAMPLES) == {spec.name for spec in VERBS}


@pytest.mark.parametrize("name", SAMPLES)
def test_an_example_is_right_and_runs_its_verb_to_the_end(name: str) -> None:
    sample = SAMPLES[name]
    for document in (sample.document, *sample.pages.values()):
        found = lint(document, base_url=...)
        assert (found.errors, found.warnings) == ((), ())
    ran = sample.simulated()
    assert name in ran.verbs
    assert ran.warnings == []
    assert ran.ended in {"completed", "hangup", "rejected"}
    assert {asked.path for asked in ran.asked} == {"/", *sample.pages}
