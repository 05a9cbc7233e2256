"""Rendered speech on disk: found again after a restart, never half, never more than allowed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from media.speech.store import PieceStore
from tests.media.sounds import Samples


def sound(length: int = 1000, start: int = 0) -> Samples:
    return np.arange(start, start + length, dtype=np.int16)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_was_saved_is_loaded_by_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "speech"
    PieceStore(folder).save("a", sound())
    later = PieceStore(folder)
    loaded = later.load("a")
    assert loaded is not None
    assert loaded.dtype == np.int16
    assert np.array_equal(loaded, sound())
    assert later.load("b") is None
    assert files(folder) == {"a.pcm"}


def test_it_is_for_the_owner_only(tmp_path: Path) -> None:
    PieceStore(tmp_path / "speech").save("a", sound())
    assert (tmp_path / "speech").stat().st_mode & 0o077 == 0
    assert (tmp_path / "speech" / "a.pcm").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["cut", "longer", "flipped", "empty", "other magic"])
def test_a_damaged_file_is_no_sound_and_goes(tmp_path: Path, damage: str) -> None:
    PieceStore(tmp_path).save("a", sound())
    path = tmp_path / "a.pcm"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[500] ^= 1
    if damage == "other magic":
        content[0] ^= 1
    damaged = {"cut": bytes(content[:-2]), "longer": bytes(content + b"\0\0"), "empty": b""}
    path.write_bytes(damaged.get(damage, bytes(content)))
    store = PieceStore(tmp_path)
    assert store.load("a") is None
    assert files(tmp_path) == set()
    store.save("a", sound())
    assert store.load("a") is not None


def test_the_least_recently_used_files_go_when_the_bytes_are_spent(tmp_path: Path) -> None:
    size = 2012
    store = PieceStore(tmp_path, 3 * size)
    for key in "abc":
        store.save(key, sound())
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 3 * size
    assert store.load("a") is not None
    store.save("d", sound())
    assert files(tmp_path) == {"a.pcm", "c.pcm", "d.pcm"}
    assert store.load("b") is None
    assert not store.holds("b")


def test_a_restart_keeps_the_order_of_use_and_the_bound(tmp_path: Path) -> None:
    store = PieceStore(tmp_path)
    for age, key in enumerate("cab"):
        store.save(key, sound())
        os.utime(tmp_path / f"{key}.pcm", (1000 + age, 1000 + age))
    assert store.load("c") is not None
    later = PieceStore(tmp_path, 2 * 2012)
    assert later.load("c") is not None
    assert files(tmp_path) == {"b.pcm", "c.pcm"}


def test_a_piece_larger_than_the_store_is_not_kept(tmp_path: Path) -> None:
    store = PieceStore(tmp_path, 1000)
    store.save("a", sound())
    assert store.load("a") is None
    assert files(tmp_path) == set()


def test_what_a_killed_writer_left_is_swept_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "tmpabc.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    assert PieceStore(tmp_path).load("a") is None
    assert files(tmp_path) == {"notes.txt"}


def test_a_folder_that_cannot_be_used_costs_nothing_but_the_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = PieceStore(tmp_path / "file" / "speech")
    store.save("a", sound())
    assert store.load("a") is None


def test_a_file_that_vanished_is_no_fault(tmp_path: Path) -> None:
    store = PieceStore(tmp_path)
    store.save("a", sound())
    (tmp_path / "a.pcm").unlink()
    assert store.holds("a")
    assert store.load("a") is None
    assert not store.holds("a")


def test_it_holds_what_was_saved_and_does_not_write_it_twice(tmp_path: Path) -> None:
    store = PieceStore(tmp_path)
    assert not store.holds("a")
    store.save("a", sound())
    assert store.holds("a")
    before = (tmp_path / "a.pcm").stat().st_mtime_ns
    store.save("a", sound())
    assert (tmp_path / "a.pcm").stat().st_mtime_ns == before
