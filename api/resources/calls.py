"""`/v1/calls`: read (contract §6.3, §6.4) and log (§6.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.operation import ApiRequest, Operation
from api.schemas.call import AnyCall, CallList, CallQuery, LogEntry, call_out
from api.schemas.common import Envelope, pagination
from engine.records import CallFilter


async def list_calls(request: ApiRequest) -> CallList:
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
        return Envelope[AnyCall].model_construct(
            data=[call_out(call) for call in page.items], pagination=pagination(page)
        )
    return [call_out(call) for call in await records.list(request.workspace_id, narrow, query.limit, query.before)]


async def get_call(request: ApiRequest) -> AnyCall:
    """One call, in the shape of its state."""
    return call_out(await request.services.records.get(request.workspace_id, request.path["publicId"]))


async def get_call_log(request: ApiRequest) -> list[LogEntry]:
    """The log of a call."""
    entries = await request.services.records.events(request.workspace_id, request.path["publicId"])
    return [LogEntry.model_validate(entry) for entry in entries]


OPERATIONS: Final[Sequence[Operation]] = (
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
