"""`GET /metrics` (contract §18): the numbers of the engine and of the API; totals only, nothing of any customer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from api.operation import ApiRequest, Operation
from engine.metrics import MEDIA_TYPE, Metric, render

_EXAMPLE: Final = """\
# HELP voylo_calls_active Calls in progress
# TYPE voylo_calls_active gauge
voylo_calls_active 3
"""


class RequestCounter:
    """Requests by operation and status, and the time that they took."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, float] = {}

    def count(self, operation: str, status: int, seconds: float) -> None:
        """Counts one answered request."""
        key = (operation, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._seconds[operation] = self._seconds.get(operation, 0.0) + seconds

    def metrics(self) -> Iterable[Metric]:
        """The counts as metrics."""
        counts = [
            ({"operation": operation, "status": str(status)}, float(count))
            for (operation, status), count in self._counts.items()
        ]
        seconds = [({"operation": operation}, value) for operation, value in self._seconds.items()]
        yield Metric("voylo_http_requests_total", "counter", "API requests answered", counts)
        yield Metric("voylo_http_request_seconds_total", "counter", "Seconds spent on API requests", seconds)


def metrics_operation(counter: RequestCounter, engine: Callable[[], Iterable[Metric]]) -> Operation:
    """The operation that shows the numbers of the engine and of `counter`."""

    async def metrics(_: ApiRequest) -> str:
        return render((*engine(), *counter.metrics()))

    return Operation(
        "GET",
        "/metrics",
        "metrics",
        "Numbers for Prometheus",
        "Health",
        metrics,
        access="public",
        description="In the text format of Prometheus, without a key: let only your own network reach it.",
        out=str,
        media_type=MEDIA_TYPE,
        example=_EXAMPLE,
    )
