"""The simulated call as the caller's phone sees it: answer, prompts, keys, speech, recordings. Nothing is rendered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from voyloml import told
from voyloml.capabilities import AUDIBLE_SECONDS, PartialOrder, Recorded, RecordingOrder, Utterance
from voyloml.control import KEPT_KEYS, Delivery, PlayDigits, PlayFile, PromptItem, RefusalReason, Silence, Speak
from voyloml.simulate.partials import SimulatedPartials, Tell
from voyloml.simulate.script import World
from voyloml.simulate.timeline import Moment, Timeline, What

FILE_SECONDS: Final = 2.0
"""An audio file whose length the script does not give."""
WORDS_A_SECOND: Final = 2.5
BEEP_SECONDS: Final = 0.5
TONE_SECONDS: Final = 0.25
ENDLESS: Final = float("inf")

_RESULTS = frozenset({"gather", "dial", "record", "conference", "queue", "stream", "refer"})
_PLACE = ("line", "column", "path")


class Playing:
    """Prompts on one side of a call; voyloml's `Prompting`. `who` is empty for the caller's side."""

    def __init__(self, phone: Phone, items: Sequence[PromptItem], interrupt_keys: str, who: str = "") -> None:
        self.interrupted = False
        self.interrupt_keys = interrupt_keys
        self._phone = phone
        self._who = who
        self._over = asyncio.Event()
        self._seconds = sum(phone.seconds(item) for item in items)
        words = " · ".join(_words(item) for item in items)
        length = "until stopped" if self._seconds == ENDLESS else f"{self._seconds:.1f} s"
        kind = "party_items" if who else "items"
        phone.note(What.HEARS, f"{who}{words} ({length})", {kind: [_words(item) for item in items]})
        self._timer = None
        if self._seconds != ENDLESS:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._finish)

    @property
    def over(self) -> bool:
        """True when nothing is heard any more."""
        return self._over.is_set()

    async def wait(self) -> None:
        """Returns when all is played or stopped."""
        await self._over.wait()

    def stop(self) -> None:
        """Silence."""
        if self._over.is_set():
            return
        self._phone.note(What.STOPS, f"{self._who}no more")
        self._finish()

    def interrupt(self) -> None:
        """A key has stopped it."""
        if not self._over.is_set():
            self.interrupted = True
            self.stop()

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._over.set()
        self._phone.changed()


class Keys:
    """Keys pressed and not yet read."""

    def __init__(self) -> None:
        self._keys: deque[str] = deque()
        self._pressed = asyncio.Event()

    def press(self, key: str) -> None:
        """Adds one; beyond 32 they are lost."""
        if len(self._keys) < KEPT_KEYS:
            self._keys.append(key)
            self._pressed.set()

    async def next(self) -> str:
        """The oldest."""
        while not self._keys:
            self._pressed.clear()
            await self._pressed.wait()
        return self._keys.popleft()

    def __len__(self) -> int:
        return len(self._keys)


class Phone:
    """One call, from the caller's side: voyloml's `CallControl`, `EarlyMedia`, `SpeechInput` and `Recorder`."""

    def __init__(self, timeline: Timeline, world: World, *, answered: bool) -> None:
        self.answered = answered
        self.early_media = False
        self.timeline = timeline
        self.world = world
        self.speech: list[tuple[float, float, Utterance | None]] = []
        self.verbs: list[str] = []
        self._began = asyncio.get_running_loop().time()
        self._keys = Keys()
        self._playing: Playing | None = None
        self._changes = asyncio.Event()
        self._recordings = 0
        self.partials: list[SimulatedPartials] = []
        self.tell: Tell = lambda url, form, method="POST": None
        """Has a status callback told; the simulation sets it."""

    @property
    def now(self) -> float:
        """Seconds since the call began."""
        return asyncio.get_running_loop().time() - self._began

    @property
    def date(self) -> datetime:
        """The time of day, as callbacks are told it: a simulated call begins with 1970."""
        return datetime.fromtimestamp(self.now, UTC)

    @property
    def playing(self) -> bool:
        """True while the caller hears a prompt."""
        return self._playing is not None and not self._playing.over

    def note(self, what: What, text: str, data: Mapping[str, object] | None = None) -> None:
        """Adds a moment to the timeline."""
        self.timeline.add(Moment(self.now, what, text, data or {}))

    def changed(self) -> None:
        """Wakes whoever waits for something to happen on the call."""
        self._changes.set()
        self._changes = asyncio.Event()

    async def change(self) -> None:
        """Returns when something has happened."""
        await self._changes.wait()

    async def answer(self) -> None:
        """Answers an inbound call."""
        self.answered = True
        self.note(What.CALL, "answered")
        self.changed()

    async def reject(self, reason: RefusalReason) -> None:
        """Refuses it."""
        self.note(What.CALL, f"refused with {486 if reason == 'busy' else 603}", {"reason": reason})

    async def hangup(self) -> None:
        """Ends it."""
        self.note(What.CALL, "hung up")

    async def pre_answer(self) -> None:
        """Opens early media."""
        self.early_media = True
        self.note(What.CALL, "early media")

    def prompt(self, items: Sequence[PromptItem], *, interrupt_keys: str = "") -> Playing:
        """Begins to play."""
        self._playing = Playing(self, items, interrupt_keys)
        self.changed()
        return self._playing

    async def key(self) -> str:
        """The next key."""
        return await self._keys.next()

    def pending_keys(self) -> int:
        """Keys not yet read."""
        return len(self._keys)

    def press(self, key: str) -> None:
        """The caller presses a key."""
        self.note(What.DOES, f"presses {key}", {"key": key})
        if self._playing is not None and key in self._playing.interrupt_keys:
            self._playing.interrupt()
        self._keys.press(key)

    def speak(self, text: str, seconds: float, confidence: float) -> None:
        """The caller begins to speak."""
        self.note(What.DOES, f"says “{text}” ({seconds:.1f} s)", {"says": text})
        said = Utterance(text, confidence) if text else None
        self.speech.append((self.now, self.now + seconds, said))
        for partials in self.partials:
            partials.says(text, seconds)
        self.changed()

    def listen(
        self, *, language: str, hints: str | None, end_silence: float, partials: PartialOrder | None = None
    ) -> SimulatedListening:
        """A recogniser that understands what the script says."""
        expected = "" if hints is None else f", expecting {hints}"
        self.note(What.CALL, f"listens in {language}{expected}", {"language": language, "hints": hints})
        return SimulatedListening(self, end_silence, partials)

    async def record(self, order: RecordingOrder) -> SimulatedRecording:
        """Begins a recording."""
        if order.beep:
            self.note(What.HEARS, f"a tone ({BEEP_SECONDS:.1f} s)")
            await asyncio.sleep(BEEP_SECONDS)
        return SimulatedRecording(self, order)

    def recorded(self, seconds: float) -> Recorded:
        """A finished recording."""
        self._recordings += 1
        sid = f"rec_{self._recordings}"
        return Recorded(sid, f"https://voylo.test/v1/recordings/{sid}/audio", seconds)

    def log(self, type: str, data: Mapping[str, object]) -> None:  # noqa: A002 - the member's name in contract §6.5
        """Turns what the interpreter notes into moments."""
        rest = {key: value for key, value in data.items() if key not in _PLACE}
        if type == "verb":
            self.verbs.append(str(data["verb"]))
            self.note(What.VERB, f"<{data['verb']}> line {data['line']}", dict(data))
            self.changed()
        elif type in _RESULTS:
            self.note(What.RESULT, f"{type}: " + ", ".join(f"{key} {_shown(rest[key])}" for key in rest), rest)
        elif type != "document":
            words = rest.get("message") or rest.get("error") or rest.get("reason") or ""
            self.note(What.WARNING, f"{rest.get('code', type)}: {words}", {"type": type, **rest})

    def seconds(self, item: PromptItem) -> float:
        """How long an item lasts."""
        if isinstance(item, Silence):
            return item.seconds
        if isinstance(item, PlayFile):
            once = self.world.sounds.get(item.url, FILE_SECONDS)
        elif isinstance(item, PlayDigits):
            once = sum(0.5 if digit == "w" else TONE_SECONDS for digit in item.digits)
        else:
            once = max(1, len(item.text.split())) / WORDS_A_SECOND / item.delivery.rate
        return once * item.loop if item.loop else ENDLESS


class SimulatedListening:
    """Hears what the caller says from now on."""

    def __init__(self, phone: Phone, end_silence: float, partials: PartialOrder | None) -> None:
        self._phone = phone
        self._partials = None if partials is None else SimulatedPartials(phone.tell, partials)
        if self._partials is not None:
            phone.partials.append(self._partials)
        self._end_silence = end_silence
        self._from = phone.now
        self._next = len(phone.speech)
        if phone.speech and phone.speech[-1][1] > self._from:
            # He is speaking already.
            self._next -= 1

    async def began(self) -> None:
        """Waits for speech."""
        while len(self._phone.speech) <= self._next:
            await self._phone.change()

    async def result(self) -> Utterance | None:
        """Waits for the silence after it; what is said before that belongs to it."""
        said: list[Utterance] = []
        while True:
            _, end, utterance = self._phone.speech[self._next]
            self._next += 1
            if utterance is not None:
                said.append(utterance)
            quiet_at = end + self._end_silence
            while len(self._phone.speech) <= self._next and self._phone.now < quiet_at:
                try:
                    async with asyncio.timeout(quiet_at - self._phone.now):
                        await self._phone.change()
                except TimeoutError:
                    break
            if len(self._phone.speech) <= self._next:
                break
        if self._partials is not None:
            self._partials.forget()
        if not said:
            return None
        return Utterance(" ".join(one.text for one in said), min(one.confidence for one in said))

    def stop(self) -> None:
        """Tells no partial results any more."""
        if self._partials is not None:
            self._partials.stop()
            if self._partials in self._phone.partials:
                self._phone.partials.remove(self._partials)


class SimulatedRecording:
    """Keeps when the caller spoke."""

    def __init__(self, phone: Phone, order: RecordingOrder) -> None:
        self._phone = phone
        self._order = order
        self._began = phone.now
        self._ended: float | None = None

    async def silent(self) -> None:
        """Waits for as much silence as was ordered."""
        phone = self._phone
        if not self._order.silence:
            await asyncio.get_running_loop().create_future()
        while True:
            last = max([self._began, *(end for _, end, _ in phone.speech)])
            quiet_at = last + self._order.silence
            if phone.now >= quiet_at:
                return
            try:
                async with asyncio.timeout(quiet_at - phone.now):
                    await phone.change()
            except TimeoutError:
                continue

    async def stop(self) -> Recorded | None:
        """What was recorded; trimmed of silence at its ends."""
        if self._ended is None:
            self._ended = self._phone.now
        spoken = [(max(a, self._began), min(b, self._ended)) for a, b, _ in self._phone.speech]
        spoken = [(a, b) for a, b in spoken if b > a]
        seconds = self._ended - self._began
        if self._order.trim:
            seconds = spoken[-1][1] - spoken[0][0] if spoken else 0.0
        recorded = self._phone.recorded(seconds)
        if self._order.status_callback is not None and seconds >= AUDIBLE_SECONDS:
            self._phone.tell(self._order.status_callback, told.of_recording(recorded))
        return recorded


def _words(item: PromptItem) -> str:
    """An item in a few words."""
    if isinstance(item, Silence):
        return f"silence {item.seconds:g} s"
    times = "" if item.loop == 1 else " for ever" if item.loop == 0 else f" {item.loop} times"
    if isinstance(item, Speak):
        return f"“{item.text}”{_how(item.delivery)}{times}"
    return (f"file {item.url}" if isinstance(item, PlayFile) else f"keys {item.digits}") + times


def _how(delivery: Delivery) -> str:
    """A delivery that is not the voice's own, in a few words."""
    words = []
    if delivery.decibels:
        words.append("silent" if delivery.decibels == -ENDLESS else f"{delivery.decibels:+g} dB")
    for name, factor in (("rate", delivery.rate), ("pitch", delivery.pitch)):
        if factor != 1:
            words.append(f"{name} {factor:.0%}")
    return f" ({', '.join(words)})" if words else ""


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
