"""`/v1/calls`: place (contract §6.1), read (§6.3, §6.4), control and log (§6.5), recordings (§6.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from api.operation import REPLAYED, ApiRequest, Json, Operation, Principal
from api.schemas.call import (
    AnyCall,
    CallCreate,
    CallList,
    CallPlaced,
    CallQuery,
    CallRedirect,
    LogEntry,
    call_json,
)
from api.schemas.common import pagination
from api.schemas.recording import RecordingOut, RecordingPause, recordings_out
from api.services import ApiServices
from engine.calls.placing import CallOrder
from engine.errors import FieldError, ValidationFailed
from engine.model import Call, Recording
from engine.records import CallFilter
from voyloml import DocumentError


async def create_call(request: ApiRequest) -> CallPlaced:
    """Stores a call and starts to dial; the same Idempotency-Key a second time answers as the first."""
    body = request.body(CallCreate)
    order = CallOrder(
        from_=body.from_,
        to=body.to,
        application_id=body.application_id,
        variables=body.variables,
        timeout=body.timeout,
        time_limit=body.time_limit,
        record=body.record,
        sip_headers=body.sip_headers,
        machine_detection=body.machine_detection,
    )
    placed = await request.services.calls_out.place(request.workspace_id, order, request.idempotency_key)
    if placed.replayed:
        request.answer_headers.append(REPLAYED)
    return CallPlaced(public_id=placed.public_id, status="dialing")


async def check_call(services: ApiServices, _principal: Principal, values: Mapping[str, Any]) -> Sequence[FieldError]:
    """The variables, by the language's own rules (contract §12)."""
    variables = values.get("variables")
    return services.applications.variable_errors(variables) if isinstance(variables, dict) else []


async def check_from(services: ApiServices, principal: Principal, values: Mapping[str, Any]) -> Sequence[FieldError]:
    """Whether the call would be from a number of the workspace."""
    number = values.get("from")
    fault = services.calls_out.from_error(principal.workspace_id, number) if isinstance(number, str) else None
    return [] if fault is None else [fault]


async def hang_up_call(request: ApiRequest) -> None:
    """Ends a call."""
    call = await request.services.records.get(request.workspace_id, request.path["publicId"])
    request.services.calls_out.hang_up(call)


async def redirect_call(request: ApiRequest) -> Json:
    """Interrupts a call's running verb and goes on with another document; the call as it is."""
    body = request.body(CallRedirect)
    if (body.action_url is None) == (body.xml is None):
        raise ValidationFailed.of("actionUrl", "give either actionUrl or xml")
    call = await request.services.records.get(request.workspace_id, request.path["publicId"])
    try:
        request.services.calls_out.redirect(call, url=body.action_url, xml=body.xml)
    except DocumentError as error:
        raise ValidationFailed.of("xml", f"line {error.line}, column {error.column}: {error.message}") from None
    return Json(call_json(call))


async def pause_recording(request: ApiRequest) -> None:
    """Pauses what is recorded of a call."""
    call = await request.services.records.get(request.workspace_id, request.path["publicId"])
    request.services.calls_out.pause_recording(call, request.body(RecordingPause).behavior)


async def resume_recording(request: ApiRequest) -> None:
    """Goes on with what is paused."""
    call = await request.services.records.get(request.workspace_id, request.path["publicId"])
    request.services.calls_out.resume_recording(call)


async def list_calls(request: ApiRequest) -> Json:
    """Calls, newest first: an array, or a page of the standard envelope when `page` is asked for."""
    query = request.query(CallQuery)
    narrow = CallFilter(
        direction=query.direction,
        outcome=query.outcome,
        from_=query.from_,
        to=query.to,
        application_id=query.application_id,
        number_id=query.number_id,
        trunk_id=query.trunk_id,
        pending=None if query.pending is None else query.pending == "true",
        started_after=query.started_after,
        started_before=query.started_before,
    )
    records = request.services.records
    if query.page is not None:
        page = await records.page(request.workspace_id, narrow, query.page, query.limit)
        calls = await _with_recordings(request, page.items)
        return Json({"data": calls, "pagination": pagination(page).model_dump(by_alias=True)})
    found = await records.list(request.workspace_id, narrow, query.limit, query.before)
    return Json(await _with_recordings(request, found))


async def get_call(request: ApiRequest) -> Json:
    """One call, in the shape of its state."""
    call = await request.services.records.get(request.workspace_id, request.path["publicId"])
    return Json(call_json(call, *recordings_out(request.services, await _recordings_of(request, call))))


