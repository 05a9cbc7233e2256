"""G.722 at 64 kbit/s (ITU-T G.722; RFC 3551 §4.5.2): 16 kHz samples, two at a time, to octets and back.

Two bands from a quadrature mirror filter, each coded by an adaptive differential quantiser whose step size and
predictor follow from what was sent before, so that sender and receiver stay in step without a word. One octet is two
samples, and an RTP timestamp counts octets, as if the clock were 8 kHz: to the player and the jitter buffer G.722 looks
like G.711.
The names of the blocks are those of the recommendation.
"""

import numpy as np

from media.kernel.arrays import Octets, Samples, Words
from media.kernel.compiled import compiled

SAMPLE_RATE = 16_000

# The words of a band's state; behind the two bands lie the 24 samples that the mirror filter remembers.
_STEP = 0  # nabla: the logarithm of the step size
_SCALE = 1  # the step size itself
_SIGNAL = 2  # what the predictor expects
_ZEROS = 3  # the part of the six zeros in it
_RECONSTRUCTED = 4  # and the one before
_PARTIAL = 6  # three: now and the two before
_POLES = 9  # two
_DIFFERENCES = 11  # seven: now and the six before
_WEIGHTS = 18  # six
_BAND = 24
_HISTORY = 2 * _BAND
_HISTORY_WORDS = 24
STATE_WORDS = _HISTORY + _HISTORY_WORDS

_LOW_SCALE = 32
_HIGH_SCALE = 8
_LOW_LIMIT = 18_432
_HIGH_LIMIT = 22_528


def _table(*values: int) -> Words:
    return np.array(values, np.int64)


_MIRROR = _table(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11)
# Decision levels of the low band, in 1/4096 of the step size.
_LEVELS = _table(
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
)  # fmt: skip
_HIGH_LEVEL = 564
# Code words of the intervals between the levels, for negative and for other differences.
_NEGATIVE = _table(63, 62, *range(31, 3, -1))
_POSITIVE = _table(*range(61, 31, -1))
_LOG = _table(*(2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
                2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008))  # fmt: skip
# What each four-bit code adds to the logarithm of the step size.
_LOW_GROWTH = _table(-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60)
_HIGH_GROWTH = _table(798, -214, 798, -214)
# Differences that the codes stand for, in 1/32768 of the step size: with four bits, six bits, and two (high band).
_FOUR_BITS = _table(0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0)
_TWO_BITS = _table(-7408, -1616, 7408, 1616)
_SIX_BITS = _table(
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
    -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
    24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464,
    4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
)  # fmt: skip


@compiled
def reset_g722(state: Words) -> None:
    """Bring a coder's or decoder's state to where both ends of a stream begin."""
    for word in range(STATE_WORDS):
        state[word] = 0
    state[_SCALE] = _LOW_SCALE
    state[_BAND + _SCALE] = _HIGH_SCALE


@compiled
def _clip16(value: int) -> int:
    return max(-32768, min(value, 32767))


@compiled
def _adapt_scale(state: Words, band: int, growth: int) -> None:
    """LOGSCL, LOGSCH, SCALEL and SCALEH: the step size after a code."""
    limit = _LOW_LIMIT if band == 0 else _HIGH_LIMIT
    step = max(0, min((state[band + _STEP] * 127 >> 7) + growth, limit))
    state[band + _STEP] = step
    shift = (8 if band == 0 else 10) - (step >> 11)
    mantissa = _LOG[step >> 6 & 31]
    state[band + _SCALE] = (mantissa >> shift if shift >= 0 else mantissa << -shift) << 2


@compiled
def _predict(state: Words, band: int, difference: int) -> None:
    """RECONS to PREDIC: take in a quantised difference, adapt both predictors, and expect the next sample."""
    zeros = state[band + _ZEROS]
    state[band + _DIFFERENCES] = difference
    reconstructed = _clip16(state[band + _SIGNAL] + difference)
    partial = _clip16(zeros + difference)
    first = state[band + _PARTIAL]
    second = state[band + _PARTIAL + 1]
    same_first = (partial < 0) == (first < 0)
    same_second = (partial < 0) == (second < 0)

    # UPPOL2, UPPOL1
    pole1 = state[band + _POLES]
    pole2 = state[band + _POLES + 1]
    turn = _clip16(pole1 << 2)
    turn = min(-turn, 32767) if same_first else turn
    pole2 = (128 if same_second else -128) + (turn >> 7) + (pole2 * 32512 >> 15)
    pole2 = max(-12288, min(pole2, 12288))
    limit = _clip16(15360 - pole2)
    pole1 = _clip16((192 if same_first else -192) + (pole1 * 32640 >> 15))
    pole1 = max(-limit, min(pole1, limit))

    # UPZERO, DELAYA, FILTEZ
    gain = 0 if difference == 0 else 128
    total = 0
    for tap in range(5, -1, -1):
        old = state[band + _DIFFERENCES + tap + 1]
        weight = state[band + _WEIGHTS + tap] * 32640 >> 15
        weight = _clip16(weight + (gain if (old < 0) == (difference < 0) else -gain))
        state[band + _WEIGHTS + tap] = weight
        newer = state[band + _DIFFERENCES + tap]
        state[band + _DIFFERENCES + tap + 1] = newer
        total += weight * _clip16(newer + newer) >> 15
    zeros = _clip16(total)

    # FILTEP, PREDIC
    before = state[band + _RECONSTRUCTED]
    poles = (pole1 * _clip16(reconstructed + reconstructed) >> 15) + (pole2 * _clip16(before + before) >> 15)
    state[band + _RECONSTRUCTED + 1] = before
    state[band + _RECONSTRUCTED] = reconstructed
    state[band + _PARTIAL + 1] = first
    state[band + _PARTIAL] = partial
    state[band + _POLES] = pole1
    state[band + _POLES + 1] = pole2
    state[band + _ZEROS] = zeros
    state[band + _SIGNAL] = _clip16(_clip16(poles) + zeros)


