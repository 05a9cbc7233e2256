"""A caller, a call and an application out of a script, on the virtual clock: what these tests run documents on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from hypothesis import settings

from voyloml import (
    DEFAULT_LIMITS,
    KEPT_KEYS,
    ApplicationScript,
    CallFacts,
    HttpFailure,
    HttpReply,
    HttpRequest,
    Interpreter,
    LanguageLimits,
    PlayDigits,
    PlayFile,
    PromptItem,
    RunResult,
    Silence,
    Speak,
)
from voyloml.control import RefusalReason
from voyloml.virtual_time import run_in_virtual_time

UNHURRIED = settings(deadline=None)
"""For properties: the machine that runs them may be busy."""

ACTION_URL = "https://app.example/voice/start"
FILE_SECONDS = 2.0
SPEECH_SECONDS = 3.0
CLOCK = 1_700_000_000.0


def seconds(item: PromptItem) -> float:
    """How long an item lasts here."""
    if isinstance(item, Silence):
        return item.seconds
    once = {PlayFile: FILE_SECONDS, Speak: SPEECH_SECONDS}.get(type(item), 0.5)
    if isinstance(item, PlayDigits):
        once = 0.25 * len(item.digits)
    return once * item.loop if item.loop else float("inf")


def short_id(value: object) -> str:
    """A test id of a parameter that may be huge."""
    if isinstance(value, str | bytes):
        return repr(value[:40])
    return type(value).__name__


@dataclass
class Heard:
    """Prompts that were started together: what, when, and until when."""

    items: tuple[PromptItem, ...]
    interrupt_keys: str
    began: float
    ended: float | None = None


class ScriptedPrompting:
    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self.interrupted = False
        self._over = asyncio.Event()
        length = sum(map(seconds, heard.items))
        loop = asyncio.get_running_loop()
        self._timer = None if length == float("inf") else loop.call_later(length, self.stop)

    async def wait(self) -> None:
        await self._over.wait()

    def stop(self) -> None:
        if self._over.is_set():
            return
        self.heard.ended = asyncio.get_running_loop().time()
        if self._timer is not None:
            self._timer.cancel()
        self._over.set()

    def interrupt(self) -> None:
        if not self._over.is_set():
            self.interrupted = True
            self.stop()


class ScriptedCall:
    """`keys` are pressed at their times, whatever the call is doing then. Keeps everything that was done to it."""

    def __init__(self, *, answered: bool = False, keys: Iterable[tuple[float, str]] = ()) -> None:
        self.answered = answered
        self.heard: list[Heard] = []
        self.done: list[tuple[float, str]] = []
        self.entries: list[tuple[str, Mapping[str, object]]] = []
        self._keys: deque[str] = deque()
        self._pressed = asyncio.Event()
        self._prompting: ScriptedPrompting | None = None
        for at, key in keys:
            asyncio.get_running_loop().call_at(at, self.press, key)

    def press(self, key: str) -> None:
        if self._prompting is not None and key in self._prompting.heard.interrupt_keys:
            self._prompting.interrupt()
        if len(self._keys) < KEPT_KEYS:
            self._keys.append(key)
            self._pressed.set()

    def _note(self, what: str) -> None:
        self.done.append((asyncio.get_running_loop().time(), what))

    async def answer(self) -> None:
        assert not self.answered
        self.answered = True
        self._note("answer")

    async def reject(self, reason: RefusalReason) -> None:
        assert not self.answered
        self._note(reason)

    async def hangup(self) -> None:
        assert self.answered
        self._note("hangup")

    def prompt(self, items: Sequence[PromptItem], *, interrupt_keys: str = "") -> ScriptedPrompting:
        assert self.answered
        assert items
        heard = Heard(tuple(items), interrupt_keys, asyncio.get_running_loop().time())
        self.heard.append(heard)
        self._prompting = ScriptedPrompting(heard)
        return self._prompting

    async def key(self) -> str:
        while not self._keys:
            self._pressed.clear()
            await self._pressed.wait()
        return self._keys.popleft()

    def pending_keys(self) -> int:
        return len(self._keys)

    def log(self, type: str, data: Mapping[str, object]) -> None:  # noqa: A002
        self.entries.append((type, data))

    def logged(self, wanted: str) -> list[Mapping[str, object]]:
        return [data for kind, data in self.entries if kind == wanted]

    def warnings(self) -> list[object]:
        return [data["code"] for data in self.logged("warning")]


@dataclass(frozen=True)
class Answer:
    """What the application answers, `delay` seconds after the request."""

    body: str | bytes = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


def redirect(location: str, status: int = 302) -> Answer:
    return Answer(status=status, headers={"location": location})


Script = Answer | HttpFailure | str
HANGUP = "<Response><Hangup/></Response>"


@dataclass
class Asked:
    """One request as the application saw it."""

    at: float
    request: HttpRequest

    @property
    def line(self) -> str:
        return f"{self.request.method} {self.request.url.partition('?')[0]}"

    @property
    def parameters(self) -> dict[str, str]:
        raw = self.request.body.decode() if self.request.method == "POST" else urlsplit(self.request.url).query
        pairs = parse_qsl(raw, keep_blank_values=True, strict_parsing=bool(raw))
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)


class ScriptedApplication:
    """An `HttpExchange`. Answers for a URL (without query) or `METHOD URL` come in turn; the last one repeats."""

    def __init__(self, answers: Mapping[str, Script | Sequence[Script]]) -> None:
        self._answers = {
            key: deque([value] if isinstance(value, str | Answer | HttpFailure) else value)
            for key, value in answers.items()
        }
        self.asked: list[Asked] = []

    async def __call__(self, request: HttpRequest) -> HttpReply:
        loop = asyncio.get_running_loop()
        asked = Asked(loop.time(), request)
        self.asked.append(asked)
        assert request.body == b"" or request.method == "POST"
        answers = self._answers.get(asked.line) or self._answers.get(request.url.partition("?")[0])
        assert answers, f"nothing in the script for {asked.line}"
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        if isinstance(answer, HttpFailure):
            raise answer
        if isinstance(answer, str):
            answer = Answer(answer)
        await asyncio.sleep(answer.delay)
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        elapsed = round((loop.time() - asked.at) * 1000)
        return HttpReply(answer.status, answer.headers, body, elapsed, request.url)

    @property
    def lines(self) -> list[str]:
        return [asked.line for asked in self.asked]


@dataclass
class Ran:
    """A run that is over."""

    result: RunResult
    call: ScriptedCall
    application: ScriptedApplication
    seconds: float

    @property
    def spoken(self) -> list[str]:
        return [item.text for heard in self.call.heard for item in heard.items if isinstance(item, Speak)]

    @property
    def ending(self) -> str:
        return self.call.done[-1][1] if self.call.done else ""


def facts(call: ScriptedCall | None = None, **changes: object) -> CallFacts:
    values: dict[str, object] = {
        "call_sid": "cl_a1b2c3d4e5f6",
        "call_uuid": "9b8a7c6d-5e4f-4a2b-9c0d-9e8f7a6b5c4d",
        "application_id": "11111111-2222-4333-8444-555555555555",
        "workspace_id": "ws_a1b2c3d4e5f6",
        "from_": "+971501234567",
        "to": "+97142345678",
        "direction": "inbound",
        "status": lambda: "in-progress" if call is not None and call.answered else "ringing",
        "variables": {},
    }
    return CallFacts(**{**values, **changes})  # type: ignore[arg-type]


def run(
    document: Script | Sequence[Script] | None = None,
    *,
    answers: Mapping[str, Script | Sequence[Script]] | None = None,
    script: ApplicationScript | None = None,
    keys: Iterable[tuple[float, str]] = (),
    answered: bool = False,
    limits: LanguageLimits = DEFAULT_LIMITS,
    **changes: object,
) -> Ran:
    """Runs `document` as the answer of the action URL, to the end, and tells what happened."""
    answers = dict(answers or {})
    if document is not None:
        answers[ACTION_URL] = document

    async def main() -> Ran:
        loop = asyncio.get_running_loop()
        call = ScriptedCall(answered=answered, keys=keys)
        application = ScriptedApplication(answers)
        interpreter = Interpreter(
            call,
            facts(call, **changes),
            script or ApplicationScript(action_url=ACTION_URL, signing_secret="whsec_test"),
            application,
            limits=limits,
            clock=lambda: CLOCK + loop.time(),
        )
        result = await interpreter.run()
        return Ran(result, call, application, loop.time())

    return run_in_virtual_time(main())


def run_template(template: str, *, action_url: str | None = None, **rest: object) -> Ran:
    """Runs `template` as the static document of an application."""
    script = ApplicationScript(action_url=action_url, xml_template=template)
    return run(script=script, **rest)  # type: ignore[arg-type]
