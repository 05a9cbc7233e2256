"""Finding what answers a path: one look-up a segment, however many paths there are.

A segment that is written out goes before a parameter in the same place: `/v1/webhooks/events` before
`/v1/webhooks/{id}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(slots=True)
class _Node:
    """What follows one segment: written-out segments, a parameter, or the end of the path."""

    literal: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    names: tuple[str, ...] = ()
    app: ASGIApp | None = None


class PathTable:
    """The ASGI application that hands a request on to what answers its path.

    `apps` is by path, where `{name}` stands for a whole segment that is not empty; the segments are given on in
    `path_params`. What has no such path goes to `otherwise`.
    """

    def __init__(self, apps: Mapping[str, ASGIApp], otherwise: ASGIApp) -> None:
        self.apps = apps
        self.otherwise = otherwise
        self._root = _Node()
        for path, app in apps.items():
            self._add(path, app)

    def _add(self, path: str, app: ASGIApp) -> None:
        node, names = self._root, []
        for segment in path.split("/"):
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
                node.parameter = node = node.parameter or _Node()
            else:
                node = node.literal.setdefault(segment, _Node())
        if node.app is not None:
            raise ValueError(f"two applications for {path}")
        node.names, node.app = tuple(names), app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request (ASGI)."""
        if scope["type"] == "http":
            values: list[str] = []
            node = _find(self._root, scope["path"].split("/"), 0, values)
            if node is not None and node.app is not None:
                scope["path_params"] = dict(zip(node.names, values, strict=True))
                await node.app(scope, receive, send)
                return
        await self.otherwise(scope, receive, send)


def _find(node: _Node, segments: list[str], at: int, values: list[str]) -> _Node | None:
    """Where the segments from `at` on lead; the parameters passed on the way are left in `values`."""
    if at == len(segments):
        return node if node.app is not None else None
    segment = segments[at]
    literal = node.literal.get(segment)
    if literal is not None and (found := _find(literal, segments, at + 1, values)) is not None:
        return found
    if node.parameter is None or not segment:
        return None
    values.append(segment)
    found = _find(node.parameter, segments, at + 1, values)
    if found is None:
        values.pop()
    return found