@compiled
def _mirror(state: Words, first: int, second: int) -> tuple[int, int]:
    """Shift two samples in and return the sums of the even and of the odd taps."""
    for place in range(_HISTORY, _HISTORY + _HISTORY_WORDS - 2):
        state[place] = state[place + 2]
    state[_HISTORY + 22] = first
    state[_HISTORY + 23] = second
    even = 0
    odd = 0
    for tap in range(12):
        even += state[_HISTORY + 2 * tap] * _MIRROR[tap]
        odd += state[_HISTORY + 2 * tap + 1] * _MIRROR[11 - tap]
    return even, odd


@compiled
def _code_low(state: Words, sample: int) -> int:
    """Code one sample of the low band in six bits."""
    wanted = _clip16(sample - state[_SIGNAL])
    size = wanted if wanted >= 0 else -(wanted + 1)
    scale = state[_SCALE]
    level = 1
    while level < 30 and size >= _LEVELS[level] * scale >> 12:
        level += 1
    low = _NEGATIVE[level - 1] if wanted < 0 else _POSITIVE[level - 1]
    code = low >> 2
    difference = scale * _FOUR_BITS[code] >> 15
    _adapt_scale(state, 0, _LOW_GROWTH[code])
    _predict(state, 0, difference)
    return low


@compiled
def _code_high(state: Words, sample: int) -> int:
    """Code one sample of the high band in two bits."""
    wanted = _clip16(sample - state[_BAND + _SIGNAL])
    size = wanted if wanted >= 0 else -(wanted + 1)
    scale = state[_BAND + _SCALE]
    far = size >= _HIGH_LEVEL * scale >> 12
    high = (0 if far else 1) if wanted < 0 else (2 if far else 3)
    difference = scale * _TWO_BITS[high] >> 15
    _adapt_scale(state, _BAND, _HIGH_GROWTH[high])
    _predict(state, _BAND, difference)
    return high


@compiled
def _decode_low(state: Words, code: int) -> int:
    """Take one code of the low band and return its sample, of 15 bits."""
    scale = state[_SCALE]
    low = state[_SIGNAL] + (scale * _SIX_BITS[code] >> 15)
    difference = scale * _FOUR_BITS[code >> 2] >> 15
    _adapt_scale(state, 0, _LOW_GROWTH[code >> 2])
    _predict(state, 0, difference)
    return max(-16384, min(low, 16383))


@compiled
def _decode_high(state: Words, code: int) -> int:
    """Take one code of the high band and return its sample, of 15 bits."""
    difference = state[_BAND + _SCALE] * _TWO_BITS[code] >> 15
    high = state[_BAND + _SIGNAL] + difference
    _adapt_scale(state, _BAND, _HIGH_GROWTH[code])
    _predict(state, _BAND, difference)
    return max(-16384, min(high, 16383))


@compiled
def encode_g722(state: Words, samples: Samples, octets: Octets, count: int) -> None:
    """Encode the first `2 * count` samples at 16 kHz to `count` octets."""
    for place in range(count):
        even, odd = _mirror(state, samples[2 * place], samples[2 * place + 1])
        low = _code_low(state, odd + even >> 14)
        octets[place] = _code_high(state, odd - even >> 14) << 6 | low


@compiled
def decode_g722(state: Words, octets: Octets, samples: Samples, count: int) -> None:
    """Decode the first `count` octets to `2 * count` samples at 16 kHz."""
    for place in range(count):
        low = _decode_low(state, octets[place] & 0x3F)
        high = _decode_high(state, octets[place] >> 6)
        even, odd = _mirror(state, low + high, low - high)
        samples[2 * place] = _clip16(odd >> 11)
        samples[2 * place + 1] = _clip16(even >> 11)


@compiled
def encode_narrow(state: Words, samples: Samples, octets: Octets, count: int) -> None:
    """Encode the first `count` samples at 8 kHz, one an octet: they are the low band, and the high one is silent.

    The receiver's mirror filter is the interpolator.
    """
    for place in range(count):
        low = _code_low(state, samples[place] >> 1)
        octets[place] = _code_high(state, 0) << 6 | low


@compiled
def decode_narrow(state: Words, octets: Octets, samples: Samples, count: int) -> None:
    """Decode the first `count` octets to as many samples at 8 kHz: what lies below 4 kHz, in a third of the time."""
    for place in range(count):
        samples[place] = 2 * _decode_low(state, octets[place] & 0x3F)


def encode_wideband(samples: Samples) -> Octets:
    """Encode int16 samples at 16 kHz as a stream of its own, one octet for two of them; a last odd one is left out."""
    state = np.zeros(STATE_WORDS, np.int64)
    reset_g722(state)
    octets = np.empty(len(samples) // 2, np.uint8)
    encode_g722(state, samples, octets, len(octets))
    return octets


def decode_wideband(octets: Octets) -> Samples:
    """Decode a G.722 stream from its beginning to int16 samples at 16 kHz, two for each octet."""
    state = np.zeros(STATE_WORDS, np.int64)
    reset_g722(state)
    samples = np.empty(2 * len(octets), np.int16)
    decode_g722(state, octets, samples, len(octets))
    return samples
