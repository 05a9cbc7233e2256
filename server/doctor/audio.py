"""Looks how audio goes in and out: by how many system calls, and how much of it may wait in a socket."""

from __future__ import annotations

import socket

from media import CROWDED, WIDE_OCTETS, try_uring, widen
from server.config import Config
from server.doctor.finding import Finding, ok, warn

_SESSIONS_PER_CALL = 2


def check_datagrams(config: Config) -> Finding:
    """Open the ring that the audio thread asks for, send a datagram through it, and close it again."""
    if not config.media.io_uring:
        return ok("datagrams", "one by one: media.io_uring is false")
    refusal = try_uring()
    if refusal is None:
        return ok("datagrams", "the audio of many calls goes in one system call (io_uring)")
    return warn(
        "datagrams",
        f"no io_uring ({refusal}): each packet of audio is a system call, so that a core carries fewer calls",
        "allow io_uring (Linux 6.1 or newer, `sysctl kernel.io_uring_disabled=0`, a container's seccomp profile), or "
        "set media.io_uring to false",
    )


def check_buffers(config: Config) -> Finding:
    """Widen a socket of its own as those are that many calls share, and see what of it is granted; with ports enough
    for every call none is shared by so many, and nothing is to be changed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        granted = widen(sock)
    room = f"room for received audio: {granted >> 10} of {WIDE_OCTETS >> 10} KB granted to a socket"
    pairs, calls = config.media.rtp_ports.pairs, config.limits.concurrent_calls
    if granted >= WIDE_OCTETS // 2:
        return ok("buffers", room)
    if calls * _SESSIONS_PER_CALL <= pairs * CROWDED:
        return ok("buffers", f"{room}, enough for as few calls as share a port")
    return warn(
        "buffers",
        f"{room}: {calls} calls share {pairs} port pairs, and packets may be lost while the machine is busy",
        f"raise the limit (`sysctl -w net.core.rmem_max={WIDE_OCTETS}`), or widen media.rtp_ports",
    )
