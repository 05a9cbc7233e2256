"""What a call's log and its record say of the audio of a leg once that is over."""

from __future__ import annotations

from engine.leg_media import LegMedia
from media import SessionStatistics


def media_report(statistics: SessionStatistics) -> dict[str, object]:
    """How much there was, how well it arrived here and there, what was dropped for which reason."""
    return {
        "packetsIn": statistics.packets_in,
        "packetsOut": statistics.packets_out,
        "lost": statistics.lost,
        "late": statistics.late,
        "jitterMs": round(statistics.jitter_ms, 2),
        "concealedMs": round(statistics.concealed_ms),
        "dropped": {reason: count for reason, count in statistics.dropped.items() if count},
        "depthMs": round(statistics.target_ms),
        "roundTripMs": _rounded(statistics.rtt_ms),
        "mos": _rounded(statistics.mos),
        "remoteLost": statistics.remote_lost,
        "remoteJitterMs": _rounded(statistics.remote_jitter_ms),
        "remoteMos": _rounded(statistics.remote_mos),
    }


def leg_media(statistics: SessionStatistics, leg: str | None) -> LegMedia:
    """What the record of a call keeps of it; `leg` is the public id of a leg that the call dialled, None its own."""
    return LegMedia(
        leg=leg,
        packets_in=statistics.packets_in,
        packets_out=statistics.packets_out,
        lost=statistics.lost,
        late=statistics.late,
        jitter_ms=round(statistics.jitter_ms, 2),
        concealed_ms=round(statistics.concealed_ms),
        round_trip_ms=_rounded(statistics.rtt_ms),
        mos=_rounded(statistics.mos),
        remote_lost=statistics.remote_lost,
        remote_jitter_ms=_rounded(statistics.remote_jitter_ms),
        remote_mos=_rounded(statistics.remote_mos),
    )


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 2)
