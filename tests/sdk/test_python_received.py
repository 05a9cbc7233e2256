"""What the Python SDK receives, by itself and in the frameworks that it has modules for."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

import fastapi
import flask
import httpx
import pytest
import voylo
from starlette.applications import Starlette
from starlette.routing import Route
from voylo import ActionRequest, Event, VoyloResponse
from voylo.generated.events import MODELS
from voylo.integrations import fastapi as in_fastapi
from voylo.integrations import flask as in_flask
from voylo.integrations import starlette as in_starlette
from voylo.received import document

from engine.call_events import event_payload, general_payload, recording_payload
from engine.webhooks import EVENTS
from tests.api.test_event_schemas import CALLS, GENERAL, RECORDING
from tests.engine.opened import START
from tests.engine.test_call_events import ENDED
from voyloml.signature import sign

SECRET = "whsec_0123456789"
EVENT = json.dumps(event_payload("call.completed", "evt_5c4d3e2f1a0b", START, ENDED)).encode()
FORM = {
    "CallSid": "cl_a1b2c3d4e5f6", "From": "+15550123", "To": "+97142345678", "Direction": "inbound",
    "CallStatus": "in-progress", "CallUuid": ENDED.id, "ApplicationId": ENDED.id, "WorkspaceId": "ws_0123456789ab",
    "Step": "gather", "Digits": "1#", "Confidence": "", "DialCallSid": "cl_000000000000", "Later": "é & ü",
    "var_order_id": "ORD-1", "var_var_x": "y",
}  # fmt: skip
ACTION = urlencode(FORM).encode()
XML = '<?xml version="1.0" encoding="UTF-8"?><Response><Say>1# of ORD-1</Say></Response>'


def signed(body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    return {"Voylo-Signature": sign(secret, body, int(time.time() if at is None else at))}


class TestEvents:
    def test_each_has_its_class(self) -> None:
        assert tuple(MODELS) == EVENTS
        for name, call in CALLS.items():
            event = voylo.parse_event(json.dumps(event_payload(name, "evt_5c4d3e2f1a0b", START, call)))
            assert type(event) is MODELS[name]
            assert event.event == name
        for other, data in GENERAL.items():
            payload = general_payload(other, "evt_0", START, "ws_0123456789ab", data)
            event = voylo.parse_event(json.dumps(payload))
            assert type(event) is MODELS[other]
            assert {name: getattr(event.data, name) for name in data} == data
        assert {*CALLS, *GENERAL, "recording.completed"} == set(EVENTS)
        recorded = voylo.parse_event(json.dumps(recording_payload("evt_0", START, ENDED, RECORDING)))
        assert isinstance(recorded, voylo.events.RecordingCompletedEvent)
        assert (recorded.public_id, recorded.recording_source, recorded.recording_duration_s) == (
            ENDED.public_id,
            "dial",
            2,
        )

    def test_members_are_those_of_the_payload(self) -> None:
        event = voylo.parse_event(EVENT)
        assert isinstance(event, voylo.events.CallCompletedEvent)
        assert (event.from_, event.duration_s, event.hangup_by) == ("+2004446", 42, "callee")
        assert event.variables == {"order_id": "ORD-1234"}
        (attempt,) = event.routing_attempts
        assert (attempt.setup_ms, attempt.result) == (31, "busy")
        names = {each.name.removesuffix("_") for each in dataclasses.fields(event)}
        assert names == set(json.loads(EVENT))

    def test_one_of_a_later_engine_is_told_apart_and_not_lost(self) -> None:
        event = voylo.parse_event(b'{"event": "call.sung", "event_id": "evt_1", "more": 1}')
        assert isinstance(event, voylo.UnknownEvent)
        assert (event.event, event.name, event.event_id) == ("unknown", "call.sung", "evt_1")
        assert event.payload["more"] == 1
        more = {**json.loads(EVENT), "later": 1}
        assert voylo.parse_event(json.dumps(more)) == voylo.parse_event(EVENT)

    @pytest.mark.parametrize(
        "body", ["", "[]", "{}", '{"event": 1}', '{"event": "call.placed", "event_id": "e"}', "\xff"]
    )
    def test_what_is_none_is_refused(self, body: str) -> None:
        with pytest.raises(voylo.VoyloReceivedError):
            voylo.parse_event(body.encode("latin-1"))

    def test_only_signed_ones_are_received(self) -> None:
        at = time.time()
        (header,) = signed(EVENT).values()
        assert voylo.receive_event(SECRET, EVENT, header) == voylo.parse_event(EVENT)
        (both,) = {"": sign(("whsec_old", "whsec_new"), EVENT, int(at))}.values()
        for secret in ("whsec_old", "whsec_new", ["whsec_other", "whsec_new"]):
            assert voylo.receive_event(secret, EVENT, both)
        (old,) = signed(EVENT, at=at - 400).values()
        assert voylo.receive_event(SECRET, EVENT, old, tolerance=500)
        for body, given in ((EVENT, None), (EVENT, old), (EVENT + b" ", header), (EVENT, both)):
            with pytest.raises(voylo.VoyloSignatureError):
                voylo.receive_event(SECRET, body, given)


class TestActions:
    def test_parameters_have_names_of_python(self) -> None:
        call = voylo.parse_action(ACTION)
        assert (call.call_sid, call.from_, call.step, call.digits) == ("cl_a1b2c3d4e5f6", "+15550123", "gather", "1#")
        assert (call.dial_call_sid, call.confidence, call.recording_url) == ("cl_000000000000", "", None)
        assert call.variables == {"order_id": "ORD-1", "var_x": "y"}
        assert call.parameters == FORM
        assert voylo.parse_action(ACTION.decode()) == call

    def test_what_is_none_is_refused(self) -> None:
        for wrong in (b"", b"{}", b"CallSid=cl_1", b"\xff\xfe"):
            with pytest.raises(voylo.VoyloReceivedError):
                voylo.parse_action(wrong)

    def test_the_query_of_a_get_counts_where_there_is_no_body(self) -> None:
        (header,) = signed(b"").values()
        assert voylo.receive_action(SECRET, b"", header, query=ACTION).digits == "1#"
        with pytest.raises(voylo.VoyloSignatureError):
            voylo.receive_action(SECRET, ACTION, header)

    def test_answers_are_documents(self) -> None:
        assert document(VoyloResponse().gather().say("Hello")).endswith("</Gather></Response>")
        assert document("<Response/>") == "<Response/>"
        assert document(None).endswith("<Response/>")
        with pytest.raises(TypeError, match="VoyloResponse, not int"):
            document(7)  # type: ignore[arg-type]


def menu(call: ActionRequest) -> VoyloResponse:
    return VoyloResponse().say(f"{call.digits} of {call.variables['order_id']}")


async def menu_later(call: ActionRequest) -> VoyloResponse:
    return menu(call)


def broken(_: Any) -> None:
    raise RuntimeError("the handler's own")


Send = Callable[..., Any]


def of_starlette(told: list[Event]) -> tuple[Any, None]:
    async def later(event: Event) -> None:
        told.append(event)

    return Starlette(
        routes=[
            Route("/menu", in_starlette.action(SECRET)(menu), methods=["GET", "POST"]),
            Route("/later", in_starlette.action([SECRET, "whsec_new"])(menu_later), methods=["POST"]),
            Route("/events", in_starlette.webhook(SECRET)(told.append), methods=["POST"]),
            Route("/events-later", in_starlette.webhook(SECRET)(later), methods=["POST"]),
            Route("/broken", in_starlette.action(SECRET)(broken), methods=["POST"]),
        ]
    ), None


def of_fastapi(told: list[Event]) -> tuple[Any, None]:
    app = fastapi.FastAPI()

    @app.post("/later")
    def with_dependency(
        call: Annotated[ActionRequest, fastapi.Depends(in_fastapi.Action(SECRET))],
    ) -> in_fastapi.VoyloMLResponse:
        return in_fastapi.VoyloMLResponse(menu(call))

    @app.post("/events-later", status_code=204)
    def told_of(event: Annotated[Event, fastapi.Depends(in_fastapi.Webhook(SECRET))]) -> None:
        told.append(event)

    app.api_route("/menu", methods=["GET", "POST"])(in_fastapi.action(SECRET)(menu))
    app.post("/events")(in_fastapi.webhook(SECRET)(told.append))
    app.post("/broken")(in_fastapi.action(SECRET)(broken))
    return app, None


def of_flask(told: list[Event]) -> tuple[None, Any]:
    app = flask.Flask("test")

    @app.post("/later")
    @in_flask.action(SECRET)
    def in_a_line(call: ActionRequest) -> VoyloResponse:
        return menu(call)

    app.add_url_rule("/menu", view_func=in_flask.action(SECRET)(menu), methods=["GET", "POST"])
    app.post("/events")(in_flask.webhook(SECRET)(told.append))
    app.post("/events-later", endpoint="b")(in_flask.webhook([SECRET, "whsec_new"])(told.append))
    app.post("/broken")(in_flask.action(SECRET)(broken))
    return None, app


@pytest.fixture(params=[of_starlette, of_fastapi, of_flask])
def told_and_client(request: pytest.FixtureRequest) -> Any:
    told: list[Event] = []
    asgi, wsgi = request.param(told)
    if wsgi is not None:
        return told, httpx.Client(transport=httpx.WSGITransport(wsgi), base_url="http://app.test")
    transport = httpx.ASGITransport(asgi, raise_app_exceptions=False)
    return told, httpx.AsyncClient(transport=transport, base_url="http://app.test")


async def send(client: Any, method: str, path: str, body: bytes = b"", **how: Any) -> httpx.Response:
    content_type = {"Content-Type": "application/x-www-form-urlencoded"} if body == ACTION else {}
    headers = {**content_type, **how.pop("headers", signed(body))}
    answer = client.request(method, path, content=body, headers=headers, **how)
    return answer if isinstance(answer, httpx.Response) else await answer


class TestFrameworks:
    async def test_actions_are_answered_with_documents(self, told_and_client: Any) -> None:
        _, client = told_and_client
        for path in ("/menu", "/later"):
            answer = await send(client, "POST", path, ACTION)
            assert (answer.status_code, answer.text) == (200, XML)
            assert answer.headers["content-type"].startswith("application/xml")
        answer = await send(client, "GET", f"/menu?{ACTION.decode()}")
        assert (answer.status_code, answer.text) == (200, XML)

    async def test_webhooks_are_told(self, told_and_client: Any) -> None:
        told, client = told_and_client
        for path in ("/events", "/events-later"):
            answer = await send(client, "POST", path, EVENT)
            assert (answer.status_code, answer.content) == (204, b"")
        assert told == [voylo.parse_event(EVENT)] * 2

    async def test_what_is_not_signed_reaches_no_handler(self, told_and_client: Any) -> None:
        told, client = told_and_client
        for wrong in ({}, signed(EVENT, "whsec_other"), signed(EVENT, at=1), signed(EVENT + b" ")):
            for path in ("/events", "/events-later"):
                assert (await send(client, "POST", path, EVENT, headers=wrong)).status_code == 403
        for wrong in ({}, signed(ACTION, "whsec_other")):
            for path in ("/menu", "/later"):
                assert (await send(client, "POST", path, ACTION, headers=wrong)).status_code == 403
        assert (await send(client, "POST", "/events", b"{}")).status_code == 400
        assert (await send(client, "POST", "/menu", b"{}")).status_code == 400
        assert told == []

    async def test_errors_of_a_handler_are_the_frameworks(self, told_and_client: Any) -> None:
        _, client = told_and_client
        assert (await send(client, "POST", "/broken", ACTION)).status_code == 500
