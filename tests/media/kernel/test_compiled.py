"""Where machine code is kept, and that nothing half old is ever used."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from media.kernel import compiled as under_test
from tests.media.support import compiled_only, kernel_form


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder of our own in place of the kernel's."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "one.py").write_text("A = 1\n")
    monkeypatch.setattr(under_test, "_PACKAGE", folder)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return folder


def test_the_cache_lies_in_the_package_under_a_name_of_its_sources(package: Path) -> None:
    first = under_test._prepare_cache()
    assert first is not None
    assert first.parent == package / "__pycache__"
    assert under_test._prepare_cache() == first
    (package / "two.py").write_text("B = 2\n")
    assert under_test._prepare_cache() != first


def test_what_older_sources_left_is_removed_from_the_package_only(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = under_test._prepare_cache()
    (package / "one.py").write_text("A = 2\n")
    under_test._prepare_cache()
    assert not first.exists()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(package / "shared"))
    second = under_test._prepare_cache()
    (package / "one.py").write_text("A = 3\n")
    under_test._prepare_cache()
    assert second.exists()


def test_an_unwritable_package_uses_the_users_cache(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_writable", lambda directory: package not in directory.parents)
    assert under_test._prepare_cache().parent == package.parent / "home" / "voylo"


def test_without_any_writable_place_nothing_is_cached(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_writable", lambda _: False)
    assert under_test._prepare_cache() is None


def test_a_file_in_place_of_the_directory_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not under_test._writable(tmp_path / "file" / "below")


def test_numbas_own_setting_is_left_as_it_was() -> None:
    before = under_test._config.CACHE_DIR
    under_test.compiled(lambda: 1)
    assert before == under_test._config.CACHE_DIR


def test_disabled_jit_leaves_functions_alone() -> None:
    plain = kernel_form("plain").compiled
    assert plain.JIT_DISABLED
    function = len
    assert plain.compiled(function) is function
    assert plain.compiled_without_gil(function) is function


@compiled_only
def test_both_forms_of_the_kernel_are_what_they_say() -> None:
    assert hasattr(kernel_form("compiled").rtp.parse_rtp, "py_func")
    assert not hasattr(kernel_form("plain").rtp.parse_rtp, "py_func")
    # And the second import has left the first in its place.
    assert importlib.import_module("media.kernel.rtp") is kernel_form("compiled").rtp


def test_the_environment_variable_disables_it_too() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", "from media.kernel.rtp import parse_rtp; print(type(parse_rtp).__name__)"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=Path(under_test.__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "function"
