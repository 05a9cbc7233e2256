"""The cache is filled by a child process, once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from media.kernel import warm
from tests.media.support import compiled_only

pytestmark = compiled_only


class Children:
    """Stands in for the start of child processes."""

    def __init__(self, status: int = 0) -> None:
        self.started: list[tuple[str, ...]] = []
        self.returncode = status

    async def __call__(self, *command: str, **_: object) -> Children:
        self.started.append(command)
        return self

    async def communicate(self) -> tuple[None, bytes]:
        return None, b"Traceback\nno compiler\n"


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    stand_in = Children()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", stand_in)
    return stand_in


async def test_a_cold_cache_is_filled_by_a_child(
    children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "CACHE_DIRECTORY", tmp_path)
    await warm.fill_cache()
    assert [command[1:] for command in children.started] == [("-m", "media.kernel.warm")]


async def test_a_warm_cache_starts_no_child(
    children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "CACHE_DIRECTORY", tmp_path)
    (tmp_path / "kernel_abc").mkdir()
    (tmp_path / "kernel_abc" / f"loop.run-1.{warm._PYTHON}.nbi").write_text("")
    await warm.fill_cache()
    assert children.started == []


async def test_a_cache_of_another_python_is_cold(
    children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "CACHE_DIRECTORY", tmp_path)
    (tmp_path / "kernel_abc").mkdir()
    (tmp_path / "kernel_abc" / "loop.run-1.py27.nbi").write_text("")
    await warm.fill_cache()
    assert len(children.started) == 1


async def test_without_a_cache_nothing_is_compiled_ahead(
    children: Children, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(warm, "CACHE_DIRECTORY", None)
    await warm.fill_cache()
    assert children.started == []
    assert "NUMBA_CACHE_DIR" in caplog.text


async def test_a_child_that_fails_is_a_warning(
    children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(warm, "CACHE_DIRECTORY", tmp_path)
    children.returncode = 1
    await warm.fill_cache()
    assert "no compiler" in caplog.text


def test_warming_up_leaves_the_loops_machine_code_in_the_cache() -> None:
    warm.warm_up()
    assert list(warm.CACHE_DIRECTORY.glob("*/loop.run-*.nbi"))
