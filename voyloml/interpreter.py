"""Runs a call's documents, verb after verb (contract §11.6), on whatever implements `CallControl` and `HttpExchange`.

Knows the order of things and their limits; what a verb does is in the `run_*` files.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from voyloml.binding import Bound, Problem
from voyloml.capabilities import Conferences, Dialler, EarlyMedia, Queues, Recorder, Referrer, Streams, offers
from voyloml.control import ApplicationScript, CallControl, CallFacts, RefusalReason
from voyloml.documents import Documents, DocumentUnavailable, Page
from voyloml.errors import Code
from voyloml.exchange import HttpExchange
from voyloml.execution import Execution, Outcome, Runner, RunResult
from voyloml.limits import DEFAULT_LIMITS, LanguageLimits
from voyloml.page_verbs import PageVerbs
from voyloml.run_conference import run_conference, run_dialled_conference
from voyloml.run_dial import run_dial
from voyloml.run_flow import run_hangup, run_redirect, run_unavailable
from voyloml.run_gather import run_gather
from voyloml.run_prompts import run_pause, run_pre_answer, run_prompt, run_send_digits
from voyloml.run_queue import WAITING_VERBS, run_enqueue, run_leave
from voyloml.run_record import run_record
from voyloml.run_refer import run_refer
from voyloml.run_stream import run_connect, run_start, run_stream


@dataclass(frozen=True, slots=True)
class Carrying:
    """What carries a verb out, and the protocol that a control must implement for it, beyond `CallControl`."""

    run: Runner
    needs: type | None = None


DIALLED_CONFERENCE: Final = "Dial/Conference"

RUNNERS: Final[Mapping[str, Carrying]] = MappingProxyType({
    "Play": Carrying(run_prompt),
    "Say": Carrying(run_prompt),
    "Pause": Carrying(run_pause),
    "Gather": Carrying(run_gather),
    "Dial": Carrying(run_dial, Dialler),
    DIALLED_CONFERENCE: Carrying(run_dialled_conference, Conferences),
    "Record": Carrying(run_record, Recorder),
    "Conference": Carrying(run_conference, Conferences),
    "Hangup": Carrying(run_hangup),
    "Reject": Carrying(run_hangup),
    "Redirect": Carrying(run_redirect),
    "PreAnswer": Carrying(run_pre_answer, EarlyMedia),
    "Stream": Carrying(run_stream, Streams),
    "Connect": Carrying(run_connect, Streams),
    "Start": Carrying(run_start, Streams),
    "Refer": Carrying(run_refer, Referrer),
    "Enqueue": Carrying(run_enqueue, Queues),
    "Leave": Carrying(run_leave, Queues),
    "SendDigits": Carrying(run_send_digits),
})  # fmt: skip
"""What carries out each verb of the table."""


class Interpreter:
    """One call's run. `run` is awaited once; a hang-up from outside cancels it, and every verb cleans up behind itself.

    Whoever cancels it then awaits `finish`, once the call's status says how it ended: the verb that was running may
    still have its action to request (contract §10.6, §10.7).

    `clock` gives unix seconds for signatures. All waiting goes by the running loop's time.
    """

    def __init__(
        self,
        control: CallControl,
        facts: CallFacts,
        script: ApplicationScript,
        exchange: HttpExchange,
        *,
        limits: LanguageLimits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._control = control
        self._limits = limits
        self._documents = Documents(facts, script, exchange, control.log, limits, clock)
        self._execution = Execution(control, self._documents, self._run_page)
        self._redirects = 0
        self._scope: asyncio.Timeout | None = None
        self._replacement: Callable[[], Awaitable[Page]] | None = None

    async def run(self) -> RunResult:
        """Runs the application from its first document to the end, which it brings about (see `RunResult`)."""
        start: Callable[[], Awaitable[Page]] = self._documents.first
        while True:
            try:
                async with asyncio.timeout(None) as self._scope:
                    result = await self._run_from(start)
            except TimeoutError:
                if self._replacement is None:
                    raise
            finally:
                self._scope = None
            if self._replacement is None:
                result = await self._end(result)
                await self.finish()
                return result
            start, self._replacement = self._replacement, None
            await self.finish()
            self._execution.replacing = False

    async def finish(self) -> None:
        """Makes the requests that are still due after the run; they may take as long as requests do."""
        await self._execution.pay()

    def part(self) -> None:
        """Lets go of the call, whose memory is free then without the garbage collector; nothing can be asked of it
        afterwards."""
        del self._execution

    def replace(self, *, url: str | None = None, xml: str | None = None) -> bool:
        """Interrupts the running verb and goes on with another document (contract §6.5): at an absolute `url`, or
        `xml`.

        Of several replacements before the next verb the last one counts. False when there is nothing to interrupt,
        because the run has ended. Raises DocumentError when `xml` is no document, and changes nothing then.
        """
        start: Callable[[], Awaitable[Page]]
        if xml is not None:
            page = self._documents.given(xml)

            async def start() -> Page:
                return page

        else:
            assert url is not None
            target = url

            async def start() -> Page:
                return await self._documents.fetch(target, "POST", "redirect")

        if self._scope is None:
            return False
        self._execution.replacing = True
        if self._replacement is None:
            self._scope.reschedule(asyncio.get_running_loop().time())
        self._replacement = start
        return True

    async def _run_from(self, start: Callable[[], Awaitable[Page]]) -> RunResult:
        try:
            outcome: Outcome = await start()
            while isinstance(outcome, Page):
                outcome = await self._run_page(outcome)
        except DocumentUnavailable as error:
            return RunResult("application_error", str(error))
        return outcome or RunResult("completed")

    async def _run_page(self, page: Page) -> Outcome:
        execution = self._execution
        execution.enter(page)
        verbs = PageVerbs(page)
        for verb, problems in verbs:
            for problem in problems:
                execution.warn(problem)
            if verb is None or not verb.usable:
                continue
            execution.prompts_ahead = verbs.prompts_ahead
            outcome = self._exceeded(verb) or await self._run_verb(verb)
            if outcome is not None:
                return outcome
        return None

    async def _run_verb(self, verb: Bound) -> Outcome:
        name = verb.spec.name
        self._control.log("verb", {"verb": name, **verb.element.place})
        if self._execution.waiting and name not in WAITING_VERBS:
            message = f"<{name}> is not allowed while the caller waits in a queue"
            self._execution.warn(Problem(verb.element, Code.BAD_NESTING, message))
            return None
        if name == "Dial" and any(child.spec.name == "Conference" and child.usable for child in verb.children):
            name = DIALLED_CONFERENCE
        carrying = RUNNERS[name]
        if carrying.needs is not None and not offers(self._control, carrying.needs):
            return await run_unavailable(self._execution, verb)
        return await carrying.run(self._execution, verb)

    def _exceeded(self, verb: Bound) -> RunResult | None:
        """Counts the verb, and ends the run when it is one too many (contract §10.1, §10.8)."""
        limits = self._limits
        self._execution.verbs += 1
        if self._execution.verbs > limits.verbs_per_call:
            return RunResult("application_error", f"more than {limits.verbs_per_call} verbs in one call")
        self._redirects = self._redirects + 1 if verb.spec.name == "Redirect" else 0
        if self._redirects > limits.redirects:
            message = f"more than {limits.redirects} redirects without another verb between"
            return RunResult("application_error", message)
        return None

    async def _end(self, result: RunResult) -> RunResult:
        if self._control.answered:
            await self._control.hangup()
            return result
        if result.reason == "application_error":
            return result
        reason: RefusalReason = "busy" if result.detail == "busy" else "rejected"
        await self._control.reject(reason)
        return RunResult("rejected", reason)
