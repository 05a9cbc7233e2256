"""What is heard in place of what did not come, in G.711: lost packets made up from what was heard, and comfort noise.

A hole is filled with the last period of the pitch of what was heard before it, at full level for 10 ms and falling to
nothing at 60 ms, as ITU-T G.711 Appendix I has it in principle; what follows comes in over 4 ms. Comfort noise
(RFC 3389) is white, at the level that the far end gave; its spectrum is left aside.
"""

import numpy as np

from media.kernel import constants as c
from media.kernel.arrays import Words
from media.kernel.compiled import compiled
from media.kernel.g711 import ALAW_TO_LINEAR, LINEAR_TO_ALAW, LINEAR_TO_ULAW, ULAW_TO_LINEAR
from media.kernel.layout import CoreRow, SessionRow

# Of white noise spread evenly around zero, whose mean power is so many dB below overload (RFC 3389 §3).
_NOISE_AMPLITUDES: Words = np.minimum(32767, np.round(32768 * np.sqrt(3) * 10 ** (-np.arange(128) / 20))).astype(
    np.int64
)
_LEVEL_BITS = 0x7F
# So that products of 160 samples stay within a word when they are squared.
_SHIFT = 4


@compiled
def _linear(codec: int, octet: int) -> int:
    return int(ALAW_TO_LINEAR[octet] if codec == c.PCMA else ULAW_TO_LINEAR[octet])


@compiled
def _coded(codec: int, sample: int) -> int:
    return int(LINEAR_TO_ALAW[sample & 0xFFFF] if codec == c.PCMA else LINEAR_TO_ULAW[sample & 0xFFFF])


@compiled
def can_make_up(row: SessionRow) -> bool:
    """Return whether what is lost of a session's stream is made up here."""
    return row.receive_codec != c.G722 and row.opus_decoder == 0


@compiled
def _find_pitch(core: CoreRow) -> int:
    """Return the period in samples by which the last 20 ms of `core.speech` repeat themselves best."""
    begin = c.HISTORY_SAMPLES - c.TICK_SAMPLES
    best = 0
    pitch = c.PITCH_LONGEST
    for lag in range(c.PITCH_SHORTEST, c.PITCH_LONGEST + 1):
        alike = 0
        power = 1
        for place in range(begin, c.HISTORY_SAMPLES):
            before = int(core.speech[place - lag]) >> _SHIFT
            alike += (int(core.speech[place]) >> _SHIFT) * before
            power += before * before
        score = alike * alike // power if alike > 0 else 0
        if score > best:
            best = score
            pitch = lag
    return pitch


@compiled
def _made_up(row: SessionRow, core: CoreRow, place: int) -> int:
    """Return the sample of a hole at a place, from what was heard before it in `core.speech`."""
    if place >= c.MADE_UP_MOST:
        return 0
    heard = int(core.speech[c.HISTORY_SAMPLES - row.pitch + place % row.pitch])
    if place < c.MADE_UP_FULL:
        return heard
    return heard * (c.MADE_UP_MOST - place) // (c.MADE_UP_MOST - c.MADE_UP_FULL)


@compiled
def _look_back(row: SessionRow, core: CoreRow) -> None:
    """Put the last frames before the hole into `core.speech`."""
    for frame in range(c.HISTORY_FRAMES):
        kept = (row.hole_from - c.HISTORY_FRAMES + frame) % c.HEARD_FRAMES
        for sample in range(c.TICK_SAMPLES):
            core.speech[frame * c.TICK_SAMPLES + sample] = _linear(row.receive_codec, row.heard[kept, sample])


@compiled
def make_up(row: SessionRow, core: CoreRow, at: int, samples: int) -> None:
    """Fill so many samples at `core.frame[at]` in place of a lost packet, once enough was heard to make them of."""
    if row.made_up == 0:
        row.hole_from = row.heard_count[0]
    if row.hole_from - row.history_from < c.HISTORY_FRAMES:
        return
    if row.made_up < c.MADE_UP_MOST:
        _look_back(row, core)
    if row.made_up == 0:
        row.pitch = _find_pitch(core)
    for sample in range(samples):
        core.frame[at + sample] = _coded(row.receive_codec, _made_up(row, core, row.made_up + sample))
    row.made_up += samples


@compiled
def come_back(row: SessionRow, core: CoreRow, at: int, samples: int) -> None:
    """Let what follows a hole at `core.frame[at]` come in softly, where something was made up before it."""
    fade = min(c.MADE_UP_FADE, samples)
    if row.made_up < c.MADE_UP_MOST:
        _look_back(row, core)
        for sample in range(fade):
            heard = _linear(row.receive_codec, core.frame[at + sample]) * (sample + 1)
            mixed = heard + _made_up(row, core, row.made_up + sample) * (fade - 1 - sample)
            core.frame[at + sample] = _coded(row.receive_codec, mixed // fade)
    row.made_up = 0


@compiled
def put_noise(row: SessionRow, level: int) -> None:
    """Take note of a comfort noise packet whose first octet is `level`: what is silent from here on is that noise."""
    row.noise_level = _NOISE_AMPLITUDES[level & _LEVEL_BITS]


@compiled
def fill_noise(row: SessionRow, core: CoreRow, at: int, samples: int) -> None:
    """Fill so many samples at `core.frame[at]` with the far end's comfort noise."""
    if row.receive_codec == c.G722:
        return
    amplitude = row.noise_level
    for sample in range(samples):
        row.noise_state = (row.noise_state * 1103515245 + 12345) & 0x7FFFFFFF
        noise = (row.noise_state >> 8) % (2 * amplitude + 1) - amplitude
        core.frame[at + sample] = _coded(row.receive_codec, noise)
