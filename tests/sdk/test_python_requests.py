"""The Python clients against small servers: what is sent, which errors come of answers, what is sent again."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import voylo
import voylo.requests
from voylo import AsyncVoyloClient, VoyloClient

from tests.sdk.servers import Answer, Answering, serving

PLACED = Answer(202, {"publicId": "cl_a1b2c3d4e5f6", "status": "dialing"})
LOST = Answer(lost=True)
CALL = {"from_": "+2004446", "to": "+201091447677", "application_id": "9b8a7c6d-5e4f-4a2b-9c0d-9e8f7a6b5c4d"}
PAGINATION = {"page": 1, "limit": 10, "totalItems": 0, "totalPages": 1}
EMPTY = Answer(200, {"data": [], "pagination": PAGINATION})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voylo.requests, "FIRST_WAIT", 0.01)
    for name in ("VOYLO_API_KEY", "VOYLO_WORKSPACE_ID", "VOYLO_API_URL"):
        monkeypatch.delenv(name, raising=False)


def client(server: Any, **settings: Any) -> VoyloClient:
    return VoyloClient("vlx_live_k", "ws_0123456789ab", server.url, **settings)


def test_a_request_carries_key_workspace_and_the_names_of_the_api() -> None:
    with serving(Answering([PLACED])) as server, client(server) as sdk:
        placed = sdk.calls.create(**CALL, variables={"order_id": "7"}, time_limit=60)  # type: ignore[arg-type]
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/v1/calls")
    assert seen.headers["authorization"] == "Bearer vlx_live_k"
    assert seen.headers["x-workspace-id"] == "ws_0123456789ab"
    assert seen.json == {
        "from": "+2004446",
        "to": "+201091447677",
        "applicationId": CALL["application_id"],
        "variables": {"order_id": "7"},
        "timeLimit": 60,
    }
    assert (placed.public_id, placed.status) == ("cl_a1b2c3d4e5f6", "dialing")


def test_nested_members_are_translated_and_keys_of_maps_are_not() -> None:
    with serving(Answering([Answer(409, {})])) as server, client(server) as sdk:
        headers = {"X-Some-Name": "a", "snake_case": "b"}
        with pytest.raises(voylo.ConflictError):
            sdk.numbers.import_(
                e164="+2004446",
                label=None,
                sip={"allowed_source_ips": ["127.0.0.1"], "outbound": {"host": "a.example", "custom_headers": headers}},
            )
    assert server.seen[0].json == {
        "e164": "+2004446",
        "label": None,
        "sip": {"allowedSourceIps": ["127.0.0.1"], "outbound": {"host": "a.example", "customHeaders": headers}},
    }


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Answering([EMPTY])) as server:
        monkeypatch.setenv("VOYLO_API_KEY", "from_environment")
        monkeypatch.setenv("VOYLO_WORKSPACE_ID", "ws_ffffffffffff")
        monkeypatch.setenv("VOYLO_API_URL", f"{server.url}/v1/")
        with VoyloClient() as sdk:
            assert list(sdk.numbers.list(search="a b&c", limit=5)) == []
    (seen,) = server.seen
    assert seen.path in {"/v1/numbers?search=a%20b%26c&limit=5", "/v1/numbers?limit=5&search=a%20b%26c",
                         "/v1/numbers?limit=5&search=a+b%26c", "/v1/numbers?search=a+b%26c&limit=5"}  # fmt: skip
    assert seen.headers["authorization"] == "Bearer from_environment"
    assert seen.headers["x-workspace-id"] == "ws_ffffffffffff"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"api_key": None}, "No API key"),
        ({"base_url": None}, "No base URL"),
        ({"base_url": "voice.example"}, "http or https"),
        ({"base_url": "https://voice.example?a=b"}, "without a query"),
        ({"timeout": 0}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(voylo.VoyloConfigurationError, match=said):
        VoyloClient(**{"api_key": "k", "base_url": "https://voice.example", **given})


CLASSES = {
    400: voylo.BadRequestError,
    401: voylo.UnauthorizedError,
    402: voylo.PaymentRequiredError,
    403: voylo.ForbiddenError,
    404: voylo.NotFoundError,
    405: voylo.MethodNotAllowedError,
    409: voylo.ConflictError,
    413: voylo.PayloadTooLargeError,
    415: voylo.UnsupportedMediaTypeError,
    429: voylo.TooManyRequestsError,
    500: voylo.ServerError,
    503: voylo.ServerError,
    418: voylo.VoyloApiError,
    302: voylo.VoyloApiError,
}


@pytest.mark.parametrize("status", CLASSES)
def test_each_status_has_its_class(status: int) -> None:
    body = {"statusCode": status, "error": "Reason", "message": "what happened"}
    headers = {"X-Request-Id": "abc", "Retry-After": "7", "Location": "/elsewhere"}
    with (
        serving(Answering([Answer(status, body, headers)])) as server,
        client(server, max_retries=0) as sdk,
        pytest.raises(voylo.VoyloApiError) as raised,
    ):
        sdk.billing.get()
    error = raised.value
    assert type(error) is CLASSES[status]
    assert (error.status, error.body, str(error)) == (status, body, f"{status} what happened")
    assert (error.request_id, error.retry_after, error.fields) == ("abc", 7, ())
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.status, again.body, again.retry_after) == (type(error), status, body, 7)


def test_fields_of_a_400_are_data() -> None:
    message = [{"field": "to", "message": "is required"}, {"field": "to", "message": "is wrong"}]
    with (
        serving(Answering([Answer(400, {"statusCode": 400, "message": message})])) as server,
        client(server) as sdk,
        pytest.raises(voylo.BadRequestError) as raised,
    ):
        sdk.calls.create(from_="", to="", application_id="")
    assert raised.value.fields == (voylo.FieldError("to", "is required"), voylo.FieldError("to", "is wrong"))
    assert raised.value.details == {"to": ["is required", "is wrong"]}
    assert str(raised.value) == "400 to is required; to is wrong"


def test_an_error_that_is_not_json_keeps_its_text() -> None:
    page = Answer(502, b"<html>Bad gateway</html>")
    with (
        serving(Answering([page])) as server,
        client(server, max_retries=0) as sdk,
        pytest.raises(voylo.ServerError) as raised,
    ):
        sdk.billing.get()
    assert raised.value.body == "<html>Bad gateway</html>"


def test_an_answer_that_is_none_of_the_api_is_told_apart() -> None:
    for answer in (Answer(200, b"<html>"), Answer(202, {"status": "dialing"}), Answer(202, [])):
        with (
            serving(Answering([answer])) as server,
            client(server) as sdk,
            pytest.raises(voylo.VoyloAnswerError),
        ):
            sdk.calls.create(**CALL)


def test_unknown_members_of_an_answer_are_passed_over() -> None:
    answer = Answer(202, {"publicId": "cl_a1b2c3d4e5f6", "status": "dialing", "later": 1})
    with serving(Answering([answer])) as server, client(server) as sdk:
        assert sdk.calls.create(**CALL).public_id == "cl_a1b2c3d4e5f6"


def test_a_lost_answer_to_a_call_is_asked_for_again_under_the_same_key() -> None:
    with serving(Answering([LOST, Answer(503, {}), PLACED])) as server, client(server) as sdk:
        assert sdk.calls.create(**CALL).public_id == "cl_a1b2c3d4e5f6"
        sdk.calls.create(**CALL)
        sdk.calls.create(**CALL, options={"idempotency_key": "mine"})
    keys = [seen.headers["idempotency-key"] for seen in server.seen]
    assert len(keys) == 5
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert keys[4] == "mine"


def test_a_call_still_being_placed_is_waited_for() -> None:
    busy = Answer(409, {"message": "at work"}, {"Retry-After": "0"})
    with serving(Answering([busy, PLACED])) as server, client(server) as sdk:
        assert sdk.calls.create(**CALL).status == "dialing"
    with (
        serving(Answering([Answer(409, {}), PLACED])) as server,
        client(server) as sdk,
        pytest.raises(voylo.ConflictError),
    ):
        sdk.calls.create(**CALL)


@pytest.mark.parametrize(
    ("answer", "use", "requests"),
    [
        (LOST, lambda sdk: sdk.billing.get(), 3),
        (LOST, lambda sdk: sdk.applications.delete("a"), 3),
        (LOST, lambda sdk: sdk.applications.create(name="a"), 3),
        (LOST, lambda sdk: sdk.applications.rotate_signing_secret("a"), 1),
        (LOST, lambda sdk: sdk.applications.update("a", name="a"), 1),
        (Answer(503, {}), lambda sdk: sdk.billing.get(), 3),
        (Answer(503, {}), lambda sdk: sdk.applications.rotate_signing_secret("a"), 1),
        (Answer(429, {}), lambda sdk: sdk.applications.rotate_signing_secret("a"), 3),
        (Answer(429, {}, {"Retry-After": "61"}), lambda sdk: sdk.billing.get(), 1),
        (Answer(501, {}), lambda sdk: sdk.billing.get(), 1),
        (Answer(404, {}), lambda sdk: sdk.billing.get(), 1),
        (LOST, lambda sdk: sdk.plans.get("a", options={"max_retries": 1}), 2),
    ],
)
def test_only_what_may_be_is_sent_again(answer: Answer, use: Any, requests: int) -> None:
    with serving(Answering([answer])) as server, client(server) as sdk, pytest.raises(voylo.VoyloError):
        use(sdk)
    assert len(server.seen) == requests


def test_what_was_deleted_by_an_attempt_whose_answer_was_lost_is_no_error() -> None:
    with serving(Answering([LOST, Answer(404, {})])) as server, client(server) as sdk:
        sdk.applications.delete("a")
    with serving(Answering([Answer(404, {})])) as server, client(server) as sdk, pytest.raises(voylo.NotFoundError):
        sdk.applications.delete("a")


def test_no_answer_in_time_and_no_server_have_classes_of_their_own() -> None:
    with serving(Answering([Answer(never=True)])) as server, client(server, timeout=0.1, max_retries=0) as sdk:
        with pytest.raises(voylo.VoyloTimeoutError, match=r"GET /v1/billing: no answer within 0\.1 s"):
            sdk.billing.get()
        closed = server.url
    with VoyloClient("k", base_url=closed, max_retries=0) as sdk, pytest.raises(voylo.VoyloNetworkError) as raised:
        sdk.billing.get()
    assert not isinstance(raised.value, voylo.VoyloTimeoutError)
    assert raised.value.__cause__ is not None


def test_an_id_cannot_name_another_path() -> None:
    with serving(Answering([Answer(404, {})])) as server, client(server) as sdk:
        for wrong in ("", ".", "..", None):
            with pytest.raises(TypeError, match="An id must be"):
                sdk.plans.get(wrong)  # type: ignore[arg-type]
        with pytest.raises(voylo.NotFoundError):
            sdk.plans.get("a/../b?c")
    assert [seen.path for seen in server.seen] == ["/v1/plans/a%2F..%2Fb%3Fc"]


def test_pages_end_where_the_list_does() -> None:
    assert not list_of([EMPTY])
    page = {**PAGINATION, "totalPages": 2}
    key = {"id": "a", "name": "k", "prefix": "p", "role": "owner", "createdAt": "", "lastUsedAt": None,
           "expiresAt": None, "revokedAt": None}  # fmt: skip
    first = Answer(200, {"data": [key], "pagination": page})
    last = Answer(200, {"data": [{**key, "id": "b"}], "pagination": {**page, "page": 2}})
    assert list_of([first, last]) == ["a", "b"]
    assert list_of([first, EMPTY]) == ["a"]


def list_of(answers: list[Answer]) -> list[str]:
    with serving(Answering(list(answers))) as server, client(server) as sdk:
        found = [key.id for key in sdk.api_keys.list()]
    assert len(server.seen) == len(answers)
    return found


async def test_the_async_client_sends_again_too() -> None:
    with serving(Answering([LOST, PLACED])) as server:
        async with AsyncVoyloClient("vlx_live_k", "ws_0123456789ab", server.url) as sdk:
            assert (await sdk.calls.create(**CALL)).public_id == "cl_a1b2c3d4e5f6"
    assert server.seen[0].headers["idempotency-key"] == server.seen[1].headers["idempotency-key"]
    assert {seen.headers["x-workspace-id"] for seen in server.seen} == {"ws_0123456789ab"}
    with serving(Answering([LOST])) as server:
        async with AsyncVoyloClient("k", base_url=server.url) as sdk:
            with pytest.raises(voylo.VoyloNetworkError):
                await sdk.applications.update("a", name="a")
    assert len(server.seen) == 1
