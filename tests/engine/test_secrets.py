"""Secrets at rest: unreadable without the key file, bound to their place, and never half-written."""

from __future__ import annotations

import base64
import os
import stat
import threading
from pathlib import Path

import pytest

from engine.secrets import KEY_FILE, KeyFileInvalid, SecretBox, SecretUnreadable


def test_what_was_encrypted_comes_back_in_its_place(tmp_path: Path) -> None:
    box = SecretBox.open(tmp_path)
    token = box.encrypt("pässword", "number 1 password")
    assert "ssword" not in token
    assert token.isascii()
    assert box.decrypt(token, "number 1 password") == "pässword"


def test_the_same_text_never_looks_the_same(tmp_path: Path) -> None:
    box = SecretBox.open(tmp_path)
    assert box.encrypt("a", "c") != box.encrypt("a", "c")


def test_a_secret_does_not_decrypt_in_another_place(tmp_path: Path) -> None:
    box = SecretBox.open(tmp_path)
    with pytest.raises(SecretUnreadable, match="number 2"):
        box.decrypt(box.encrypt("a", "number 1"), "number 2")


@pytest.mark.parametrize("damage", ["", "v1.", "v2.abc", "v1.***", "v1.AAAA", "v1.ÄÖ"])
def test_a_damaged_secret_is_refused(tmp_path: Path, damage: str) -> None:
    with pytest.raises(SecretUnreadable):
        SecretBox.open(tmp_path).decrypt(damage, "place")


def test_a_changed_secret_is_refused(tmp_path: Path) -> None:
    box = SecretBox.open(tmp_path)
    token = box.encrypt("secret", "place")
    changed = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    with pytest.raises(SecretUnreadable):
        box.decrypt(changed, "place")


def test_the_key_file_is_for_its_owner_only_and_stays(tmp_path: Path) -> None:
    first = SecretBox.open(tmp_path)
    file = tmp_path / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    assert SecretBox.open(tmp_path).decrypt(first.encrypt("a", "c"), "c") == "a"
    assert file.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_another_folder_has_another_key(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    token = SecretBox.open(tmp_path / "a").encrypt("a", "c")
    with pytest.raises(SecretUnreadable, match="another key"):
        SecretBox.open(tmp_path / "b").decrypt(token, "c")


def test_those_who_open_an_empty_folder_together_share_one_key(tmp_path: Path) -> None:
    boxes: list[SecretBox] = []
    barrier = threading.Barrier(8)

    def run() -> None:
        barrier.wait()
        boxes.append(SecretBox.open(tmp_path))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    token = boxes[0].encrypt("a", "c")
    assert [box.decrypt(token, "c") for box in boxes] == ["a"] * 8


def test_a_file_system_without_links_gets_its_key_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    token = SecretBox.open(tmp_path).encrypt("a", "c")
    assert SecretBox.open(tmp_path).decrypt(token, "c") == "a"
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_after_a_new_first_line_the_old_key_still_decrypts(tmp_path: Path) -> None:
    token = SecretBox.open(tmp_path).encrypt("a", "c")
    file = tmp_path / KEY_FILE
    old = file.read_bytes()
    new = base64.b64encode(os.urandom(32))
    file.write_bytes(new + b"\n" + old)
    rotated = SecretBox.open(tmp_path)
    assert rotated.decrypt(token, "c") == "a"
    file.write_bytes(new + b"\n")
    assert SecretBox.open(tmp_path).decrypt(rotated.encrypt("b", "c"), "c") == "b"


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"\n\n", "empty"), (b"not base64!\n", "line 1"), (b"QUJD\n", "3 bytes")]
)
def test_a_key_file_without_a_key_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(KeyFileInvalid, match=reason):
        SecretBox.open(tmp_path)


def test_a_box_needs_a_key() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SecretBox()
