"""What a server receives from the engine: events at webhooks and finished URLs, requests at action URLs.

Nothing here knows a web framework; `voylo.integrations` has those.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl

from voylo.bodies import decode
from voylo.errors import VoyloAnswerError, VoyloReceivedError, VoyloSignatureError
from voylo.generated.actions import ActionRequest
from voylo.generated.builders import VoyloResponse
from voylo.generated.events import MODELS, KnownEvent
from voylo.names import pascal
from voylo.voyloml.builder import Builder
from voylo.webhooks import TOLERANCE, verify_signature

Document: TypeAlias = Builder | str | None
"""What an action request may be answered with; None is an empty document, which hangs up."""

_VARIABLE: Final = "var_"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent:
    """An event that this version has no class for; `payload` is all of it."""

    event: Literal["unknown"] = "unknown"
    name: str
    event_id: str
    payload: Mapping[str, Any] = field(repr=False)


Event: TypeAlias = KnownEvent | UnknownEvent
"""Everything that a webhook may be sent. `event.event` tells the classes apart, and so does isinstance."""


def parse_event(body: bytes | str) -> Event:
    """The event in the body of a webhook request, in the class of its name. Raises VoyloReceivedError.

    It does not look at the signature: see `receive_event`.
    """
    try:
        payload = json.loads(body)
    except ValueError:
        raise VoyloReceivedError("The body is not JSON") from None
    if not isinstance(payload, dict) or not all(isinstance(payload.get(name), str) for name in ("event", "event_id")):
        raise VoyloReceivedError("The body is no event: it has no event and event_id")
    model = MODELS.get(payload["event"])
    if model is None:
        return UnknownEvent(name=payload["event"], event_id=payload["event_id"], payload=payload)
    try:
        event: KnownEvent = decode(model, payload, _written)
    except VoyloAnswerError as error:
        raise VoyloReceivedError(str(error)) from None
    return event


def receive_event(
    secrets: str | Sequence[str],
    body: bytes,
    header: str | None,
    *,
    tolerance: float = TOLERANCE,
) -> Event:
    """The event in the body, when `header`, its `Voylo-Signature`, is right as `verify_signature` says.

    `secrets` are those of the webhook; of a finished URL, the application's. The same event may come more than once:
    remember `event_id`. Raises VoyloSignatureError and VoyloReceivedError.
    """
    _check(secrets, body, header, tolerance)
    return parse_event(body)


def parse_action(form: bytes | str) -> ActionRequest:
    """The request in a form, which is the body of a POST, and of a GET its query. Raises VoyloReceivedError.

    It does not look at the signature: see `receive_action`.
    """
    text = form.decode("utf-8", "replace") if isinstance(form, bytes) else form
    parameters = dict(parse_qsl(text, keep_blank_values=True))
    given: dict[str, Any] = {}
    for each in fields(ActionRequest):
        name = pascal(each.name)
        if name in parameters:
            given[each.name] = parameters[name]
    variables = {
        name.removeprefix(_VARIABLE): value for name, value in parameters.items() if name.startswith(_VARIABLE)
    }
    try:
        return ActionRequest(**given, variables=variables, parameters=parameters)
    except TypeError:
        raise VoyloReceivedError("This is no request for a document: it has no CallSid and the like") from None


def receive_action(
    secrets: str | Sequence[str],
    body: bytes,
    header: str | None,
    *,
    query: bytes | str = b"",
    tolerance: float = TOLERANCE,
) -> ActionRequest:
    """The request in the body, or in the query where there is no body, when `header` signs the body.

    `secrets` are the application's signing secrets. With GET nothing but the time is signed, for the body is empty.
    Raises VoyloSignatureError and VoyloReceivedError.
    """
    _check(secrets, body, header, tolerance)
    return parse_action(body or query)


def document(answer: Document) -> str:
    """The XML to answer an action request with. Raises VoyloMLError and TypeError."""
    if answer is None:
        return str(VoyloResponse())
    if isinstance(answer, (Builder, str)):
        return str(answer)
    raise TypeError(f"An action request is answered with a VoyloResponse, not {type(answer).__name__}")


def _check(secrets: str | Sequence[str], body: bytes, header: str | None, tolerance: float) -> None:
    if header is None:
        raise VoyloSignatureError("The request is not signed")
    if not verify_signature(secrets, body, header, tolerance=tolerance):
        raise VoyloSignatureError("The signature is not right, or too old")


def _written(name: str) -> str:
    return name.rstrip("_")
