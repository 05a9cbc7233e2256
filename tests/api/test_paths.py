"""Which application answers a path, and with which parameters."""

from __future__ import annotations

import pytest
from starlette.types import Receive, Scope, Send

from api.paths import PathTable

PATHS = ("/", "/v1/calls", "/v1/calls/{id}", "/v1/calls/{id}/events", "/v1/hooks/events", "/v1/hooks/{id}/log/{entry}")


def named(path: str, answered: list[object]) -> object:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answered.append((path, scope.get("path_params")))

    return app


@pytest.mark.parametrize(
    ("path", "answers", "parameters"),
    [
        ("/", "/", {}),
        ("/v1/calls", "/v1/calls", {}),
        ("/v1/calls/a b", "/v1/calls/{id}", {"id": "a b"}),
        ("/v1/calls/{id}", "/v1/calls/{id}", {"id": "{id}"}),
        ("/v1/calls/events/events", "/v1/calls/{id}/events", {"id": "events"}),
        ("/v1/hooks/events", "/v1/hooks/events", {}),
        ("/v1/hooks/events/log/7", "/v1/hooks/{id}/log/{entry}", {"id": "events", "entry": "7"}),
        *((path, None, None) for path in ("", "/v1", "/v1/calls/", "/v1/calls//events", "/v1/hooks/x", "//v1/calls")),
        ("/v1/hooks/x/log/7/8", None, None),
    ],
)
async def test_the_longest_written_out_path_answers(
    path: str, answers: str | None, parameters: dict[str, str] | None
) -> None:
    answered: list[object] = []
    table = PathTable({name: named(name, answered) for name in PATHS}, named("none", answered))  # type: ignore[arg-type,misc]
    await table({"type": "http", "path": path}, None, None)  # type: ignore[arg-type]
    assert answered == [(answers or "none", parameters)]


async def test_what_is_not_http_goes_past_the_table_and_no_path_has_two_applications() -> None:
    answered: list[object] = []
    app, other = named("app", answered), named("none", answered)
    await PathTable({"/": app}, other)({"type": "websocket", "path": "/"}, None, None)  # type: ignore[arg-type,dict-item]
    assert answered == [("none", None)]
    with pytest.raises(ValueError, match="two applications"):
        PathTable({"/a/{b}": app, "/a/{c}": app}, other)  # type: ignore[arg-type,dict-item]
