"""`Gather` with speech on a live call: what the caller says is what the action gets (contract §10.5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from media import PromptAudio
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Asked, Flow
from tests.support.phone import Phone, PhoneCall, a_phone
from tests.support.voice import spoken

NUMBER = "+15550100"
HINTS = 'hints="billing, support, technical support, opening hours"'
GATHER = '<Gather {attributes} action="/got">{prompt}</Gather><Redirect>/nothing</Redirect>'
PROMPT = "<Play>/tone-440.wav</Play>"
PROMPT_HERTZ = 440.0


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[TestEngine]:
    async with running_engine(tmp_path) as started:
        yield started


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    async with a_phone() as started:
        yield started


def say(call: PhoneCall, text: str) -> None:
    call.session.play(PromptAudio(spoken(text), text))


async def silence(seconds: float) -> None:
    """The caller's own pause."""
    await asyncio.sleep(seconds)


async def gathered(
    engine: TestEngine,
    phone: Phone,
    attributes: str,
    does: Callable[[PhoneCall], object],
    *,
    prompt: str = PROMPT,
) -> tuple[Asked, PhoneCall]:
    """One call to a Gather; `does` is what the caller does half a second into the prompt. The request after it."""
    document = f"<Response>{GATHER.format(attributes=attributes, prompt=prompt)}</Response>"
    hang_up = "<Response><Hangup/></Response>"
    async with Flow({"/": document, "/got": hang_up, "/nothing": hang_up}) as flow:
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
        call = phone.call(NUMBER, engine.sip)
        if prompt:
            await call.hears(PROMPT_HERTZ, at_least=0.3)
        else:
            await call.answered()
            await silence(0.3)
        does(call)
        async with asyncio.timeout(20):
            while len(flow.steps()) < 2:
                await asyncio.sleep(0.02)
        await engine.ended_call()
        (asked,) = [asked for asked in flow.asked if asked.path in {"/got", "/nothing"}]
    return asked, call


class TestSpeech:
    async def test_a_phrase_of_the_hints_is_understood(self, engine: TestEngine, phone: Phone) -> None:
        asked, _ = await gathered(
            engine, phone, f'input="speech" {HINTS}', lambda call: say(call, "technical support"), prompt=""
        )
        assert asked.form["SpeechResult"] == "technical support"
        assert asked.form["InputType"] == "speech"
        assert 0 < float(asked.form["Confidence"]) <= 1
        assert "Digits" not in asked.form
