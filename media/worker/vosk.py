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

from media.resample import RATE
from media.worker.errors import Refused
from media.worker.frames import Body, Header
from media.worker.phrases import ANSWERS, DIGITS, phrases

_MODEL_RATE = 16_000
_UNKNOWN = "[unk]"

vosk.SetLogLevel(-1)


def handle(request: Header, body: bytes) -> tuple[Header, Body]:
    """Recognise an utterance.

    Request: `model` the folder, `hints` of the Gather or None, `so_far` true where the utterance goes on; its body the
    samples, int16 at 8 kHz in the machine's byte order. Reply: `text`, empty where nothing was understood, `confidence`
    0 to 1, `unknown` no hints at all: the model says nothing of words it does not know. An utterance that goes on has
    no confidence. Raises Refused for a folder that holds no model.
    """
    said = phrases(request["hints"])
    options = [json.dumps([*said, *ANSWERS, *DIGITS, _UNKNOWN])] if said else []
    recogniser = vosk.KaldiRecognizer(_model(request["model"]), _MODEL_RATE, *options)
    recogniser.SetWords(True)
    wide = soxr.resample(np.frombuffer(body, np.int16), RATE, _MODEL_RATE, quality="HQ")
    recogniser.AcceptWaveform(wide.tobytes())
    if request.get("so_far"):
        begun: str = json.loads(recogniser.PartialResult()).get("partial", "")
        text = " ".join(word for word in begun.split() if word != _UNKNOWN)
        return {"text": text, "confidence": 0.0, "unknown": []}, b""
    found: dict[str, Any] = json.loads(recogniser.FinalResult())
    words = [word for word in found.get("result", ()) if word["word"] != _UNKNOWN]
    confidence = sum(word["conf"] for word in words) / len(words) if words else 0.0
    return {"text": " ".join(word["word"] for word in words), "confidence": round(confidence, 3), "unknown": []}, b""


@functools.lru_cache(1)
def _model(folder: str) -> Any:
    try:
        return vosk.Model(folder)
    except Exception as error:
        raise Refused(f"{folder} holds no vosk model: {error}") from None
