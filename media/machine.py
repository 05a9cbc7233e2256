"""Tells an answering machine from a person by what is heard after the answer (contract §10.6).

A greeting longer than 2.4 s without a pause of 0.8 s, or a tone of 400 to 2200 Hz for 0.3 s, is a machine; a short
greeting and silence after it is a person. `MachineDetector` is a function of the samples, without clock or session;
`detect` feeds it from a session.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from media.session import MediaSession

AnsweredBy: TypeAlias = Literal["human", "machine", "unknown"]

GREETING_SECONDS: Final = 2.4
"""A machine's greeting is longer."""

PAUSE_SECONDS: Final = 0.8
"""Silence that ends a greeting."""

TONE_SECONDS: Final = 0.3
MESSAGE_END_SECONDS: Final = 1.5
"""Silence that ends a machine's message, where no tone does."""

LOUD_RMS: Final = 200.0
"""A frame below this is silence: -44 dB of full scale."""

LEAST_SPEECH_SECONDS: Final = 0.1
"""Sound shorter than this is a click and no greeting."""

_RATE = 8000
_FRAME = 160
_FRAME_SECONDS = _FRAME / _RATE
_LOW_HZ, _HIGH_HZ = 400.0, 2200.0
# Two frames are looked at together, so that tones lie 25 Hz apart.
_SPAN = 2 * _FRAME
_PURE = 0.85
# A tone keeps its pitch; a voice glides.
_DRIFT_HZ = 30.0
# Packets that are lost or late make a hole in a tone of this many frames at most; one that was heard for long enough is
# over after fewer.
_GAP = 10
_ENDED = 3

_Samples: TypeAlias = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who answered, and the seconds of audio after which that was known."""

    answered_by: AnsweredBy
    at: float


class MachineDetector:
    """Listens to frames of 20 ms; `verdict` is who answered once that is known, `message_over` whether a machine has
    ended its message: with a tone, or with silence."""

    def __init__(self) -> None:
        self.verdict: Verdict | None = None
        self.message_over = False
        self._frames = 0
        self._speech = self._quiet = 0
        self._spoken = False
        self._tone_frames = 0
        self._missed = 0
        self._tone_heard = False
        self._pitch = 0.0
        self._before: _Samples = np.zeros(_FRAME, np.int16)

    @property
    def seconds(self) -> float:
        """How much was heard."""
        return self._frames * _FRAME_SECONDS

    def feed(self, frame: _Samples) -> None:
        """The next `(160,) int16` samples at 8 kHz."""
        self._frames += 1
        wide = frame.astype(np.float64)
        loud = float(wide @ wide) >= LOUD_RMS * LOUD_RMS * len(frame)
        self._follow_tone(frame, loud=loud)
        self._before = frame.copy()
        if self._tone_frames * _FRAME_SECONDS >= TONE_SECONDS:
            self._tone_heard = True
            self._decide("machine")
        elif self._tone_heard:
            # The tone is over: now a message may be spoken.
            self.message_over = True
        self._follow_speech(loud=loud)

    def _follow_tone(self, frame: _Samples, *, loud: bool) -> None:
        pitch = tone_pitch(np.concatenate([self._before, frame])) if loud else None
        if self._tone_frames and (pitch is None or abs(pitch - self._pitch) > _DRIFT_HZ):
            self._missed += 1
            if self._missed > (_ENDED if self._tone_heard else _GAP):
                self._tone_frames = self._missed = 0
        elif pitch is None:
            return
        elif self._tone_frames:
            self._tone_frames += 1
            self._missed = 0
        else:
            # The span begins a frame earlier.
            self._tone_frames = 2
            self._pitch = pitch

    def _follow_speech(self, *, loud: bool) -> None:
        if loud:
            self._speech += 1 + (self._quiet if self._spoken else 0)
            self._quiet = 0
            self._spoken = self._spoken or self._speech * _FRAME_SECONDS >= LEAST_SPEECH_SECONDS
            if self._spoken and self._speech * _FRAME_SECONDS > GREETING_SECONDS:
                self._decide("machine")
            return
        self._quiet += 1
        if not self._spoken:
            self._speech = 0
        elif self._quiet * _FRAME_SECONDS >= PAUSE_SECONDS:
            self._decide("human")
            if self._quiet * _FRAME_SECONDS >= MESSAGE_END_SECONDS:
                self.message_over = True

    def _decide(self, answered_by: AnsweredBy) -> None:
        if self.verdict is None:
            self.verdict = Verdict(answered_by, self.seconds)


def tone_pitch(samples: _Samples) -> float | None:
    """The frequency in Hz, of 400 to 2200, of the tone that `samples` are; None where they are none.

    By Goertzel's algorithm at every 25 Hz: a tone has nearly all the energy at one of them.
    """
    windowed = samples.astype(np.float64) * _window(len(samples))
    energy = float(windowed @ windowed)
    if energy <= 0:
        return None
    frequencies, waves = _waves(len(samples))
    powers = np.abs(waves @ windowed) ** 2
    best = int(powers.argmax())
    share = float(powers[best]) / (energy * _gain(len(samples)))
    return float(frequencies[best]) if share >= _PURE else None


@functools.cache
def _window(length: int) -> npt.NDArray[np.float64]:
    return np.hanning(length)


@functools.cache
def _gain(length: int) -> float:
    """The power of a sine at its own frequency, as a multiple of its energy under the window."""
    window = _window(length)
    return float(window.sum()) ** 2 / (2 * float(window @ window))


@functools.cache
def _waves(length: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.complex128]]:
    frequencies = np.arange(_LOW_HZ, _HIGH_HZ + 1, _RATE / length / 2)
    return frequencies, np.exp(-2j * np.pi * frequencies[:, None] * np.arange(length)[None, :] / _RATE)


async def detect(session: MediaSession, *, message_end: bool, timeout: float) -> AnsweredBy:
    """Who answered on `session`, which is listened to meanwhile; `unknown` after `timeout` seconds.

    With `message_end`, for a machine, returns when its message is over, or at the time-out.
    """
    detector = MachineDetector()
    changed = asyncio.Event()

    def hear(frame: _Samples, _tick: int) -> None:
        detector.feed(frame)
        if detector.verdict is not None:
            changed.set()

    end = session.listen(hear)
    try:
        async with asyncio.timeout(timeout):
            while not _known(detector, message_end=message_end):
                changed.clear()
                await changed.wait()
    except TimeoutError:
        pass
    finally:
        end()
    return "unknown" if detector.verdict is None else detector.verdict.answered_by


def _known(detector: MachineDetector, *, message_end: bool) -> bool:
    if detector.verdict is None:
        return False
    return not message_end or detector.verdict.answered_by != "machine" or detector.message_over
