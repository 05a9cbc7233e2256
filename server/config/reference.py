"""Writes config.example.toml and the tables of docs/configuration.md from the sections, so that all three always agree.

`python -m server.config.reference toml` prints the one, `… markdown` the other; a test compares both with the files.
"""

from __future__ import annotations

import html
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from server.config.load import ENVIRONMENT_PREFIX
from server.config.sections import Config, section_fields, section_models

_WIDTH = 110

# Keys whose names the contract fixes and whose features this version does not have. Whoever builds one takes it out.
WITHOUT_EFFECT = frozenset(
    {
        "rentals.carrier_uri",
        "rentals.carrier_username",
        "rentals.carrier_password",
        "rentals.carrier_source_ips",
    }
)
_WITHOUT_EFFECT_NOTE = " Without effect in this version."

_HEAD = """\
# Configuration of the Voylo engine: every key with its default, commented out.
# Copy this file to config.toml, remove the # in front of a key and change its value. `voylo doctor` checks the result.
# An empty text means unset. Any key can be set by an environment variable as well: sip.udp by VOYLO_SIP__UDP;
# lists have commas between their parts there.
"""


@dataclass(frozen=True, slots=True)
class KeyReference:
    """One key. `default` is its value in TOML's notation, an empty text standing for unset."""

    section: str
    name: str
    default: str
    description: str

    @property
    def path(self) -> str:
        """The key as messages and the documentation write it."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return f"{ENVIRONMENT_PREFIX}{self.section.upper()}__{self.name.upper()}"


def key_references() -> Iterator[KeyReference]:
    """Yield every key, in the order of the contract."""
    for section, keys in section_fields().items():
        for name, field in keys.items():
            note = _WITHOUT_EFFECT_NOTE if f"{section}.{name}" in WITHOUT_EFFECT else ""
            yield KeyReference(section, name, _in_toml(field.default), f"{field.description}{note}")


def set_without_effect(config: Config) -> list[str]:
    """Return the keys that somebody has switched on or changed, and that change nothing in this version."""
    defaults = Config()
    found: list[str] = []
    for key in key_references():
        value, default = (getattr(getattr(one, key.section), key.name) for one in (config, defaults))
        if key.path in WITHOUT_EFFECT and value is not None and value != default:
            found.append(key.path)
    return found


def example_toml() -> str:
    """Return the text of config.example.toml."""
    parts = [_HEAD]
    for section, model in section_models().items():
        parts.append(f"\n# {_described(model)}\n[{section}]\n")
        for key in key_references():
            if key.section == section:
                parts.append(textwrap.fill(key.description, _WIDTH, initial_indent="# ", subsequent_indent="# "))
                parts.append(f"\n#{key.name} = {key.default}\n\n")
        parts[-1] = parts[-1].removesuffix("\n")
    return "".join(parts)


def markdown_tables() -> str:
    """Return the tables of docs/configuration.md, one for each section."""
    parts: list[str] = []
    for section, model in section_models().items():
        parts.append(f"### {section}\n\n{_described(model)}\n\n| key | default | environment | meaning |\n")
        parts.append("| --- | --- | --- | --- |\n")
        for key in key_references():
            if key.section == section:
                default = "unset" if key.default == '""' else f"`{key.default}`"
                cells = (f"`{key.path}`", default, f"`{key.variable}`", html.escape(key.description, quote=False))
                parts.append(f"| {' | '.join(cells)} |\n")
        parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"


def _described(section: type[BaseModel]) -> str:
    """Return what a section is about, without the paragraph of the specification that its docstring ends in."""
    return (section.__doc__ or "").strip().partition(" (contract")[0].rstrip(".") + "."


def _in_toml(value: object) -> str:
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_in_toml(part) for part in value)}]"
    if isinstance(value, Path) and not value.is_absolute():
        return f'"./{value}"'
    return f'"{value}"'


if __name__ == "__main__":
    sys.stdout.write(markdown_tables() if sys.argv[1:] == ["markdown"] else example_toml())
