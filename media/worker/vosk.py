"""What the recognising child of vosk does: an utterance to the words of a Gather's grammar that it is.

The model is a folder that the operator has (`speech.vosk_model`). With hints the grammar is theirs, digits, yes and no;
without, whatever the model knows may be said.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import soxr
import vosk

from media.resample import RATE, Samples
from media.worker.errors import Refused
from media.worker.frames import Body, Header
from media.worker.phrases import ANSWERS, DIGITS, phrases

_MODEL_RATE = 16_000
_UNKNOWN = "[unk]"
# Utterances that go on, which the model is kept at; one that was pushed out is heard from its beginning again.
_GROWING = 16

vosk.SetLogLevel(-1)


def handle(request: Header, body: bytes) -> tuple[Header, Body]:
    """Recognise an utterance.

    Request: `model` the folder, `hints` of the Gather or None, `part` a number of its own where the utterance goes on;
    its body the samples, int16 at 8 kHz in the machine's byte order. Reply: `text`, empty where nothing was understood,
    `confidence` 0 to 1, `unknown` no hints at all: the model says nothing of words it does not know. An utterance that
    goes on has no confidence. Raises Refused for a folder that holds no model.
    """
    if request.get("part") is not None:
        return {"text": _so_far(request, np.frombuffer(body, np.int16)), "confidence": 0.0, "unknown": []}, b""
    recogniser = _recogniser(request)
    recogniser.SetWords(True)
    wide = soxr.resample(np.frombuffer(body, np.int16), RATE, _MODEL_RATE, quality="HQ")
    recogniser.AcceptWaveform(wide.tobytes())
    found: dict[str, Any] = json.loads(recogniser.FinalResult())
    words = [word for word in found.get("result", ()) if word["word"] != _UNKNOWN]
    confidence = sum(word["conf"] for word in words) / len(words) if words else 0.0
    return {"text": " ".join(word["word"] for word in words), "confidence": round(confidence, 3), "unknown": []}, b""


class _Growing:
    """An utterance that goes on: the model has heard `taken` samples of it."""

    def __init__(self, recogniser: Any) -> None:
        self.recogniser = recogniser
        self.taken = 0
        self.over = ""
        self._wide = soxr.ResampleStream(RATE, _MODEL_RATE, 1, dtype="int16", quality="HQ")

    def hear(self, samples: Samples) -> None:
        """All of it; what is new of it goes to the model."""
        if self.recogniser.AcceptWaveform(self._wide.resample_chunk(samples[self.taken :]).tobytes()):
            # The model takes a pause for an end, and begins anew.
            self.over += " " + json.loads(self.recogniser.Result())["text"]
        self.taken = len(samples)


_growing: dict[int, _Growing] = {}


def _so_far(request: Header, samples: Samples) -> str:
    growing = _growing.pop(request["part"], None) or _Growing(_recogniser(request))
    _growing[request["part"]] = growing
    if len(_growing) > _GROWING:
        del _growing[next(iter(_growing))]
    growing.hear(samples)
    words = f"{growing.over} {json.loads(growing.recogniser.PartialResult())['partial']}".split()
    return " ".join(word for word in words if word != _UNKNOWN)


def _recogniser(request: Header) -> Any:
    said = phrases(request["hints"])
    options = [json.dumps([*said, *ANSWERS, *DIGITS, _UNKNOWN])] if said else []
    return vosk.KaldiRecognizer(_model(request["model"]), _MODEL_RATE, *options)


@functools.lru_cache(1)
def _model(folder: str) -> Any:
    try:
        return vosk.Model(folder)
    except Exception as error:
        raise Refused(f"{folder} holds no vosk model: {error}") from None
