"""Who speaks in a conference: what is a click, what a pause between words, and what a URL that is slow is spared."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from engine.calls import speakers as module
from engine.calls.conference import _SPEECH_WAITING, Member, _Listener
from engine.calls.speakers import LOOKS_TO_START, LOOKS_TO_STOP, Speakers, decibels
from engine.calls.status_callback import StatusCallbacks
from media import Room

LOUD, QUIET = 3277, 300


class Somebody:
    """A member, its call, leg and session in one."""

    has_audio = True

    @property
    def call(self) -> Somebody:
        return self

    leg = session = call


class Levels:
    """A room in which one is as loud as given, look after look, and silent in the end."""

    def __init__(self, one: Somebody, levels: list[int]) -> None:
        self.one = one
        self.levels_left = levels
        self.over = asyncio.Event()

    def levels(self) -> Mapping[Somebody, int]:
        if not self.levels_left:
            self.over.set()
            return {}
        return {self.one: self.levels_left.pop(0)}


async def told(monkeypatch: pytest.MonkeyPatch, *levels: int) -> list[tuple[str, float]]:
    """What is told of these levels."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    one, events = Somebody(), list[tuple[str, float]]()
    room = Levels(one, [*levels])
    watched = Speakers(
        cast(Room, room), [cast(Member, one)], lambda event, _about, level: events.append((event, level))
    )
    watched.watch()
    async with asyncio.timeout(5):
        await room.over.wait()
    watched.close()
    looked = len(events)
    watched.left(cast(Member, one))
    assert len(events) - looked == (looked % 2), "who leaves while speaking stops"
    return events


START, STOP = "participant-speech-start", "participant-speech-stop"


async def test_a_click_is_no_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await told(monkeypatch, *(LOOKS_TO_START - 1) * [LOUD], QUIET, *(LOOKS_TO_START - 1) * [LOUD], 0) == []


async def test_a_pause_between_words_is_no_end_and_the_stop_has_the_loudest(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*LOOKS_TO_START * [LOUD], *(LOOKS_TO_STOP - 1) * [QUIET], 2 * LOUD, *LOOKS_TO_STOP * [QUIET]]
    assert await told(monkeypatch, *words) == [(START, -20.0), (STOP, -14.0)]


async def test_who_leaves_in_the_middle_of_a_word_has_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await told(monkeypatch, *LOOKS_TO_START * [LOUD]) == [(START, -20.0), (STOP, -20.0)]


def test_levels_are_in_decibels_of_full_scale() -> None:
    assert [decibels(level) for level in (32768, 328, 1, 0)] == [0.0, -40.0, -90.3, -96.0]


async def test_a_url_that_does_not_answer_is_not_waited_for_by_more_and_more() -> None:
    sent: list[str] = []
    answered = asyncio.Event()

    class Slow:
        def tell(self, _call: Any, _kind: str, _url: str, form: Mapping[str, str], **_more: Any) -> asyncio.Task[Any]:
            sent.append(form["SequenceNumber"])
            return asyncio.create_task(answered.wait())

    class Order:
        order = type("", (), {"status_events": ("speaker", "leave")})
        call = None

    member = cast(Member, Order())
    listener = _Listener(member, "http://127.0.0.1/")
    callbacks = cast(StatusCallbacks, Slow())
    for _ in range(_SPEECH_WAITING + 30):
        listener.tell_speech(callbacks, member, {})
    assert len(sent) == _SPEECH_WAITING
    listener.tell(callbacks, "leave", member, {})
    assert sent[-1] == str(_SPEECH_WAITING + 30), "the number says how many were left out; of the rest nothing is"
    answered.set()
    await asyncio.sleep(0.01)
    listener.tell_speech(callbacks, member, {})
    assert sent[-1] == str(_SPEECH_WAITING + 31)
