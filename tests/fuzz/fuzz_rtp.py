"""Coverage-guided fuzzing of what reads an RTP or RTCP datagram, from the socket's octets to what is heard of them.

The kernel runs uncompiled, as in the unit tests, so that coverage is seen and every index is checked by Python. Nothing
may be raised, and a call must still be heard afterwards.

    NUMBA_DISABLE_JIT=1 python tests/fuzz/fuzz_rtp.py rtp|rtcp [libFuzzer options]
"""

from __future__ import annotations

import os
from collections.abc import Callable

# Before anything of the kernel is imported.
os.environ["NUMBA_DISABLE_JIT"] = "1"

import atheris
from seeded import fuzz

with atheris.instrument_imports(include=["media.kernel"]):
    from media.kernel import g711
    from tests.media.kernel.report_support import OURS, receiver_report
    from tests.media.support import SECOND, Desk, event_payload, kernel_form, rtp, tone

_CUT = b"\xff\xfe\xfd"
_HEARD = 3000

_SPOKEN_FRAMES = 5
_SPOKEN = g711.encode(tone(440, _SPOKEN_FRAMES / 50), "PCMU")

_desks: list[Desk] = []
_streams: list[int] = []


def desk() -> Desk:
    """One session that is listened to, the same each time."""
    if not _desks:
        made = Desk(kernel_form("compiled"), sessions=1)
        made.open(0)
        made.start(0)
        made.command(made.c.COMMAND_TAP, 0, made.generation, 1)
        _desks.append(made)
    return _desks[0]


def drain(made: Desk) -> int:
    """Take all events and frames without a look, which is most of the time otherwise; returns the loudest sample of the
    last few frames."""
    c, cursors = made.c, made.core["cursors"]
    last = int(cursors[c.CURSOR_TAP_TAIL])
    for tail, head in ((c.CURSOR_EVENT_TAIL, c.CURSOR_EVENT_HEAD), (c.CURSOR_TAP_TAIL, c.CURSOR_TAP_HEAD)):
        cursors[head] = cursors[tail]
    frames = made.core["tap_frames"][[place % c.TAPS for place in range(last - _SPOKEN_FRAMES, last)]]
    return int(abs(frames.astype(int)).max())


def is_still_heard(made: Desk) -> bool:
    """Whether a new stream that begins after all that is heard as it is spoken."""
    _streams.append(len(_streams))
    # After a silence that lets another stream begin at once.
    made.now += 4 * SECOND
    made.tick()
    for number in range(_SPOKEN_FRAMES):
        made.give(rtp(number, number * 160, _SPOKEN[number * 160 :][:160].tobytes(), ssrc=0x70000000 + len(_streams)))
        made.tick()
    return drain(made) > _HEARD


def audio(data: bytes) -> None:
    """Datagrams on the RTP port, a tick apart."""
    made = desk()
    for piece in data.split(_CUT):
        made.give(piece[:2048])
        made.tick()
    drain(made)
    assert is_still_heard(made)


def reports(data: bytes) -> None:
    """Datagrams on the RTCP port; what was sent and heard stays as it was."""
    made = desk()
    before = int(made.row["received"])
    for piece in data.split(_CUT):
        made.give_report(piece[:2048])
    made.k.statistics.read_session(made.row, made.generation)
    drain(made)
    assert int(made.row["received"]) == before


_PACKETS = [
    rtp(1, 160),
    rtp(2, 320, b"\x40", payload_type=13),
    rtp(3, 480, event_payload(5, 160), payload_type=101, marker=True),
    b"\x91\x00" + rtp(4, 640)[2:12] + b"\x00\x00\x00\x01\xbe\xde\x00\x01\x10\xff\x00\x00" + b"\xff" * 160,
    b"\xa0" + rtp(5, 800)[1:] + b"\x00\x00\x00\x04",
    rtp(6, 960, bytes(320)),
]
_REPORTS = [
    receiver_report(OURS),
    b"\x80\xc8\x00\x06" + bytes(24),
    b"\x81\xca\x00\x03\x00\x00\x12\x34\x01\x02ab\x00\x00\x00\x00",
    b"\x81\xcb\x00\x01\x00\x00\x12\x34",
    b"\x8f\xcd\x00\x03" + bytes(12),
]

TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "rtp": (audio, [*_PACKETS, _CUT.join(_PACKETS)]),
    "rtcp": (reports, [*_REPORTS, b"".join(_REPORTS), _CUT.join(_REPORTS)]),
}


if __name__ == "__main__":
    fuzz(TARGETS, 2048)
