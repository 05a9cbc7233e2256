"""Storage, database, speech and what the system grants: what is found, and what is to be changed."""

from __future__ import annotations

import asyncio
import resource
import shutil
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy.exc import OperationalError

from media import WIDE_OCTETS, widen
from media.kernel import lodging
from media.prompt import PromptAudio
from media.speech import SpeechUnavailable
from server.config import Config, reference, values
from server.doctor import audio, codecs, examine, host, keys, speech, storage
from server.doctor.finding import Finding
from tests.support.tones import sine, wav

RMEM_MAX = Path("/proc/sys/net/core/rmem_max")


def config(**sections: dict[str, object]) -> Config:
    return Config.model_validate(sections)


def with_data(directory: Path) -> Config:
    return config(storage={"data_dir": str(directory)})


class TestDataDir:
    def test_one_that_is_not_there_yet_is_ok_and_not_made(self, tmp_path: Path) -> None:
        (found,) = storage.check_data_dir(with_data(tmp_path / "a/b"))
        assert found.status == "ok"
        assert f"data directory {tmp_path}/a/b will be made at the first start" in found.what
        assert list(tmp_path.iterdir()) == []

    def test_one_that_is_there_is_left_as_it_was(self, tmp_path: Path) -> None:
        (found,) = storage.check_data_dir(with_data(tmp_path))
        assert found.status == "ok"
        assert f"data directory {tmp_path} can be written" in found.what
        assert list(tmp_path.iterdir()) == []

    def test_one_below_a_file_fails(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        (failed,) = storage.check_data_dir(with_data(tmp_path / "file/data"))
        assert failed.status == "fail"
        assert "is a file" in failed.what
        assert failed.change is not None
        assert "storage.data_dir" in failed.change

    def test_one_that_may_not_be_written_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(**_: object) -> object:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(storage.tempfile, "TemporaryFile", refuse)
        (failed,) = storage.check_data_dir(with_data(tmp_path))
        assert failed.status == "fail"
        assert failed.what == f"data directory {tmp_path} cannot be written: Permission denied"
        (failed,) = storage.check_data_dir(with_data(tmp_path / "new"))
        assert failed.what == f"data directory {tmp_path}/new cannot be made in {tmp_path}: Permission denied"

    @pytest.mark.parametrize(
        ("free", "status"),
        [
            (storage.SPACE_WANTED_BYTES, "ok"),
            (storage.SPACE_WANTED_BYTES - 1, "warn"),
            (storage.SPACE_NEEDED_BYTES, "warn"),
            (storage.SPACE_NEEDED_BYTES - 1, "fail"),
        ],
    )
    def test_a_full_disk_is_told(self, free: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Usage(NamedTuple):
            free: int

        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))
        (found,) = storage.check_data_dir(with_data(tmp_path))
        assert found.status == status


