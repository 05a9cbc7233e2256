"""One engine to a data directory (contract §11.6)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.data_lock import DataDirectoryInUse, DataLock
from tests.support.process import voylo_serve


def test_a_directory_is_locked_once_until_it_is_released(tmp_path: Path) -> None:
    lock = DataLock.take(tmp_path)
    with pytest.raises(DataDirectoryInUse, match=f"{tmp_path}: another engine \\(process {os.getpid()}\\) runs on it"):
        DataLock.take(tmp_path)
    lock.release()
    DataLock.take(tmp_path).release()


def test_a_directory_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"engine\.lock"):
        DataLock.take(tmp_path / "missing")


async def test_a_second_engine_on_the_same_data_says_which_process_has_it_and_leaves_it_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with voylo_serve(data) as engine:
        with pytest.raises(AssertionError, match=f"another engine \\(process {engine.process.pid}\\) runs on it"):
            async with voylo_serve(data):
                pass
        async with engine.client() as client:
            assert (await client.get("/readyz")).status_code == 200
    async with voylo_serve(data):
        pass
