"""Query parameters of pages (contract §4), the same for every list."""

from __future__ import annotations

import pytest

from tests.api.client import Api, invalid

WRONG = "must be an integer of at least 1"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/applications",
        "/v1/numbers",
        "/v1/agents",
        "/v1/trunks/inbound",
        "/v1/trunks/outbound",
        "/v1/calls",
        "/v1/webhooks",
        "/v1/members",
        "/v1/members/invitations",
        "/v1/api-keys",
    ],
)
async def test_what_is_no_positive_integer_is_refused(api: Api, path: str) -> None:
    for value in ("0", "-1", "1.5", "x", "", "+1", " 1", "١", "1e3", "0x1", "000"):
        for name in ("page", "limit"):
            answer = await api.get(f"{path}?{name}={value.replace('+', '%2B')}")
            assert tuple(answer) == (400, invalid(**{name: WRONG})), value


@pytest.mark.parametrize(
    ("query", "pagination"),
    [
        ("page=1", {"page": 1, "limit": 10, "totalItems": 0, "totalPages": 1}),
        ("limit=100", {"page": 1, "limit": 100, "totalItems": 0, "totalPages": 1}),
        ("limit=101", {"page": 1, "limit": 100, "totalItems": 0, "totalPages": 1}),
        ("limit=" + "9" * 5000, {"page": 1, "limit": 100, "totalItems": 0, "totalPages": 1}),
        ("page=007", {"page": 7, "limit": 10, "totalItems": 0, "totalPages": 1}),
        ("page=" + "9" * 5000, {"page": 2**53 - 1, "limit": 10, "totalItems": 0, "totalPages": 1}),
        ("page=1&page=2", {"page": 2, "limit": 10, "totalItems": 0, "totalPages": 1}),
    ],
)
async def test_large_values_are_capped_and_a_page_past_the_end_is_empty(
    api: Api, query: str, pagination: dict[str, int]
) -> None:
    answer = await api.get(f"/v1/applications?{query}")
    assert tuple(answer) == (200, {"data": [], "pagination": pagination})


async def test_wrong_parameters_are_named_together(api: Api) -> None:
    answer = await api.get("/v1/numbers?page=0&limit=x&kind=mine&status=gone&search=" + "x" * 121)
    assert tuple(answer) == (
        400,
        invalid(
            page=WRONG,
            limit=WRONG,
            search="must be at most 120 characters",
            kind="must be byo or rental",
            status="must be active, pending, suspended or released",
        ),
    )


async def test_a_query_with_countless_parameters_is_refused(api: Api) -> None:
    answer = await api.get("/v1/applications?" + "a=1&" * 200)
    assert (answer.status, answer.body["message"]) == (400, "The query has more than 100 parameters")


async def test_a_search_with_odd_bytes_finds_nothing(api: Api) -> None:
    assert (await api.get("/v1/applications?search=%ff%fe")).status == 200
    assert (await api.get("/v1/applications?search=%00")).status == 400
