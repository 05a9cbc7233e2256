"""How good a call sounds, as the E-model estimates it (ITU-T G.107, G.113): a mean opinion score of 1 to 4.5."""

_BASIC_RATING = 93.2
# How well a codec bears loss at random (G.113 Appendix I): G.711 with what is lost made up, and without.
_ROBUST_MADE_UP = 25.1
_ROBUST_SILENT = 4.3
_WORST_IMPAIRMENT = 95.0
# Beyond this delay of mouth to ear talking to each other suffers.
_NOTICED_MS = 177.3


def mean_opinion(lost: int, expected: int, delay_ms: float, *, made_up: bool) -> float:
    """Return the score for so many packets lost or late of those expected, and so many ms from mouth to ear.

    `made_up` is whether something is heard in place of what is lost. All codecs count as G.711: they differ by less
    than the estimate is worth. Where the way of the packets was not measured the delay is that of both ends alone.
    """
    percent = 100 * min(lost, expected) / expected if expected > 0 else 0.0
    delay = 0.024 * delay_ms + 0.11 * max(delay_ms - _NOTICED_MS, 0)
    loss = _WORST_IMPAIRMENT * percent / (percent + (_ROBUST_MADE_UP if made_up else _ROBUST_SILENT))
    rating = min(max(_BASIC_RATING - delay - loss, 0), 100)
    # The cubic dips a little below its scale for the very worst.
    return max(1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6, 1.0)
