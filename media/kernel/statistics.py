"""What has been measured, read from the kernel's rows as they are at this moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from media.kernel import constants as c
from media.kernel.addresses import address_text
from media.kernel.core import MediaCore
from media.kernel.layout import CoreRow, SessionRow, record_dtype
from media.kernel.quality import mean_opinion
from media.kernel.reception import counted_packets, expected_packets


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """What one session has sent and received so far. Octets are those of payloads, without headers.

    `depth_ms` is the present delay of the jitter buffer, `target_ms` the one that the network needs. `mos` estimates
    how well this side hears the other, `remote_mos` how well the other hears this one (`mean_opinion`). `dropped`
    counts by reason what was not used. The remote figures are from the far end's last report, None without one;
    `remote` is the address that is listened to, None before anything was accepted.
    """

    packets_in: int
    packets_out: int
    bytes_in: int
    bytes_out: int
    lost: int
    jitter_ms: float
    late: int
    duplicates: int
    out_of_order: int
    depth_ms: float
    target_ms: float
    concealed_ms: float
    dropped_foreign: int
    dropped: dict[str, int]
    send_errors: int
    remote: tuple[str, int] | None
    rtt_ms: float | None
    remote_lost: int | None
    remote_fraction_lost: float | None
    remote_jitter_ms: float | None
    mos: float | None
    remote_mos: float | None


@dataclass(frozen=True, slots=True)
class PlaneStatistics:
    """What the media plane as a whole does. `late` maps "<1 ms" and so on to how many sub-ticks began so late.

    `skipped_ticks` are 20 ms periods that were left out after a stall. `events_lost` and `frames_lost` count what
    asyncio was too slow to take; ends of playbacks, of digits sent and of sessions are never among them.
    """

    sessions: int
    ticks: int
    skipped_ticks: int
    late: dict[str, int]
    late_max_ms: float
    syscalls: int
    packets_in: int
    packets_out: int
    reports_in: int
    reports_out: int
    send_errors: int
    receive_errors: int
    events_lost: int
    frames_lost: int
    commands_refused: int
    dropped: dict[str, int]
    free_ports: int


def _scalars(declaration: type, *wanted: str) -> tuple[tuple[str, ...], npt.NDArray[np.intp]]:
    """The names of those of a record's plain integers, of all where none is named, and their places in words."""
    fields = record_dtype(declaration).fields
    assert fields is not None
    names = wanted or tuple(name for name, field in fields.items() if field[0] == np.int64)
    return names, np.array([fields[name][1] // 8 for name in names], np.intp)


# A session has five times as many, and each call is read at its end.
_SESSION_SCALARS = _scalars(
    SessionRow,
    *("received", "packets_sent", "octets_received", "octets_sent", "late", "duplicates", "out_of_order", "concealed"),
    *("jitter", "send_errors", "source_rank", "receive_codec", "clock_steps", "max_timestamp", "stream_started"),
    *("expected_before", "max_sequence", "base_sequence", "received_before", "stream_received"),
    *("jb_state", "jb_play_timestamp", "jb_target", "round_trip_ns", "round_trip_known", "reports_received"),
    *("remote_lost", "remote_fraction_lost", "remote_jitter"),
)
_CORE_SCALARS = _scalars(CoreRow)


def _fields(row: Any, scalars: tuple[tuple[str, ...], npt.NDArray[np.intp]]) -> Any:
    """The plain integers of a row as Python's, read in one go, so that the kernel's own functions count on them."""
    names, places = scalars
    return SimpleNamespace(**dict(zip(names, np.frombuffer(row, np.int64)[places].tolist(), strict=True)))


def read_session(row: Any, generation: int) -> SessionStatistics:
    """Return the statistics of a session's row; nothing yet where the row still shows another generation."""
    if row["generation"] != generation:
        row = np.zeros(1, row.dtype)[0]
    fields = _fields(row, _SESSION_SCALARS)
    expected: int = _plain(expected_packets)(fields)
    received: int = _plain(counted_packets)(fields)
    playing = fields.jb_state == c.JITTER_PLAYING
    depth = fields.max_timestamp // max(fields.clock_steps, 1) - fields.jb_play_timestamp if playing else 0
    reported = fields.reports_received > 0
    dropped = dict(zip(c.DROP_NAMES, row["drops"].tolist(), strict=True))
    source = row["source"].tolist()
    per_ms = c.SAMPLES_PER_MS
    rtt_ms = fields.round_trip_ns / 1e6 if fields.round_trip_known else None
    target_ms = fields.jb_target / per_ms
    delay_ms = (rtt_ms or 0) / 2 + target_ms + c.TICK_MS
    lost = max(expected - received, 0)
    remote_lost = fields.remote_lost if reported else None
    made_up = fields.receive_codec != c.G722
    return SessionStatistics(
        packets_in=fields.received,
        packets_out=fields.packets_sent,
        bytes_in=fields.octets_received,
        bytes_out=fields.octets_sent,
        lost=lost,
        jitter_ms=fields.jitter / 16 / per_ms,
        late=fields.late,
        duplicates=fields.duplicates,
        out_of_order=fields.out_of_order,
        depth_ms=max(depth, 0) / per_ms,
        target_ms=target_ms,
        concealed_ms=fields.concealed / per_ms,
        dropped_foreign=dropped["foreign"],
        dropped=dropped,
        send_errors=fields.send_errors,
        remote=address_text(*source[:3]) if fields.source_rank else None,
        rtt_ms=rtt_ms,
        remote_lost=remote_lost,
        remote_fraction_lost=fields.remote_fraction_lost / 256 if reported else None,
        remote_jitter_ms=fields.remote_jitter / per_ms / max(fields.clock_steps, 1) if reported else None,
        mos=mean_opinion(lost + fields.late, expected, delay_ms, made_up=made_up) if received else None,
        # How deep the far end's buffer is and what it does about loss is not known: as ours.
        remote_mos=mean_opinion(max(remote_lost, 0), fields.packets_sent, delay_ms, made_up=made_up)
        if remote_lost is not None and fields.packets_sent
        else None,
    )


def _plain(function: Any) -> Any:
    return getattr(function, "py_func", function)


def _late_names() -> tuple[str, ...]:
    return (*(f"<{bound / 1000:g} ms" for bound in c.LATE_CLASSES_US), f">={c.LATE_CLASSES_US[-1] / 1000:g} ms")


def _summed(cores: Sequence[MediaCore], name: str, kinds: Sequence[str]) -> dict[str, int]:
    return dict(zip(kinds, sum(core.row[name] for core in cores).tolist(), strict=True))


def read_plane(cores: Sequence[MediaCore], free_ports: int) -> PlaneStatistics:
    """Return the statistics of all cores together."""
    rows = [_fields(core.row, _CORE_SCALARS) for core in cores]

    def total(name: str) -> int:
        return sum(getattr(row, name) for row in rows)

    return PlaneStatistics(
        sessions=total("sessions"),
        ticks=total("ticks"),
        skipped_ticks=total("skipped_ticks"),
        late=_summed(cores, "late", _late_names()),
        late_max_ms=max(row.late_max_ns for row in rows) / 1e6,
        syscalls=total("syscalls"),
        packets_in=total("packets_in"),
        packets_out=total("packets_out"),
        reports_in=total("reports_in"),
        reports_out=total("reports_out"),
        send_errors=total("send_errors"),
        receive_errors=total("receive_errors"),
        events_lost=total("events_lost"),
        frames_lost=total("taps_lost"),
        commands_refused=total("commands_refused"),
        dropped=_summed(cores, "drops", c.DROP_NAMES),
        free_ports=free_ports,
    )
