"""Every wrong request of the table gets the status, the whole body and the headers that the contract says (§3)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from api.app import OPERATIONS
from engine.limits import Limits
from tests.api.client import Answer, Api
from tests.api.documented import document
from tests.api.error_rows import UNKNOWN, Row, View, billing, generic, resolved, resources
from tests.api.error_rows.world import built
from tests.api.test_isolation import WITH_ID
from tests.engine.opened import opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

BY_NAME = {operation.name: operation for operation in OPERATIONS}
ROWS = [*generic.rows(), *resources.rows(), *billing.rows()]

ELSEWHERE = {
    ("createRental", 402): "api/test_rentals.py::test_too_little_money_keeps_the_rental_until_it_is_paid",
    ("createCall", 402): (
        "engine/calls/test_metered.py::test_a_call_out_is_refused_with_402_and_leaves_no_trace_until_there_is_money"
    ),
    ("createCall", 404): "engine/calls/test_placing.py::test_each_wrong_request_is_told_apart",
    (
        "createCall",
        409,
    ): "engine/calls/test_placing.py::test_another_body_or_a_bad_key_is_refused_and_a_refusal_is_not_kept",
    ("hangUpCall", 409): "engine/calls/test_placing.py::test_a_ringing_call_is_hung_up",
    ("redirectCall", 409): "engine/calls/test_placing.py::test_a_ringing_call_is_hung_up",
    **dict.fromkeys(
        (("pauseRecording", 409), ("resumeRecording", 409)),
        "engine/calls/test_paused_recording.py::test_both_sides_of_a_call_are_left_out_alike_and_stay_in_step",
    ),
}
"""What the table has no row for, as it needs a call or the answer is never the same: the test with the whole body."""

SPENT_ON = {
    "owner": "getMonitor",
    "session": "getMe",
    "operator": "listAllRentals",
    "widget": "exchangeWidgetToken",
}
"""A request that changes nothing, for each caller."""

NEVER_SEEN = {("createWorkspace", 404): "the workspace that the request names is deleted in the same moment"}
"""What no request leads to by itself."""


class World:
    """One engine with the three views of its API, and the ids of what is in it."""

    def __init__(self, views: dict[View, Api], ids: dict[str, str]) -> None:
        self.views = views
        self.ids = ids

    async def send(self, row: Row) -> Answer:
        """The answer to the request of a row."""
        operation = BY_NAME[row.operation]
        names = list(operation.path_parameters)
        given = [self.ids.get(one, one) for one in row.ids] or [UNKNOWN] * len(names)
        path = operation.path.format(**dict(zip(names, given, strict=True)))
        api = self.views[row.view]
        headers, key = dict(row.sent), self.ids.get(row.caller)
        if row.caller == "session":
            headers, key = {"Cookie": self.ids["session"], "X-Workspace-Id": api.engine.workspace_id} | headers, None
        content = row.content
        body = resolved(row.body, self.ids)
        target = f"{path}?{row.query}" if row.query else path
        return await api.call(operation.method, target, body, key=key, content=content, headers=headers)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """What the rows are about; nothing of it is changed by any of them."""
    async with opened(tmp_path_factory.mktemp("data"), charging=True) as engine:
        plain = Api(engine)
        ids = await built(plain)
        views: dict[View, Api] = {
            "plain": plain,
            "strict": Api(engine, require_workspace_header=True),
            "spent": Api(engine, Limits(requests_per_minute=1, request_burst=1)),
        }
        yield World(views, ids)


@pytest.mark.parametrize("name", sorted({row.operation for row in ROWS}))
async def test_the_whole_answer_to_each_wrong_request(world: World, name: str) -> None:
    for row in (row for row in ROWS if row.operation == name):
        if row.view == "spent":
            # The one request that a caller may make in a minute; again for each row, however long the tests take
            await world.send(Row(SPENT_ON[row.caller], 200, {}, caller=row.caller, view="spent"))
        answer = await world.send(row)
        assert tuple(answer) == (row.status, resolved(row.answer, world.ids)), row
        assert answer.headers["content-type"] == "application/json"
        for header, pattern in {"x-request-id": "[0-9a-f]{16}", **row.headers}.items():
            assert re.fullmatch(pattern, answer.headers[header]), (row, header, answer.headers[header])


def elsewhere(name: str) -> set[tuple[str, int]]:
    """Errors of an operation whose whole bodies a test compares that goes through every operation: 401 without a key,
    404 with one of another workspace."""
    operation = BY_NAME[name]
    without_key = set() if operation.access == "public" else {(name, 401)}
    return without_key | ({(name, 404)} if operation in WITH_ID else set())


async def test_every_error_of_every_operation_in_the_document_is_compared() -> None:
    shown = {
        (operation["operationId"], int(status))
        for members in document()["paths"].values()
        for operation in members.values()
        for status in operation["responses"]
        if status.startswith("4")
    }
    compared = {(row.operation, row.status) for row in ROWS} | ELSEWHERE.keys() | NEVER_SEEN.keys()
    compared = compared.union(*(elsewhere(name) for name in BY_NAME))
    assert shown - compared == set(), "without a row"
    assert compared - shown == set(), "not in the document"


async def test_what_is_compared_elsewhere_is_there() -> None:
    for place in ELSEWHERE.values():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (Path(__file__).parent.parent / file).read_text(), place
