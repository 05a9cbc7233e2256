"""Plays what a document says, item after item, on one media session (contract §10.4).

Every file of the list is fetched and every text synthesised from the moment the list is known, so that one item follows
the other without a gap; a long text starts with its first sentence. What cannot be had is skipped with a warning in the
call's log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import structlog

from engine.prompts import PromptFiles, PromptUnavailable
from media import Manner, MediaSession, Playback, PromptAudio, SpeechEngine, SpeechUnavailable
from voyloml import PlayDigits, PlayFile, PromptItem, Silence, Speak

logger = structlog.get_logger(__name__)

LOOK_AHEAD = 2
"""Items fetched or synthesised before their turn; a document must not open a connection for each of its prompts."""

CallLog = Callable[[str, Mapping[str, object]], None]


class PromptSources:
    """Where sound comes from: files by URL and a speech engine, shared by all calls."""

    def __init__(self, files: PromptFiles, speech: SpeechEngine) -> None:
        self.files = files
        self.speech = speech

    async def pieces(self, item: PlayFile | Speak) -> AsyncIterator[PromptAudio]:
        """The sound of one item, a piece at a time. Raises PromptUnavailable or SpeechUnavailable."""
        if isinstance(item, PlayFile):
            yield await self.files.get(item.url)
            return
        async for piece in self.speech.synthesise(item.text, item.voice, item.language, _manner(item)):
            yield piece

    def remark(self, item: PlayFile | Speak) -> str | None:
        """What of an item's delivery is not carried out."""
        return self.speech.leaves_out(_manner(item)) if isinstance(item, Speak) else None


def _manner(item: Speak) -> Manner:
    how = item.delivery
    return Manner(how.rate, how.pitch, how.decibels, how.runs_on)


class _Source:
    """One file or text being fetched or synthesised ahead of its turn."""

    def __init__(self, sources: PromptSources, item: PlayFile | Speak) -> None:
        self._ready: asyncio.Queue[PromptAudio | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._fill(sources, item))

    async def _fill(self, sources: PromptSources, item: PlayFile | Speak) -> None:
        try:
            async for piece in sources.pieces(item):
                self._ready.put_nowait(piece)
        finally:
            self._ready.put_nowait(None)

    async def pieces(self) -> AsyncIterator[PromptAudio]:
        while (piece := await self._ready.get()) is not None:
            yield piece
        await self._task

    def cancel(self) -> None:
        self._task.cancel()


