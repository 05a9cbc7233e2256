"""What the speech child of hibari does: one piece of English text to 8 kHz samples, through a small neural network.

The network and the words it knows are in the wheel; nothing is fetched.
"""

from __future__ import annotations

import re

import numpy as np
from hibari import SAMPLE_RATE, Hibari

from media.loudness import bent, delivered
from media.resample import Signal, quantise, resample
from media.worker.errors import Refused
from media.worker.frames import Body, Header

# hibari speaks at -27 dBFS; this brings it to about Pico's level. Few peaks are bent.
_GAIN = np.float32(2.8)
# In brackets hibari reads the sounds of the word before them.
_NO_SOUNDS = str.maketrans("[]", "()")
# hibari has no word for a number as long; such a one is read digit by digit.
_LONG_NUMBER = re.compile(r"[0-9]{16,}")
_SLOWEST, _FASTEST = 0.5, 2.0

_hibari = Hibari()


def handle(request: Header, body: bytes) -> tuple[Header, Body]:
    """Speak a text. Request and reply are those of `media.worker.speech`; `voice` is not looked at, there is one.
    Raises Refused.

    The voice has no pitch of its own to set: it is spoken slower or faster, and played at another rate.
    """
    speed, pitch = request.get("speed", 1.0), request.get("pitch", 1.0)
    pace = min(max(speed / pitch, _SLOWEST), _FASTEST)
    text = _LONG_NUMBER.sub(lambda number: " ".join(number.group()), body.decode().translate(_NO_SOUNDS))
    try:
        # The noise in the voice comes from a seed, so that the same text is the same sound each time.
        spoken = list(_hibari.stream(text, speed=pace, seed=0))
    except (LookupError, ValueError) as error:
        raise Refused(f"this text cannot be spoken: {type(error).__name__}: {error}") from None
    signal: Signal = np.concatenate(spoken) if spoken else np.zeros(0, np.float32)
    if not len(signal):
        return {}, b""
    samples = quantise(bent(resample(signal, round(SAMPLE_RATE * pitch)) * _GAIN))
    runs_on = bool(request.get("runs_on"))
    return {}, delivered(samples, request.get("decibels", 0.0), runs_on=runs_on).tobytes()
