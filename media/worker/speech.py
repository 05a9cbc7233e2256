"""What the speech child does: one piece of text to 8 kHz samples, through SVOX Pico (py-nanotts).

Pico holds Python's lock while it speaks, at up to 50 ms a sentence, so it must not live in the engine.
"""

from __future__ import annotations

import numpy as np
from py_nanotts import NanoTTS

from media.resample import Samples, Signal, quantise, resample
from media.worker.errors import Refused
from media.worker.frames import Body, Header

_PICO_RATE = 16_000
# At its own level Pico clips inside; at half of it no voice reaches full scale, and speech is around -16 dBFS.
_VOLUME = 0.5
# What remains above this (-1 dBFS) is turned down.
_PEAK = 0.89
# Pico reads tags: one of them plays a file of this machine, others change the volume.
_NO_TAGS = str.maketrans("<>\0", "   ")

# Silence is what stays below -44 dBFS; Pico's own noise floor lies 6 dB lower.
_SILENCE = 200
# Quiet beginnings and ends of words lie below that, and a sentence needs a breath after it, unless it runs on.
_LEAD = 30 * 8
_TRAIL = 250 * 8
_WORD_TRAIL = 50 * 8
# What is made louder is bent above this (-6 dBFS), so that it comes near _PEAK and not over it.
_KNEE = 0.5

_pico = NanoTTS()


def handle(request: Header, body: bytes) -> tuple[Header, Body]:
    """Speak a text.

    Request: `voice` one of Pico's; where it is not to speak as it does by itself, `speed` and `pitch` as factors,
    `decibels` above its level (None: silent) and `runs_on`, true where the sentence goes on after the text; as its body
    the text in UTF-8. Reply: as its body the samples, int16 in the machine's byte order; none when nothing in the text
    can be spoken. Raises Refused.
    """
    text = body.decode().translate(_NO_TAGS)
    factors = {name: request[name] for name in ("speed", "pitch") if request.get(name, 1.0) != 1.0}
    try:
        pcm = _pico.speak(text, voice=request["voice"], volume=_VOLUME, **factors)
    except (RuntimeError, ValueError) as error:
        # Pico gives up on some runs of letters and digits that no language has.
        raise Refused(f"this text cannot be spoken: {error}") from None
    signal = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
    if not len(signal):
        return {}, b""
    samples = trim(quantise(_tamed(resample(signal, _PICO_RATE))), _WORD_TRAIL if request.get("runs_on") else _TRAIL)
    return {}, _at_level(samples, request.get("decibels", 0.0)).tobytes()


def _tamed(signal: Signal) -> Signal:
    peak = float(np.abs(signal).max(initial=0.0))
    return signal * np.float32(_PEAK / peak) if peak > _PEAK else signal


def _at_level(samples: Samples, decibels: float | None) -> Samples:
    """The samples so much louder or quieter; None: silent for as long."""
    if decibels is None:
        return np.zeros_like(samples)
    if not decibels:
        return samples
    signal = samples.astype(np.float32) * np.float32(10 ** (decibels / 20) / 32768)
    over = np.abs(signal) - np.float32(_KNEE)
    room = np.float32(_PEAK - _KNEE)
    bent = np.sign(signal) * (np.float32(_KNEE) + room * np.tanh(np.maximum(over, 0) / room))
    return quantise(np.where(over > 0, bent, signal) if decibels > 0 else signal)


def trim(samples: Samples, trail: int = _TRAIL) -> Samples:
    """The samples without the silence at both ends, save 30 ms before and `trail` samples after; empty when all is
    silence."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _SILENCE)
    if not len(loud):
        return samples[:0]
    return samples[max(int(loud[0]) - _LEAD, 0) : int(loud[-1]) + 1 + trail]
