"""The parameters of formats, `a=fmtp`, as typed values: Opus (RFC 7587 §6.1, §7) and telephone-event (RFC 4733 §2.4.1).

Peers write them with or without spaces and in any case; a value out of range counts as not given.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

KEYS: Final = frozenset(range(16))
"""The sixteen keys: what telephone-event means where no events are named (RFC 4733 §2.4.1)."""

_FMTP_CHARS: Final = 512
_HIGHEST_EVENT: Final = 255
_OPUS_RATES: Final = range(8000, 48001)
_OPUS_BITRATES: Final = range(6000, 510001)
_OPUS_PACKETS: Final = range(3, 121)


@dataclass(frozen=True, slots=True)
class OpusParameters:
    """What a side likes to receive in Opus. Rates in Hz, `max_average_bitrate` in bit/s, `min_ptime` in ms.

    `min_ptime` is of the drafts of RFC 7587; browsers still write it.
    """

    max_playback_rate: int = 48000
    max_average_bitrate: int | None = None
    stereo: bool = False
    inband_fec: bool = False
    dtx: bool = False
    constant_bitrate: bool = False
    min_ptime: int | None = None


def opus_parameters(fmtp: str | None) -> OpusParameters:
    """Reads the parameters of an Opus format, those unknown left out; None gives the defaults of RFC 7587 §6.1."""
    return _opus(fmtp) if fmtp and len(fmtp) <= _FMTP_CHARS else OpusParameters()


def telephone_events(fmtp: str | None) -> frozenset[int]:
    """The events that a side takes, from a list such as `0-15,66,70`; the sixteen keys without one or a sound one."""
    return _events(fmtp) if fmtp and len(fmtp) <= _FMTP_CHARS else KEYS


@lru_cache(maxsize=256)
def _opus(fmtp: str) -> OpusParameters:
    given: dict[str, int] = {}
    for part in fmtp.split(";"):
        name, _, value = part.partition("=")
        value = value.strip()
        if value.isascii() and value.isdigit() and len(value) <= 7:
            given.setdefault(name.strip().lower(), int(value))
    return OpusParameters(
        max_playback_rate=_within(given.get("maxplaybackrate"), _OPUS_RATES) or 48000,
        max_average_bitrate=_within(given.get("maxaveragebitrate"), _OPUS_BITRATES),
        stereo=given.get("stereo") == 1,
        inband_fec=given.get("useinbandfec") == 1,
        dtx=given.get("usedtx") == 1,
        constant_bitrate=given.get("cbr") == 1,
        min_ptime=_within(given.get("minptime"), _OPUS_PACKETS),
    )


@lru_cache(maxsize=256)
def _events(fmtp: str) -> frozenset[int]:
    events: set[int] = set()
    # RFC 2833 wrote the list as a parameter of its own, and a few gateways do still.
    listed = fmtp.strip().removeprefix("events=")
    for part in listed.split(","):
        first, dash, last = part.strip().partition("-")
        low = _event(first)
        high = _event(last) if dash else low
        if low is None or high is None or high < low:
            return KEYS
        events.update(range(low, high + 1))
    return frozenset(events)


def _event(text: str) -> int | None:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        return None
    return int(text) if int(text) <= _HIGHEST_EVENT else None


def _within(value: int | None, allowed: range) -> int | None:
    return value if value is not None and value in allowed else None