class LegPrompting:
    """A running list of prompts; voyloml's `Prompting`.

    `interrupt` is called when one of `interrupt_keys` was pressed: the media plane has stopped the sound in the tick of
    the key itself, this stops what was still to come.
    """

    def __init__(
        self,
        session: MediaSession,
        sources: PromptSources,
        items: Sequence[PromptItem],
        interrupt_keys: str,
        log: CallLog,
    ) -> None:
        self.interrupted = False
        self._session = session
        # Each with its place among those that were ordered; -1 is what has come between.
        self._items = [*enumerate(items)]
        self._played = 0
        self._handed_over: list[Playback | None] = []
        self._progress = asyncio.Event()
        self._over = asyncio.Event()
        self.interrupt_keys = interrupt_keys
        self._log = log
        self._group = session.new_group()
        self._last: Playback | None = None
        self._looked = 0
        self._remarked: set[str] = set()
        self._sources = sources
        self._ahead: dict[int, _Source | PromptAudio] = {}
        self._task = self._start()

    def _start(self) -> asyncio.Task[None]:
        self._over.clear()
        task = asyncio.create_task(self._run())
        task.add_done_callback(self._stopped)
        return task

    def _stopped(self, task: asyncio.Task[None]) -> None:
        self._progress.set()
        if task is self._task:
            self._over.set()

    async def wait(self) -> None:
        """Returns when everything was played, skipped or stopped."""
        while not self._task.done():
            await self._over.wait()
        if not self._task.cancelled():
            self._task.result()

    async def played(self, count: int) -> None:
        """Returns when the first `count` items are played out, skipped or stopped."""
        running: asyncio.Task[None] | None = None
        while running is not self._task:
            running = self._task
            while len(self._handed_over) < count and not self._task.done():
                self._progress.clear()
                await self._progress.wait()
            if self._task.done():
                await self.wait()
            else:
                last, running = self._handed_over[count - 1], self._task
                if last is not None:
                    await last.wait()
        self._played = count

    def stop(self) -> None:
        """Silence within one tick; safe at any time."""
        self._task.cancel()
        self._cancel_ahead()
        self._session.stop(self._group)

    def interject(self, items: Sequence[PromptItem]) -> bool:
        """Plays `items` at once, and then the list from its beginning, or from what `played` has not told of yet; False
        when the list is over."""
        if self._task.done():
            return False
        self.stop()
        self._group, self._last = self._session.new_group(), None
        left = [(place, item) for place, item in self._items if place >= self._played]
        self._items, self._looked, self._ahead = [*((-1, item) for item in items), *left], 0, {}
        del self._handed_over[self._played :]
        self._task = self._start()
        return True

    def interrupt(self) -> None:
        """The caller's key has stopped the prompts."""
        if not self._task.done():
            self.interrupted = True
        self.stop()

    async def _run(self) -> None:
        try:
            for index, (place, item) in enumerate(self._items):
                self._look_ahead(index)
                if isinstance(item, Silence):
                    self._last = self._session.play_silence(
                        round(item.seconds * 1000), stop_keys=self.interrupt_keys, group=self._group
                    )
                elif isinstance(item, PlayDigits):
                    await self._play_digits(item)
                else:
                    await self._play_source(item, self._ahead.pop(index))
                if place >= 0:
                    self._handed_over.append(self._last)
                    self._progress.set()
            if self._last is not None:
                await self._last.wait()
        finally:
            self._cancel_ahead()

    def _cancel_ahead(self) -> None:
        for source in self._ahead.values():
            if isinstance(source, _Source):
                source.cancel()

    def _look_ahead(self, index: int) -> None:
        """Begins with the items up to LOOK_AHEAD after `index`, each once; files in memory are taken as they are."""
        for ahead in range(index, min(index + LOOK_AHEAD + 1, len(self._items))):
            _, item = self._items[ahead]
            if ahead >= self._looked and isinstance(item, PlayFile | Speak):
                held = self._sources.files.held(item.url) if isinstance(item, PlayFile) else None
                self._ahead[ahead] = _Source(self._sources, item) if held is None else held
        self._looked = max(self._looked, index + LOOK_AHEAD + 1)

    async def _play_source(self, item: PlayFile | Speak, source: _Source | PromptAudio) -> None:
        pieces: list[PromptAudio] = []
        single = isinstance(item, PlayFile)
        remark = self._sources.remark(item)
        if remark is not None and remark not in self._remarked:
            self._remarked.add(remark)
            self._log("say_remark", {"warning": remark})
        try:
            if isinstance(source, PromptAudio):
                await self._session.prepare(source)
                self._play(source, loops=item.loop)
                return
            async for audio in source.pieces():
                await self._session.prepare(audio)
                pieces.append(audio)
                self._play(audio, loops=item.loop if single else 1)
        except PromptUnavailable as error:
            self._log("play_skipped", {"warning": str(error)})
            return
        except SpeechUnavailable as error:
            self._log("say_skipped", {"warning": str(error)})
            return
        except Exception:
            # A fault of ours in one sound must not end the call.
            logger.exception("prompt.failed")
            self._log("play_skipped", {"warning": "internal error"})
            return
        if single or item.loop == 1 or not pieces:
            return
        await self._repeat(lambda: self._play_all(pieces), item.loop)

    async def _play_digits(self, item: PlayDigits) -> None:
        async def once() -> bool:
            if self._last is not None:
                await self._last.wait()
            return await self._session.send_digits(item.digits)

        if await once():
            await self._repeat(once, item.loop)

    async def _play_all(self, pieces: Sequence[PromptAudio]) -> bool:
        before = self._last
        for audio in pieces:
            self._play(audio, loops=1)
        # One round stays queued ahead, so that the rounds join without a gap and an endless loop does not pile up.
        return before is None or (await before.wait()).reason == "finished"

    async def _repeat(self, once: Callable[[], Awaitable[bool]], loop: int) -> None:
        """Plays again until `loop` rounds are done, for ever with 0, or until a round was not heard to its end."""
        done = 1
        while (loop == 0 or done < loop) and await once():
            done += 1
            # What is over at once, on a session that has ended, must not keep everybody else from running.
            await asyncio.sleep(0)

    def _play(self, audio: PromptAudio, *, loops: int) -> None:
        self._last = self._session.play(audio, loops=loops, stop_keys=self.interrupt_keys, group=self._group)
