"""The codecs of the kernel: 20 ms are 160 octets in each of them, and an RTP timestamp counts octets.

A frame is decoded to 8 kHz and encoded from it. G.711 needs no memory; a stream in G.722 needs a state on either side.
"""

import numpy as np

from media.kernel import constants as c
from media.kernel import g711
from media.kernel.arrays import Octets, Samples, Words
from media.kernel.compiled import compiled, compiled_without_gil
from media.kernel.g711 import ALAW_TO_LINEAR, LINEAR_TO_ALAW, LINEAR_TO_ULAW, ULAW_TO_LINEAR
from media.kernel.g722 import STATE_WORDS, decode_narrow, encode_narrow, reset_g722

CODECS = {"PCMU": c.PCMU, "PCMA": c.PCMA, "G722": c.G722}
SILENCE = {c.PCMU: c.PCMU_SILENCE, c.PCMA: c.PCMA_SILENCE, c.G722: c.G722_SILENCE}

assert STATE_WORDS == c.CODEC_STATE_WORDS

_ULAW_TO_ALAW: Octets = LINEAR_TO_ALAW[ULAW_TO_LINEAR.view(np.uint16)]
_ALAW_TO_ULAW: Octets = LINEAR_TO_ULAW[ALAW_TO_LINEAR.view(np.uint16)]


@compiled
def silence_of(codec: int) -> int:
    """Return the octet of a codec that, repeated, is silence."""
    if codec == c.PCMU:
        return c.PCMU_SILENCE
    return c.PCMA_SILENCE if codec == c.PCMA else c.G722_SILENCE


@compiled
def reset_codec(state: Words) -> None:
    """Make a decoder's or encoder's state ready for the beginning of a stream."""
    reset_g722(state)


@compiled
def decode_frame(codec: int, octets: Octets, samples: Samples, state: Words) -> None:
    """Decode 160 octets to 160 samples at 8 kHz."""
    if codec == c.G722:
        decode_narrow(state, octets, samples, c.TICK_SAMPLES)
        return
    table = ALAW_TO_LINEAR if codec == c.PCMA else ULAW_TO_LINEAR
    for place in range(c.TICK_SAMPLES):
        samples[place] = table[octets[place]]


@compiled
def encode_frame(codec: int, samples: Samples, octets: Octets, state: Words) -> None:
    """Encode 160 samples at 8 kHz to 160 octets."""
    if codec == c.G722:
        encode_narrow(state, samples, octets, c.TICK_SAMPLES)
        return
    table = LINEAR_TO_ALAW if codec == c.PCMA else LINEAR_TO_ULAW
    for place in range(c.TICK_SAMPLES):
        octets[place] = table[int(samples[place]) & 0xFFFF]


@compiled
def recode_g711(source: Octets, target: Octets, to: int) -> None:
    """Turn 160 octets of the other G.711 law into those of `to`, as ITU-T G.711 §3 has it: by way of linear samples."""
    table = _ULAW_TO_ALAW if to == c.PCMA else _ALAW_TO_ULAW
    for place in range(c.TICK_SAMPLES):
        target[place] = table[source[place]]


@compiled_without_gil
def _encode_stream(samples: Samples, octets: Octets, state: Words) -> None:
    reset_g722(state)
    encode_narrow(state, samples, octets, len(samples))


def encode(samples: Samples, codec: str) -> Octets:
    """Encode int16 samples at 8 kHz as octets of "PCMU", "PCMA" or "G722", one per sample."""
    if CODECS[codec] != c.G722:
        return g711.encode(samples, codec)
    octets = np.empty(len(samples), np.uint8)
    # The compiled form is made for one kind of array: prompts cannot be written to.
    _encode_stream(np.array(samples), octets, np.zeros(STATE_WORDS, np.int64))
    return octets


def decode(octets: Octets, codec: str) -> Samples:
    """Decode octets of "PCMU", "PCMA" or "G722", from the beginning of a stream, to int16 samples at 8 kHz."""
    if CODECS[codec] != c.G722:
        return g711.decode(octets, codec)
    state = np.zeros(STATE_WORDS, np.int64)
    reset_g722(state)
    samples = np.empty(len(octets), np.int16)
    decode_narrow(state, octets, samples, len(octets))
    return samples
