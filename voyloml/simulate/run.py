"""Runs a document or an application against a scripted caller: the interpreter of live calls on a virtual clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Final, Literal

from voyloml.callback import callback_request
from voyloml.control import ApplicationScript, CallFacts
from voyloml.exchange import HttpFailure, HttpReply, HttpRequest
from voyloml.execution import RunResult
from voyloml.interpreter import Interpreter
from voyloml.limits import DEFAULT_LIMITS, LanguageLimits
from voyloml.simulate.application import (
    BASE_URL,
    NOT_FOUND,
    Answer,
    Asked,
    Function,
    Pages,
    asked_of,
    pages,
    reply_to,
)
from voyloml.simulate.outside import SimulatedCall
from voyloml.simulate.script import (
    KEY_SECONDS,
    WORD_SECONDS,
    Act,
    Caller,
    HangUp,
    Press,
    Say,
    Silent,
    Until,
    WaitForPrompt,
    WaitForVerb,
    World,
)
from voyloml.simulate.timeline import Timeline, What
from voyloml.variables import Scalar
from voyloml.virtual_time import run_in_virtual_time

CALL_SECONDS: Final = 14_400.0
"""A call lasts no longer, as the limit `call_seconds` has it."""
_USUAL = frozenset({
    "CallSid", "From", "To", "Direction", "CallStatus", "CallUuid", "ApplicationId", "WorkspaceId", "Timestamp",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """The call that is simulated: who calls whom, and with which variables."""

    from_: str = "+971501234567"
    to: str = "+97142345678"
    direction: Literal["inbound", "outbound"] = "inbound"
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    answered_by: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    signing_secret: str | None = None
    call_seconds: float = CALL_SECONDS
    limits: LanguageLimits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class Simulated:
    """A call that is over.

    `ended` is how: a reason of `RunResult`, or `caller` when the caller hung up, `time_limit` when it lasted too long.
    """

    ended: str
    detail: str
    seconds: float
    timeline: Timeline
    asked: tuple[Asked, ...]

    @property
    def heard(self) -> list[str]:
        """What the caller heard, item by item: texts in “”, files by URL."""
        items: list[str] = []
        for moment in self.timeline.of(What.HEARS):
            given = moment.data.get("items", ())
            assert isinstance(given, list | tuple)
            items += given
        return items

    @property
    def verbs(self) -> list[str]:
        """The verbs that ran."""
        return [str(moment.data["verb"]) for moment in self.timeline.of(What.VERB)]

    @property
    def warnings(self) -> list[str]:
        """What the interpreter had to say against the documents."""
        return [moment.text for moment in self.timeline.of(What.WARNING)]

    def text(self) -> str:
        """The timeline for people."""
        return self.timeline.text()

    def json(self) -> str:
        """The timeline for golden files."""
        return self.timeline.json()


def simulate(
    document: str | None = None,
    *,
    url: str | None = None,
    app: Pages | Function | None = None,
    caller: Caller | None = None,
    world: World | None = None,
    setting: Setting | None = None,
    template: str | None = None,
) -> Simulated:
    """Simulates one call, on a clock on which waiting takes no time.

    `document` is what the action URL `url` answers first; without one `app` answers. `app` is a mapping of answers by
    URL or path, a function of the request such as `over_http`, or what `asgi` and `wsgi` make of an application. With
    `template` the call runs that static document, with the variables of `setting` filled in, and has an action URL only
    where `url` gives one.
    """
    run = Simulation(document, url, app, caller or Caller(), world or World(), setting or Setting(), template)
    return run_in_virtual_time(run.run())


class Simulation:
    """One simulated call; `run` works on any clock."""

    def __init__(
        self,
        document: str | None,
        url: str | None,
        app: Pages | Function | None,
        caller: Caller,
        world: World,
        setting: Setting,
        template: str | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        self.timeline = timeline or Timeline()
        self.asked: list[Asked] = []
        self._template = template
        self._url = url if url is not None or template is not None else BASE_URL
        self._app = _application(document, self._url or BASE_URL, app)
        self._verbs_seen = 0
        self._caller = caller
        self._world = world
        self._setting = setting
        self._status = "ringing"
        self._call: SimulatedCall | None = None
        self._task: asyncio.Task[RunResult] | None = None
        self._interpreter: Interpreter | None = None
        self._hung_up: str | None = None
        self._telling: asyncio.Future[None] | None = None

    @property
    def call(self) -> SimulatedCall:
        """The call; from the beginning of `run` on."""
        assert self._call is not None
        return self._call

    def replace(self, *, url: str | None = None, xml: str | None = None) -> bool:
        """Live call control (contract §6.5): goes on with another document. False when nothing runs."""
        return self._interpreter is not None and self._interpreter.replace(url=url, xml=xml)

    def press(self, key: str) -> None:
        """The caller presses a key."""
        self.call.press(key)

    def say(self, text: str) -> None:
        """The caller says something."""
        self.call.speak(text, max(1, len(text.split())) * WORD_SECONDS, 0.9)

    def hang_up(self, why: str = "caller") -> None:
        """Ends the call from the caller's side."""
        if self._hung_up is None and self._task is not None and not self._task.done():
            self._hung_up = why
            self.call.note(What.DOES, "hangs up" if why == "caller" else "is cut off: the call has lasted too long")
            self._task.cancel()

    async def run(self) -> Simulated:
        """Runs the call to its end."""
        setting = self._setting
        outbound = setting.direction == "outbound"
        call = self._call = SimulatedCall(self.timeline, self._world, answered=outbound)
        call.tell = self._tell
        call.note(What.CALL, f"{setting.direction} from {setting.from_} to {setting.to}")
        interpreter = self._interpreter = Interpreter(
            call,
            self._facts(call),
            ApplicationScript(self._url, setting.headers, self._template, setting.signing_secret),
            self._ask,
            limits=setting.limits,
            clock=asyncio.get_running_loop().time,
        )
        loop = asyncio.get_running_loop()
        limit = loop.call_later(setting.call_seconds, self.hang_up, "time_limit")
        self._task = asyncio.ensure_future(interpreter.run())
        acting = asyncio.ensure_future(self._act(call))
        try:
            result = await self._outcome()
        finally:
            limit.cancel()
            acting.cancel()
            await asyncio.gather(acting, return_exceptions=True)
        if self._hung_up is not None:
            self._status = "completed" if call.answered else "canceled"
            await interpreter.finish()
        call.end_streams()
        if self._telling is not None:
            await self._telling
        detail = f": {result.detail}" if result.detail else ""
        ended = self._hung_up or result.reason
        call.note(What.END, f"{ended}{detail}", {"ended": ended, "detail": result.detail})
        return Simulated(ended, result.detail, call.now, self.timeline, tuple(self.asked))

    async def _outcome(self) -> RunResult:
        assert self._task is not None
        try:
            return await self._task
        except asyncio.CancelledError:
            if self._hung_up is None:
                self._task.cancel()
                raise
            return RunResult("hangup")

    def _facts(self, call: SimulatedCall) -> CallFacts:
        setting = self._setting

        def status() -> str:
            if self._status != "ringing":
                return self._status
            return "in-progress" if call.answered else "ringing"

        return CallFacts(
            call_sid="cl_simulated00",
            call_uuid="00000000-0000-4000-8000-000000000000",
            application_id="00000000-0000-4000-8000-000000000001",
            workspace_id="ws_simulated00",
            from_=setting.from_,
            to=setting.to,
            direction=setting.direction,
            status=status,
            variables=setting.variables,
            answered_by=setting.answered_by,
        )

    async def _ask(self, request: HttpRequest) -> HttpReply:
        asked = asked_of(request)
        self.asked.append(asked)
        shown = {key: value for key, value in asked.parameters.items() if key not in _USUAL}
        words = " ".join(f"{key}={value}" for key, value in shown.items())
        line = f"{asked.method} {asked.url.partition('?')[0]} {words}".rstrip()
        data: dict[str, object] = {"method": asked.method, "url": asked.url.partition("?")[0], "parameters": shown}
        try:
            reply = await reply_to(asked, self._app)
        except HttpFailure as error:
            self.call.note(What.ASKS, f"{line} → {error.message}", {**data, "failure": error.kind})
            raise
        self.call.note(What.ASKS, f"{line} → {reply.status}", {**data, "status": reply.status})
        return reply

    def _tell(self, url: str, form: Mapping[str, str], method: str = "POST") -> None:
        """A status callback: one request, in the order of the events, and nothing is made of the answer."""
        facts, before = self._facts(self.call), self._telling
        named = {
            "CallSid": facts.call_sid,
            "CallUuid": facts.call_uuid,
            "ApplicationId": facts.application_id,
            "WorkspaceId": facts.workspace_id,
            **form,
        }
        now = int(asyncio.get_running_loop().time())
        request = callback_request(url, named, self._setting.signing_secret, now, method)

        async def ask() -> None:
            if before is not None:
                await before
            with contextlib.suppress(HttpFailure):
                await self._ask(request)

        self._telling = asyncio.ensure_future(ask())

    async def _act(self, call: SimulatedCall) -> None:
        for act in self._caller.acts:
            await self._carry_out(call, act)

    async def _carry_out(self, call: SimulatedCall, act: Act) -> None:
        match act:
            case WaitForPrompt():
                while not call.playing:
                    await call.change()
                while call.playing:
                    await call.change()
            case WaitForVerb(name):
                while name not in call.verbs[self._verbs_seen :]:
                    await call.change()
                self._verbs_seen = call.verbs.index(name, self._verbs_seen) + 1
            case Press(keys):
                for index, key in enumerate(keys):
                    if index:
                        await asyncio.sleep(KEY_SECONDS)
                    call.press(key)
            case Say(text, seconds, confidence):
                length = seconds or max(1, len(text.split())) * WORD_SECONDS
                call.speak(text, length, confidence)
                await asyncio.sleep(length)
            case Silent(seconds):
                await asyncio.sleep(seconds)
            case Until(at):
                await asyncio.sleep(max(0.0, at - call.now))
            case HangUp():
                self.hang_up()


def _application(document: str | None, url: str, app: Pages | Function | None) -> Function:
    rest = app if callable(app) else pages(app or {})
    if document is None:
        return rest

    async def answer(asked: Asked) -> Answer:
        own = asked.url.partition("?")[0] == url.partition("?")[0]
        if own and asked.parameters.get("Step") == "start":
            return document
        given = rest(asked)
        if isawaitable(given):
            given = await given
        # A document stands at its URL as on any static host, unless the application has something else there.
        return document if own and given is NOT_FOUND else given

    return answer
