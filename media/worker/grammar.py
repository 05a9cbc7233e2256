"""What the recognising child of the embedded engine does: an utterance to the phrase of a grammar that it is.

PocketSphinx with the English model in its wheel. It knows the words of a dictionary; a hint with another word is left
out and named in the reply. What fits no phrase well enough is nothing.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from pocketsphinx import Decoder

from media.resample import Samples
from media.worker.frames import Body, Header
from media.worker.highband import widened
from media.worker.phrases import jsgf, phrases, whole

# Each word more has to pay for itself, or a pause becomes one.
_WORD_PENALTY = 0.003
# A frame's score is the logarithm of how its phrase does against the best of all sounds: 0 is as good as can be. On
# synthetic speech nine tenths of what was right lie above the middle one, a third of what fits no phrase.
_CERTAIN_SCORE, _LEAST_SCORE, _WORST_SCORE = -1.5, -5.5, -6.5
_LEAST_PROBABILITY = 1e-320
KEPT_GRAMMARS = 64
"""Of as many Gathers the grammar is ready when it is asked for again."""

# -40 dBFS, and 0.3 s
_SILENCE = 300
_MARGIN = 300 * 8
# Hints named in a reply, which is bounded.
_NAMED = 20
_PAUSES = ("<s>", "</s>", "<sil>", "[NOISE]")


@dataclass(frozen=True, slots=True)
class _Grammar:
    """A search of the decoder by its name; the phrases that it knows, and those with a word that it does not."""

    name: str
    known: list[str]
    unknown: list[str]


_grammars: dict[str | None, _Grammar] = {}
_numbers = itertools.count()
_decoder = Decoder(lm=None, loglevel="FATAL", wip=_WORD_PENALTY)


def handle(request: Header, body: bytes) -> tuple[Header, Body]:
    """Recognise an utterance.

    Request: `hints` of the Gather or None, `part` a number where the utterance goes on; its body the samples, int16 at
    8 kHz in the machine's byte order. Reply: `text`, empty where nothing was understood, `confidence` 0 to 1, `unknown`
    the hints that cannot be heard. Of an utterance that goes on `text` is what it most likely began with, without
    confidence.
    """
    hints: str | None = request["hints"]
    grammar = _use_grammar(hints)
    _decoder.start_utt()
    _decoder.process_raw(widened(_trimmed(np.frombuffer(body, np.int16))).tobytes(), no_search=False, full_utt=True)
    if request.get("part") is not None:
        begun = _decoder.hyp()
        _decoder.end_utt()
        return {"text": begun.hypstr if begun is not None else "", "confidence": 0.0, "unknown": []}, b""
    _decoder.end_utt()
    found = _decoder.hyp()
    score = _score()
    text = found.hypstr if found is not None and score >= _LEAST_SCORE else ""
    if not whole(text, grammar.known):
        # The search ended in the middle of a phrase
        text = ""
    confidence = min((score - _WORST_SCORE) / (_CERTAIN_SCORE - _WORST_SCORE), 1.0) if text else 0.0
    return {"text": text, "confidence": round(confidence, 3), "unknown": grammar.unknown[:_NAMED]}, b""


def _use_grammar(hints: str | None) -> _Grammar:
    """Makes the decoder listen for the grammar of `hints`."""
    grammar = _grammars.pop(hints, None)
    if grammar is None:
        said = phrases(hints)
        known = [phrase for phrase in said if all(_decoder.lookup_word(word) for word in phrase.split())]
        grammar = _Grammar(f"grammar {next(_numbers)}", known, [phrase for phrase in said if phrase not in known])
        _decoder.add_jsgf_string(grammar.name, jsgf(known))
    _grammars[hints] = grammar
    _decoder.activate_search(grammar.name)
    if len(_grammars) > KEPT_GRAMMARS:
        _decoder.remove_search(_grammars.pop(next(iter(_grammars))).name)
    return grammar


def _trimmed(samples: Samples) -> Samples:
    """The samples with as much silence at both ends as the mean of an utterance is taken well with."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _SILENCE)
    if not len(loud):
        return samples
    return samples[max(int(loud[0]) - _MARGIN, 0) : int(loud[-1]) + _MARGIN]


def _score() -> float:
    """The mean score of a frame of the words; the worst where there are none."""
    score, frames = 0.0, 0
    for segment in _decoder.seg() or ():
        if segment.word not in _PAUSES:
            score += math.log(max(segment.ascore, _LEAST_PROBABILITY))
            frames += segment.end_frame - segment.start_frame + 1
    return score / frames if frames else _WORST_SCORE
