"""The asyncio half of the queue: what is given to the kernel, when, and who is told of the end."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from media.kernel import constants as c
from media.kernel.libopus import OpusSending
from media.kernel.playlist import Playback, PlaybackResult, Playlist, key_mask, result_of
from media.prompt import PACKET_FORMS, PromptAudio

FINISHED = c.REASON_FINISHED


class Room:
    """A playlist with its far ends: the commands it wrote, and the ends it told of."""

    def __init__(self) -> None:
        self.commands: list[tuple[int, ...]] = []
        self.told: list[tuple[int, PlaybackResult]] = []
        self.list = Playlist(
            3, 9, self.commands.extend, lambda playback, result: self.told.append((playback.identity, result))
        )
        self.audio = PromptAudio(np.arange(800, dtype=np.int16), "ramp")

    def add(self, *, audio: bool = True, group: int = 0, loops: int = 1, keys: int = 0) -> Playback:
        return self.list.add(self.audio if audio else None, 0 if audio else 400, loops, keys, group)

    def played(self) -> list[int]:
        return [command[3] for command in self.commands if command[0] == c.COMMAND_PLAY]


@pytest.fixture
async def room() -> Room:
    return Room()


async def test_nothing_is_given_before_the_codec_is_known(room: Room) -> None:
    room.add()
    assert room.commands == []
    assert room.list.use_codec("PCMA") == []
    octets = room.audio.encoded("PCMA")
    assert room.list.take_waiting() == [(c.COMMAND_PLAY, 3, 9, 1, octets.ctypes.data, 800, 1, 0, 0)]


async def test_silence_has_a_length_and_no_address(room: Room) -> None:
    room.list.use_codec("PCMU")
    room.add(audio=False, keys=5, group=2)
    assert room.commands == [(c.COMMAND_PLAY, 3, 9, 1, 0, 400, 1, 5, 2)]


async def test_the_kernel_gets_no_more_than_it_holds(room: Room) -> None:
    room.list.use_codec("PCMU")
    for _ in range(40):
        room.add()
    assert room.played() == list(range(1, c.ITEMS + 1))
    room.list.ended(1, FINISHED, 800)
    assert room.played() == list(range(1, c.ITEMS + 2))


async def test_the_end_is_told_to_all_who_wait(room: Room) -> None:
    room.list.use_codec("PCMU")
    playback = room.add()
    waiting = [asyncio.create_task(playback.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert not playback.done
    room.list.ended(1, FINISHED, 800)
    assert await waiting[1] == await waiting[2] == PlaybackResult("finished", None, 100)
    assert room.told == [(1, PlaybackResult("finished", None, 100))]


async def test_audio_is_held_until_the_kernel_has_let_go(room: Room) -> None:
    room.list.use_codec("PCMU")
    room.add()
    room.list.stop(None)
    assert room.commands[-1] == (c.COMMAND_STOP, 3, 9, c.ALL_GROUPS)
    assert room.told == []
    room.list.ended(1, c.REASON_STOPPED, 160)
    assert room.told == [(1, PlaybackResult("stopped", None, 20))]


async def test_a_new_codec_points_every_item_elsewhere(room: Room) -> None:
    room.list.use_codec("PCMU")
    room.add()
    room.add(audio=False)
    room.add()
    octets = room.audio.encoded("PCMA")
    assert room.list.use_codec("PCMA") == [
        (c.COMMAND_RECODE, 3, 9, identity, octets.ctypes.data, 800, 1, 0, 0) for identity in (1, 3)
    ]
    assert room.list.use_codec("PCMA") == []


async def test_what_is_kept_in_opus_as_the_far_end_likes_it_follows_its_item(room: Room) -> None:
    liked, other = OpusSending(fec=True), OpusSending(bitrate=12_000)
    assert room.audio.can_keep_packets(liked)
    room.audio.keep_packets(liked)
    assert not room.audio.can_keep_packets(liked)
    packets = room.audio.packets(liked)
    assert packets is not None
    room.list.use_codec("PCMU", liked)
    room.add()
    room.add(audio=False)
    assert [command[0] for command in room.commands] == [c.COMMAND_PLAY, c.COMMAND_PACKETS, c.COMMAND_PLAY]
    assert room.commands[1] == (c.COMMAND_PACKETS, 3, 9, 1, packets.ctypes.data)
    # Not kept as another likes it: the item is pointed anew, which forgets the packets.
    assert [command[0] for command in room.list.use_codec("PCMU", other)] == [c.COMMAND_RECODE]
    assert [command[0] for command in room.list.use_codec("PCMU", liked)] == [c.COMMAND_RECODE, c.COMMAND_PACKETS]
    for number in range(10):
        if room.audio.can_keep_packets(OpusSending(bitrate=8000 + number)):
            room.audio.keep_packets(OpusSending(bitrate=8000 + number))
    assert len(room.audio._packets) == PACKET_FORMS


async def test_a_key_ends_what_waits_in_python_too(room: Room) -> None:
    room.list.use_codec("PCMU")
    waiting = [room.add(group=1) for _ in range(c.ITEMS + 3)]
    room.list.key_down()
    later = room.add(group=2)
    for identity in range(1, c.ITEMS + 1):
        room.list.ended(identity, c.REASON_KEY + 5, 0)
    assert [playback.done for playback in waiting] == [True] * len(waiting)
    assert await waiting[-1].wait() == PlaybackResult("key", "5", 0)
    # What was queued after the key was pressed is another matter.
    assert not later.done
    assert room.played()[-1] == later.identity
    await asyncio.sleep(0)
    assert [identity for identity, _ in room.told] == list(range(1, c.ITEMS + 4))


async def test_what_comes_later_of_a_group_that_a_key_ended_is_over_at_once(room: Room) -> None:
    room.list.use_codec("PCMU")
    room.add(group=4)
    room.list.key_down()
    room.list.ended(1, c.REASON_KEY + 11, 80)
    late = room.add(group=4)
    assert late.done
    assert await late.wait() == PlaybackResult("key", "#", 0)
    assert room.played() == [1]
    assert room.add(group=0).done is False


async def test_memory_of_ended_groups_is_bounded(room: Room) -> None:
    room.list.use_codec("PCMU")
    for group in range(1, 200):
        playback = room.add(group=group)
        room.list.key_down()
        room.list.ended(playback.identity, c.REASON_KEY, 0)
    assert len(room.list._flushed) == 64
    assert room.add(group=199).done
    assert not room.add(group=1).done


async def test_stopping_a_group_ends_its_part_of_what_waits(room: Room) -> None:
    first, second = room.add(group=1), room.add(group=2)
    room.list.stop(1)
    assert (first.done, second.done) == (True, False)
    assert await first.wait() == PlaybackResult("stopped", None, 0)


async def test_closing_ends_everything_with_what_was_heard(room: Room) -> None:
    room.list.use_codec("PCMU")
    playbacks = [room.add() for _ in range(c.ITEMS + 2)]
    room.list.close({1: 240})
    results = [await playback.wait() for playback in playbacks]
    assert results == [PlaybackResult("stopped", None, 30)] + [PlaybackResult("stopped", None, 0)] * (c.ITEMS + 1)


async def test_an_end_that_nobody_knows_of_is_passed_over(room: Room) -> None:
    room.list.ended(77, FINISHED, 0)
    assert room.told == []


@pytest.mark.parametrize(("keys", "mask"), [("", 0), ("0", 1), ("*#", 0xC00), ("ABCD", 0xF000), ("abcd", 0xF000)])
def test_keys_become_bits(keys: str, mask: int) -> None:
    assert key_mask(keys) == mask


@pytest.mark.parametrize("keys", ["x", "1 2", "w", "É", "\0"])
def test_what_is_no_key_is_a_value_error(keys: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        key_mask(keys)


def test_every_reason_has_its_result() -> None:
    assert result_of(c.REASON_FINISHED, 800) == PlaybackResult("finished", None, 100)
    assert result_of(c.REASON_STOPPED, 7) == PlaybackResult("stopped", None, 0)
    assert [result_of(c.REASON_KEY + key, 0).key for key in range(16)] == list(c.KEYS)
