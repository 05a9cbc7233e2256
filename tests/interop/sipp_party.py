"""A user agent of ours as the other side of a sipp scenario, and a clock that a test can move on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sip import CallEvent, IncomingCall, MessageReceived, NameAddr, OutgoingCall, SipUri, UserAgent, UserAgentConfig

OFFER = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = OFFER.replace(b"4000", b"6000")
HELD = OFFER + b"a=sendonly\r\n"

ME = NameAddr(None, SipUri("sip", "me", host="example.net"))
SECONDS = 10
"""No event takes longer than this."""

Kind = TypeVar("Kind", bound=CallEvent)


class Events:
    """What a call has told, in order."""

    def __init__(self) -> None:
        self.items: list[CallEvent] = []
        self._taken: list[CallEvent] = []
        self._changed = asyncio.Event()

    def __call__(self, event: CallEvent) -> None:
        self.items.append(event)
        self._changed.set()

    async def next(self, kind: type[Kind]) -> Kind:
        """Wait for the next event of a kind; each is given out once."""
        async with asyncio.timeout(SECONDS):
            while True:
                for event in self.items:
                    if isinstance(event, kind) and not any(event is taken for taken in self._taken):
                        self._taken.append(event)
                        return event
                self._changed.clear()
                await self._changed.wait()

    @property
    def kinds(self) -> list[str]:
        """The names of the events so far."""
        return [type(event).__name__ for event in self.items]


class Party:
    """A user agent whose incoming calls are attended; `take` decides what becomes of them."""

    def __init__(
        self,
        take: Callable[[IncomingCall], None],
        on_message: Callable[[MessageReceived], None] | None = None,
        **config: object,
    ) -> None:
        self.take = take
        self.parse_errors = 0  # messages of sipp that are no SIP as we know it, where a test sends such
        self.send_errors = 0  # messages of ours that could not be sent, where a test means that
        self._calls: asyncio.Queue[tuple[IncomingCall, Events]] = asyncio.Queue()
        settings = {"udp": (("127.0.0.1", 0),), **config}
        self.agent = UserAgent(
            UserAgentConfig(**settings),  # type: ignore[arg-type]
            self._on_call,
            on_message=on_message,
            clock=asyncio.get_running_loop().time,
        )

    def _on_call(self, call: IncomingCall) -> None:
        events = Events()
        call.on_event = events
        self._calls.put_nowait((call, events))
        self.take(call)

    async def call(self) -> tuple[IncomingCall, Events]:
        """The next call that came, with its events."""
        async with asyncio.timeout(SECONDS):
            return await self._calls.get()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens for UDP."""
        return self.agent.bound["udp"][0]

    def place(self, to: SipUri, *, body: bytes = OFFER, **more: object) -> tuple[OutgoingCall, Events]:
        """Make a call."""
        events = Events()
        call = self.agent.place_call(to, from_=ME, body=body, on_event=events, **more)  # type: ignore[arg-type]
        return call, events


class MovableClock:
    """The clock of the running event loop, which can be moved forward: what was to happen in between happens at
    once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._real = self._loop.time
        self._ahead = 0.0
        self._loop.time = lambda: self._real() + self._ahead  # type: ignore[method-assign]

    def move(self, seconds: float) -> None:
        """Let so much time have passed."""
        self._ahead += seconds


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has no event, such as a counter."""
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.002)


def answer(call: IncomingCall) -> None:
    """Take a call at once."""
    call.answer(ANSWER)


def ring(call: IncomingCall) -> None:
    """Let it ring."""
    call.ring()


def wait(_call: IncomingCall) -> None:
    """Leave it to the test."""
