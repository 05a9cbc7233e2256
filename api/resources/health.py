"""`/healthz` and `/readyz` (contract §18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from api.operation import ApiRequest, Operation
from api.schemas.common import Output
from engine.errors import Unavailable


class Health(Output):
    """The process lives."""

    status: Literal["ok"]


class Readiness(Output):
    """The engine takes calls and requests."""

    status: Literal["ready"]


async def healthz(request: ApiRequest) -> Health:
    """Answers as long as the process does."""
    return Health(status="ok")


async def readyz(request: ApiRequest) -> Readiness:
    """Ready when the database, SIP and the media plane are, and the engine is not stopping."""
    if request.services.draining():
        raise Unavailable("The engine is stopping")
    if not await request.services.ready():
        raise Unavailable("The database, SIP or the media plane is not up")
    return Readiness(status="ready")


OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET", "/healthz", "healthz", "Whether the process lives", "Health", healthz, access="public", out=Health
    ),
    Operation(
        "GET",
        "/readyz",
        "readyz",
        "Whether the engine takes calls",
        "Health",
        readyz,
        access="public",
        description=(
            "503 while it starts, while the database, SIP or the media plane is down, "
            "and from the moment it is told to stop."
        ),
        out=Readiness,
        errors=(503,),
    ),
)