async def list_call_recordings(request: ApiRequest) -> list[RecordingOut]:
    """The recordings of a call that are whole."""
    call = await request.services.records.get(request.workspace_id, request.path["publicId"])
    return recordings_out(request.services, await request.services.recordings.of_call(call.id))[0]


async def _recordings_of(request: ApiRequest, call: Call) -> Sequence[Recording]:
    return await request.services.recordings.of_call(call.id) if _may_have_recordings(call) else ()


def _may_have_recordings(call: Call) -> bool:
    """Whether a look for recordings is worth a query: a call in progress shows none, one never answered has none."""
    return not call.pending and call.answered_at is not None


async def _with_recordings(request: ApiRequest, calls: Sequence[Call]) -> list[dict[str, Any]]:
    ids = [call.id for call in calls if _may_have_recordings(call)]
    found = await request.services.recordings.of_calls(ids)
    return [call_json(call, *recordings_out(request.services, found.get(call.id, ()))) for call in calls]


async def get_call_log(request: ApiRequest) -> list[LogEntry]:
    """The log of a call."""
    entries = await request.services.records.events(request.workspace_id, request.path["publicId"])
    return [LogEntry.model_validate(entry) for entry in entries]


OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "POST",
        "/v1/calls",
        "createCall",
        "Place a call",
        "Calls",
        create_call,
        access="write",
        status=202,
        description="Answered as soon as the call is stored; whether it is answered shows in its record.",
        body=CallCreate,
        stores_key=True,
        check=check_call,
        named_with=check_from,
        out=CallPlaced,
        errors=(402, 404, 409),
    ),
    Operation(
        "POST",
        "/v1/calls/{publicId}/hangup",
        "hangUpCall",
        "Hang up a call",
        "Calls",
        hang_up_call,
        access="write",
        status=204,
        description="Ends every leg of a call that is in progress.",
        path_parameters={"publicId": "call"},
        errors=(409,),
    ),
    Operation(
        "POST",
        "/v1/calls/{publicId}/redirect",
        "redirectCall",
        "Give a call another document",
        "Calls",
        redirect_call,
        access="write",
        status=202,
        description="Interrupts the verb that runs. The body has either `actionUrl` or `xml`.",
        path_parameters={"publicId": "call"},
        body=CallRedirect,
        out=AnyCall,
        errors=(409,),
    ),
    Operation(
        "POST",
        "/v1/calls/{publicId}/recording/pause",
        "pauseRecording",
        "Pause the recording of a call",
        "Calls",
        pause_recording,
        access="write",
        status=204,
        description="Every recording of the call that is in progress, but not that of a conference.",
        path_parameters={"publicId": "call"},
        body=RecordingPause,
        body_may_be_absent=True,
        errors=(409,),
    ),
    Operation(
        "POST",
        "/v1/calls/{publicId}/recording/resume",
        "resumeRecording",
        "Resume the recording of a call",
        "Calls",
        resume_recording,
        access="write",
        status=204,
        description="Every recording of the call that is paused.",
        path_parameters={"publicId": "call"},
        errors=(409,),
    ),
    Operation(
        "GET",
        "/v1/calls",
        "listCalls",
        "List calls",
        "Calls",
        list_calls,
        description="Newest first. Older calls with `before`, or numbered pages with `page`.",
        query=CallQuery,
        out=CallList,
    ),
    Operation(
        "GET",
        "/v1/calls/{publicId}",
        "getCall",
        "Read a call",
        "Calls",
        get_call,
        description="While the call is in progress the shape is another than that of its record.",
        path_parameters={"publicId": "call"},
        out=AnyCall,
    ),
    Operation(
        "GET",
        "/v1/calls/{publicId}/recordings",
        "listCallRecordings",
        "List the recordings of a call",
        "Calls",
        list_call_recordings,
        description="Oldest first, also of a call in progress. The links are good for an hour.",
        path_parameters={"publicId": "call"},
        out=list[RecordingOut],
    ),
    Operation(
        "GET",
        "/v1/calls/{publicId}/events",
        "getCallLog",
        "Read the log of a call",
        "Calls",
        get_call_log,
        description="State changes, documents fetched, verbs run, warnings, in the order of time.",
        path_parameters={"publicId": "call"},
        out=list[LogEntry],
    ),
)
