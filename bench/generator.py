"""A load generator for RTP that timestamps what it gets: the far end of many calls, in a process of its own.

It sends one PCMU packet per call every 20 ms, spread over four sub-ticks, from a few shared sockets, and checks every
packet that comes back: by sequence number for loss, by the system's arrival time for its distance to the one before.
With `--suite` the packets it sends are SRTP; those it gets are told apart by their headers, which are not encrypted.
With `--opus` every call, or every other one, sends Opus: one packet of it again and again, which is as much work.
In `floor` mode it is the other side of a comparison: per-session sockets served by nothing but the system calls.
"""

import argparse
import json
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numba import types

from media.kernel.arrays import Octets, Words
from media.kernel.compiled import compiled, compiled_without_gil
from media.kernel.constants import CLOCK_MONOTONIC, CLOCK_REALTIME, KEPT_OCTETS, OPUS_CLOCK_STEPS
from media.kernel.keys import SUITES as SRTP_SUITES
from media.kernel.keys import create_context
from media.kernel.layout import allocate, record_dtype
from media.kernel.libopus import OpusSending, keep_packets
from media.kernel.limits import raise_descriptor_limit
from media.kernel.native import MSG_DONTWAIT, MSG_NOSIGNAL, TIMER_ABSTIME, c_function, recvmmsg, sendto
from media.kernel.octets import octet, put16, put32
from media.kernel.priority import ask_for_realtime
from media.kernel.receive import SO_TIMESTAMPNS
from media.kernel.srtp import srtp_function

TICK_NS = 20_000_000
GROUPS = 4
SUBTICK_NS = TICK_NS // GROUPS
PACKET_BYTES = 172
# With what SRTP adds, on a boundary of eight.
PACKET_ROOM = 192
SAMPLES = 160
SOCKETS = 8
CALLS = 8192
SEND_BATCH = 256
BATCH = 64
SLOT_BYTES = 512
# A gap of more than 40 ms is a packet more than 20 ms late; one of more than 30 ms is already heard as unsteady.
LATE_NS = 2 * TICK_NS
UNSTEADY_NS = 3 * TICK_NS // 2
SECOND = 1_000_000_000
# Master keys of the two directions, for any suite; they protect nothing.
GENERATOR_KEY = bytes(range(64))
SUBJECT_KEY = bytes(range(64, 128))

# Columns of the table of calls.
SENT, RECEIVED, LOST, LATE, UNSTEADY, LAST_SEQUENCE, LAST_ARRIVAL, LONGEST = range(8)


class Load:
    """Everything of one generator or floor, as a row that compiled code works on."""

    address: int
    calls: int
    sockets: int
    stop: int
    measure_from: int
    measure_to: int
    overruns: int
    foreign: int
    clock: Annotated[Words, (2,)]
    fds: Annotated[Words, (CALLS,)]
    headers: Annotated[Words, (BATCH, 8)]
    vectors: Annotated[Words, (BATCH, 2)]
    names: Annotated[Words, (BATCH, 4)]
    controls: Annotated[Words, (BATCH, 8)]
    data: Annotated[Octets, (BATCH * SLOT_BYTES,)]
    table: Annotated[Words, (CALLS, 8)]
    targets: Annotated[Words, (CALLS, 4)]
    packet_headers: Annotated[Words, (CALLS, 8)]
    packet_vectors: Annotated[Words, (CALLS, 2)]
    packets: Annotated[Octets, (CALLS * PACKET_ROOM,)]
    # Of the RTP clock, from one packet to the next.
    steps: Annotated[Words, (CALLS,)]
    contexts: Annotated[Words, (CALLS,)]
    length: Annotated[Words, (1,)]
    call_of_port: Annotated[Words, (65536,)]


def _at(name: str) -> int:
    fields = record_dtype(Load).fields
    assert fields is not None
    return int(fields[name][1])


