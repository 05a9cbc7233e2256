"""One piece of text to sound in a child process, for the engines that run on this machine."""

from __future__ import annotations

import math

import numpy as np

from media.resample import Samples
from media.speech.interface import Manner, SpeechUnavailable, Voice
from media.worker.errors import Refused, WorkerError
from media.worker.process import WorkerProcess


async def render_by(worker: WorkerProcess, text: str, voice: Voice, manner: Manner) -> Samples | None:
    """What the child says, None for nothing. Raises SpeechUnavailable."""
    asked = {
        "voice": voice.id,
        "speed": manner.speed,
        "pitch": manner.pitch,
        # JSON has no infinity.
        "decibels": None if manner.decibels == -math.inf else manner.decibels,
        "runs_on": manner.runs_on,
    }
    try:
        reply = await worker.request(asked, text.encode())
    except Refused as error:
        raise SpeechUnavailable(str(error)) from None
    except WorkerError as error:
        raise SpeechUnavailable(f"not rendered: {error}") from None
    if len(reply.body) % 2:
        raise SpeechUnavailable("not rendered: the engine gave half a sample")
    return np.frombuffer(reply.body, np.int16) if reply.body else None
