"""Inbound trunks in memory, so that routing a call waits for no query, and who is told of changes (contract §9.1).

Kept in step by the directory of numbers (`engine.directory`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import structlog

from engine.model import InboundTrunk

logger = structlog.get_logger(__name__)

TrunkWatcher = Callable[[str, InboundTrunk | None], None]
"""Gets a trunk's id and the trunk as it is now; None when it is gone."""


class InboundTrunkDirectory:
    """Every inbound trunk of the server, by id and by name."""

    def __init__(self) -> None:
        self._trunks: dict[str, InboundTrunk] = {}
        self._watcher: TrunkWatcher | None = None

    def __iter__(self) -> Iterator[InboundTrunk]:
        return iter(tuple(self._trunks.values()))

    def get(self, trunk_id: str) -> InboundTrunk | None:
        """The trunk with this id, of whatever workspace."""
        return self._trunks.get(trunk_id)

    def find(self, workspace_id: str, id_or_name: str) -> InboundTrunk | None:
        """The trunk of a workspace with this id, else with just this name; of several the oldest (contract §10.6)."""
        trunk = self._trunks.get(id_or_name.lower())
        if trunk is not None and trunk.workspace_id == workspace_id:
            return trunk
        named = [it for it in self._trunks.values() if it.workspace_id == workspace_id and it.name == id_or_name]
        return min(named, key=lambda it: (it.created_at, it.id), default=None)

    def watch(self, watcher: TrunkWatcher) -> None:
        """Calls `watcher` for every trunk, then at each change. What it raises is logged and reaches nobody."""
        self._watcher = watcher
        for trunk in self:
            self._tell(trunk.id, trunk)

    def replaced(self, trunks: Iterable[InboundTrunk]) -> None:
        """Takes over the trunks of the whole server."""
        found = {trunk.id: trunk for trunk in trunks}
        for trunk_id in [*found, *(trunk_id for trunk_id in self._trunks if trunk_id not in found)]:
            self.changed(trunk_id, found.get(trunk_id))

    def changed(self, trunk_id: str, trunk: InboundTrunk | None) -> None:
        """Takes over one trunk; None when it is gone."""
        before = self._trunks.pop(trunk_id, None)
        if trunk is not None:
            self._trunks[trunk_id] = trunk
        if trunk != before:
            self._tell(trunk_id, trunk)

    def _tell(self, trunk_id: str, trunk: InboundTrunk | None) -> None:
        if self._watcher is None:
            return
        try:
            self._watcher(trunk_id, trunk)
        except Exception:
            logger.exception("trunks.watcher_failed", trunk=trunk_id)
