"""`POST /v1/voyloml/validate` (contract §10.9)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.client import Api, error, invalid
from tests.engine.opened import Opened, opened  # noqa: F401
from voyloml.xsd import schema

PATH = "/v1/voyloml/validate"
XML = {"Content-Type": "application/xml"}


async def test_a_good_document_is_valid(api: Api) -> None:
    answer = await api.post(PATH, {"xml": "<Response><Say>Hi {{name}}</Say></Response>"})
    assert tuple(answer) == (200, {"valid": True, "errors": [], "warnings": []})


async def test_faults_are_listed_with_their_places_and_are_no_error_of_the_request(api: Api) -> None:
    answer = await api.post(PATH, {"xml": "<Response>\n  <Gather numDigits='65'/>\n  <Hangup/><Say>x</Say></Response>"})
    assert answer.status == 200
    assert answer.body["valid"] is False
    (fault,) = answer.body["errors"]
    assert set(fault) == {"line", "column", "path", "code", "message"}
    assert (fault["line"], fault["column"], fault["path"], fault["code"]) == (
        2,
        3,
        "/Response/Gather[1]",
        "invalid_attribute",
    )
    assert [warning["code"] for warning in answer.body["warnings"]] == ["unreachable_verb"]


@pytest.mark.parametrize("media_type", ["application/xml", "text/xml", "Text/XML; charset=UTF-8"])
async def test_the_document_itself_may_be_the_body(api: Api, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    answer = await api.post(PATH, content=b"<Response><Nope/></Response>", headers=headers)
    assert answer.status == 200
    assert [fault["code"] for fault in answer.body["errors"]] == ["unknown_verb"]
    answer = await api.post(PATH, content="<Response><Say>Grüße</Say></Response>".encode(), headers=headers)
    assert tuple(answer) == (200, {"valid": True, "errors": [], "warnings": []})


async def test_unknown_placeholders_are_warned_of_only_when_variables_are_given(api: Api) -> None:
    xml = "<Response><Say>{{known}} {{unknown}} {{From}}</Say></Response>"
    answer = await api.post(PATH, {"xml": xml, "variables": {"known": 1}})
    assert [warning["code"] for warning in answer.body["warnings"]] == ["unknown_variable"]
    for body in ({"xml": xml}, {"xml": xml, "variables": None}):
        assert (await api.post(PATH, body)).body["warnings"] == []


async def test_without_a_speech_engine_say_is_warned_of(tmp_path: Any) -> None:
    async with opened(tmp_path) as engine:
        api = Api(engine, tts_available=False)
        for answer in (
            await api.post(PATH, {"xml": "<Response><Say>Hi</Say></Response>"}),
            await api.post(PATH, content=b"<Response><Say>Hi</Say></Response>", headers=XML),
        ):
            assert [warning["code"] for warning in answer.body["warnings"]] == ["tts_unavailable"]


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        ("<Response>", "not_well_formed"),
        ("not xml", "not_well_formed"),
        ("<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><Response>&x;</Response>", "doctype_forbidden"),
        ("<?php ?><Response/>", "processing_instruction_forbidden"),
        ("<Root/>", "bad_root"),
        ("<Response>" + "<Hangup/>" * 300 + "</Response>", "too_large"),
        ("<Response>" + " " * 300_000 + "</Response>", "too_large"),
    ],
)
async def test_hostile_documents_are_faulted_not_failed_on(api: Api, xml: str, code: str) -> None:
    as_json = await api.post(PATH, {"xml": xml})
    as_xml = await api.post(PATH, content=xml.encode(), headers=XML)
    for answer in (as_json, as_xml):
        assert answer.status == 200
        assert answer.body["valid"] is False
        assert answer.body["errors"][0]["code"] == code


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"\x00" * 100, b"\xef\xbb\xbf<Response/>", b"<Response>\xff</Response>"]
)
async def test_octets_that_are_no_text_never_fail_the_request(api: Api, content: bytes) -> None:
    assert (await api.post(PATH, content=content, headers=XML)).status == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, invalid(xml="is required")),
        ({"xml": ""}, invalid(xml="must not be empty")),
        ({"xml": None}, invalid(xml="must be a string")),
        ({"xml": 5, "variables": []}, invalid(xml="must be a string", variables="must be an object")),
    ],
)
async def test_a_missing_or_empty_document_is_refused(api: Api, body: Any, expected: Any) -> None:
    assert tuple(await api.post(PATH, body)) == (400, expected)


async def test_wrong_variables_are_named(api: Api) -> None:
    answer = await api.post(PATH, {"xml": "<Response/>", "variables": {"order id": 1, "list": [], "ok": 1}})
    assert answer.status == 400
    assert list(answer.body["details"]) == ["variables.order id", "variables.list"]


async def test_without_a_body_there_is_nothing_to_check(api: Api) -> None:
    for headers in (XML, {"Content-Type": "application/json"}, {}):
        answer = await api.post(PATH, content=b"", headers=headers)
        assert tuple(answer) == (400, error(400, "Bad Request", "A body is required"))


async def test_another_type_of_body_is_not_understood(api: Api) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "text/html", ""):
        answer = await api.post(PATH, content=b"<Response/>", headers={"Content-Type": media_type})
        assert tuple(answer) == (415, error(415, "Unsupported Media Type", "The body must be application/json"))


async def test_a_viewer_may_check_documents(api: Api) -> None:
    answer = await api.post(PATH, {"xml": "<Response/>"}, key=await api.key_of("viewer"))
    assert answer.status == 200


async def test_the_schema_is_served_to_anybody(api: Api) -> None:
    answer = await api.get("/voyloml.xsd", key=None)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/xml"
    assert answer.body == schema()