class TestDatabase:
    async def test_a_new_one_is_tried_and_nothing_is_left(self, tmp_path: Path) -> None:
        found = await storage.check_database(with_data(tmp_path / "data"))
        assert found.status == "ok"
        assert "will be made at the first start; a trial write worked" in found.what
        assert list(tmp_path.iterdir()) == []

    async def test_one_that_is_there_is_read(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "voylo.db") as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE a (n)")
            connection.commit()
            found = await storage.check_database(with_data(tmp_path))
        connection.close()
        assert (found.status, found.what) == (
            "ok",
            f"SQLite file {tmp_path}/voylo.db has 1 tables; a trial write beside it worked",
        )

    async def test_a_file_that_is_no_database_fails(self, tmp_path: Path) -> None:
        (tmp_path / "voylo.db").write_bytes(b"nonsense" * 1000)
        failed = await storage.check_database(with_data(tmp_path))
        assert failed.status == "fail"
        assert "file is not a database" in failed.what

    async def test_a_directory_that_cannot_be_written_fails(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        failed = await storage.check_database(with_data(tmp_path / "file/data"))
        assert failed.status == "fail"
        assert failed.change == "set storage.data_dir to a directory that the engine may write"

    async def test_a_file_system_without_shared_memory_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(storage, "_write_sqlite_file", lambda _: "delete")
        failed = await storage.check_database(with_data(tmp_path))
        assert failed.status == "fail"
        assert "journal mode delete" in failed.what

    @pytest.mark.parametrize(
        "error",
        [
            OSError("connection refused"),
            OperationalError("SELECT", {}, Exception("password authentication failed")),
            TimeoutError(),
        ],
        ids=lambda error: type(error).__name__,
    )
    async def test_a_server_that_does_not_answer_fails_without_its_password(
        self, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refuse(_: str) -> None:
            raise error

        monkeypatch.setattr(values, "find_spec", lambda _: object())
        monkeypatch.setattr(storage, "_write_temporary_table", refuse)
        url = "postgresql+asyncpg://voylo:hunter2@db:5432/voylo"
        failed = await storage.check_database(config(database={"url": url}))
        assert failed.status == "fail"
        assert failed.what.startswith("postgresql+asyncpg://voylo:***@db:5432/voylo: ")
        assert failed.change is not None
        assert "database.url" in failed.change

    async def test_a_url_that_nobody_can_parse_fails_without_its_password(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(values, "find_spec", lambda _: object())
        failed = await storage.check_database(config(database={"url": "postgresql+asyncpg://v:hunter2@h:p/"}))
        assert failed.status == "fail"
        assert "hunter2" not in failed.as_text()

    async def test_the_write_leaves_nothing_in_a_database(self, tmp_path: Path) -> None:
        await storage._write_temporary_table(f"sqlite+aiosqlite:///{tmp_path}/x.db")
        with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
            assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


class TestSpeech:
    class Engine:
        """Says what the test wants."""

        name = "of the test"
        closed = 0

        def __init__(self, *pieces: object) -> None:
            self.pieces = pieces

        async def synthesise(self, _text: str, language: str) -> AsyncIterator[PromptAudio]:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                if piece == "hang":
                    await asyncio.Event().wait()
                yield PromptAudio(np.zeros(4000, np.int16), language)

        async def close(self) -> None:
            type(self).closed += 1

    async def look(self, monkeypatch: pytest.MonkeyPatch, *pieces: object) -> Finding:
        engine = self.Engine(*pieces)
        before = self.Engine.closed
        monkeypatch.setattr(speech, "speech_engine", lambda *_, **__: engine)
        found = await speech.check_speech(Config())
        assert self.Engine.closed == before + 1
        return found

    async def test_the_embedded_engine_speaks(self) -> None:
        found = await speech.check_speech(Config())
        assert found.status == "ok"
        assert "'Hello' became 0." in found.what

    async def test_a_server_of_speech_is_asked_for_a_word(self) -> None:
        async def speak(_: web.Request) -> web.Response:
            return web.Response(body=wav(sine(440.0, 0.5)))

        app = web.Application()
        app.router.add_post("/", speak)
        async with TestServer(app) as server:
            setting = config(speech={"tts": "http", "tts_url": str(server.make_url("/"))})
            found = await speech.check_speech(setting)
        assert (found.status, found.what) == ("ok", "text to speech works (http): 'Hello' became 0.5 s of audio")
        failed = await speech.check_speech(setting)
        assert failed.status == "fail"
        assert "the speech server cannot be reached" in failed.what
        assert "speech.tts_url" in (failed.change or "")

    async def test_all_pieces_are_heard(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert (await self.look(monkeypatch, "a", "b")).what.endswith("became 1.0 s of audio")

    @pytest.mark.parametrize(
        "pieces", [(), (SpeechUnavailable("no voice"),), ("hang",)], ids=["nothing", "refused", "hang"]
    )
    async def test_an_engine_that_does_not_speak_fails(
        self, pieces: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(speech, "_SPEAK_SECONDS", 0.05)
        failed = await self.look(monkeypatch, *pieces)
        assert failed.status == "fail"
        assert failed.change is not None
        assert "speech.tts" in failed.change

    async def test_the_embedded_recogniser_starts(self) -> None:
        found = await speech.check_recogniser(Config())
        assert (found.status, found.what) == ("ok", "recognition works (embedded)")

    async def test_a_recogniser_without_its_model_fails(self, tmp_path: Path) -> None:
        found = await speech.check_recogniser(config(speech={"vosk_model": str(tmp_path)}))
        assert found.status == "fail"
        assert "speech.vosk_model" in (found.change or "")

    async def test_recognition_that_is_switched_off_or_elsewhere_is_not_tried(self) -> None:
        assert "switched off" in (await speech.check_recogniser(config(speech={"stt": "none"}))).what
        elsewhere = config(speech={"stt": "http", "stt_url": "http://127.0.0.1:1/inference"})
        assert "was not asked" in (await speech.check_recogniser(elsewhere)).what

    async def test_speech_that_is_switched_off_is_not_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(speech, "speech_engine", None)
        assert (await speech.check_speech(config(speech={"tts": "none"}))).status == "ok"


class TestKeys:
    def test_defaults_are_right(self) -> None:
        assert [found.status for found in keys.check_keys(Config())] == ["ok"]

    def test_switching_off_what_there_is_not_is_no_fault(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reference, "WITHOUT_EFFECT", {"sip.tcp"})
        assert [found.status for found in keys.check_keys(config(sip={"tcp": ""}))] == ["ok"]

    def test_keys_set_for_nothing_are_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reference, "WITHOUT_EFFECT", {"billing.enabled", "limits.webhooks", "sip.domain"})
        setting = config(
            billing={"enabled": True}, limits={"webhooks": 20, "redirects": 3}, sip={"domain": "a.example"}
        )
        (warned,) = keys.check_keys(setting)
        assert (warned.status, warned.what) == (
            "warn",
            "set, and without effect in this version: sip.domain, billing.enabled",
        )

    @pytest.mark.parametrize(("token", "status"), [("x" * 15, "warn"), ("x" * 16, "ok")])
    def test_a_token_that_can_be_guessed_is_warned_of(
        self, token: str, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reference, "WITHOUT_EFFECT", frozenset())
        (found,) = keys.check_keys(config(security={"admin_token": token}))
        assert found.status == status
        assert token not in found.as_text()


class TestCodecs:
    def test_codecs_of_later_versions_are_named(self) -> None:
        found = codecs.check_codecs(Config())
        assert found.status == "ok"
        assert found.what.startswith("offered: PCMU, PCMA")

    def test_the_order_is_the_configured_one(self) -> None:
        assert codecs.check_codecs(config(media={"codecs": ["PCMA", "PCMU"]})).what == "offered: PCMA, PCMU"

    def test_a_list_without_any_that_is_spoken_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(codecs, "SPOKEN_CODECS", frozenset({"PCMU"}))
        failed = codecs.check_codecs(config(media={"codecs": ["opus", "PCMA"]}))
        assert failed.status == "fail"
        assert "(opus, PCMA)" in failed.what
        assert failed.change == 'put "PCMU" into media.codecs'


class TestDatagrams:
    def test_a_ring_is_opened_and_a_datagram_sent_through_it(self) -> None:
        found = audio.check_datagrams(config())
        assert (found.status, found.what) == ("ok", "the audio of many calls goes in one system call (io_uring)")

    def test_a_system_without_is_warned_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audio, "try_uring", lambda: "Operation not permitted")
        found = audio.check_datagrams(config())
        assert found.status == "warn"
        assert found.what.startswith("no io_uring (Operation not permitted): ")
        assert found.change is not None
        assert "media.io_uring" in found.change

    def test_what_is_not_wanted_is_not_looked_at(self) -> None:
        found = audio.check_datagrams(config(media={"io_uring": False}))
        assert (found.status, found.what) == ("ok", "one by one: media.io_uring is false")


class TestBuffers:
    @pytest.mark.parametrize(
        ("granted", "ports", "status"),
        [
            (WIDE_OCTETS // 2, "20000-20019", "ok"),
            (212_992, "20000-20019", "warn"),
            (212_992, "20000-20999", "ok"),
        ],
        ids=["granted", "few ports", "many ports"],
    )
    def test_sockets_that_many_calls_share_need_room(
        self, granted: int, ports: str, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audio, "widen", lambda _: granted)
        found = audio.check_buffers(config(media={"rtp_ports": ports}, limits={"concurrent_calls": 100}))
        assert found.status == status
        assert f"{granted >> 10} of 4096 KB" in found.what
        if status == "warn":
            assert "100 calls share 10 port pairs" in found.what
            assert found.change is not None
            assert "net.core.rmem_max=4194304" in found.change
            assert "media.rtp_ports" in found.change

    @pytest.mark.skipif(not RMEM_MAX.exists(), reason="the system does not tell its limit here")
    def test_the_room_is_what_the_system_grants(self, monkeypatch: pytest.MonkeyPatch) -> None:
        limit = int(RMEM_MAX.read_text())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            assert widen(sock) in (WIDE_OCTETS, min(limit, WIDE_OCTETS))
        # An option that there is not: what is left to those who may not go beyond the limit.
        monkeypatch.setattr(lodging, "_SO_RCVBUFFORCE", 9999)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            assert widen(sock) == min(limit, WIDE_OCTETS)


class TestSystem:
    @pytest.mark.parametrize(
        ("error", "status"), [(None, "ok"), (PermissionError(1, "Operation not permitted"), "warn")]
    )
    def test_real_time_priority_is_asked_for(
        self, error: OSError | None, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def ask(*_: object) -> None:
            if error is not None:
                raise error

        monkeypatch.setattr(host.os, "sched_setscheduler", ask)
        (found,) = host.check_priority()
        assert found.status == status
        if error is not None:
            assert "Operation not permitted" in found.what
            assert found.change is not None
            assert "LimitRTPRIO" in found.change

    def test_asking_leaves_this_thread_as_it_was(self) -> None:
        before = host.os.sched_getscheduler(0)
        list(host.check_priority())
        assert host.os.sched_getscheduler(0) == before

    @pytest.mark.parametrize(("hard", "status"), [(656, "ok"), (655, "fail"), (resource.RLIM_INFINITY, "ok")])
    def test_open_files_are_enough_for_the_calls_that_are_allowed(
        self, hard: int, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(host.resource, "getrlimit", lambda _: (64, hard))
        (found,) = host.check_files(config(limits={"concurrent_calls": 100}))
        assert found.status == status
        if status == "fail":
            assert found.change is not None
            assert "LimitNOFILE=656" in found.change
            assert "limits.concurrent_calls" in found.change

    def test_a_clock_in_the_past_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(host, "_EARLIEST", datetime(9999, 1, 1, tzinfo=UTC))
        (failed,) = host.check_clock()
        assert failed.status == "fail"

    @pytest.mark.parametrize(("drifts", "status"), [(False, "ok"), (True, "warn")])
    def test_a_clock_that_nothing_keeps_in_step_is_warned_of(
        self, drifts: bool, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(host, "_unsynchronised", lambda: drifts)
        (found,) = host.check_clock()
        assert found.status == status

    def test_compiled_code_needs_a_place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
        (found,) = host.check_compile_cache()
        assert (found.status, found.what) == ("ok", f"compiled code is kept in {tmp_path}/cache")
        (tmp_path / "file").touch()
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file/cache"))
        (warned,) = host.check_compile_cache()
        assert warned.status == "warn"
        assert warned.change is not None
        assert "NUMBA_CACHE_DIR" in warned.change

    def test_without_a_variable_the_place_is_beside_the_code_or_in_the_home(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        spec = SimpleNamespace(origin="/proc/nowhere/media/__init__.py")
        monkeypatch.setattr(host.importlib.util, "find_spec", lambda _: spec)
        monkeypatch.setattr(host.os, "access", lambda path, _: str(path).startswith(str(tmp_path)))
        (found,) = host.check_compile_cache()
        assert found.what == f"compiled code is kept in {tmp_path}/numba"


class TestExamine:
    @pytest.fixture
    def setting(self, tmp_path: Path) -> Config:
        return config(
            http={"bind": "127.0.0.1:0"},
            sip={"udp": "127.0.0.1:0", "tcp": ""},
            media={"rtp_ports": "21600-21999"},
            storage={"data_dir": str(tmp_path / "data")},
            speech={"tts": "none", "stt": "none"},
        )

    async def test_every_check_is_made_and_nothing_is_left(self, setting: Config, tmp_path: Path) -> None:
        findings = await examine(setting)
        checks = list(dict.fromkeys(finding.check for finding in findings))
        assert checks == [
            "config", "ports", "addresses", "rtp", "storage", "database", "codecs", "datagrams", "buffers", "speech",
            "priority", "files", "compiler", "clock",
        ]  # fmt: skip
        assert list(tmp_path.iterdir()) == []
        assert not any(finding.status == "fail" for finding in findings)
        assert all((finding.change is None) == (finding.status == "ok") for finding in findings)

    async def test_a_check_that_breaks_does_not_hide_the_others(
        self, setting: Config, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(_: Config) -> list[Finding]:
            raise ZeroDivisionError("oops")

        monkeypatch.setattr("server.doctor.check_rtp", broken)
        findings = await examine(setting)
        (failed,) = [finding for finding in findings if finding.status == "fail"]
        assert (failed.check, failed.what) == ("rtp", "could not be looked at: ZeroDivisionError: oops")
        assert findings[-1].check == "clock"

    def test_a_finding_reads_as_status_check_what_and_change(self) -> None:
        assert Finding("ok", "rtp", "fine").as_text() == "ok    rtp       fine"
        assert Finding("fail", "ports", "taken", "change it").as_text() == (
            "fail  ports     taken\n                → change it"
        )
        assert Finding("ok", "rtp", "fine").as_json() == {
            "status": "ok",
            "check": "rtp",
            "what": "fine",
            "change": None,
        }
