"""SRTP and SRTCP in the kernel (RFC 3711, RFC 7714): libsrtp called on packets where they lie, without Python.

Only for sessions with a context. What does not authenticate, or was there before, is counted and seen by nobody else:
neither the latch nor the jitter buffer nor any other counter. Nothing is ever sent in the clear in its place.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from llvmlite import binding
from numba import types

from media.kernel import constants as c
from media.kernel.compiled import JIT_DISABLED, compiled
from media.kernel.keys import binding_address
from media.kernel.layout import DATAGRAMS_AT, PACKET_AT, PROTECTED_AT, SRTP_LENGTH_AT, CoreRow, SessionRow
from media.kernel.native import copy_octets
from media.kernel.octets import get32

# Statuses of libsrtp.
_BAD_PARAMETER = 2
_REPLAYED = 9
_TOO_OLD = 10
_UNREADABLE = 21

_RTCP_HEADER_BYTES = 8
_RTCP_SSRC_AT = 4


def srtp_function(name: str) -> Callable[..., Any]:
    """Return a function of libsrtp, in the form that the callers' mode needs: context, packet, place of its length."""
    address = binding_address(name)
    if not JIT_DISABLED:
        # A name of our own, known to the compiler only: compiled code can be cached with names, not with addresses, and
        # the library's own symbols stay out of the way of other libraries', OpenSSL's above all.
        symbol = f"voylo_{name}"
        binding.add_symbol(symbol, address)
        external: Callable[..., Any] = types.ExternalFunction(
            symbol, types.int32(types.int64, types.int64, types.int64)
        )
        return external
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(address)

    def call(*arguments: Any) -> int:
        return int(function(*(int(argument) for argument in arguments)))

    return call


_protect = srtp_function("srtp_protect")
_protect_rtcp = srtp_function("srtp_protect_rtcp")
_unprotect = srtp_function("srtp_unprotect")
_unprotect_rtcp = srtp_function("srtp_unprotect_rtcp")


@compiled
def use_contexts(row: SessionRow, now: int, number: int, send: int, receive: int, trailer: int) -> None:
    """Take the contexts of a start command; what they replace is told with the next housekeeping.

    The context that was received with serves for a while longer: until our answer has arrived, the far end goes on
    under its old key.
    """
    if send != row.srtp_send:
        row.srtp_send = send
        row.srtp_send_number = number
        row.srtp_untold = 1
        if row.sequence > 0xFFFF - c.SRTP_WRAP_MARGIN:
            # A receiver that begins with a packet behind the wrap would count it as of the first round (RFC 3711
            # §3.3.1) and never catch up.
            row.sequence = 0
    if receive != row.srtp_receive:
        row.srtp_previous = row.srtp_receive if receive else 0
        row.srtp_previous_trailer = row.srtp_trailer
        row.srtp_previous_until = now + c.SRTP_OLD_KEY_NS
        row.srtp_oldest = row.srtp_receive_number if row.srtp_previous else number
        row.srtp_receive = receive
        row.srtp_receive_number = number
        row.srtp_sources = 0
        row.srtp_untold = 1
    row.srtp_trailer = trailer


@compiled
def forget_previous(row: SessionRow, now: int) -> None:
    """Let go of the context before the present one when its time is over."""
    if row.srtp_previous and now > row.srtp_previous_until:
        row.srtp_previous = 0
        row.srtp_oldest = row.srtp_receive_number
        row.srtp_untold = 1


@compiled
def protect(row: SessionRow, core: CoreRow, length: int) -> int:
    """Encrypt the RTP packet in `core.packet` in its place and return its new length; 0 where that fails."""
    core.srtp_length[0] = length
    if _protect(row.srtp_send, core.address + PACKET_AT, core.address + SRTP_LENGTH_AT) != 0:
        return 0
    return core.srtp_length[0]


@compiled
def protect_report(row: SessionRow, core: CoreRow, length: int) -> int:
    """Encrypt the RTCP packet in `core.packet` in its place and return its new length; 0 where that fails."""
    core.srtp_length[0] = length
    if _protect_rtcp(row.srtp_send, core.address + PACKET_AT, core.address + SRTP_LENGTH_AT) != 0:
        return 0
    return core.srtp_length[0]


@compiled
def _open(core: CoreRow, context: int, trailer: int, at: int, length: int, is_report: int) -> int:
    """Return the length of the packet without its protection, or libsrtp's status below zero."""
    identifier = trailer & 0xFF
    if identifier:
        # The identifier stands before the tag and is not authenticated (RFC 3711 §3.1).
        tag = trailer >> 16 if is_report else trailer >> 8 & 0xFF
        if length < c.RTP_HEADER_BYTES + identifier + tag:
            return -_BAD_PARAMETER
        length -= identifier
        for octet in range(tag):
            core.datagrams[at + length - tag + octet] = core.datagrams[at + length - tag + identifier + octet]
    core.srtp_length[0] = length
    packet = core.address + DATAGRAMS_AT + at
    if is_report:
        status = _unprotect_rtcp(context, packet, core.address + SRTP_LENGTH_AT)
    else:
        status = _unprotect(context, packet, core.address + SRTP_LENGTH_AT)
    return core.srtp_length[0] if status == 0 else -status


@compiled
def _drop(row: SessionRow, core: CoreRow, reason: int) -> int:
    row.drops[reason] += 1
    core.drops[reason] += 1
    return 0


@compiled
def _is_source(row: SessionRow, ssrc: int) -> bool:
    """Return whether packets of this SSRC have been authenticated under the present key."""
    place = 0
    while place < row.srtp_sources and row.srtp_ssrcs[place] != ssrc:
        place += 1
    return place < row.srtp_sources


@compiled
def _reason(status: int) -> int:
    if status in (_REPLAYED, _TOO_OLD):
        return c.DROP_REPLAY
    if status in (_BAD_PARAMETER, _UNREADABLE):
        return c.DROP_MALFORMED
    return c.DROP_AUTHENTICATION


@compiled
def unprotect(row: SessionRow, core: CoreRow, at: int, length: int, is_report: int) -> int:
    """Authenticate and decrypt the packet at `core.datagrams[at]` in its place and return its length.

    0 for one that is not to be used, which is counted here. libsrtp keeps a stream for each SSRC that it has
    authenticated, so their number is bounded.
    """
    if length < (_RTCP_HEADER_BYTES if is_report else c.RTP_HEADER_BYTES):
        return _drop(row, core, c.DROP_MALFORMED)
    ssrc = get32(core.datagrams, at + (_RTCP_SSRC_AT if is_report else c.RTP_SSRC_AT))
    known = _is_source(row, ssrc)
    if not known and row.srtp_sources >= c.SRTP_SOURCES:
        return _drop(row, core, c.DROP_SSRC)
    again = row.srtp_previous != 0 and row.stream_started and ssrc == row.stream_ssrc
    datagram = core.address + DATAGRAMS_AT + at
    if again:
        copy_octets(core.address + PROTECTED_AT, datagram, length)
    result = _open(core, row.srtp_receive, row.srtp_trailer, at, length, is_report)
    if result > 0:
        if not known:
            row.srtp_ssrcs[row.srtp_sources] = ssrc
            row.srtp_sources += 1
        return result
    if again:
        # A failure of AEAD leaves nothing of the packet behind.
        copy_octets(datagram, core.address + PROTECTED_AT, length)
        late = _open(core, row.srtp_previous, row.srtp_previous_trailer, at, length, is_report)
        if late > 0:
            return late
    return _drop(row, core, _reason(-result))
