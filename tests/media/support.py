"""What the tests of the media room share: the kernel compiled and as plain Python, one session on a virtual clock, a
phone on loopback, and the test data."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import math
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numba.core import config

import media
from media.kernel.compiled import CACHE_DIRECTORY, JIT_DISABLED
from media.kernel.warm import is_warm

PACKAGE = "media.kernel"
compiled_only = pytest.mark.skipif(JIT_DISABLED, reason="compilation is disabled")
FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"
SECOND = 1_000_000_000
MS = 1_000_000


def _compile_ahead() -> None:
    """Fill a cold cache while tests are collected: no single test shall pay for it."""
    if CACHE_DIRECTORY is not None and not is_warm():
        project = Path(media.__file__).parents[1]
        subprocess.run([sys.executable, "-m", "media.kernel.warm"], cwd=project, check=True, stdout=subprocess.DEVNULL)


_compile_ahead()


def fixture_index(name: str) -> dict[str, Any]:
    """Return the index of a set of test data, or skip."""
    index = FIXTURES / name / "index.json"
    if not index.exists():
        pytest.skip(f"test data not found: ../shared/fixtures/{name}", allow_module_level=True)
    return json.loads(index.read_text())


class Kernel:
    """The modules of the kernel, in one of its two forms: `kernel.rtp.parse_rtp` and so on."""

    def __init__(self, name: str, modules: dict[str, ModuleType]) -> None:
        self.name = name
        self._modules = modules

    def __getattr__(self, name: str) -> ModuleType:
        return self._modules[f"{PACKAGE}.{name}"]


_NAMES = tuple(f"{PACKAGE}.{path.stem}" for path in sorted(Path(media.__file__).parent.joinpath("kernel").glob("*.py")))


def _load() -> dict[str, ModuleType]:
    return {name: importlib.import_module(name) for name in _NAMES if not name.endswith("__init__")}


def _load_plain() -> dict[str, ModuleType]:
    """Import the package a second time, without compilation, and put the first one back in its place."""
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[:2] == ["media", "kernel"]}
    package = getattr(media, "kernel", None)
    for name in ours:
        del sys.modules[name]
    config.DISABLE_JIT = 1
    try:
        return _load()
    finally:
        config.DISABLE_JIT = 0
        for name in [name for name in sys.modules if name.split(".")[:2] == ["media", "kernel"]]:
            del sys.modules[name]
        sys.modules.update(ours)
        if package is not None:
            media.kernel = package  # type: ignore[attr-defined]


_loaded: dict[str, Kernel] = {}


def kernel_form(name: str) -> Kernel:
    """Return the kernel "compiled" or "plain"."""
    if name not in _loaded:
        _loaded[name] = Kernel(name, _load() if name == "compiled" else _load_plain())
    return _loaded[name]


@dataclass(frozen=True)
class Event:
    """One event as the kernel wrote it."""

    kind: int
    slot: int
    at: int
    words: tuple[int, int, int]


@dataclass(frozen=True)
class Rtp:
    """A packet as it was seen on the wire."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    at: float = 0.0

    @classmethod
    def parse(cls, data: bytes, at: float = 0.0) -> Rtp:
        first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
        assert first == 0x80
        return cls(second & 0x7F, bool(second & 0x80), sequence, timestamp, ssrc, data[12:], at)


