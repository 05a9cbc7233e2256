"""Makes valid bodies right in what a schema cannot say: references to things that exist, VoyloML without faults."""

import os
from typing import Any

import schemathesis

APPLICATION = os.environ.get("VOYLO_TEST_APPLICATION", "")
NUMBER = os.environ.get("VOYLO_TEST_NUMBER", "")
CALL = os.environ.get("VOYLO_TEST_CALL", "")
TRUNK = os.environ.get("VOYLO_TEST_TRUNK", "")
WEBHOOK = os.environ.get("VOYLO_TEST_WEBHOOK", "")
KEY = os.environ.get("VOYLO_TEST_KEY", "")
PLAN = os.environ.get("VOYLO_TEST_PLAN", "")
WORKSPACE = os.environ.get("VOYLO_TEST_WORKSPACE", "")
SESSION = os.environ.get("VOYLO_TEST_SESSION", "")
KEPT = {APPLICATION, NUMBER, TRUNK, WEBHOOK, KEY, WORKSPACE}
NOBODY = "00000000-0000-4000-8000-000000000000"
DIALLED = os.environ.get("VOYLO_TEST_DIALLED", NOBODY)
TEMPLATE = "<Response><Say>{{greeting}}</Say></Response>"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Leaves what is meant to be refused as it is, and what later bodies refer to alive."""
    if case.method == "DELETE" and (case.path_parameters or {}).get("id") in KEPT:
        case.path_parameters["id"] = NOBODY
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if SESSION and (positive or case.meta is None):
        # A cookie in a header of every request would be there also where one is meant to be missing.
        case.cookies = {**(case.cookies or {}), "voylo_session": SESSION}
    if not positive:
        return
    if isinstance(case.body, dict):
        mend(case.body)
    if "publicId" in (case.path_parameters or {}):
        case.path_parameters["publicId"] = CALL
    if case.path == "/v1/workspaces/{id}" and case.method == "PATCH":
        case.path_parameters["id"] = WORKSPACE
    if "before" in (case.query or {}):
        case.query["before"] = CALL


def mend(body: dict[str, Any]) -> None:
    if {"from", "to", "applicationId"} <= body.keys():
        # Without an application of its own everything is right but that, and nothing is dialled.
        body |= {"from": "+12015550123", "to": "+12015550124", "applicationId": DIALLED}
    if body.keys() & {"actionUrl", "xml"} and "name" not in body and "variables" not in body:
        # One of the two, and no document is a fault. An application's update takes the URL as well.
        body.pop("xml", None)
        body["actionUrl"] = "https://flows.example/voylo"
        if DIALLED != NOBODY:
            # On a call that runs: nothing is asked of another host.
            del body["actionUrl"]
            body["xml"] = "<Response><Pause length='60'/></Response>"
    if body.get("xmlTemplate") is not None:
        body["xmlTemplate"] = TEMPLATE
    if body.get("timezone") is not None:
        body["timezone"] = "Africa/Cairo"
    if "planId" in body:
        body["planId"] = PLAN
    if {"country", "channels"} <= body.keys():
        # What can be rented is the price book's.
        body |= {"country": "AE", "channels": 1, "areaCode": None, "kyc": None}
    if body.keys() & {"fields", "documents"}:
        body |= {"fields": {"companyName": "Example Ltd"}, "documents": []}
    if "inboundTrunkId" in body:
        body["inboundTrunkId"] = None
    if body.get("expiresAt") is not None:
        body["expiresAt"] = "2099-01-01T00:00:00Z"
    if body.get("destinations"):
        # How many there may be is configured, which no schema knows.
        body["destinations"] = body["destinations"][:10]
    for destination in body.get("destinations") or []:
        # Both or neither, and only ids that the trunk has.
        destination |= {"id": None, "username": None, "password": None}
    for name in ("outboundNumberId", "defaultNumberId"):
        if body.get(name) is not None:
            body[name] = NUMBER
    if "allowedNumberIds" in body:
        body["allowedNumberIds"] = [NUMBER for _ in body["allowedNumberIds"]]
    if "routingRules" in body:
        # One prefix is one rule, however it is written.
        body["routingRules"] = [{**rule, "numberId": NUMBER} for rule in body["routingRules"][:1]]
    for destination in (body, body.get("destination")):
        if isinstance(destination, dict) and {"kind", "id"} <= destination.keys():
            destination |= {"kind": "application", "id": APPLICATION}
    outbound = (body.get("sip") or {}).get("outbound")
    if outbound:
        # Both or neither; and what a change leaves out is not known to be stored.
        outbound |= {"host": "sip.carrier.example", "username": "user", "password": "password"}
    if "sip" in body and body["sip"] and body["sip"].get("auth"):
        body["sip"]["auth"] |= {"username": "user", "password": "password"}
