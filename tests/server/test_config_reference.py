"""The example file and the documentation say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.config import Config, load_config
from server.config.reference import WITHOUT_EFFECT, example_toml, key_references, markdown_tables

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLE = PROJECT / "config.example.toml"
GUIDE = PROJECT / "docs" / "configuration.md"

REGENERATE = "run: python -m server.config.reference"


def test_the_example_loads_and_changes_nothing() -> None:
    assert load_config(EXAMPLE, {}) == Config()


def test_the_example_with_every_key_uncommented_is_the_defaults(tmp_path: Path) -> None:
    uncommented = re.sub(r"^#(?=\w+ = )", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    path = tmp_path / "config.toml"
    path.write_text(uncommented)
    assert load_config(path, {}) == Config()


def test_the_example_has_every_key_and_no_other() -> None:
    section = ""
    found = []
    for line in EXAMPLE.read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif key := re.match(r"#(\w+) = ", line):
            found.append(f"{section}.{key[1]}")
    assert found == [key.path for key in key_references()]


def test_keys_without_effect_exist_and_say_so() -> None:
    keys = {key.path: key for key in key_references()}
    assert set(keys) >= WITHOUT_EFFECT
    assert all(("Without effect" in key.description) == (path in WITHOUT_EFFECT) for path, key in keys.items())


def test_the_example_is_what_the_code_writes() -> None:
    assert EXAMPLE.read_text() == example_toml(), f"{REGENERATE} toml > config.example.toml"


def test_the_documented_tables_are_what_the_code_writes() -> None:
    assert markdown_tables() in GUIDE.read_text(), (
        f"{REGENERATE} markdown, and put the tables into docs/configuration.md"
    )


@pytest.mark.parametrize("key", list(key_references()), ids=lambda key: key.path)
def test_each_key_can_be_set_by_its_variable_to_its_default(key, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    text = key.default.strip('"')
    if text.startswith("["):
        text = text.strip("[]").replace('"', "")
    assert load_config(Path("/dev/null"), {key.variable: text}) == Config()


@pytest.mark.parametrize("key", list(key_references()), ids=lambda key: key.path)
def test_each_key_is_explained_in_a_sentence(key) -> None:  # type: ignore[no-untyped-def]
    assert re.fullmatch(r".{15,}\.", key.description)
