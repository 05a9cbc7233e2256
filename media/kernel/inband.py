"""Keys as tones in the audio, where no telephone-event was negotiated (ITU-T Q.23, Q.24): heard and made.

A key is heard when two consecutive frames of 20 ms hold one tone of either group and next to nothing else (Goertzel's
sums), and is over after two frames without it. Keys of 50 ms with gaps of 50 ms are heard; speech, music on one note,
and tones 5 % off are not.
"""

import math

from media.kernel import constants as c
from media.kernel.arrays import Samples
from media.kernel.codecs import decode_frame, encode_frame, reset_codec
from media.kernel.compiled import compiled
from media.kernel.digits import advance_symbols
from media.kernel.layout import FRAME_AT, CoreRow, SessionRow
from media.kernel.native import copy_octets
from media.kernel.player import stop_by_key
from media.kernel.ring import tell

LOW_HERTZ = (697, 770, 852, 941)
HIGH_HERTZ = (1209, 1336, 1477, 1633)

# The keys by row and column, as `constants.KEYS` counts them.
_KEYS = (1, 2, 3, 12, 4, 5, 6, 13, 7, 8, 9, 14, 10, 0, 11, 15)
_PLACES = (13, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 14, 3, 7, 11, 15)

# What the two tones must be of all energy in the frame, and how much stronger than any other of their group.
_SHARE = 0.7
_ABOVE_OTHERS = 8.0
# One group may be so much stronger than the other: 8 dB.
_TWIST = 6.3
# Samples of this size on average are too quiet for a key: -48 dBFS.
_QUIET = 130.0
_FRAMES = 2

# Peaks of what we send, -15 and -13 dBFS: the upper one travels worse.
_LOW_PEAK = 5800.0
_HIGH_PEAK = 7300.0


@compiled
def _power(samples: Samples, hertz: int) -> float:
    """Return Goertzel's sum for a frequency, squared: half the square of the peak times the square of the length."""
    turn = 2.0 * math.cos(2.0 * math.pi * hertz / c.CLOCK_RATE)
    last = 0.0
    before = 0.0
    for place in range(c.TICK_SAMPLES):
        last, before = samples[place] + turn * last - before, last
    return last * last + before * before - turn * last * before


@compiled
def key_in(samples: Samples) -> int:
    """Return the key (0 to 15) whose tones 160 samples at 8 kHz hold, or -1."""
    energy = 0.0
    for place in range(c.TICK_SAMPLES):
        energy += float(samples[place]) * float(samples[place])
    if energy < _QUIET * _QUIET * c.TICK_SAMPLES:
        return -1
    low = 0
    high = 0
    low_power = 0.0
    high_power = 0.0
    low_second = 0.0
    high_second = 0.0
    for place in range(4):
        power = _power(samples, LOW_HERTZ[place])
        if power > low_power:
            low, low_power, low_second = place, power, low_power
        else:
            low_second = max(low_second, power)
        power = _power(samples, HIGH_HERTZ[place])
        if power > high_power:
            high, high_power, high_second = place, power, high_power
        else:
            high_second = max(high_second, power)
    if low_power + high_power < _SHARE * energy * (c.TICK_SAMPLES // 2):
        return -1
    if low_power > _TWIST * high_power or high_power > _TWIST * low_power:
        return -1
    if low_second * _ABOVE_OTHERS > low_power or high_second * _ABOVE_OTHERS > high_power:
        return -1
    return _KEYS[4 * low + high]


@compiled
def listen_for_keys(row: SessionRow, wanted: int) -> None:
    """Begin or end to look for keys in what is received."""
    if wanted and row.tapped & c.TAPPED_KEYS == 0:
        row.tapped |= c.TAPPED_KEYS
        row.inband_key = -1
        row.inband_last = -1
        row.inband_frames = 0
        reset_codec(row.inband_decoder)
    elif wanted == 0:
        row.tapped &= ~c.TAPPED_KEYS


@compiled
def hear_keys(row: SessionRow, core: CoreRow) -> None:
    """Look for a key in `core.frame`, which has just been played out; report it when it begins and when it ends."""
    decode_frame(row.receive_codec, core.frame, core.samples, row.inband_decoder)
    key = key_in(core.samples)
    if key == row.inband_last:
        row.inband_frames += 1
    else:
        row.inband_last = key
        row.inband_frames = 1
    if row.inband_key >= 0:
        if key == row.inband_key:
            row.inband_ticks += 1
        elif row.inband_frames >= _FRAMES:
            duration = row.inband_ticks * c.TICK_MS
            tell(core, row, c.EVENT_DIGIT_ENDED, core.now, row.inband_key, duration, c.NONE, c.NONE)
            row.inband_key = -1
    if key >= 0 and key != row.inband_key and row.inband_frames >= _FRAMES:
        row.inband_key = key
        row.inband_ticks = row.inband_frames
        tell(core, row, c.EVENT_DIGIT_STARTED, core.now, key, c.YES, c.NONE, c.NONE)
        stop_by_key(row, key)


@compiled
def write_tones(row: SessionRow, core: CoreRow, target: int) -> None:
    """Advance the digits by one tick, and put the key's tones, or silence between keys, in place of the audio."""
    begun = row.digits_phase == c.DIGITS_NEXT
    if not advance_symbols(row):
        return
    peak = 1.0 if row.digits_phase == c.DIGITS_EVENT else 0.0
    place = _PLACES[row.digits_key]
    low = 2.0 * math.pi * LOW_HERTZ[place // 4] / c.CLOCK_RATE
    high = 2.0 * math.pi * HIGH_HERTZ[place % 4] / c.CLOCK_RATE
    at = row.digits_elapsed_ms * c.SAMPLES_PER_MS
    for sample in range(c.TICK_SAMPLES):
        value = _LOW_PEAK * math.sin(low * (at + sample)) + _HIGH_PEAK * math.sin(high * (at + sample))
        core.samples[sample] = int(peak * value)
    if begun and row.digits_index == 1:
        reset_codec(row.inband_encoder)
    encode_frame(row.send_codec, core.samples, core.frame, row.inband_encoder)
    copy_octets(target, core.address + FRAME_AT, c.TICK_SAMPLES)
    if row.digits_phase == c.DIGITS_EVENT:
        row.digits_elapsed_ms += c.TICK_MS
        if row.digits_elapsed_ms >= row.digits_duration_ms:
            row.digits_phase = c.DIGITS_GAP
            row.digits_left_ms = row.digits_gap_ms
        return
    row.digits_left_ms -= c.TICK_MS
    if row.digits_left_ms <= 0:
        row.digits_phase = c.DIGITS_NEXT
