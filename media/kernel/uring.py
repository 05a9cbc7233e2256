"""Datagrams of many sessions in one system call, by io_uring, where the system allows it.

Each thread of the kernel has a ring of its own. It asks for the next datagram of up to 64 sessions at once and serves
them one after the other; what they send is handed over together with the question to the next 64. Nothing ever waits:
a socket where nothing has come says so at once, and so does one that can take no more. Requests and answers lie in
memory that is shared with the system; only this thread touches them. Without a ring each datagram is a system call.
"""

import ctypes
import mmap
import os
import socket
import struct
from typing import Any

import numpy as np

from media.kernel import constants as c
from media.kernel.addresses import address_words
from media.kernel.compiled import compiled
from media.kernel.layout import HEADERS_AT, OUTBOX_AT, PACKET_AT, REMOTE_AT, CoreRow, SessionRow
from media.kernel.native import (
    EINTR,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    copy_octets,
    errno,
    load_half,
    load_word,
    publish_half,
    store_word,
    system_call,
)

# Of all processors alike.
_SETUP = 425
_ENTER = 426
_GETEVENTS = 1
# A request that fails does not hold up those behind it; one thread has the ring, and looks for answers when it asks.
_FLAGS = 1 << 7 | 1 << 12 | 1 << 13
_REQUESTS = 256
_REQUEST_BYTES = 64
_ANSWER_BYTES = 16
# struct io_uring_params: what is asked for and granted, then where the words of both rings lie.
_PARAMETERS = struct.Struct("<10I10I10I")
_SUBMISSION_AT = 0
_COMPLETION_AT = 0x8000000
_REQUESTS_AT = 0x10000000

_RECVMSG = 10
_SEND = 26
_FLAGS_OF_BOTH = (MSG_DONTWAIT | MSG_NOSIGNAL) << 32
# An answer carries the number of its request: of a message that was asked for its place, of a packet its session and
# its octets of audio. The places are fewer than this.
_OCTETS = 1 << 12
_NEGATIVE = 1 << 31
# What is sent through a new ring once, to this machine, to see that it arrives.
_TRIAL = b"voylo"
_TRIAL_SECONDS = 1.0


@compiled
def _request(
    core: CoreRow, operation: int, fd: int, name: int, name_length: int, address: int, length: int, number: int
) -> None:
    at = core.uring_requests + (core.uring_tail & core.uring_mask) * _REQUEST_BYTES
    store_word(at, operation | fd << 32)
    store_word(at + 8, name)
    store_word(at + 16, address)
    store_word(at + 24, length | _FLAGS_OF_BOTH)
    store_word(at + 32, number)
    store_word(at + 40, name_length << 32)
    core.uring_tail = core.uring_tail + 1 & 0xFFFFFFFF
    core.uring_queued += 1


@compiled
def ask_for_datagram(core: CoreRow, fd: int, message: int) -> None:
    """Ask for the next datagram of a socket, to lie at a place of the scratch memory once `submit` has returned."""
    _request(core, _RECVMSG, fd, c.NONE, c.NONE, core.address + HEADERS_AT + message * c.HEADER_BYTES, 1, message)


@compiled
def send_later(sessions: "list[SessionRow]", row: SessionRow, core: CoreRow, fd: int, length: int, octets: int) -> None:
    """Send `core.packet` to a session's far end with the next `submit`, which says where that did not work."""
    if core.uring_sends == c.OUTBOX:
        submit(sessions, core)
    packet = core.address + OUTBOX_AT + core.uring_sends * c.OUTBOX_BYTES
    copy_octets(packet, core.address + PACKET_AT, length)
    core.uring_sends += 1
    number = (row.slot + 1) * _OCTETS + octets
    _request(core, _SEND, fd, row.address + REMOTE_AT, row.remote_length, packet, length, number)


