"""Rows of contract §6, §7.2, §8.2, §9, §13.1, §16, §17 that the modules of the resources do not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.webhooks import EVENTS
from tests.api.client import error, invalid
from tests.api.error_rows import UNKNOWN, Row
from tests.api.error_rows.world import TAKEN
from tests.api.test_recordings import AUDIO

URL: Final = "must be an absolute http or https URL of at most 2048 characters, without user name"
EMAIL: Final = "must be an e-mail address"
LABEL: Final = "must be at most 120 characters"
TIMEZONE: Final = "must be an IANA time zone such as Africa/Cairo"
USERNAME: Final = (
    "must be 1 to 63 lower-case letters, digits, dots, hyphens or underscores, begin with a letter, and not be t_ and "
    "12 hex digits"
)
PASSWORD: Final = "must be 8 to 128 characters, no control characters"
OUR_NUMBER: Final = "must be a number of this workspace"


def rows() -> Iterator[Row]:
    """The rows, in the order of the contract."""
    yield from _of_calls()
    yield from _of_applications_and_numbers()
    yield from _of_trunks_and_webhooks()
    yield from _of_workspaces()
    yield from _of_agents()


def _of_calls() -> Iterator[Row]:
    # The rows with which a call could be placed need SIP: tests/engine/calls/test_placing.py has them.
    required = invalid(**{"from": "is required", "to": "is required", "applicationId": "is required"})
    yield Row("createCall", 400, required, {})
    either = invalid(actionUrl="give either actionUrl or xml")
    yield Row("redirectCall", 400, either, {}, ("call",))
    yield Row("redirectCall", 400, either, {"actionUrl": "https://a.example", "xml": "<Response/>"}, ("call",))
    yield Row("redirectCall", 400, invalid(actionUrl=URL, xml="must be a string"), {"actionUrl": "x", "xml": 1},
              ("call",))  # fmt: skip
    behavior = invalid(behavior="must be silence or skip")
    yield Row("pauseRecording", 400, behavior, {"behavior": "mute"}, ("call",))
    octets = error(416, "Range Not Satisfiable", f"The file has {len(AUDIO)} octets")
    yield Row("getRecordingAudio", 416, octets, ids=("recording",), sent={"Range": f"bytes={len(AUDIO)}-"},
              headers={"content-range": rf"bytes \*/{len(AUDIO)}"})  # fmt: skip


def _of_applications_and_numbers() -> Iterator[Row]:
    other = error(409, "Conflict", "The inbound trunk has another application")
    for name in ("updateApplication", "putApplication"):
        yield Row(name, 400, invalid(name="must be 1 to 120 characters", recording="must be always, never or per_call"),
                  {"name": "", "recording": "on"}, ("application",))  # fmt: skip
        yield Row(name, 409, other, {"inboundTrunkId": "$carrying"}, ("application",))
    gone = error(409, "Conflict", "The application has no finished URL")
    yield Row("resendApplicationDelivery", 409, gone, ids=("silent", "finished"))
    exists = error(409, "Conflict", f"The number {TAKEN} already exists on this server")
    for name in ("importNumber", "createNumber"):
        yield Row(name, 409, exists, {"e164": TAKEN})
    direction = invalid(inboundEnabled="must be true or false")
    yield Row("setNumberDirection", 400, direction, {"inboundEnabled": "yes"}, ("number",))
    for name in ("getNumberCredentials", "setNumberCredentials", "rotateNumberCredentials", "deleteNumberCredentials"):
        rented = error(409, "Conflict", "A rented number has no SIP configuration")
        body = {} if name == "setNumberCredentials" else ...
        yield Row(name, 409, rented, body, ("rented",))
    none = error(409, "Conflict", "The number has no SIP credentials")
    yield Row("rotateNumberCredentials", 409, none, ids=("bare",))


def _of_trunks_and_webhooks() -> Iterator[Row]:
    yield Row("createInboundTrunk", 400, invalid(name="is required", destinations="is required"), {})
    yield Row("updateInboundTrunk", 400, invalid(destinations="must have at least 1 entries"), {"destinations": []},
              ("trunk",))  # fmt: skip
    pointed_at = error(409, "Conflict", "A number points at this trunk")
    yield Row("deleteInboundTrunk", 409, pointed_at, ids=("pointed_at",))
    yield Row("createOutboundTrunk", 400, invalid(name="is required"), {})
    yield Row("createOutboundTrunk", 400, invalid(name="must be 1 to 120 characters"), {"name": ""})
    sources = invalid(allowedSourceIps__0="must be an IP address or a network in CIDR form")
    yield Row("updateOutboundTrunk", 400, sources, {"allowedSourceIps": ["nowhere"]}, ("outbound",))
    yield Row("updateOutboundTrunk", 400, invalid(defaultNumberId=OUR_NUMBER), {"defaultNumberId": UNKNOWN},
              ("outbound",))  # fmt: skip
    yield Row("updateWebhook", 400, invalid(events__0=f"must be * or one of {', '.join(EVENTS)}"),
              {"events": ["call.flown"]}, ("webhook",))  # fmt: skip
    disabled = error(409, "Conflict", "The webhook is disabled")
    yield Row("testWebhook", 409, disabled, ids=("disabled",))
    yield Row("resendWebhookDelivery", 409, disabled, ids=("disabled", "tested"))


def _of_workspaces() -> Iterator[Row]:
    printable = "must be 1 to 120 printable characters"
    faults = invalid(name=printable, timezone=TIMEZONE)
    wrong = {"name": "", "timezone": "Mars/Olympus"}
    yield Row("createWorkspace", 400, faults, wrong, caller="session")
    yield Row("updateWorkspace", 400, faults, wrong, ("workspace",), caller="session")
    no_workspace = error(404, "Not Found", "Workspace not found")
    yield Row("updateWorkspace", 404, no_workspace, {"name": "x"}, ("ws_000000000000",), caller="session")
    yield Row("deleteWorkspace", 409, error(409, "Conflict", "The workspace has numbers"), ids=("workspace",),
              caller="session")  # fmt: skip
    yield Row("createInvitation", 400, invalid(email="is required", role="is required"), {})
    member = error(409, "Conflict", "A user with this e-mail address is a member")
    yield Row("createInvitation", 409, member, {"email": "owner@localhost", "role": "viewer"})
    stays = error(409, "Conflict", "The last owner of a workspace stays")
    yield Row("updateMember", 409, stays, {"role": "viewer"}, ("member",))
    yield Row("deleteMember", 409, stays, ids=("member",))
    yield Row("createApiKey", 400, invalid(name=printable), {"name": ""})
    wrong_password = error(401, "Unauthorized", "The e-mail address or the password is wrong")
    often = error(429, "Too Many Requests", "Too many attempts to sign in")
    retry = {"retry-after": "[1-9][0-9]*"}
    throttled = {"email": "throttled@customer.example", "password": "a-good-password"}
    yield Row("login", 401, wrong_password, {"email": "nobody@customer.example", "password": "x"}, caller="public")
    yield Row("login", 429, often, throttled, caller="public", headers=retry)
    accepted = {"token": "$known", "password": "not-the-password"}
    yield Row(
        "acceptInvitation", 401, wrong_password, accepted, caller="public", headers={"www-authenticate": "Bearer"}
    )
    yield Row("acceptInvitation", 429, often, {"token": "$throttled", "password": "a-good-password"}, caller="public",
              headers=retry)  # fmt: skip
    yield Row("login", 400, invalid(email="is required", password="is required"), {}, caller="public")
    yield Row("acceptInvitation", 400, invalid(token="is required", password="is required"), {},
              caller="public")  # fmt: skip
    yield Row("acceptInvitation", 400, invalid(token="must be the token of an invitation", password=PASSWORD),
              {"token": "x", "password": "short"}, caller="public")  # fmt: skip
    yield Row("acceptInvitation", 404, error(404, "Not Found", "Invitation not found"),
              {"token": "a" * 40, "password": "long-enough"}, caller="public")  # fmt: skip


def _of_agents() -> Iterator[Row]:
    yield Row("createAgent", 400, invalid(email="is required"), {})
    wrong = {"email": "nobody", "username": "T_1", "label": "x" * 121, "outboundNumberId": 7}
    yield Row("createAgent", 400, invalid(email=EMAIL, username=USERNAME, label=LABEL,
              outboundNumberId="must be a string"), wrong)  # fmt: skip
    body = {"email": "third@customer.example", "outboundNumberId": UNKNOWN}
    yield Row("createAgent", 400, invalid(outboundNumberId=OUR_NUMBER), body)
    yield Row("updateAgent", 400, invalid(outboundNumberId=OUR_NUMBER), {"outboundNumberId": UNKNOWN}, ("agent",))
    taken = error(409, "Conflict", "The username first already exists on this server")
    yield Row("createAgent", 409, taken, {"email": "fourth@customer.example", "username": "first"})
    address = error(
        409, "Conflict", "An agent with the e-mail address second@customer.example already exists in this workspace"
    )
    yield Row("updateAgent", 409, address, {"email": "second@customer.example"}, ("agent",))
    yield Row("createWidgetSession", 400, invalid(agentEmail="is required"), {})
    foreign = error(403, "Forbidden", "The widget token does not belong to this workspace")
    yield Row("exchangeWidgetToken", 403, foreign, caller="widget", sent={"X-Workspace-Id": "ws_000000000000"})
    yield Row("createWidgetSession", 400, invalid(agentEmail=EMAIL, displayName=LABEL),
              {"agentEmail": "x", "displayName": "x" * 121})  # fmt: skip
