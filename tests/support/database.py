"""An empty database at the newest schema, made once in a process: most tests are not about the migrations."""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine.store import Store

NAME = "voylo.db"

_migrated: list[bytes] = []


async def empty_database(data_dir: Path) -> None:
    """Puts a database without any rows into a data directory that has none yet."""
    if (data_dir / NAME).exists():
        return
    data_dir.mkdir(parents=True, exist_ok=True)
    if not _migrated:
        with tempfile.TemporaryDirectory() as folder:
            store = await Store.open(f"sqlite+aiosqlite:///{folder}/{NAME}")
            await store.close()
            assert [path.name for path in Path(folder).iterdir()] == [NAME], "all of it is in the one file"
            _migrated.append((Path(folder) / NAME).read_bytes())
    (data_dir / NAME).write_bytes(_migrated[0])