@compiled
def _count_unsent(sessions: "list[SessionRow]", core: CoreRow, number: int) -> None:
    """Take back what was counted as sent; a datagram that was asked for is one that has not come."""
    if number < _OCTETS:
        return
    row = sessions[number // _OCTETS - 1]
    row.send_errors += 1
    row.packets_sent -= 1
    row.octets_sent -= number % _OCTETS
    core.send_errors += 1
    core.packets_out -= 1


@compiled
def _hand_over(sessions: "list[SessionRow]", core: CoreRow) -> None:
    publish_half(core.uring_submission_tail, core.uring_tail)
    left = core.uring_queued
    core.uring_queued = 0
    core.uring_sends = 0
    while left > 0:
        core.syscalls += 1
        taken = system_call(_ENTER, core.uring_fd, left, c.NONE, _GETEVENTS, c.NONE, c.NONE)
        if taken > 0:
            left -= taken
        elif taken == 0 or errno() != EINTR:
            # The system is out of memory: what it did not take is lost like any packet.
            for _ in range(left):
                core.uring_tail = core.uring_tail - 1 & 0xFFFFFFFF
                request = core.uring_requests + (core.uring_tail & core.uring_mask) * _REQUEST_BYTES
                _count_unsent(sessions, core, load_word(request + 32))
            publish_half(core.uring_submission_tail, core.uring_tail)
            return


@compiled
def _take_answers(sessions: "list[SessionRow]", core: CoreRow) -> None:
    head = load_half(core.uring_completion_head)
    tail = load_half(core.uring_completion_tail)
    while head != tail:
        answer = core.uring_answers + (head & core.uring_answer_mask) * _ANSWER_BYTES
        number = load_word(answer)
        result = load_half(answer + 8)
        if result >= _NEGATIVE:
            result -= 2 * _NEGATIVE
        if number < _OCTETS:
            core.headers[number, c.MESSAGE_LENGTH] = result
        elif result < 0:
            _count_unsent(sessions, core, number)
        head = head + 1 & 0xFFFFFFFF
    publish_half(core.uring_completion_head, head)


@compiled
def submit(sessions: "list[SessionRow]", core: CoreRow) -> None:
    """Have done what was asked for since the last time; afterwards all of it is, or has failed and is counted."""
    if core.uring_queued > 0:
        _hand_over(sessions, core)
        _take_answers(sessions, core)


class Uring:
    """A ring of the calling thread's, which alone may use it. Raises OSError where the system has none or has it
    forbidden, or where a packet does not come through one."""

    def __init__(self) -> None:
        self._system = ctypes.CDLL(None, use_errno=True)
        self._system.syscall.restype = ctypes.c_long
        parameters = ctypes.create_string_buffer(_PARAMETERS.pack(0, 0, _FLAGS, *(27 * [0])))
        self._memories: list[mmap.mmap] = []
        self._fd = self._call(_SETUP, _REQUESTS, parameters)
        try:
            self._map(_PARAMETERS.unpack(parameters.raw[: _PARAMETERS.size]))
            self._try()
        except BaseException:
            self.close()
            raise

    def _call(self, number: int, *arguments: Any) -> int:
        result: int = self._system.syscall(
            ctypes.c_long(number), *(ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)
        )
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    def _map(self, words: tuple[int, ...]) -> None:
        entries, answers = words[:2]
        submission, completion = words[10:20], words[20:30]
        self._submission = self._memory(submission[6] + 4 * entries, _SUBMISSION_AT)
        self._completion = self._memory(completion[5] + _ANSWER_BYTES * answers, _COMPLETION_AT)
        self._requests = self._memory(_REQUEST_BYTES * entries, _REQUESTS_AT)
        self._heads = submission, completion
        # Requests are handed over in the order of their places.
        places = np.frombuffer(self._submission, np.uint32, entries, submission[6])
        places[:] = np.arange(entries)
        self._entries, self._answers = entries, answers

    def _memory(self, length: int, at: int) -> mmap.mmap:
        memory = mmap.mmap(self._fd, length, offset=at)
        self._memories.append(memory)
        return memory

    def _try(self) -> None:
        """Send a datagram through the ring and see it arrive: older systems know no address in such a request."""
        submission, completion = self._heads
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
        ):
            far.bind(("127.0.0.1", 0))
            far.settimeout(_TRIAL_SECONDS)
            name = np.array([*address_words(*far.getsockname()), 0], np.int64)
            packet = np.frombuffer(_TRIAL, np.uint8)
            words = (name.ctypes.data, packet.ctypes.data, len(_TRIAL) | _FLAGS_OF_BOTH, 1, 16 << 32, 0, 0)
            struct.pack_into("<8q", self._requests, 0, _SEND | near.fileno() << 32, *words)
            struct.pack_into("<I", self._submission, submission[1], 1)
            self._call(_ENTER, self._fd, 1, 0, _GETEVENTS, 0, 0)
            number, result = struct.unpack_from("<qi", self._completion, completion[5])
            if number != 1 or result < 0:
                raise OSError(-result, os.strerror(-result))
            if far.recv(64) != _TRIAL:
                raise OSError(0, "a packet came out as another")
            struct.pack_into("<I", self._completion, completion[0], 1)

    def attach(self, core: Any) -> None:
        """Let a core's row use the ring from now on."""
        submission, completion = self._heads
        queue, answers, requests = (
            np.frombuffer(memory, np.uint8).ctypes.data
            for memory in (self._submission, self._completion, self._requests)
        )
        core["uring_fd"] = self._fd
        core["uring_requests"] = requests
        core["uring_mask"] = self._entries - 1
        core["uring_tail"] = 1
        core["uring_submission_tail"] = queue + submission[1]
        core["uring_completion_head"] = answers + completion[0]
        core["uring_completion_tail"] = answers + completion[1]
        core["uring_answers"] = answers + completion[5]
        core["uring_answer_mask"] = self._answers - 1
        core["uring_queued"] = core["uring_sends"] = 0
        core["uring_on"] = 1

    def close(self) -> None:
        """Give the ring back; no row may use it any more."""
        for memory in self._memories:
            memory.close()
        os.close(self._fd)


def open_uring() -> tuple[Uring | None, str]:
    """A ring for the calling thread and "io_uring", or None and why there is none."""
    try:
        return Uring(), "io_uring"
    except OSError as error:
        return None, f"one by one: {error.strerror}"


def try_uring() -> str | None:
    """None where the calling thread can have a ring, else why it cannot."""
    try:
        Uring().close()
    except OSError as error:
        return error.strerror
    return None
