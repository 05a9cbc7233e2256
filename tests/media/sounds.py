"""Sound for the tests of decoding and speech: where the shared files are, WAV files of any kind, and what is heard."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

AUDIO = Path(__file__).resolve().parents[2] / ".." / "shared" / "fixtures" / "audio"

Samples = npt.NDArray[np.int16]


def index() -> dict[str, dict[str, Any]]:
    """What the shared audio files hold, by name; empty where they are absent."""
    path = AUDIO / "index.json"
    return json.loads(path.read_text()) if path.exists() else {}


def shared_files() -> dict[str, dict[str, Any]]:
    """As `index`; the test is skipped where the files are absent."""
    files = index()
    if not files:
        pytest.skip("test data not found: ../shared/fixtures/audio")
    return files


def audio_file(name: str) -> bytes:
    """A shared audio file; the test is skipped where it is absent."""
    path = AUDIO / name
    if not path.exists():
        pytest.skip("test data not found: ../shared/fixtures/audio")
    return path.read_bytes()


def sine(hertz: float, seconds: float, rate: int = 8000, amplitude: float = 0.3) -> npt.NDArray[np.float64]:
    """A sine of full scale 1.0."""
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def wav(
    content: bytes,
    *,
    tag: int = 1,
    channels: int = 1,
    rate: int = 8000,
    bits: int = 16,
    says: int | None = None,
    before: bytes = b"",
    extensible: bool = False,
) -> bytes:
    """A WAV file around encoded samples. `says` is the length its data chunk claims, `before` chunks ahead of it."""
    block = channels * bits // 8
    fields = struct.pack("<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * block, block, bits)
    if extensible:
        guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
        fields += struct.pack("<HHI", 22, bits, 0) + guid
    body = b"WAVE" + chunk(b"fmt ", fields) + before
    body += b"data" + struct.pack("<I", len(content) if says is None else says) + content
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chunk(name: bytes, content: bytes) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)


def strongest(samples: npt.NDArray[Any], rate: int = 8000) -> float:
    """The strongest frequency, in Hz, to a fraction of one."""
    size = 1 << 17
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size))
    return float(spectrum.argmax()) * rate / size


def level(samples: npt.NDArray[Any], hertz: float, rate: int = 8000) -> float:
    """Amplitude of one frequency in a signal, in dB of the int16 full scale."""
    window = np.hanning(len(samples))
    turn = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / rate)
    amplitude = 2 * abs(np.sum(samples * window * turn)) / window.sum()
    return float(20 * np.log10(max(amplitude, 1e-9) / 32768))


def rms(samples: npt.NDArray[Any]) -> float:
    """Root mean square, in dB of the int16 full scale."""
    return float(20 * np.log10(max(np.sqrt(np.mean(samples.astype(np.float64) ** 2)), 1e-9) / 32768))