def rtp(
    sequence: int,
    timestamp: int,
    payload: bytes = b"\xff" * 160,
    *,
    payload_type: int = 0,
    ssrc: int = 0x1234,
    marker: bool = False,
) -> bytes:
    """Return an RTP packet."""
    second = payload_type | (0x80 if marker else 0)
    return struct.pack("!BBHII", 0x80, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def event_payload(key: int, units: int, *, end: bool = False) -> bytes:
    """Return the payload of a telephone event."""
    return struct.pack("!BBH", key, (0x80 if end else 0) | 10, units)


class Desk:
    """One kernel without its thread: sessions on a virtual clock, told what arrives and when.

    What a session sends goes through real sockets to `sent()`.
    """

    PEER = ("127.0.0.1", 4000)

    def __init__(self, kernel: Kernel, sessions: int = 1) -> None:
        self.k = kernel
        self.c = kernel.constants
        layout = kernel.layout
        self.sessions = layout.allocate(layout.SessionRow, sessions)
        self.sockets = layout.allocate(layout.SocketRow, sessions)
        self.rooms = layout.allocate(layout.RoomRow, 2)
        cores = layout.allocate(layout.CoreRow, 1)
        self.core = cores[0]
        self.groups = np.zeros((self.c.GROUPS, sessions), np.int64)
        self.core["wake_fd"] = self.core["event_fd"] = -1
        kernel.receive.prepare_receiving(self.core)
        self.now = 1000 * SECOND
        self.tick_number = 100
        self._far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._far.bind(("127.0.0.1", 0))
        self._far.setblocking(False)
        self._near = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        self.generation = 0
        self.keyring = kernel.keys.Keyring()
        self.row = self.sessions[0]
        self.sock = self.sockets[0]
        self._ring: Any = None

    def use_uring(self) -> None:
        """Let datagrams go through a ring of io_uring; skips where the system has none."""
        ring, refusal = self.k.uring.open_uring()
        if ring is None:
            pytest.skip(f"no io_uring on this machine: {refusal}")
        self._ring = ring
        ring.attach(self.core)

    @property
    def now(self) -> int:
        return int(self.core["now"])

    @now.setter
    def now(self, value: int) -> None:
        self.core["now"] = value
        self.core["wall_offset"] = value - 1_700_000_000 * SECOND

    @property
    def far_address(self) -> tuple[str, int]:
        return self._far.getsockname()

    def close(self) -> None:
        for sock in (self._far, *self._near):
            sock.close()
        self.keyring.close()
        if self._ring is not None:
            self._ring.close()

    def command(self, *words: int) -> None:
        staged = np.zeros((1, self.c.COMMAND_WORDS), np.int64)
        staged[0, : len(words)] = words
        assert self.k.ring.push_rows(
            self.core["cursors"],
            self.core["commands"],
            self.c.CURSOR_COMMAND_TAIL,
            self.c.CURSOR_COMMAND_HEAD,
            staged,
            1,
        )
        self.k.commands.obey_commands(*self._everything())

    def _everything(self) -> tuple[Any, ...]:
        """What the kernel's loop hands on to what it calls."""
        rows, size = self.sessions.ctypes.data, self.sessions.itemsize
        return self.sessions, self.sockets, self.rooms, self.core, self.groups, rows, size

    def serve_group(self) -> None:
        """Serve those whose turn is in the present sub-tick."""
        self.k.loop._serve_group(*self._everything())

    def open(
        self,
        slot: int = 0,
        *,
        timeout_seconds: int = 60,
        sequence: int = 5000,
        socket_row: int | None = None,
        seated: bool = False,
    ) -> None:
        self.generation += 1
        fds = [sock.fileno() for sock in self._near]
        cname = np.frombuffer(b"abcdefghijklmnop", np.int64).tolist()
        self.command(
            self.c.COMMAND_OPEN,
            slot,
            self.generation,
            *fds,
            0xABCDEF01,
            sequence,
            777,
            timeout_seconds * SECOND,
            *cname,
            slot if socket_row is None else socket_row,
            int(seated),
        )

    def start(self, slot: int = 0, *, remote: tuple[str, int] | None = None, **changes: Any) -> None:
        host, port = remote or self.PEER
        values: dict[str, Any] = {
            "remote_address": host,
            "remote_port": port,
            "codec": "PCMU",
            "payload_type": 0,
            "receive_payload_type": 0,
            "dtmf_send_pt": 101,
            "dtmf_receive_pt": 101,
        }
        parameters = self.k.stream.StreamParameters(**{**values, **changes})
        arguments = self.k.stream.start_arguments(parameters, 4 if ":" not in host else 6)
        contexts = self.keyring.use(parameters.srtp)
        self.command(self.c.COMMAND_START, slot, self.generation, *arguments, *contexts)

    def give(self, data: bytes, *, source: tuple[str, int] | None = None, at: int | None = None) -> None:
        """Let a datagram arrive on the RTP socket, now or at a time in ns."""
        self.core["datagrams"][: len(data)] = np.frombuffer(data, np.uint8)
        words = self.k.addresses.address_words(*(source or self.PEER))
        self.k.receive.take_datagram(self.row, self.core, 0, len(data), *words, self.now if at is None else at)

    def give_report(self, data: bytes, *, source: tuple[str, int] | None = None) -> None:
        """Let a datagram arrive on the RTCP socket."""
        self.core["datagrams"][: len(data)] = np.frombuffer(data, np.uint8)
        words = self.k.addresses.address_words(*(source or (self.PEER[0], self.PEER[1] + 1)))
        self.k.reports.take_report(self.row, self.core, 0, len(data), *words, self.now, 0)

    def tick(self, count: int = 1) -> None:
        """Let ticks of 20 ms pass."""
        for _ in range(count):
            self.now += 20 * MS
            self.tick_number += 1
            self.serve(0)

    def serve(self, slot: int) -> None:
        """Serve one session in the present tick."""
        self.k.loop.advance_session(
            self.sessions, self.rooms, self.sessions[slot], self.sockets[slot], self.core, self.tick_number
        )

    def sent(self) -> list[bytes]:
        """Return the datagrams sent to `far_address` since the last call."""
        datagrams = []
        with contextlib.suppress(BlockingIOError):
            while True:
                datagrams.append(self._far.recv(2048))
        return datagrams

    def sent_rtp(self) -> list[Rtp]:
        return [Rtp.parse(data) for data in self.sent() if not 192 <= data[1] <= 223]

    def events(self, *kinds: int) -> list[Event]:
        """Take the events written so far; of some kinds only, where given."""
        rows = np.zeros((self.c.EVENTS, self.c.EVENT_WORDS), np.int64)
        count = self.k.ring.take_rows(
            self.core["cursors"], self.core["events"], self.c.CURSOR_EVENT_TAIL, self.c.CURSOR_EVENT_HEAD, rows
        )
        events = [Event(row[0], row[1], row[3], (row[4], row[5], row[6])) for row in rows[:count].tolist()]
        return [event for event in events if not kinds or event.kind in kinds]

    def keys(self) -> str:
        """Take the keys that were reported since the last call."""
        return "".join(self.c.KEYS[event.words[0]] for event in self.events(self.c.EVENT_DIGIT_STARTED))

    def frames(self) -> npt.NDArray[np.int16]:
        """Take the tapped samples so far."""
        heads = np.zeros((self.c.TAPS, self.c.TAP_WORDS), np.int64)
        audio = np.zeros((self.c.TAPS, self.c.TICK_SAMPLES), np.int16)
        core = self.core
        count = self.k.ring.take_frames(core["cursors"], core["tap_heads"], core["tap_frames"], heads, audio)
        return audio[:count].reshape(-1)


@contextlib.contextmanager
def opened_desk(kernel: Kernel, **changes: Any) -> Iterator[Desk]:
    """A desk whose session is started towards `Desk.PEER`, or as the changes say."""
    desk = Desk(kernel)
    try:
        desk.open()
        desk.start(**changes)
        desk.events()
        yield desk
    finally:
        desk.close()


def tone(hertz: float, seconds: float, *, level: float = 8000.0) -> npt.NDArray[np.int16]:
    """Return a sine at 8 kHz."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(8000 * seconds)) / 8000)).astype(np.int16)


def level_of(samples: npt.NDArray[np.int16], hertz: float) -> float:
    """Return the amplitude of one frequency in samples at 8 kHz (Goertzel's sum)."""
    turns = np.exp(-2j * math.pi * hertz * np.arange(len(samples)) / 8000)
    return float(2 * abs(np.dot(samples.astype(float), turns)) / max(len(samples), 1))


def hears(samples: npt.NDArray[np.int16], hertz: float, others: tuple[float, ...] = ()) -> bool:
    """Return whether a tone is clearly there, and none of the others."""
    return level_of(samples, hertz) > 4000 and all(level_of(samples, other) < 400 for other in others)


@dataclass
class Phone:
    """The far end of a call on loopback: it speaks a tone at its own pace and keeps what it hears."""

    host: str = "127.0.0.1"
    heard: list[Rtp] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    sequence: int = 65500
    timestamp: int = 0xFFFFF000
    ssrc: int = 0xC0FFEE

    async def open(self) -> Phone:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((self.host, 0))
        self.sock.setblocking(False)
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.sock, self.read)
        return self

    @property
    def address(self) -> tuple[str, int]:
        return self.sock.getsockname()[:2]

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock)
        self.sock.close()

    def read(self) -> None:
        """Take what has arrived."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self.sock.recv(2048)
                if 192 <= data[1] <= 223:
                    self.reports.append(data)
                else:
                    self.heard.append(Rtp.parse(data, time.monotonic()))
        self._changed.set()

    async def hear(self, packets: int) -> list[Rtp]:
        """Wait until so many packets have come, and return them."""
        while len(self.heard) < packets:
            self._changed.clear()
            await self._changed.wait()
        return self.heard[:packets]

    def send(self, to: tuple[str, int], payload: bytes, *, payload_type: int = 0, marker: bool = False) -> None:
        self.sock.sendto(
            rtp(self.sequence, self.timestamp, payload, payload_type=payload_type, ssrc=self.ssrc, marker=marker), to
        )
        self.sequence = (self.sequence + 1) & 0xFFFF

    async def speak(self, to: tuple[str, int], octets: npt.NDArray[np.uint8]) -> None:
        """Send encoded audio in packets of 20 ms at the pace of the clock."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for place in range(0, len(octets) - 159, 160):
            self.send(to, octets[place : place + 160].tobytes())
            self.timestamp = (self.timestamp + 160) & 0xFFFFFFFF
            await asyncio.sleep(begun + (place // 160 + 1) * 0.02 - loop.time())

    def press(self, to: tuple[str, int], key: int, *, payload_type: int = 101) -> None:
        """Send a key of 160 ms at once, as after a delay on the way."""
        for place in range(8):
            payload = event_payload(key, 160 * (place + 1), end=place == 7)
            self.send(to, payload, payload_type=payload_type, marker=place == 0)
        self.timestamp = (self.timestamp + 1600) & 0xFFFFFFFF
