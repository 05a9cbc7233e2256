"""The errors of every operation as a table: what is sent, and the whole answer (contract §3, §6 to §9, §13 to §20).

`generic` has the rows that follow from an operation's form, the other modules those of the contract's sections. What a
row sends and expects may name a thing of the `world`: a text `$number` stands for that number's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

UNKNOWN = "00000000-0000-4000-8000-000000000000"

View = Literal["plain", "strict", "spent"]
"""The API as it is, with `security.require_workspace_header`, and to callers that have used up their requests."""


@dataclass(frozen=True)
class Row:
    """One wrong request to an operation, and the whole answer.

    `ids` fill the path from left to right: names of things of the world, or texts. `caller` is whose credentials are
    sent. `headers` are patterns of headers that the answer has.
    """

    operation: str
    status: int
    answer: Mapping[str, Any]
    body: Any = ...
    ids: tuple[str, ...] = ()
    query: str = ""
    caller: str = "owner"
    view: View = "plain"
    sent: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def resolved(value: Any, world: Mapping[str, str]) -> Any:
    """`value` with what stands for things of the world replaced by their ids."""
    if isinstance(value, str):
        return world[value[1:]] if value.startswith("$") and value[1:] in world else value
    if isinstance(value, Mapping):
        return {name: resolved(member, world) for name, member in value.items()}
    if isinstance(value, list):
        return [resolved(member, world) for member in value]
    return value
