"""Callers of one number, for tests: what each is given to do depends on who it is, and each has a tone for a voice."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from aiohttp import web

from sip import RemoteHangup
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
        more = {f"/{name}": document for name, document in documents.items()}
        super().__init__({"/start": self._start, "/done": GOODBYE, **more})
        self._verbs: dict[str, str] = {}
        self._callers: list[Caller] = []
        self._numbers = itertools.count()
        self._engines: set[TestEngine] = set()

    async def __aexit__(self, *raised: object) -> None:
        """Whoever is still there hangs up: an engine that stops need not wait for phones that are gone."""
        for caller in self._callers:
            if not caller.call.has(RemoteHangup):
                caller.hang_up()
        for engine in self._engines:
            await engine.process.switchboard.drain(5.0)
        await super().__aexit__(*raised)

    async def _start(self, request: web.Request) -> web.StreamResponse:
        caller = str((await request.post())["From"])
        return web.Response(text=f"<Response>{self._verbs[caller]}</Response>", content_type="application/xml")

    async def open(self, engine: TestEngine, **application: Any) -> dict[str, Any]:
        """Makes the application of the number, and returns it."""
        made = await engine.application(actionUrl=self.url("/start"), **application)
        await engine.number(NUMBER, made)
        return made

    async def caller(
        self,
        phone: Phone,
        engine: TestEngine,
        verbs: str,
        tone: float | None = None,
        codecs: tuple[Codec, ...] = (PCMU, PCMA),
        called: str = NUMBER,
    ) -> Caller:
        """Somebody calls, is answered and begins to speak."""
        number = f"+155502{next(self._numbers):02}"
        self._verbs[number] = verbs
        call = phone.call(called, engine.sip, from_=number, codecs=codecs)
        await call.answered()
        if tone is not None:
            call.say(tone)
        caller = Caller(self, call, number)
        self._callers.append(caller)
        self._engines.add(engine)
        return caller


class Caller:
    """One of them."""

    def __init__(self, lobby: Lobby, call: PhoneCall, number: str) -> None:
        self.call = call
        self.number = number
        self._lobby = lobby
        self._hung_up = False

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
        """Hangs up, unless it has."""
        if not self._hung_up:
            self._hung_up = True
            self.call.outgoing.hangup()
