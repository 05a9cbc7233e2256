"""Compares `media.codecs` with what this version speaks (contract §14.1), and looks how audio goes in and out."""

from __future__ import annotations

from media import SPOKEN_CODECS, try_uring
from server.config import Config
from server.doctor.finding import Finding, fail, ok, warn


def check_codecs(config: Config) -> Finding:
    """Say which of the configured codecs are offered to peers."""
    offered = [name for name in config.media.codecs if name in SPOKEN_CODECS]
    others = [name for name in config.media.codecs if name not in SPOKEN_CODECS]
    if not offered:
        known = ", ".join(f'"{name}"' for name in sorted(SPOKEN_CODECS))
        what = f"media.codecs has none that this version speaks ({', '.join(others)}): every call would be refused"
        return fail("codecs", what, f"put {known} into media.codecs")
    left_out = f"; not spoken here, and left out: {', '.join(others)}" if others else ""
    return ok("codecs", f"offered: {', '.join(offered)}{left_out}")


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
