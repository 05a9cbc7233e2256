"""What a customer's server receives from the engine: events by webhook, and the parameters of action requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sdk.generate.python_models import collect
from voyloml.verbs import ELEMENTS

DIRECTIONS: Final = ("inbound", "outbound")
STATUSES: Final = ("ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled")
FIRST_STEPS: Final = ("start", "redirect")


@dataclass(frozen=True, slots=True)
class Received:
    """One parameter of an action request; `words` are its values where they are counted."""

    name: str
    meaning: str
    always: bool = False
    words: tuple[str, ...] = ()


def event_schemas(document: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas that events are made of, by name. Raises ValueError where one is also part of a request or answer."""
    schemas = document["components"]["schemas"]
    found: set[str] = set()
    elsewhere: set[str] = set()
    collect(document["webhooks"], schemas, found)
    collect(document["paths"], schemas, elsewhere)
    if found & elsewhere:
        raise ValueError(f"events and bodies of the API differ in their names' form: {sorted(found & elsewhere)}")
    return {name: schemas[name] for name in sorted(found)}


def events(document: Mapping[str, Any]) -> dict[str, str]:
    """The name of the model of each event."""
    shown = {name: item["post"]["requestBody"]["content"] for name, item in document["webhooks"].items()}
    return {name: content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1] for name, content in shown.items()}


def parameters() -> list[Received]:
    """The parameters that contract §11.2 names, what a call brings along, then those of every verb."""
    steps = dict.fromkeys([*FIRST_STEPS, *(spec.step for spec in ELEMENTS if spec.step is not None)])
    always = [
        Received("CallSid", "public id of the call, as in the API", True),
        Received("From", "who calls", True),
        Received("To", "who is called", True),
        Received("Direction", "of the call", True, DIRECTIONS),
        Received("CallStatus", "state of the call; after the hang-up how it ended", True, STATUSES),
        Received("CallUuid", "id of the call, as in events", True),
        Received("ApplicationId", "the application", True),
        Received("WorkspaceId", "its workspace", True),
        Received("Step", "why the request is made: the verb that has finished", True, tuple(steps)),
    ]
    meanings: dict[str, dict[str, list[str]]] = {}
    for spec in ELEMENTS:
        for each in spec.parameters:
            for name in (each.name, *each.also):
                meanings.setdefault(name, {}).setdefault(each.meaning, []).append(spec.name)
    further = [
        Received(name, ". ".join(f"After {', '.join(verbs)}: {meaning}" for meaning, verbs in said.items()))
        for name, said in meanings.items()
    ]
    forwarded = Received("ForwardedFrom", "who forwarded the call to the number called, where the network says so")
    return [*always, forwarded, *further]


def member(name: str) -> str:
    """The name in camel case: `CallSid` is `callSid`."""
    return re.sub(r"^[A-Z]+?(?=[A-Z][a-z]|[a-z]|$)", lambda match: match[0].lower(), name)
