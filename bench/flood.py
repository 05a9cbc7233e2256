"""A flood from one address beside a good peer: does it delay the peer's answers, or cost a call in progress a packet?

10,000 INVITEs a second without credentials come from one loopback address, each a call of its own to a number that this
address may not call. A second address asks OPTIONS every 20 ms and has a call up that hears a long sound. Measured with
and without the flood in the same run.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import select
import socket
import tempfile
import threading
import time
import wave
from dataclasses import dataclass
from pathlib import Path

from bench.calls import sound
from bench.engine import Engine, started
from sip.message import Response, parse_message

FLOOD_RATE = 10_000
DELAY_MS = 20.0
NUMBER = "+15550100"
GOOD = "127.0.0.1"
BAD = "127.0.0.66"
_BATCH = 100
_OPTIONS_SECONDS = 0.02
_GAP_MS = 30.0

_INVITE = (
    "INVITE sip:{number}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{id};rport\r\n"
    "From: <sip:1@{host}>;tag={id}\r\nTo: <sip:{number}@127.0.0.1>\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:1@{host}:{port}>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n"
    "Content-Length: {length}\r\n\r\n{body}"
)
_SDP = "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
_OTHER = (
    "{method} sip:{number}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{branch};rport\r\n"
    "From: <sip:1@{host}>;tag={id}\r\nTo: <sip:{number}@127.0.0.1>{tag}\r\nCall-ID: {id}\r\n"
    "CSeq: {sequence} {method}\r\n"
    "Contact: <sip:1@{host}:{port}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the good peer saw in one stretch of time."""

    answer_ms: tuple[float, ...]
    unanswered: int
    packets: int
    lost: int
    longest_gap_ms: float
    flood: int

    def percentile(self, share: float) -> float:
        """The time in ms within which this share of the OPTIONS was answered."""
        return self.answer_ms[min(len(self.answer_ms) - 1, int(share * len(self.answer_ms)))]

    def __str__(self) -> str:
        return (
            f"{len(self.answer_ms)} OPTIONS answered, {self.unanswered} not; median {self.percentile(0.5):.2f} ms, "
            f"p99 {self.percentile(0.99):.2f} ms, longest {self.answer_ms[-1]:.2f} ms; "
            f"call: {self.packets} packets, {self.lost} lost, longest gap {self.longest_gap_ms:.1f} ms"
        )


class GoodPeer:
    """One call that listens, and OPTIONS beside it."""

    def __init__(self, engine: tuple[str, int]) -> None:
        self.engine = engine
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sip.bind((GOOD, 0))
        self.sip.connect(engine)
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind((GOOD, 0))
        self.call_id = secrets.token_hex(8)
        self._to_tag = ""

    @property
    def _names(self) -> dict[str, object]:
        return {"number": NUMBER, "host": GOOD, "port": self.sip.getsockname()[1]}

    def call(self) -> None:
        """Call, and return when answered."""
        body = _SDP.format(host=GOOD, port=self.rtp.getsockname()[1])
        invite = _INVITE.format(**self._names, id=self.call_id, length=len(body), body=body)
        self.sip.send(invite.encode())
        self.sip.settimeout(10)
        while True:
            message = parse_message(self.sip.recv(65535))
            if isinstance(message, Response) and message.status >= 200:
                break
        assert message.status == 200, message
        self._to_tag = f";tag={message.to.tag}"
        self._send("ACK", 1)

    def hang_up(self) -> None:
        """End the call."""
        self._send("BYE", 2)

    def _send(self, method: str, sequence: int) -> None:
        branch = secrets.token_hex(8)
        text = _OTHER.format(
            **self._names, method=method, branch=branch, id=self.call_id, tag=self._to_tag, sequence=sequence
        )
        self.sip.send(text.encode())

    def watch(self, seconds: float, flood: Flood | None) -> Seen:
        """Ask OPTIONS and listen to the call for so many seconds."""
        waiting: dict[str, float] = {}
        answered: list[float] = []
        arrivals: list[float] = []
        sequences: list[int] = []
        for sock in (self.sip, self.rtp):
            sock.setblocking(False)
        self._drain()
        began = time.perf_counter()
        due, number = began, 0
        sent_before = 0 if flood is None else flood.sent
        while (now := time.perf_counter()) < began + seconds + 1.0:
            if now >= due and now < began + seconds:
                due += _OPTIONS_SECONDS
                number += 1
                identity = f"options{number}x{secrets.token_hex(4)}"
                text = _OTHER.format(**self._names, method="OPTIONS", branch=identity, id=identity, tag="", sequence=1)
                waiting[identity] = time.perf_counter()
                self.sip.send(text.encode())
            readable, _, _ = select.select([self.sip, self.rtp], [], [], max(0.0, min(due - now, 0.005)))
            moment = time.perf_counter()
            if self.sip in readable:
                message = parse_message(self.sip.recv(65535))
                if isinstance(message, Response) and message.call_id in waiting:
                    answered.append((moment - waiting.pop(message.call_id)) * 1000)
            if self.rtp in readable:
                data = self.rtp.recv(2048)
                if moment < began + seconds:
                    arrivals.append(moment)
                    sequences.append(int.from_bytes(data[2:4], "big"))
        gaps = [(later - earlier) * 1000 for earlier, later in itertools.pairwise(arrivals)]
        span = (sequences[-1] - sequences[0]) % 65536 + 1
        return Seen(
            tuple(sorted(answered)),
            len(waiting),
            len(arrivals),
            span - len(set(sequences)),
            max(gaps),
            0 if flood is None else flood.sent - sent_before,
        )

    def _drain(self) -> None:
        for sock in (self.sip, self.rtp):
            while True:
                try:
                    sock.recv(65535)
                except BlockingIOError:
                    break


