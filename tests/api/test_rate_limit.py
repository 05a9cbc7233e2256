"""The rate limit of keys (contract §20)."""

from __future__ import annotations

import pytest

from api.rate_limit import BUCKETS_BEFORE_SWEEP, LimitReached, RateLimiter
from tests.api.client import Api, error


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def shown(headers: list[tuple[bytes, bytes]]) -> dict[str, int]:
    return {name.decode().removeprefix("x-ratelimit-"): int(value) for name, value in headers}


def limiter(clock: Seconds, per_minute: int = 60, burst: int = 3) -> RateLimiter:
    return RateLimiter(per_minute, burst, clock, clock)


def test_a_burst_is_allowed_and_then_the_long_run_rate() -> None:
    clock = Seconds()
    limit = limiter(clock)
    assert [shown(limit.take("k"))["remaining"] for _ in range(3)] == [2, 1, 0]
    with pytest.raises(LimitReached) as caught:
        limit.take("k")
    assert caught.value.retry_after == 1
    clock.now += 0.99
    with pytest.raises(LimitReached):
        limit.take("k")
    clock.now += 0.02
    assert shown(limit.take("k")) == {"limit": 60, "remaining": 0, "reset": 1004}
    clock.now += 1000
    assert shown(limit.take("k"))["remaining"] == 2


def test_a_refused_request_costs_nothing() -> None:
    clock = Seconds()
    limit = limiter(clock, per_minute=6, burst=1)
    limit.take("k")
    for _ in range(100):
        with pytest.raises(LimitReached) as caught:
            limit.take("k")
        clock.now += 0.05
    assert caught.value.retry_after in {5, 6}
    clock.now += 5.1
    limit.take("k")


def test_each_key_has_its_own_bucket() -> None:
    limit = limiter(Seconds(), burst=1)
    limit.take("a")
    limit.take("b")
    with pytest.raises(LimitReached):
        limit.take("a")


def test_full_buckets_are_forgotten() -> None:
    clock = Seconds()
    limit = limiter(clock)
    for number in range(BUCKETS_BEFORE_SWEEP):
        limit.take(str(number))
    clock.now += 1000
    limit.take("late")
    assert len(limit._buckets) == 1


async def test_answers_tell_what_is_left_and_429_when_nothing_is(small_api: Api) -> None:
    for left in ("2", "1", "0"):
        answer = await small_api.get("/v1/applications")
        assert answer.status == 200
        assert answer.headers["x-ratelimit-limit"] == "60"
        assert answer.headers["x-ratelimit-remaining"] == left
        assert int(answer.headers["x-ratelimit-reset"]) > 1_700_000_000
    answer = await small_api.get("/v1/applications")
    assert tuple(answer) == (429, error(429, "Too Many Requests", "Too many requests with this API key"))
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["x-ratelimit-remaining"] == "0"


async def test_errors_of_a_key_count_and_carry_the_headers(small_api: Api) -> None:
    answer = await small_api.get("/v1/applications/x")
    assert (answer.status, answer.headers["x-ratelimit-remaining"]) == (400, "2")
    viewer = await small_api.key_of("viewer")
    answer = await small_api.post("/v1/applications", {"name": "x"}, key=viewer)
    assert (answer.status, answer.headers["x-ratelimit-remaining"]) == (403, "2")


async def test_requests_without_a_key_are_not_counted_to_anybody(small_api: Api) -> None:
    for _ in range(10):
        assert (await small_api.get("/v1/applications", key=None)).status == 401
        assert (await small_api.get("/healthz")).status == 200
    assert (await small_api.get("/v1/applications")).headers["x-ratelimit-remaining"] == "2"
