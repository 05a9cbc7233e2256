"""`voylo db upgrade`, `backup` and `restore`: the schema and the whole of what an engine keeps (contract §22.1).

A backup is a tar file: the database as of one moment, the keys that secrets and links are made with, recordings and
documents. It can be taken while the engine runs. Caches are left out; they fill again.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from engine.errors import EngineError
from engine.store import SCHEMA_REVISION, Store, revision_of
from server.commands.console import FAILED, WRONG_USAGE, leave, log_quietly, print_json, read_config
from server.config import Config
from server.data_lock import LOCK_FILE, DataDirectoryInUse, DataLock

DATABASE: Final = "voylo.db"
"""The name of the database in a backup, whatever it is called on disk."""

LEFT_OUT: Final = frozenset({"cache", LOCK_FILE})
"""What stands in a data directory and is no part of a backup."""

UNFINISHED: Final = ".part"
"""How files end that are still being written."""

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700


def upgrade_database(config_file: Path | None, *, as_json: bool) -> None:
    """Bring the schema up to this program's, creating the database if there is none; print from where to where."""
    config = read_config(config_file)
    log_quietly(config)

    async def work() -> str | None:
        before = await revision_of(config.database_url)
        await (await Store.open(config.database_url)).close()
        return before

    try:
        config.storage.data_dir.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        before = asyncio.run(work())
    except (EngineError, OSError) as error:
        leave(FAILED, [str(error)])
    if as_json:
        print_json({"from": before, "to": SCHEMA_REVISION})
    elif before == SCHEMA_REVISION:
        print(f"the schema is at {SCHEMA_REVISION}, nothing to do")
    else:
        print(f"the schema was {'empty' if before is None else f'at {before}'} and is at {SCHEMA_REVISION} now")


def back_up(config_file: Path | None, target: Path, *, as_json: bool) -> None:
    """Write a backup. The file is readable for its owner only: it holds the keys to everything."""
    config = read_config(config_file)
    database = _database_file(config)
    if not database.is_file():
        leave(FAILED, [f"there is no database at {database}"])
    if target.exists():
        leave(FAILED, [f"{target} exists already"])
    try:
        with _written_whole(target) as path, tempfile.TemporaryDirectory(dir=target.parent or ".") as folder:
            copy = Path(folder) / DATABASE
            _copy_database(database, copy)
            with tarfile.open(path, "w") as archive:
                archive.add(copy, DATABASE)
                files = [DATABASE, *_add_files(archive, config.storage.data_dir, database)]
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        leave(FAILED, [f"no backup was made: {error}"])
    size = target.stat().st_size
    if as_json:
        print_json({"file": str(target), "sizeBytes": size, "files": len(files)})
    else:
        print(f"{target}: {len(files)} files, {size} bytes; whoever can read it can read every secret in it")


def restore(config_file: Path | None, source: Path, *, as_json: bool) -> None:
    """Put a backup into the data directory, in which there must be no database yet."""
    config = read_config(config_file)
    database = _database_file(config)
    data_dir = config.storage.data_dir
    try:
        data_dir.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        lock = DataLock.take(data_dir)
    except DataDirectoryInUse as error:
        leave(FAILED, [str(error)])
    except OSError as error:
        leave(FAILED, [f"storage.data_dir {data_dir}: {error}"])
    try:
        kept = sorted(path.name for path in data_dir.iterdir() if path.name not in LEFT_OUT)
        if database.exists() or kept:
            held = str(database) if database.exists() else ", ".join(kept)
            leave(FAILED, [f"{data_dir} is in use ({held}): move it away, or name another storage.data_dir"])
        files = _unpack(source, data_dir, database)
    except (OSError, sqlite3.Error, tarfile.TarError, _NoBackup) as error:
        leave(FAILED, [f"{source} was not restored: {error}"])
    finally:
        lock.release()
    if as_json:
        print_json({"dataDir": str(data_dir), "files": files})
    else:
        print(f"{files} files are in {data_dir}; `voylo serve` brings the schema up to date")


class _NoBackup(Exception):
    """The file is none that `voylo backup` has written, or is damaged."""


def _database_file(config: Config) -> Path:
    if config.database_file is None:
        leave(WRONG_USAGE, ["database.url is not SQLite: back it up and restore it with that database's own tools"])
    return config.database_file


def _copy_database(database: Path, copy: Path) -> None:
    """The database as of one moment, whatever is written meanwhile."""
    with (
        closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)


def _add_files(archive: tarfile.TarFile, data_dir: Path, database: Path) -> Iterator[str]:
    own = {database.absolute().with_name(database.name + ending) for ending in ("", "-wal", "-shm", "-journal")}
    for path in sorted(data_dir.rglob("*")):
        name = path.relative_to(data_dir)
        if name.parts[0] in LEFT_OUT or path.absolute() in own or path.suffix == UNFINISHED or not path.is_file():
            continue
        try:
            archive.add(path, name.as_posix(), recursive=False)
        except FileNotFoundError:
            continue  # a recording that was deleted just now
        yield name.as_posix()


@contextmanager
def _written_whole(target: Path) -> Iterator[Path]:
    """A file beside the target that takes its place once it is whole, and is gone otherwise."""
    descriptor, name = tempfile.mkstemp(dir=target.parent or ".", prefix=f".{target.name}.", suffix=UNFINISHED)
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
        path.chmod(_PRIVATE_FILE)
        path.replace(target)
    finally:
        path.unlink(missing_ok=True)


def _unpack(source: Path, data_dir: Path, database: Path) -> int:
    """Unpacks beside the data and moves into place what proved whole."""
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=".restore-") as folder, tarfile.open(source) as archive:
        members = archive.getmembers()
        if DATABASE not in {member.name for member in members}:
            raise _NoBackup("it holds no database; is it a file of `voylo backup`?")
        if not all(member.isfile() for member in members):
            raise _NoBackup("it holds something else than files")
        archive.extractall(folder, members, filter="data")
        with closing(sqlite3.connect(Path(folder) / DATABASE)) as connection:
            ((state,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
        if state != "ok":
            raise _NoBackup(f"its database is damaged: {state}")
        for member in members:
            target = database if member.name == DATABASE else data_dir / member.name
            target.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            path = Path(folder) / member.name
            path.chmod(_PRIVATE_FILE)
            path.replace(target)
    return len(members)