CLOCK_AT = _at("clock")
HEADERS_AT = _at("headers")
DATA_AT = _at("data")
TARGETS_AT = _at("targets")
PACKET_HEADERS_AT = _at("packet_headers")
PACKETS_AT = _at("packets")
LENGTH_AT = _at("length")

_clock_gettime = c_function("clock_gettime", types.int32(types.int32, types.int64))
_clock_nanosleep = c_function("clock_nanosleep", types.int32(types.int32, types.int32, types.int64, types.int64))
_sendmmsg = c_function("sendmmsg", types.int32(types.int32, types.int64, types.uint32, types.int32))
_protect = srtp_function("srtp_protect")
_recv = c_function("recv", types.int64(types.int32, types.int64, types.int64, types.int32))


@compiled
def _time(load: Load, clock: int) -> int:
    _clock_gettime(clock, load.address + CLOCK_AT)
    nanoseconds: int = load.clock[0] * SECOND + load.clock[1]
    return nanoseconds


@compiled
def _sleep_until(load: Load, deadline: int) -> None:
    if _time(load, CLOCK_MONOTONIC) < deadline:
        load.clock[0] = deadline // SECOND
        load.clock[1] = deadline % SECOND
        _clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, load.address + CLOCK_AT, 0)


@compiled
def _check(load: Load, index: int, sequence: int, arrival: int) -> None:
    """Compare one packet of a call with the one before; only what arrives in the measured time counts."""
    call = load.table[index]
    if call[LAST_ARRIVAL] > 0 and load.measure_from <= arrival < load.measure_to:
        step = (sequence - call[LAST_SEQUENCE]) & 0xFFFF
        if 1 < step < 0x8000:
            call[LOST] += step - 1
        gap = arrival - call[LAST_ARRIVAL]
        call[LONGEST] = max(call[LONGEST], gap)
        call[LATE] += 1 if gap > LATE_NS else 0
        call[UNSTEADY] += 1 if gap > UNSTEADY_NS else 0
        call[RECEIVED] += 1
    call[LAST_SEQUENCE] = sequence
    call[LAST_ARRIVAL] = arrival


@compiled
def _receive(load: Load, fd: int, wall_offset: int) -> None:
    while True:
        count = recvmmsg(fd, load.address + HEADERS_AT, BATCH, MSG_DONTWAIT, 0)
        for message in range(count):
            word = load.names[message, 0]
            index = load.call_of_port[(word >> 16 & 0xFF) << 8 | (word >> 24 & 0xFF)]
            at = message * SLOT_BYTES
            # Only the audio is counted: reports go to another port, and digits are not sent here.
            if index < 0 or load.headers[message, 7] < 12:
                load.foreign += 1
            else:
                sequence = octet(load.data, at + 2) << 8 | octet(load.data, at + 3)
                arrival = load.controls[message, 2] * SECOND + load.controls[message, 3] + wall_offset
                _check(load, index, sequence, arrival)
            load.headers[message, 1] = 28
            load.headers[message, 5] = 64
            load.headers[message, 6] = 0
        if count < BATCH:
            return


@compiled
def _send(load: Load, fd: int, first: int, count: int) -> None:
    for index in range(first, first + count):
        sent = load.table[index, SENT]
        put16(load.packets, index * PACKET_ROOM + 2, sent)
        put32(load.packets, index * PACKET_ROOM + 4, sent * load.steps[index])
        if load.contexts[index]:
            # Encrypted in its place, again and again: what is in it does not matter.
            load.length[0] = PACKET_BYTES
            _protect(load.contexts[index], load.address + PACKETS_AT + index * PACKET_ROOM, load.address + LENGTH_AT)
            load.packet_vectors[index, 1] = load.length[0]
        load.table[index, SENT] = sent + 1
    done = 0
    while done < count:
        headers = load.address + PACKET_HEADERS_AT + (first + done) * 64
        sent = _sendmmsg(fd, headers, min(count - done, SEND_BATCH), MSG_NOSIGNAL)
        if sent <= 0:
            return
        done += sent