class Flood(threading.Thread):
    """INVITEs from an address that may not call, at a rate, until told to stop."""

    def __init__(self, engine: tuple[str, int], seconds: float) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self._seconds = seconds
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((BAD, 0))
        self._socket.connect(engine)
        port = self._socket.getsockname()[1]
        body = _SDP.format(host=BAD, port=40000)
        identities = [secrets.token_hex(8) for _ in range(2000)]
        self._datagrams = [
            _INVITE.format(number=NUMBER, host=BAD, port=port, id=identity, length=len(body), body=body).encode()
            for identity in identities
        ]

    def run(self) -> None:
        """Send in batches on an absolute schedule."""
        began = time.perf_counter()
        self._socket.setblocking(False)
        while (now := time.perf_counter()) < began + self._seconds:
            behind = int((now - began) * FLOOD_RATE) - self.sent
            for _ in range(min(behind, _BATCH)):
                with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                    self._socket.send(self._datagrams[self.sent % len(self._datagrams)])
                self.sent += 1
            if behind <= _BATCH:
                time.sleep(0.002)
        self._socket.close()


def long_sound(folder: Path) -> None:
    """A minute of sound in the place of the short one."""
    with wave.open(str(folder / "short.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000 * 60))


def compare(engine: Engine, seconds: float) -> tuple[Seen, Seen, float]:
    """What the good peer sees without and with the flood, and the engine's share of a core under it."""
    host, _, port = engine.sip.rpartition(":")
    address = (host, int(port))
    peer = GoodPeer(address)
    peer.call()
    time.sleep(0.5)
    quiet = peer.watch(seconds, None)
    print(f"without  {quiet}", flush=True)
    flood = Flood(address, seconds + 0.5)
    flood.start()
    cpu, began = engine.cpu_seconds(), time.perf_counter()
    loud = peer.watch(seconds, flood)
    share = (engine.cpu_seconds() - cpu) / (time.perf_counter() - began)
    flood.join()
    print(f"with     {loud}", flush=True)
    peer.hang_up()
    return quiet, loud, share


def run(*, quick: bool) -> dict[str, object]:
    """Prints and returns the figures."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    try:
        with tempfile.TemporaryDirectory() as folder, sound(Path(folder)) as url:
            long_sound(Path(folder))
            with started(Path(folder) / "data", core=cores[0], show_log=False) as engine:
                engine.route(NUMBER, f"<Response><Play>{url}</Play></Response>")
                quiet, loud, share = compare(engine, 3 if quick else 10)
    finally:
        os.sched_setaffinity(0, set(cores))
    delay = loud.percentile(0.99) - quiet.percentile(0.99)
    rate = loud.flood / (3 if quick else 10)
    print(
        f"{rate:.0f} INVITEs a second from one address delay the p99 of the answers by {delay:.2f} ms "
        f"(target: at most {DELAY_MS:g}); the engine uses {100 * share:.0f} % of a core"
    )
    missed = delay > DELAY_MS or loud.lost > quiet.lost or loud.unanswered > 0 or loud.longest_gap_ms > _GAP_MS * 2
    return {
        "delay_ms": delay,
        "p99_without_ms": quiet.percentile(0.99),
        "p99_with_ms": loud.percentile(0.99),
        "lost": loud.lost,
        "unanswered": loud.unanswered,
        "flood_per_second": rate,
        "core_share": share,
        "missed": missed,
    }
