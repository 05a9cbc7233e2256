"""Carries out `Dial` (contract §10.6): rings, screens, bridges, and tells the action how it went.

Before the bridge a party that answered goes through what the Dial asks for in this order: its own `sendDigits`, machine
detection, confirmation. Where there is a confirmation the others ring on meanwhile; otherwise the first to answer has
won at once and the others are cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, cast

from voyloml.binding import Bound, Problem
from voyloml.capabilities import AnsweredBy, Dialler, DialRefused, Party, Recorded, Unreached
from voyloml.control import PlayDigits, PlayFile, Prompting, PromptItem
from voyloml.dial import (
    HUNG_UP_EARLY,
    NOT_CONFIRMED,
    RANG_OUT,
    DialResult,
    DialRules,
    nobody_answered,
    targets_of,
)
from voyloml.documents import Parameters
from voyloml.errors import Code
from voyloml.execution import Execution, Outcome
from voyloml.racing import drop, first_of


async def run_dial(run: Execution, verb: Bound) -> Outcome:
    """`Dial` without a conference. Raises DocumentUnavailable."""
    return await _Dial(run, verb).run()


class _Dial:
    """One run of a `Dial`."""

    def __init__(self, run: Execution, verb: Bound) -> None:
        self._run = run
        self._verb = verb
        self._rules = DialRules.of(verb)
        self._dialler = cast("Dialler", run.control)
        self._targets = targets_of(verb, self._warn)
        self._parties: Sequence[Party] = ()
        self._comfort: Prompting | None = None
        self._bridged = False
        self._answered_by: dict[int, AnsweredBy] = {}
        sound = run.url(verb, "confirmSound")
        self._confirm_items: list[PromptItem] = [] if sound is None else [PlayFile(sound)]
        self._music = None if verb.text("dialMusic") == "real" else run.url(verb, "dialMusic")

    async def run(self) -> Outcome:
        run = self._run
        if not self._rules.answer_on_bridge:
            await run.answer()
        canceled = DialResult("canceled", self._targets[-1].address if self._targets else "", "canceled", 487)
        try:
            result = await self._reach_and_bridge()
        except asyncio.CancelledError:
            if not self._bridged:
                run.owe(self._verb, _ready(canceled.parameters()))
            raise
        finally:
            await self._end()
        run.control.log("dial", {"status": result.status, "to": result.to, **self._verb.element.place})
        return await run.act(self._verb, result.parameters())

    async def _end(self) -> None:
        """Whatever happened, nobody is left ringing or alone on the line."""
        if self._comfort is not None:
            self._comfort.stop()
        for party in self._parties:
            await party.hangup()

    async def _reach_and_bridge(self) -> DialResult:
        headers = self._verb.values["sipHeaders"]
        assert headers is None or isinstance(headers, tuple)
        try:
            self._parties = await self._dialler.parties(
                self._targets, caller_id=self._verb.text("callerId"), headers=headers or ()
            )
        except DialRefused as error:
            self._warn(self._verb, str(error))
            return DialResult("failed", self._targets[-1].address, error.cause, error.code)
        if not self._parties:
            return nobody_answered((), ())
        self._let_wait()
        reached = await (self._one_after_the_other() if self._rules.sequential else self._all_at_once())
        if isinstance(reached, DialResult):
            return reached
        return await self._bridge(reached)

    def _let_wait(self) -> None:
        """What the caller hears until the bridge."""
        control = self._run.control
        if self._music is not None and control.answered:
            self._comfort = control.prompt([PlayFile(self._music, loop=0)])
        else:
            self._comfort = self._dialler.ringback(real=self._verb.text("dialMusic") == "real")

    async def _one_after_the_other(self) -> int | DialResult:
        reasons: list[Unreached] = []
        for index in range(len(self._parties)):
            reason = await self._reach(index) or await self._prepare(index)
            if reason is None:
                return index
            await self._parties[index].hangup()
            reasons.append(reason)
        return nobody_answered(self._targets, reasons)

    async def _all_at_once(self) -> int | DialResult:
        attempts = [asyncio.ensure_future(self._reach(index)) for index in range(len(self._parties))]
        winner: int | None = None
        try:
            pending: set[asyncio.Future[Unreached | None]] = set(attempts)
            while pending and winner is None:
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for index, attempt in enumerate(attempts):
                    if attempt.done() and attempt.result() is None:
                        winner = index
                        break
        finally:
            await drop(*attempts)
        for index, party in enumerate(self._parties):
            if index != winner:
                await party.hangup()
        if winner is None:
            return nobody_answered(self._targets, [reason for a in attempts if (reason := a.result()) is not None])
        reason = await self._prepare(winner)
        if reason is None:
            return winner
        return DialResult("no-answer", self._targets[winner].address, reason.cause, reason.code)

    async def _reach(self, index: int) -> Unreached | None:
        """Rings a party; None when it may be bridged, or has answered where nothing is to be confirmed."""
        party = self._parties[index]
        ringing = asyncio.timeout(self._rules.timeout)
        try:
            async with ringing:
                reason = await party.ring()
        except TimeoutError:
            if not ringing.expired():
                raise
            await party.hangup()
            return RANG_OUT
        if reason is not None or not self._rules.confirms:
            return reason
        reason = await self._while_there(party, self._screen(index), NOT_CONFIRMED)
        if reason is not None:
            await party.hangup()
        return reason

    async def _prepare(self, index: int) -> Unreached | None:
        """For a party that has won by answering: what is due before the bridge."""
        if self._rules.confirms:
            return None
        return await self._while_there(self._parties[index], self._greet(index), HUNG_UP_EARLY)

    @staticmethod
    async def _while_there(
        party: Party, step: Coroutine[Any, Any, Unreached | None], gone: Unreached
    ) -> Unreached | None:
        name, reason = await first_of({"step": step, "gone": party.gone()})
        return gone if name == "gone" else cast("Unreached | None", reason)

    async def _screen(self, index: int) -> Unreached | None:
        await self._greet(index)
        return None if await self._confirm(self._parties[index]) else NOT_CONFIRMED

    async def _greet(self, index: int) -> None:
        """Digits that the party's own exchange wants, then who it is."""
        party, digits, rules = self._parties[index], self._targets[index].send_digits, self._rules
        if digits is not None:
            await _hear(party.prompt([PlayDigits(digits)]))
        if rules.detection != "none":
            message_end = rules.detection == "detectMessageEnd"
            self._answered_by[index] = await party.detect(message_end=message_end, timeout=rules.detection_timeout)

    async def _confirm(self, party: Party) -> bool:
        """Plays the sound, then waits for a key that accepts; a key pressed while it plays counts."""
        keys = self._rules.confirm_keys
        prompting = party.prompt(self._confirm_items, interrupt_keys=keys) if self._confirm_items else None
        if not keys:
            assert prompting is not None
            await _hear(prompting)
            return True
        accepted = asyncio.ensure_future(_key_out_of(party, keys))
        try:
            if prompting is not None:
                heard = asyncio.ensure_future(_hear(prompting))
                try:
                    await asyncio.wait({heard, accepted}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    await drop(heard)
            if not accepted.done():
                await asyncio.wait({accepted}, timeout=self._rules.confirm_timeout)
            return accepted.done()
        finally:
            await drop(accepted)

    async def _bridge(self, index: int) -> DialResult:
        run, rules, party = self._run, self._rules, self._parties[index]
        await run.answer()
        if self._comfort is not None:
            self._comfort.stop()
        loop = asyncio.get_running_loop()
        bridge = await self._dialler.bridge(party, record=rules.record)
        self._bridged = True
        began = loop.time()

        def result(recorded: Recorded | None, ended: float, cause: str) -> DialResult:
            return DialResult(
                "completed",
                self._targets[index].address,
                cause,
                200,
                party.sid,
                ended - began,
                self._answered_by.get(index),
                recorded,
            )

        waits: dict[str, Coroutine[Any, Any, None]] = {"gone": party.gone()}
        if rules.hangup_on_star:
            waits["star"] = _key_out_of(run.control, "*")
        try:
            name, _ = await first_of(waits, seconds=rules.time_limit)
        except asyncio.CancelledError:
            ended = loop.time()

            async def parameters() -> Parameters:
                return result(await bridge.stop(), ended, "normal").parameters()

            run.owe(self._verb, parameters)
            raise
        ended = loop.time()
        await party.hangup()
        recorded = await bridge.stop()
        await run.drop_keys()
        return result(recorded, ended, "time_limit" if name == "time" else "normal")

    def _warn(self, verb: Bound, message: str) -> None:
        self._run.warn(Problem(verb.element, Code.INVALID_ATTRIBUTE, message))


class _Keyed(Protocol):
    async def key(self) -> str: ...


def _ready(parameters: Parameters) -> Callable[[], Awaitable[Parameters]]:
    async def given() -> Parameters:
        return parameters

    return given


async def _hear(prompting: Prompting) -> None:
    try:
        await prompting.wait()
    finally:
        prompting.stop()


async def _key_out_of(party: _Keyed, keys: str) -> None:
    """Waits for one of `keys`; the others are consumed."""
    while await party.key() not in keys:
        pass
