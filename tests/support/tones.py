"""Tones as signatures: every party sends its own, and a test asserts which ones were heard."""

from __future__ import annotations

import asyncio
import io
import time
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RATE = 8000
_ONLY = 0.95


def sine(hertz: float, seconds: float, *, rate: int = RATE, amplitude: float = 0.3) -> NDArray[np.int16]:
    """A sine of int16 samples; amplitude 1.0 is full scale."""
    n = np.arange(round(seconds * rate))
    return np.round(32767 * amplitude * np.sin(2 * np.pi * hertz * n / rate)).astype(np.int16)


def wav(samples: NDArray[np.int16], rate: int = RATE) -> bytes:
    """A mono 16-bit WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def read_wav(path: Path) -> tuple[NDArray[np.int16], int]:
    """The samples of a 16-bit WAV file (first channel) and its rate; a last sample cut in half is left out."""
    return wav_samples(path.read_bytes())


def wav_channels(data: bytes) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Left and right of the octets of a 16-bit WAV file at 8 kHz with two channels."""
    with wave.open(io.BytesIO(data), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return samples[::2], samples[1::2]


def wav_samples(data: bytes) -> tuple[NDArray[np.int16], int]:
    """The same of the octets of a file."""
    with wave.open(io.BytesIO(data), "rb") as file:
        frames = file.readframes(file.getnframes())
        channels = file.getnchannels()
        return np.frombuffer(frames[: len(frames) // 2 * 2], np.int16)[::channels], file.getframerate()


def level(samples: NDArray[np.int16], hertz: float, rate: int = RATE) -> float:
    """The share, 0 to 1, of the signal's energy that lies within 15 Hz of `hertz`."""
    if len(samples) == 0:
        return 0.0
    window = np.hanning(len(samples))
    power = np.abs(np.fft.rfft(samples * window)) ** 2
    total = float(power.sum())
    if total == 0.0:
        return 0.0
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
    return float(power[np.abs(frequencies - hertz) <= 15].sum()) / total


class Listener(Protocol):
    """Somebody on the line: a phone of ours, or one that is called."""

    @property
    def heard(self) -> NDArray[np.int16]:
        """All that was heard so far."""


async def hears_only(listener: Listener, hertz: float, samples: int, seconds: float = 5.0) -> None:
    """Waits until so many samples in a row are this tone and nothing else; a busy machine tears it now and then."""
    heard = 0.0
    until = time.monotonic() + seconds
    while heard <= _ONLY:
        assert time.monotonic() < until, f"{hertz} Hz is {heard:.0%} of what is heard"
        await asyncio.sleep(0.02)
        heard = level(listener.heard[-samples:], hertz) if len(listener.heard) >= samples else 0.0


def tones_in(samples: NDArray[np.int16], candidates: Sequence[float], rate: int = RATE) -> set[float]:
    """Which of the candidates are heard; a voice among them counts from a hundredth of the energy on."""
    if len(samples) == 0 or np.sqrt(np.mean(samples.astype(np.float64) ** 2)) < 300:
        return set()
    return {hertz for hertz in candidates if level(samples, hertz, rate) >= 0.01}


def seconds_of(samples: NDArray[np.int16], hertz: float, rate: int = RATE) -> float:
    """For how many seconds, in steps of 50 ms, `hertz` is what is heard: loud, and four fifths of the energy."""
    step = rate // 20
    heard = 0
    for start in range(0, len(samples) - step + 1, step):
        part = samples[start : start + step]
        if np.sqrt(np.mean(part.astype(np.float64) ** 2)) < 300:
            continue
        window = np.hanning(step)
        power = np.abs(np.fft.rfft(part * window)) ** 2
        frequencies = np.fft.rfftfreq(step, 1 / rate)
        if power[np.abs(frequencies - hertz) <= 45].sum() >= 0.8 * power.sum():
            heard += 1
    return heard / 20


def frames_of(samples: NDArray[np.int16], hertz: float) -> tuple[float, float]:
    """Shares, 0 to 1, of the frames of 20 ms in which `hertz` is the loudest, and in which something else is. The rest
    is silence at least for 5 ms."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(np.float64)
    loud = (np.sqrt(np.mean(frames.reshape(-1, 4, 40) ** 2, axis=2)) >= 300).all(axis=1)
    # Eight times as fine as the frame is long, so that the peak stands where the tone is.
    power = np.abs(np.fft.rfft(frames * np.hanning(160), 1280, axis=1))
    right = np.abs(np.argmax(power, axis=1) * RATE / 1280 - hertz) <= 50
    return float(np.mean(loud & right)), float(np.mean(loud & ~right))


def decode_ulaw(payload: bytes) -> NDArray[np.int16]:
    """G.711 µ-law to int16, from the definition in ITU-T G.711 and nothing of the engine's."""
    value = ~np.frombuffer(payload, np.uint8)
    magnitude = (((value & 0x0F).astype(np.int32) << 3) + 0x84) << ((value & 0x70) >> 4)
    return np.where(value & 0x80, 0x84 - magnitude, magnitude - 0x84).astype(np.int16)


def encode_ulaw(samples: NDArray[np.int16]) -> bytes:
    """int16 to G.711 µ-law, by nearest value among the 256."""
    table = decode_ulaw(bytes(range(256))).astype(np.int32)
    order = np.argsort(table, kind="stable")
    ordered = table[order]
    right = np.clip(np.searchsorted(ordered, samples), 1, 255)
    left = right - 1
    nearest = np.where(samples - ordered[left] <= ordered[right] - samples, left, right)
    return bytes(order[nearest].astype(np.uint8))