@compiled_without_gil
def generate(loads: "list[Load]") -> None:
    """Send and receive until told to stop. The calls of one socket lie together, and in them those of one group."""
    load = loads[0]
    deadline = _time(load, CLOCK_MONOTONIC)
    subtick = 0
    per_socket = load.calls // load.sockets
    per_group = per_socket // GROUPS
    while load.stop == 0:
        _sleep_until(load, deadline)
        now = _time(load, CLOCK_MONOTONIC)
        if now - deadline > TICK_NS:
            load.overruns += 1
            deadline = now
        wall_offset = now - _time(load, CLOCK_REALTIME)
        for place in range(load.sockets):
            _send(load, load.fds[place], place * per_socket + subtick % GROUPS * per_group, per_group)
        for place in range(load.sockets):
            _receive(load, load.fds[place], wall_offset)
        subtick += 1
        deadline += SUBTICK_NS


@compiled_without_gil
def serve_floor(loads: "list[Load]") -> None:
    """Do what no engine can do without: one receive and one send per call and tick, and nothing else."""
    load = loads[0]
    deadline = _time(load, CLOCK_MONOTONIC)
    subtick = 0
    while load.stop == 0:
        _sleep_until(load, deadline)
        for index in range(subtick % GROUPS, load.calls, GROUPS):
            _recv(load.fds[index], load.address + DATA_AT, SLOT_BYTES, MSG_DONTWAIT)
            put16(load.packets, index * PACKET_ROOM + 2, subtick // GROUPS)
            packet = load.address + PACKETS_AT + index * PACKET_ROOM
            target = load.address + TARGETS_AT + index * 32
            sendto(load.fds[index], packet, PACKET_BYTES, MSG_DONTWAIT | MSG_NOSIGNAL, target, 16)
        subtick += 1
        deadline += SUBTICK_NS


def bind_sockets(load: Any, count: int, buffer_bytes: int) -> list[socket.socket]:
    """Bind so many sockets on loopback, as the load's own."""
    sockets = []
    for place in range(count):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        sock.bind(("127.0.0.1", 0))
        load["fds"][place] = sock.fileno()
        sockets.append(sock)
    return sockets


def _sockaddr(port: int) -> list[int]:
    octets = socket.AF_INET.to_bytes(2, "little") + port.to_bytes(2, "big") + socket.inet_aton("127.0.0.1") + bytes(24)
    words: list[int] = np.frombuffer(octets, np.int64).tolist()
    return words


def prepare(load: Any, calls: int, target_of: Callable[[int], int]) -> None:
    """Lay out the packets of so many calls, each to its port."""
    base = int(load["address"])
    load["calls"] = calls
    for message in range(BATCH):
        places = (base + _at("names") + message * 32, 28, base + _at("vectors") + message * 16, 1)
        load["headers"][message] = (*places, base + _at("controls") + message * 64, 64, 0, 0)
        load["vectors"][message] = (base + DATA_AT + message * SLOT_BYTES, SLOT_BYTES)
    for index in range(calls):
        packet = np.zeros(PACKET_BYTES, np.uint8)
        packet[0] = 0x80
        packet[8:12] = list((index + 1).to_bytes(4, "big"))
        # A tone, so that the codec's tables are walked as by a voice; each call its own.
        packet[12:] = (128 + 100 * np.sin(2 * np.pi * (300 + index % 50 * 20) * np.arange(SAMPLES) / 8000)).astype(
            np.uint8
        )
        at = index * PACKET_ROOM
        load["packets"][at : at + PACKET_BYTES] = packet
        load["packet_vectors"][index] = (base + PACKETS_AT + at, PACKET_BYTES)
        load["steps"][index] = SAMPLES
        load["targets"][index] = _sockaddr(target_of(index))
        target = base + TARGETS_AT + index * 32
        vector = base + _at("packet_vectors") + index * 16
        load["packet_headers"][index] = (target, 16, vector, 1, 0, 0, 0, 0)


def speak_opus(load: Any, calls: range) -> None:
    """Let some calls send 20 ms of a tone in Opus instead."""
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(10 * SAMPLES) / 8000)).astype(np.int16)
    frame = keep_packets(tone, OpusSending())[-1]
    octets = frame[: int(frame[KEPT_OCTETS])]
    base = int(load["address"])
    for index in calls:
        at = index * PACKET_ROOM
        load["packets"][at + 12 : at + 12 + len(octets)] = octets
        load["packet_vectors"][index] = (base + PACKETS_AT + at, 12 + len(octets))
        load["steps"][index] = SAMPLES * OPUS_CLOCK_STEPS


