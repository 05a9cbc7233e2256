"""`voylo db upgrade`, `backup` and `restore`: an engine moved as it is, also while it runs (contract §22.1)."""

from __future__ import annotations

import json
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.store import SCHEMA_REVISION
from server.cli import app
from server.config import Config
from server.data_lock import DataLock
from tests.support.process import API_KEY, voylo_serve


def run(data: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command on this data directory."""
    result = CliRunner().invoke(app, arguments, env={"VOYLO_STORAGE__DATA_DIR": str(data)} | environment)
    return result.exit_code, result.stdout, result.stderr


def set_up(data: Path) -> None:
    status, _, complaint = run(data, "init", VOYLO_BOOTSTRAP_API_KEY=API_KEY)
    assert status == 0, complaint
    for name in ("media.key", "secrets.key"):
        (data / name).write_bytes(name.encode())
    recording = data / "recordings" / "ws_0123456789ab" / "a.wav"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"sound")
    recording.with_name("b.wav.part").write_bytes(b"half")
    (data / "cache").mkdir()
    (data / "cache" / "speech").write_bytes(b"said")


def test_a_backup_restored_elsewhere_is_the_same_engine(tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "voylo.tar"
    set_up(old)
    status, shown, _ = run(old, "backup", str(file), "--json")
    assert status == 0
    assert json.loads(shown) == {"file": str(file), "sizeBytes": file.stat().st_size, "files": 4}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as archive:
        assert sorted(archive.getnames()) == [
            "media.key", "recordings/ws_0123456789ab/a.wav", "secrets.key", "voylo.db"
        ]  # fmt: skip
    status, shown, _ = run(new, "restore", str(file), "--json")
    assert status == 0
    assert json.loads(shown) == {"dataDir": str(new), "files": 4}
    for name in ("media.key", "secrets.key", "recordings/ws_0123456789ab/a.wav"):
        assert (new / name).read_bytes() == (old / name).read_bytes()
        assert stat.S_IMODE((new / name).stat().st_mode) == 0o600
    keys = [json.loads(run(data, "key", "list", "--json")[1]) for data in (old, new)]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 1


async def test_a_running_engine_is_backed_up_as_of_one_moment(tmp_path: Path) -> None:
    async with voylo_serve(tmp_path / "data") as engine, engine.client() as client:
        created = await client.post("/v1/applications", json={"name": "a", "xmlTemplate": "<Response/>"})
        status, _, complaint = run(tmp_path / "data", "backup", str(tmp_path / "b.tar"))
        assert status == 0, complaint
        await client.post("/v1/applications", json={"name": "b", "xmlTemplate": "<Response/>"})
    assert run(tmp_path / "copy", "restore", str(tmp_path / "b.tar"))[0] == 0
    async with voylo_serve(tmp_path / "copy") as engine, engine.client() as client:
        found = (await client.get("/v1/applications")).json()["data"]
        assert [each["id"] for each in found] == [created.json()["id"]]
        # Its secret could be read: the key came along
        assert (await client.get(f"/v1/applications/{found[0]['id']}")).status_code == 200


class TestNothingIsOverwritten:
    def test_by_a_backup(self, tmp_path: Path) -> None:
        set_up(tmp_path / "data")
        file = tmp_path / "mine"
        file.write_text("mine")
        assert run(tmp_path / "data", "backup", str(file)) == (1, "", f"voylo: {file} exists already\n")
        assert file.read_text() == "mine"

    def test_by_a_restore(self, tmp_path: Path) -> None:
        data, file = tmp_path / "data", tmp_path / "b.tar"
        set_up(data)
        run(data, "backup", str(file))
        before = (data / "voylo.db").read_bytes()
        status, _, complaint = run(data, "restore", str(file))
        assert (status, complaint) == (
            1, f"voylo: {data} is in use ({data / 'voylo.db'}): move it away, or name another storage.data_dir\n"
        )  # fmt: skip
        assert (data / "voylo.db").read_bytes() == before

    def test_where_an_engine_runs(self, tmp_path: Path) -> None:
        set_up(tmp_path / "old")
        run(tmp_path / "old", "backup", str(tmp_path / "b.tar"))
        (tmp_path / "data").mkdir()
        lock = DataLock.take(tmp_path / "data")
        try:
            status, _, complaint = run(tmp_path / "data", "restore", str(tmp_path / "b.tar"))
        finally:
            lock.release()
        assert status == 1
        assert "another engine" in complaint


def no_archive(file: Path) -> None:
    file.write_bytes(b"no archive at all")


def no_database(file: Path) -> None:
    with tarfile.open(file, "w") as archive:
        archive.add(__file__, "test.py")


def damaged(file: Path) -> None:
    broken = file.with_name("broken.db")
    broken.write_bytes(b"SQLite format 3\x00" + b"\xff" * 4080)
    with tarfile.open(file, "w") as archive:
        archive.add(broken, "voylo.db")


def outside(file: Path) -> None:
    database = file.with_name("small.db")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE a (b)")
    with tarfile.open(file, "w") as archive:
        archive.add(database, "voylo.db")
        archive.add(database, "../outside.db")


def a_link(file: Path) -> None:
    outside(file)
    with tarfile.open(file, "w") as archive:
        archive.add(file.with_name("small.db"), "voylo.db")
        link = tarfile.TarInfo("secrets.key")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_archive, "could not be opened"),
        (no_database, "it holds no database; is it a file of `voylo backup`?"),
        (damaged, "file is not a database"),
        (outside, "outside"),
        (a_link, "it holds something else than files"),
    ],
)
def test_a_file_that_is_no_backup_leaves_the_data_directory_as_it_was(tmp_path: Path, make: Any, said: str) -> None:
    file, data = tmp_path / "b.tar", tmp_path / "deep" / "data"
    make(file)
    status, shown, complaint = run(data, "restore", str(file))
    assert (status, shown) == (1, "")
    assert said in complaint
    assert [path.name for path in data.iterdir()] == ["engine.lock"]
    assert [path.name for path in data.parent.iterdir()] == ["data"]


def test_there_must_be_something_to_back_up(tmp_path: Path) -> None:
    status, _, complaint = run(tmp_path / "none", "backup", str(tmp_path / "b.tar"))
    assert (status, complaint) == (1, f"voylo: there is no database at {tmp_path / 'none' / 'voylo.db'}\n")
    assert not (tmp_path / "b.tar").exists()


def test_other_databases_have_tools_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Config, "database_file", None)  # as it is when database.url names one
    for command in ("backup", "restore"):
        status, _, complaint = run(tmp_path, command, str(tmp_path / "b.tar"))
        assert status == 2
        assert "own tools" in complaint


def test_the_schema_is_brought_up_to_date_and_that_is_told(tmp_path: Path) -> None:
    status, shown, _ = run(tmp_path / "data", "db", "upgrade", "--json")
    assert (status, json.loads(shown)) == (0, {"from": None, "to": SCHEMA_REVISION})
    status, shown, _ = run(tmp_path / "data", "db", "upgrade", "--json")
    assert (status, json.loads(shown)) == (0, {"from": SCHEMA_REVISION, "to": SCHEMA_REVISION})
    assert run(tmp_path / "data", "db", "upgrade")[1] == f"the schema is at {SCHEMA_REVISION}, nothing to do\n"


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path / "data", "db", "upgrade")
    with closing(sqlite3.connect(tmp_path / "data" / "voylo.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    status, _, complaint = run(tmp_path / "data", "db", "upgrade")
    assert status == 1
    assert "9999" in complaint
