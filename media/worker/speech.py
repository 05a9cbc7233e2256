"""What the speech child does: one piece of text to 8 kHz samples, through SVOX Pico (py-nanotts).

Pico holds Python's lock while it speaks, at up to 50 ms a sentence, so it must not live in the engine.
"""

from __future__ import annotations

import numpy as np
from py_nanotts import NanoTTS

from media.loudness import delivered, tamed
from media.resample import quantise, resample
from media.worker.errors import Refused
from media.worker.frames import Body, Header

_PICO_RATE = 16_000
# At its own level Pico clips inside; at half of it no voice reaches full scale, and speech is around -16 dBFS.
_VOLUME = 0.5
# Pico reads tags: one of them plays a file of this machine, others change the volume.
_NO_TAGS = str.maketrans("<>\0", "   ")

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
    samples = quantise(tamed(resample(signal, _PICO_RATE)))
    runs_on = bool(request.get("runs_on"))
    return {}, delivered(samples, request.get("decibels", 0.0), runs_on=runs_on).tobytes()