def say(message: dict[str, Any]) -> None:
    """Write one line to whoever started this process."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def heard() -> dict[str, Any]:
    """Read one line from whoever started this process."""
    message: dict[str, Any] = json.loads(sys.stdin.readline())
    return message


def when_ready() -> dict[str, int]:
    """Say that everything that is to be measured is under way, and read from when to when it is."""
    say({})
    return heard()


def sleep_until(moment: int) -> None:
    """Sleep until a monotonic time in ns."""
    time.sleep(max(0.0, (moment - time.monotonic_ns()) / SECOND))


def cpu_seconds() -> float:
    """Return the CPU time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured_cpu(message: dict[str, Any]) -> float:
    """Wait through the measured time and return the CPU time spent in it."""
    sleep_until(message["from"])
    before = cpu_seconds()
    sleep_until(message["to"])
    return cpu_seconds() - before


def _in_thread(loop: Callable[[Any], None], loads: Any) -> threading.Thread:
    def work() -> None:
        ask_for_realtime()
        loop(loads)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def main() -> None:
    """Be a generator, or the floor, for one measurement; directions come on stdin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=("generate", "floor"), required=True)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--core", type=int)
    parser.add_argument("--opus", choices=("all", "even"))
    parser.add_argument("--suite", choices=tuple(SRTP_SUITES))
    arguments = parser.parse_args()
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    raise_descriptor_limit(arguments.calls + 64)
    loads = allocate(Load, 1)
    load = loads[0]
    # Compiled before anything is measured.
    load["stop"] = 1
    loop = generate if arguments.mode == "generate" else serve_floor
    loop(loads)
    load["stop"] = 0
    if arguments.mode == "generate":
        load["sockets"] = SOCKETS
        sockets = bind_sockets(load, SOCKETS, 4 << 20)
    else:
        sockets = bind_sockets(load, arguments.calls, 1 << 18)
    say({"ports": [sock.getsockname()[1] for sock in sockets]})
    message = heard()
    ports = message["ports"]
    per_port = arguments.calls // len(ports)
    prepare(load, arguments.calls, lambda index: ports[index // per_port])
    if arguments.opus is not None:
        speak_opus(load, range(0, arguments.calls, 1 if arguments.opus == "all" else 2))
    if arguments.suite is not None:
        suite = SRTP_SUITES[arguments.suite]
        for index in range(arguments.calls):
            load["contexts"][index] = create_context(suite, GENERATOR_KEY[: suite.key_octets], sending=True)
    load["call_of_port"][:] = -1
    if arguments.mode == "generate":
        for index, port in enumerate(ports):
            load["call_of_port"][port] = index
    thread = _in_thread(loop, loads)
    times = when_ready()
    load["measure_from"], load["measure_to"] = times["from"], times["to"]
    seconds = measured_cpu(times)
    time.sleep(0.2)
    load["stop"] = 1
    thread.join()
    table = load["table"][: arguments.calls]
    say(
        {
            "cpu": seconds,
            "received": int(table[:, RECEIVED].sum()),
            "silent": int((table[:, RECEIVED] == 0).sum()),
            "lost": int(table[:, LOST].sum()),
            "late": int(table[:, LATE].sum()),
            "unsteady": int(table[:, UNSTEADY].sum()),
            "longest_ms": float(table[:, LONGEST].max()) / 1e6,
            "overruns": int(load["overruns"]),
        }
    )


if __name__ == "__main__":
    main()
