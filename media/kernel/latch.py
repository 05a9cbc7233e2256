"""Symmetric RTP: whom a session listens to and sends to.

The signalled address is believed at once. Another port of the signalled host (a phone behind NAT) is learned, and any
other address within a short window, but only after consecutive packets of one SSRC with a negotiated payload type.
A source gives way to one that is closer to what was signalled, never to one equally far: after a session has found its
peer, a third party can neither inject nor redirect nor silence. A moved signalled address opens everything again.
"""

from media.kernel import constants as c
from media.kernel.arrays import Words
from media.kernel.compiled import compiled
from media.kernel.layout import CoreRow, SessionRow
from media.kernel.ring import tell
from media.kernel.rtp import SEQUENCE, SSRC

AF_INET = 2
AF_INET6 = 10

_SSRC = 3
_SEQUENCE = 4
_COUNT = 5
_HEARD = 6


@compiled
def same_host(word0: int, word1: int, word2: int, address: Words) -> bool:
    """Return whether a source is the host of an address, whatever the ports."""
    family = word0 & 0xFFFF
    if family != address[0] & 0xFFFF:
        return False
    if family == AF_INET:
        return word0 >> 32 == address[0] >> 32
    return word1 == address[1] and word2 == address[2]


@compiled
def same_address(word0: int, word1: int, word2: int, address: Words) -> bool:
    """Return whether a source is exactly an address, port included."""
    return word0 == address[0] and word1 == address[1] and word2 == address[2]


@compiled
def set_address(address: Words, word0: int, word1: int, word2: int) -> None:
    """Write an address; the scope of a link-local one is not kept."""
    address[0] = word0
    address[1] = word1
    address[2] = word2
    address[3] = 0


@compiled
def expect_source(row: SessionRow, now: int) -> None:
    """Forget the source and open the window, as the signalled address is new."""
    set_address(row.remote, row.signalled[0], row.signalled[1], row.signalled[2])
    row.source_rank = c.RANK_NONE
    row.routes_due = 1
    row.latch_until = now + c.LATCH_WINDOW_NS
    row.rtcp_learned = 0
    for candidate in range(c.LATCH_CANDIDATES):
        row.candidates[candidate, _COUNT] = 0
        row.candidates[candidate, _HEARD] = 0


@compiled
def _adopt(row: SessionRow, core: CoreRow, word0: int, word1: int, word2: int, rank: int) -> None:
    set_address(row.source, word0, word1, word2)
    set_address(row.remote, word0, word1, word2)
    row.source_rank = rank
    row.routes_due = 1
    # The stream of whom we listened to before is over.
    if row.stream_started:
        row.last_arrival = 0
    tell(core, row, c.EVENT_LATCHED, core.now, word0, word1, word2, c.EVENT_RESERVE)


@compiled
def _candidate(row: SessionRow, word0: int, word1: int, word2: int, rank: int, now: int) -> int:
    """Return the place of a candidate, an old one's place for a new one, or -1 while all are busy.

    The signalled host has places of its own, which a flood from elsewhere does not reach.
    """
    free = -1
    oldest = now - c.CANDIDATE_STALE_NS
    first = 0 if rank == c.RANK_SAME_HOST else c.LATCH_CANDIDATES // 2
    for place in range(first, first + c.LATCH_CANDIDATES // 2):
        candidate = row.candidates[place]
        heard = candidate[_HEARD]
        if heard > 0 and candidate[0] == word0 and candidate[1] == word1 and candidate[2] == word2:
            return place
        if heard <= oldest:
            oldest = heard
            free = place
    if free >= 0:
        row.candidates[free, 0] = word0
        row.candidates[free, 1] = word1
        row.candidates[free, 2] = word2
        row.candidates[free, _COUNT] = 0
    return free


@compiled
def accept_source(row: SessionRow, core: CoreRow, word0: int, word1: int, word2: int, now: int) -> bool:
    """Return whether the parsed packet in `core.rtp` is from whom the session listens to; may learn a source.

    The packet's payload type has been found to be a negotiated one. Refused packets are counted as foreign, or as
    probation while their source may still become the accepted one.
    """
    if row.source_rank != c.RANK_NONE and same_address(word0, word1, word2, row.source):
        return True
    rank = c.RANK_FOREIGN
    if same_address(word0, word1, word2, row.signalled):
        rank = c.RANK_SIGNALLED
    elif same_host(word0, word1, word2, row.signalled):
        rank = c.RANK_SAME_HOST
    if rank <= row.source_rank or (rank == c.RANK_FOREIGN and now > row.latch_until):
        row.drops[c.DROP_FOREIGN] += 1
        core.drops[c.DROP_FOREIGN] += 1
        return False
    if rank == c.RANK_SIGNALLED:
        _adopt(row, core, word0, word1, word2, rank)
        return True
    place = _candidate(row, word0, word1, word2, rank, now)
    if place >= 0:
        candidate = row.candidates[place]
        sequence = core.rtp[SEQUENCE]
        follows = candidate[_SSRC] == core.rtp[SSRC] and sequence == (candidate[_SEQUENCE] + 1) & 0xFFFF
        candidate[_COUNT] = candidate[_COUNT] + 1 if candidate[_COUNT] > 0 and follows else 1
        candidate[_SSRC] = core.rtp[SSRC]
        candidate[_SEQUENCE] = sequence
        candidate[_HEARD] = now
        if candidate[_COUNT] >= c.LATCH_PACKETS:
            _adopt(row, core, word0, word1, word2, rank)
            return True
    row.drops[c.DROP_PROBATION] += 1
    core.drops[c.DROP_PROBATION] += 1
    return False
