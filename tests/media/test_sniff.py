"""What a file is, told from its first bytes."""

from __future__ import annotations

import os

import pytest

from media.worker.errors import Refused
from media.worker.sniff import sniff
from tests.media.sounds import audio_file, index, wav

# MPEG 1 layer III, 128 kbit/s, 44100 Hz, no padding: frames of 417 bytes.
FRAME = b"\xff\xfb\x90\x64" + bytes(413)


def id3(size: int, *, footer: bool = False) -> bytes:
    head = b"ID3\x04\x00" + (b"\x10" if footer else b"\0") + bytes([0, 0, size >> 7, size & 127])
    return head + b"\xff" * size + (b"3DI" + bytes(7) if footer else b"")


@pytest.mark.parametrize("name", sorted(index()) or ["tone_440.wav"])
def test_every_shared_file_is_what_its_name_says(name: str) -> None:
    assert sniff(audio_file(name)) == name.rpartition(".")[2]


@pytest.mark.parametrize(
    "data",
    [
        FRAME * 30,
        FRAME,
        id3(300) + FRAME * 2,
        id3(300, footer=True) + FRAME * 2,
        id3(10) + id3(20) + FRAME * 2,
        id3(10) + bytes(100_000) + FRAME * 2,
        b"junk" + FRAME * 2,
        FRAME + b"TAG" + bytes(125),
        b"\xff\xf3\x40\xc0" * 36 * 2,
        FRAME[:4],
    ],
    ids=["frames", "one", "tag", "footer", "two tags", "padding", "junk", "ID3v1", "MPEG 2", "cut short"],
)
def test_mp3_is_recognised_by_its_frames_wherever_they_begin(data: bytes) -> None:
    assert sniff(data) == "mp3"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "looks like HTML"),
        (b"\xef\xbb\xbf\r\n <html lang=en>", "looks like HTML"),
        (b"<!-- page --><HTML>", "looks like HTML"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "looks like XML"),
        (b'{"error": "not found"}', "looks like JSON"),
        (b"404 page not found\n", "looks like text"),
        ("Seite nicht verfügbar".encode() * 40, "looks like text"),
        (b"#EXTM3U\nhttp://169.254.169.254/", "looks like a playlist"),
        (b"OggS" + bytes(40), "Ogg audio; send WAV or MP3"),
        (b"fLaC" + bytes(40), "FLAC"),
        (b"\0\0\0\x20ftypM4A " + bytes(40), "MP4 or M4A"),
        (b"\xff\xf1\x50\x80" + bytes(40), "AAC"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "JPEG"),
        (b"%PDF-1.7", "PDF"),
        (b"RIFF\0\0\0\0AVI LIST", "RIFF file of type"),
        (b"RF64\xff\xff\xff\xffWAVE", "64-bit WAV"),
        (b"\xff\xfe<\0h\0t\0m\0l\0", "unknown data"),
        (b"\xff\xff" * 5000, "unknown data"),
        (bytes(5000), "unknown data"),
        (FRAME[:4] + b"x" * 9000, "unknown data"),
        (b"ID3", "looks like text"),
        (b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"x" * 50, "unknown data"),
    ],
)
def test_what_is_not_wav_or_mp3_is_refused_by_what_it_looks_like(data: bytes, what: str) -> None:
    with pytest.raises(Refused, match=what):
        sniff(data)


def test_random_bytes_never_raise_anything_else() -> None:
    for length in [*range(64), 4096, 10_000]:
        for start in (b"", b"RIFF", b"ID3", b"\xff", b"<", b"{"):
            data = start + os.urandom(length)
            try:
                assert sniff(data) in {"wav", "mp3"}
            except Refused:
                continue


def test_a_type_is_not_believed() -> None:
    assert sniff(wav(b"\0\0" * 10)) == "wav"
    with pytest.raises(Refused, match="HTML"):
        sniff(b"<html>" + wav(b"\0\0" * 10))
