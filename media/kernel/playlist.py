"""The asyncio half of a session's play queue: it holds what the kernel has no room for, and every audio that the kernel
still points into, until its end has been reported.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from media.kernel import constants as c
from media.kernel.core import Command
from media.kernel.libopus import OpusSending
from media.kernel.once import Once
from media.prompt import PromptAudio

EndReason: TypeAlias = Literal["finished", "stopped", "key"]

# Groups that a key has stopped and whose late items are still to be refused: those of the last few menus.
_FLUSHED_KEPT = 64


@dataclass(frozen=True, slots=True)
class PlaybackResult:
    """How a playback ended: "finished", "stopped" (by us, or with the session) or "key" (and which).

    `played_ms` counts what was put into frames, all loops together.
    """

    reason: EndReason
    key: str | None
    played_ms: int


class Playback:
    """One item of a session's queue."""

    __slots__ = ("_ended", "audio", "group", "identity", "keys", "length", "loops")

    def __init__(
        self, identity: int, audio: PromptAudio | None, length: int, loops: int, keys: int, group: int
    ) -> None:
        self.identity = identity
        self.audio = audio
        self.length = length
        self.loops = loops
        self.keys = keys
        self.group = group
        self._ended: Once[PlaybackResult] = Once()

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._ended.done

    async def wait(self) -> PlaybackResult:
        """Return how it ended, once it has; any number may wait, and none stops it by being cancelled."""
        return await self._ended.wait()

    def end(self, result: PlaybackResult) -> None:
        """Tell those who wait."""
        self._ended.settle(result)


def key_mask(keys: str) -> int:
    """Return the bits of keys, "0" to "D"; raises ValueError for anything else."""
    mask = 0
    for key in keys.upper():
        place = c.KEYS.find(key)
        if place < 0:
            raise ValueError(f"{key!r} is not a key of a telephone")
        mask |= 1 << place
    return mask


def result_of(reason: int, octets: int) -> PlaybackResult:
    """Return the result that the kernel's reason and count of played octets stand for."""
    played = octets // c.SAMPLES_PER_MS
    if reason >= c.REASON_KEY:
        return PlaybackResult("key", c.KEYS[reason - c.REASON_KEY], played)
    return PlaybackResult("finished" if reason == c.REASON_FINISHED else "stopped", None, played)


def tell_nobody(*_what: object) -> None:
    """Takes whatever is told of a session that is over."""


class Playlist:
    """Feeds one session's items to the kernel in order. `push` writes commands, `on_ended` is told of every end."""

    def __init__(
        self,
        slot: int,
        generation: int,
        push: Callable[[list[Command]], None],
        on_ended: Callable[[Playback, PlaybackResult], None],
    ) -> None:
        self._slot = slot
        self._generation = generation
        self._push = push
        self._on_ended = on_ended
        self._codec: str | None = None
        self._opus: OpusSending | None = None
        self._next = 1
        self._key_mark = 0
        self._waiting: deque[Playback] = deque()
        self._playing: OrderedDict[int, Playback] = OrderedDict()
        self._flushed: OrderedDict[int, PlaybackResult] = OrderedDict()

    @property
    def empty(self) -> bool:
        """Whether nothing is queued."""
        return not self._playing and not self._waiting

    def add(self, audio: PromptAudio | None, length: int, loops: int, keys: int, group: int) -> Playback:
        """Queue audio, or `length` samples of silence."""
        playback = Playback(self._next, audio, length, loops, keys, group)
        self._next += 1
        flushed = self._flushed.get(group)
        if flushed is not None:
            self._end_soon(playback, flushed)
            return playback
        self._waiting.append(playback)
        self._feed()
        return playback

    def _end_soon(self, playback: Playback, result: PlaybackResult) -> None:
        playback.end(result)
        asyncio.get_running_loop().call_soon(self._on_ended, playback, result)

    def _command(self, playback: Playback, kind: int) -> Command:
        assert self._codec is not None
        address, length = 0, playback.length
        if playback.audio is not None:
            address, length = playback.audio.place(self._codec)
        return (
            kind,
            self._slot,
            self._generation,
            playback.identity,
            address,
            length,
            playback.loops,
            playback.keys,
            playback.group,
        )

    def take_waiting(self) -> list[Command]:
        """Return the commands that give the kernel what waits and it has room for; none before `use_codec`."""
        commands = []
        while self._codec is not None and self._waiting and len(self._playing) < c.ITEMS:
            playback = self._waiting.popleft()
            self._playing[playback.identity] = playback
            commands.append(self._command(playback, c.COMMAND_PLAY))
            commands += self._packets(playback)
        return commands

    def _packets(self, playback: Playback) -> list[Command]:
        """The command that lets an item be sent as it is kept in Opus, where it is."""
        if playback.audio is None or self._opus is None:
            return []
        packets = playback.audio.packets(self._opus)
        if packets is None:
            return []
        return [(c.COMMAND_PACKETS, self._slot, self._generation, playback.identity, packets.ctypes.data)]

    def _feed(self) -> None:
        commands = self.take_waiting()
        if commands:
            self._push(commands)

    def use_codec(self, codec: str, opus: OpusSending | None = None) -> list[Command]:
        """Encode for another codec from now on, which Opus is inside of as the far end likes it.

        Returns the commands that point the items in the kernel to the other form; they must reach it together with the
        command that changes the codec, before which they stand.
        """
        if codec == self._codec and opus == self._opus:
            return []
        self._codec, self._opus = codec, opus
        commands = []
        for playback in self._playing.values():
            if playback.audio is not None:
                commands += [self._command(playback, c.COMMAND_RECODE), *self._packets(playback)]
        return commands

    def key_down(self) -> None:
        """Note that a key was pressed: should it end the queue, then only what was queued up to now."""
        self._key_mark = self._next

    def ended(self, identity: int, reason: int, octets: int) -> None:
        """Take the kernel's report that an item is over."""
        playback = self._playing.pop(identity, None)
        if playback is None:
            return
        result = result_of(reason, octets)
        if result.reason == "key":
            if playback.group != c.NO_GROUP:
                self._flushed[playback.group] = PlaybackResult("key", result.key, 0)
                while len(self._flushed) > _FLUSHED_KEPT:
                    self._flushed.popitem(last=False)
            unheard = PlaybackResult("key", result.key, 0)
            self._drop_waiting(unheard, lambda waiting: waiting.identity < self._key_mark)
        playback.end(result)
        self._on_ended(playback, result)
        self._feed()

    def _drop_waiting(self, result: PlaybackResult, which: Callable[[Playback], bool]) -> None:
        dropped = [playback for playback in self._waiting if which(playback)]
        if not dropped:
            return
        self._waiting = deque(playback for playback in self._waiting if not which(playback))
        for playback in dropped:
            self._end_soon(playback, result)

    def stop(self, group: int | None) -> None:
        """End what is queued now, all of it or one group."""
        queued = (*self._playing.values(), *self._waiting)
        if not queued or (group is not None and all(playback.group != group for playback in queued)):
            return
        self._push([(c.COMMAND_STOP, self._slot, self._generation, c.ALL_GROUPS if group is None else group)])
        self._drop_waiting(PlaybackResult("stopped", None, 0), lambda waiting: group is None or waiting.group == group)

    def close(self, played: dict[int, int]) -> None:
        """End everything with the session; `played` tells the octets of the items that had begun."""
        for playback in (*self._playing.values(), *self._waiting):
            playback.end(result_of(c.REASON_STOPPED, played.get(playback.identity, 0)))
        self._playing.clear()
        self._waiting.clear()
        self._on_ended = tell_nobody
