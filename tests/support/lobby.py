"""Callers of one number, for tests: what each is given to do depends on who it is, and each has a tone for a voice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from aiohttp import web

from sip.sdp import Codec
from tests.support.engine import TestEngine
from tests.support.flow import Asked, Flow
from tests.support.phone import PCMA, PCMU, Phone, PhoneCall
from tests.support.tones import RATE, tones_in

NUMBER = "+15550100"
GOODBYE = "<Response><Hangup/></Response>"
HEARING_SECONDS = 0.5


class Lobby(Flow):
    """An application that gives each caller the verbs it came with; every action is asked at `/done`, which hangs up.

    `ended` is the request of a caller's action.
    """

    def __init__(self, **documents: str) -> None:
        super().__init__(
            {"/start": self._start, "/done": GOODBYE, **{f"/{name}": documents[name] for name in documents}}
        )
        self._verbs: dict[str, str] = {}
        self._callers = 0

    async def _start(self, request: web.Request) -> web.StreamResponse:
        caller = str((await request.post())["From"])
        return web.Response(text=f"<Response>{self._verbs[caller]}</Response>", content_type="application/xml")

    async def open(self, engine: TestEngine) -> None:
        """Makes the application of the number."""
        await engine.number(NUMBER, await engine.application(actionUrl=self.url("/start")))

    async def caller(
        self,
        phone: Phone,
        engine: TestEngine,
        verbs: str,
        tone: float | None = None,
        codecs: tuple[Codec, ...] = (PCMU, PCMA),
    ) -> Caller:
        """Somebody calls, is answered and begins to speak."""
        self._callers += 1
        number = f"+1555020{self._callers}"
        self._verbs[number] = verbs
        call = phone.call(NUMBER, engine.sip, from_=number, codecs=codecs)
        await call.answered()
        if tone is not None:
            call.say(tone)
        return Caller(self, call, number)


class Caller:
    """One of them."""

    def __init__(self, lobby: Lobby, call: PhoneCall, number: str) -> None:
        self.call = call
        self.number = number
        self._lobby = lobby

    @property
    def lately(self) -> np.ndarray:
        """What was heard in the last half second."""
        return self.call.heard[-round(HEARING_SECONDS * RATE) :]

    async def hears(self, *tones: float, of: Sequence[float], seconds: float = 10.0) -> None:
        """Waits until exactly these of all tones have been heard for half a second."""
        await self.call._until(
            lambda: len(self.lately) == HEARING_SECONDS * RATE and tones_in(self.lately, of) == set(tones), seconds
        )

    async def ended(self, path: str = "/done") -> dict[str, str]:
        """The parameters of the action of what the caller was given to do."""
        asked: Asked = await self._lobby.wait_for(path, From=self.number)
        return asked.form

    def hang_up(self) -> None:
        self.call.outgoing.hangup()
