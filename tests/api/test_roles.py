"""Who may do what (contract §16): every operation with every role, by key and by session, against a table here."""

from __future__ import annotations

from typing import Any

import pytest

from api.app import OPERATIONS
from api.operation import Operation
from engine.model import Role
from tests.api.client import Api, error

UNKNOWN = "00000000-0000-4000-8000-000000000000"
ROLES: list[Role] = ["owner", "admin", "developer", "billing", "viewer"]
EVERYBODY = set(ROLES)
NOBODY: set[Role] = set()
WRITERS = {"owner", "admin", "developer"}

# What the contract says of operations that are not "everybody reads, owner, admin and developer write":
# name → roles of keys, roles of signed-in users.
OTHERWISE: dict[str, tuple[set[Any], set[Any]]] = {
    "validateDocument": (EVERYBODY, EVERYBODY),
    "listMembers": (EVERYBODY - {"developer"}, EVERYBODY - {"developer"}),
    "listInvitations": (EVERYBODY - {"developer"}, EVERYBODY - {"developer"}),
    "createInvitation": ({"owner", "admin"}, {"owner", "admin"}),
    "deleteInvitation": ({"owner", "admin"}, {"owner", "admin"}),
    "updateMember": ({"owner", "admin"}, {"owner", "admin"}),
    "deleteMember": ({"owner", "admin"}, {"owner", "admin"}),
    "getBilling": (EVERYBODY - {"developer"}, EVERYBODY - {"developer"}),
    "getWallet": (EVERYBODY - {"developer"}, EVERYBODY - {"developer"}),
    "listTransactions": (EVERYBODY - {"developer"}, EVERYBODY - {"developer"}),
    "getUsage": (EVERYBODY - {"developer"}, EVERYBODY - {"developer"}),
    **dict.fromkeys(
        ("getInvoice", "getInvoicePdf", "listInvoices"), (EVERYBODY - {"developer"}, EVERYBODY - {"developer"})
    ),
    **dict.fromkeys(
        (
            *("createTopUp", "choosePlan", "updateWallet", "createRental", "payRental", "putRentalKyc"),
            *("updateRental", "deleteRental", "resumeRental"),
        ),
        ({"owner", "billing"}, {"owner", "billing"}),
    ),
    "createWorkspace": (NOBODY, {"owner"}),
    "updateWorkspace": (NOBODY, {"owner"}),
    "deleteWorkspace": (NOBODY, {"owner"}),
    "logout": (NOBODY, EVERYBODY),
    "getMe": (NOBODY, EVERYBODY),
}


def allowed(operation: Operation) -> tuple[set[Any], set[Any]]:
    usual = EVERYBODY if operation.method == "GET" else WRITERS
    return OTHERWISE.get(operation.name, (usual, usual))


def path_of(operation: Operation) -> str:
    kinds = {"workspace": "ws_000000000000", "call": "cl_000000000000"}
    values = {name: kinds.get(kind, UNKNOWN) for name, kind in operation.path_parameters.items()}
    return operation.path.format(**values)


# The operator and the phone widget have tokens of their own and no role; test_billing.py and test_agent_widget.py are
# about them.
GUARDED = [operation for operation in OPERATIONS if operation.access not in {"public", "operator", "widget"}]


@pytest.mark.parametrize("role", ROLES)
async def test_a_key_may_do_what_its_role_allows_and_nothing_else(api: Api, role: Role) -> None:
    key = await api.key_of(role)
    for operation in GUARDED:
        answer = await api.call(operation.method, path_of(operation), {}, key=key)
        expected = role in allowed(operation)[0]
        assert (answer.status != 403) is expected, (operation.name, answer.body)
        assert answer.status in {200, 400, 403, 404}, (operation.name, answer.body)


@pytest.mark.parametrize("role", ROLES)
async def test_a_user_may_do_what_their_role_allows_and_nothing_else(api: Api, role: Role) -> None:
    session = await api.session_of(role)
    for operation in GUARDED:
        if operation.name == "logout":
            continue
        answer = await api.call(operation.method, path_of(operation), {}, **session)
        expected = role in allowed(operation)[1]
        assert (answer.status != 403) is expected, (operation.name, answer.body)
        assert answer.status in {200, 400, 403, 404}, (operation.name, answer.body)
    assert (await api.post("/v1/auth/logout", **session)).status == 204


async def test_what_a_role_forbids_is_said_in_one_sentence(api: Api) -> None:
    viewer = await api.key_of("viewer")
    answer = await api.post("/v1/applications", {"name": "x"}, key=viewer)
    assert tuple(answer) == (403, error(403, "Forbidden", "The role viewer may not do this"))
    answer = await api.post("/v1/workspaces", {"name": "x"})
    message = "Only a signed-in user may do this, no API key"
    assert tuple(answer) == (403, error(403, "Forbidden", message))
