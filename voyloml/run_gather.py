"""Carries out `Gather` (contract §10.5): drives the machine of `voyloml.gather` with a live call.

Speech needs a call that has `SpeechInput`; without it a Gather that listens to speech alone ends after its silence,
with no input.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from voyloml.binding import Bound
from voyloml.capabilities import Listening, PartialOrder, SpeechInput, Utterance
from voyloml.control import CallControl, Prompting, PromptItem
from voyloml.execution import Execution, Outcome
from voyloml.gather import GatherMachine, GatherRules, Phase, Step
from voyloml.racing import drop


async def run_gather(run: Execution, verb: Bound) -> Outcome:
    """Plays the prompts, collects keys and speech, requests the action. Raises DocumentUnavailable."""
    await run.answer()
    rules = GatherRules.of(verb)
    items = run.prompt_items(verb.children)
    machine = GatherMachine(rules, prompts=bool(items))
    await _Collecting(run.control, machine, rules, verb, _partials(run, verb)).run(items)
    digits, speech = machine.digits, machine.speech
    # The digits may be a PIN, so the log only counts them; of speech it counts the characters.
    spoken = {} if speech is None else {"speech": len(speech.text)}
    run.control.log("gather", {"digits": len(digits), **spoken, **verb.element.place})
    if not digits and speech is None and not verb.flag("actionOnEmptyResult"):
        return None
    if speech is not None:
        parameters = [
            ("SpeechResult", speech.text),
            ("Confidence", f"{speech.confidence:.4g}"),
            ("InputType", "speech"),
        ]
    else:
        parameters = [("Digits", digits)]
        if digits:
            parameters.append(("InputType", "dtmf"))
    return await run.follow(verb, verb.text("action"), parameters)


def _partials(run: Execution, verb: Bound) -> PartialOrder | None:
    url = run.url(verb, "partialResultCallback") if "speech" in verb.words("input") else None
    if url is None:
        return None
    step = verb.spec.step
    assert step is not None
    documents = run.documents
    return PartialOrder(url, verb.text("partialResultCallbackMethod") or "POST", lambda: dict(documents.form(step)))


class _Collecting:
    """Feeds one machine with what happens on the call, each thing as soon as the machine wants to hear of it."""

    def __init__(
        self,
        control: CallControl,
        machine: GatherMachine,
        rules: GatherRules,
        verb: Bound,
        partials: PartialOrder | None,
    ) -> None:
        self._control = control
        self._machine = machine
        self._rules = rules
        self._verb = verb
        self._partials = partials
        self._deadline: float | None = None
        self._prompting: Prompting | None = None
        self._over: asyncio.Future[None] | None = None
        self._key: asyncio.Future[str] | None = None
        self._speech: asyncio.Future[Utterance | None] | None = None
        self._listening: Listening | None = None

    async def run(self, items: Sequence[PromptItem]) -> None:
        """Runs the machine to its end."""
        machine, control = self._machine, self._control
        while machine.listening and control.pending_keys():
            machine.key(await control.key())
        if machine.phase is Phase.PROMPTING:
            self._prompting = control.prompt(items, interrupt_keys=self._rules.interrupt_keys)
            self._over = asyncio.ensure_future(self._prompting.wait())
        else:
            self._do(Step.START_TIMER)
        try:
            while machine.phase is not Phase.DONE:
                await self._next()
        finally:
            await self._clean_up()

    async def _next(self) -> None:
        """Waits for one thing and tells the machine.

        A key first: where it is there together with the end of the prompts or of the time, it was pressed before. The
        time last, for the same reason.
        """
        machine = self._machine
        self._listen()
        waiting = [future for future in (self._key, self._speech, self._over) if future is not None]
        loop = asyncio.get_running_loop()
        seconds = None if self._deadline is None else max(0.0, self._deadline - loop.time())
        if waiting:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(seconds or 0)
        if self._key is not None and self._key.done():
            key, self._key = self._key.result(), None
            self._do(machine.key(key))
        elif self._speech is not None and self._speech.done():
            speech, self._speech = self._speech, None
            if machine.phase is Phase.SPEAKING:
                self._do(machine.speech_over(speech.result()))
            else:
                self._do(machine.speech_began())
        elif self._over is not None and self._over.done():
            self._over.result()
            self._do(machine.prompts_over())
        elif self._deadline is not None and loop.time() >= self._deadline:
            machine.timer_over()

    def _listen(self) -> None:
        """Has someone wait for everything that the machine wants to hear of."""
        machine = self._machine
        if machine.listening and self._key is None:
            self._key = asyncio.ensure_future(self._control.key())
        if not machine.hearing:
            if self._speech is not None:
                self._speech.cancel()
                self._speech = None
            if self._listening is not None:
                self._listening.stop()
            return
        if self._listening is None:
            if not isinstance(self._control, SpeechInput):
                return
            self._listening = self._control.listen(
                language=self._verb.text("language") or "",
                hints=self._verb.text("hints"),
                end_silence=self._rules.end_silence,
                partials=self._partials,
            )
        if self._speech is None:
            speaking = machine.phase is Phase.SPEAKING
            waiting = self._listening.result() if speaking else _nothing_after(self._listening)
            self._speech = asyncio.ensure_future(waiting)

    def _do(self, step: Step) -> None:
        if Step.STOP_PROMPTS in step and self._prompting is not None:
            self._prompting.stop()
        if self._machine.phase is not Phase.PROMPTING and self._over is not None:
            self._over.cancel()
            self._over = None
        if Step.START_TIMER in step:
            self._deadline = asyncio.get_running_loop().time() + self._rules.timeout
        elif Step.STOP_TIMER in step:
            self._deadline = None

    async def _clean_up(self) -> None:
        if self._prompting is not None:
            self._prompting.stop()
        if self._listening is not None:
            self._listening.stop()
        futures: tuple[asyncio.Future[Any] | None, ...] = (self._over, self._key, self._speech)
        await drop(*(future for future in futures if future is not None))


async def _nothing_after(listening: Listening) -> None:
    await listening.began()
