"""Which verbs and attributes of the language the calls of a test session have run, recorded as they run.

Only what a runner of `voyloml.interpreter` is given counts: what is merely parsed or linted does not, nor an attribute
that is written with its default, which shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from voyloml import interpreter
from voyloml.binding import Bound
from voyloml.execution import Execution, Outcome, Runner
from voyloml.interpreter import Carrying
from voyloml.verbs import ELEMENTS

Use: TypeAlias = tuple[str, str]
"""An element, or the element and an attribute, each under the name it was written with; no attribute is ''."""


def language() -> set[Use]:
    """All that can be used: each element and attribute under each of its names."""
    uses: set[Use] = set()
    for spec in ELEMENTS:
        uses |= {(name, "") for name in (spec.name, *spec.aliases)}
        uses |= {(spec.name, name) for name in spec.attribute_by_name}
    return uses


def uses_of(bound: Bound) -> Iterator[Use]:
    """What a verb that runs makes use of, with everything inside it."""
    yield bound.element.name, ""
    for name in bound.element.attributes:
        attribute = bound.spec.attribute_by_name.get(name)
        if attribute is not None and bound.values[attribute.name] != attribute.default:
            yield bound.spec.name, name
    for child in bound.children:
        if child.usable:
            yield from uses_of(child)


@contextmanager
def recording(into: set[Use]) -> Iterator[None]:
    """Adds to `into` what every call of the block makes use of."""

    def watched(runner: Runner) -> Runner:
        async def run(execution: Execution, verb: Bound) -> Outcome:
            into.update(uses_of(verb))
            return await runner(execution, verb)

        return run

    runners = interpreter.RUNNERS
    replaced = {name: Carrying(watched(carrying.run), carrying.needs) for name, carrying in runners.items()}
    interpreter.RUNNERS = replaced  # type: ignore[misc]
    try:
        yield
    finally:
        interpreter.RUNNERS = runners  # type: ignore[misc]


def ran_whole(folder: Path, items: Sequence[pytest.Item], left_out: set[Path]) -> bool:
    """Whether all tests of a folder belong to the session."""
    files = set(folder.glob("test_*.py"))
    return files <= {item.path for item in items} and not files & left_out
