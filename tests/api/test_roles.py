"""Who may do what (contract §16): every operation with every role, by key and by session, against a table here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api.app import OPERATIONS
from api.operation import Operation
from engine.model import Role
from tests.api.client import Api, error
from tests.api.error_rows.bodies import right_body
from tests.engine.billing.book import BOOK
from tests.engine.opened import opened

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
    # A key makes keys only as an admin's; a developer makes their own signed in
    "createApiKey": ({"owner", "admin"}, WRITERS),
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


# With right bodies and ids of nothing: an operation on one thing does not find it, the others are carried out.
OTHER_ANSWERS = {
    # Behind the check of the role: this process has no SIP
    "createCall": 503,
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """An engine that charges, with money in the wallet."""
    async with opened(tmp_path, charging=True) as engine:
        await engine.billing.import_prices(BOOK)
        workspace = await engine.accounts.workspace(engine.workspace_id)
        await engine.billing.adjust(workspace.account_id, 100_000_000, "paid")
        yield Api(engine)


async def check(api: Api, operation: Operation, *, may: bool, **caller: Any) -> None:
    """The operation is carried out for the caller, or refused for the role."""
    body = right_body(operation)
    if operation.name == "choosePlan":
        body = {"planId": (await api.get("/v1/plans")).body[-1]["id"]}
    answer = await api.call(operation.method, path_of(operation), body, **caller)
    carried_out = OTHER_ANSWERS.get(operation.name, 404 if operation.path_parameters else operation.status)
    assert answer.status == (carried_out if may else 403), (operation.name, answer.body)


@pytest.mark.parametrize("role", ROLES)
async def test_a_key_may_do_what_its_role_allows_and_nothing_else(api: Api, role: Role) -> None:
    key = await api.key_of(role)
    for operation in GUARDED:
        await check(api, operation, may=role in allowed(operation)[0], key=key)


@pytest.mark.parametrize("role", ROLES)
async def test_a_user_may_do_what_their_role_allows_and_nothing_else(api: Api, role: Role) -> None:
    session = await api.session_of(role)
    for operation in GUARDED:
        if operation.name != "logout":
            await check(api, operation, may=role in allowed(operation)[1], **session)
    assert (await api.post("/v1/auth/logout", **session)).status == 204


# Beyond the operation: which roles a role may give, take away, or make a key with: none above its own.
GIVES: dict[Role, set[Role]] = {
    "owner": EVERYBODY,
    "admin": EVERYBODY - {"owner"},
    "developer": {"developer", "viewer"},
}


@pytest.mark.parametrize("role", GIVES)
@pytest.mark.parametrize("given", ROLES)
@pytest.mark.parametrize("signed_in", [False, True])
async def test_nobody_gives_a_role_above_their_own(api: Api, role: Role, given: Role, signed_in: bool) -> None:
    caller = await api.session_of(role) if signed_in else {"key": await api.key_of(role)}
    column = 1 if signed_in else 0
    member = await a_member(api, "viewer")
    sent = {
        "createApiKey": ("POST", "/v1/api-keys", {"name": "x", "role": given}),
        "createInvitation": ("POST", "/v1/members/invitations", {"email": "new@customer.example", "role": given}),
        "updateMember": ("PATCH", f"/v1/members/{member}", {"role": given}),
    }
    for name, request in sent.items():
        answer = await api.call(*request, **caller)
        if role not in OTHERWISE[name][column]:
            assert answer.status == 403, (name, answer.body)
        elif given in GIVES[role]:
            assert answer.status in {200, 201}, (name, answer.body)
            assert answer.body["role"] == given
        else:
            message = f"The role {role} may not give the role {given}"
            assert tuple(answer) == (403, error(403, "Forbidden", message)), name


@pytest.mark.parametrize("role", ["owner", "admin"])
@pytest.mark.parametrize("theirs", ROLES)
@pytest.mark.parametrize("signed_in", [False, True])
async def test_nobody_changes_or_removes_who_is_above_them(api: Api, role: Role, theirs: Role, signed_in: bool) -> None:
    caller = await api.session_of(role) if signed_in else {"key": await api.key_of(role)}
    path = f"/v1/members/{await a_member(api, theirs)}"
    answers = [await api.patch(path, {"role": "viewer"}, **caller)]
    if theirs in GIVES[role]:
        path = f"/v1/members/{await a_member(api, theirs)}"
    answers.append(await api.delete(path, **caller))
    if theirs in GIVES[role]:
        assert [answer.status for answer in answers] == [200, 204]
    else:
        message = f"The role {role} may not change a member with the role {theirs}"
        assert [tuple(answer) for answer in answers] == [(403, error(403, "Forbidden", message))] * 2


@pytest.mark.parametrize("role", GIVES)
@pytest.mark.parametrize("theirs", ROLES)
@pytest.mark.parametrize("signed_in", [False, True])
async def test_keys_of_others_are_revoked_by_no_role_below_and_by_no_developer(
    api: Api, role: Role, theirs: Role, signed_in: bool
) -> None:
    caller = await api.session_of(role) if signed_in else {"key": await api.key_of(role)}
    key = (await api.post("/v1/api-keys", {"name": "theirs", "role": theirs})).body["id"]
    answer = await api.delete(f"/v1/api-keys/{key}", **caller)
    if role == "developer":
        message = "The role developer may revoke its own keys only"
    else:
        message = f"The role {role} may not give the role {theirs}"
    refused = role == "developer" or theirs not in GIVES[role]
    assert tuple(answer) == ((403, error(403, "Forbidden", message)) if refused else (204, None))


async def a_member(api: Api, role: Role) -> str:
    """The id of a new member with this role."""
    listed = (await api.get("/v1/members?limit=100")).body["data"]
    email = f"{role}-{len(listed)}@customer.example"
    await api.engine.accounts.create_user(email, api.engine.workspace_id, role, password="a-good-password")
    listed = (await api.get("/v1/members?limit=100")).body["data"]
    return next(str(member["id"]) for member in listed if member["email"] == email)


async def test_what_a_role_forbids_is_said_in_one_sentence(api: Api) -> None:
    viewer = await api.key_of("viewer")
    answer = await api.post("/v1/applications", {"name": "x"}, key=viewer)
    assert tuple(answer) == (403, error(403, "Forbidden", "The role viewer may not do this"))
    answer = await api.post("/v1/workspaces", {"name": "x"})
    message = "Only a signed-in user may do this, no API key"
    assert tuple(answer) == (403, error(403, "Forbidden", message))
