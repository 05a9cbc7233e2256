"""One session hears another: the same octets, the other codec, silence where there is nothing, and who goes when."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from media.kernel import codecs
from tests.media.support import MS, Desk, Kernel, Rtp, level_of, rtp, tone

CODECS = {"PCMU": 0, "PCMA": 8, "G722": 9}


class Bridge:
    """Two sessions of one desk: the first is spoken to, the second sends to `sent`."""

    def __init__(self, kernel: Kernel, speaks: str = "PCMU", sends: str = "PCMU", ptime: int = 20) -> None:
        self.desk = Desk(kernel, sessions=2)
        self.c = kernel.constants
        self.speaks = speaks
        self.sequence = 0
        for slot, codec, far in ((0, speaks, None), (1, sends, self.desk.far_address)):
            self.desk.open(slot)
            changes = {"ptime": ptime} if slot else {}
            self.desk.start(
                slot, remote=far, codec=codec, payload_type=CODECS[codec], receive_payload_type=CODECS[codec], **changes
            )
        self.generations = (1, 2)

    def hear(self) -> None:
        self.desk.command(self.c.COMMAND_HEAR, 1, self.generations[1], 0, self.generations[0])

    def hear_nobody(self) -> None:
        self.desk.command(self.c.COMMAND_HEAR, 1, self.generations[1], -1, 0)

    def tick(self, payload: bytes | None = None) -> None:
        """20 ms: a packet for the first session, then both are served."""
        desk = self.desk
        if payload is not None:
            packet = rtp(self.sequence, self.sequence * 160, payload, payload_type=CODECS[self.speaks])
            desk.row = desk.sessions[0]
            desk.give(packet)
        self.sequence += 1
        desk.now += 20 * MS
        desk.tick_number += 1
        for slot in (0, 1):
            desk.serve(slot)

    def speak(self, octets: np.ndarray) -> None:
        for at in range(0, len(octets), 160):
            self.tick(octets[at : at + 160].tobytes())

    def sent(self) -> list[Rtp]:
        return self.desk.sent_rtp()


def frames(count: int) -> np.ndarray:
    """Frames of one octet each, so that it can be told which ones came through; none of them is µ-law silence."""
    return np.repeat(np.arange(1, count + 1, dtype=np.uint8), 160)


@pytest.fixture
def bridge(kernel: Kernel) -> Iterator[Bridge]:
    made = Bridge(kernel)
    yield made
    made.desk.close()


def test_each_frame_is_sent_on_once_in_order_as_it_came(bridge: Bridge) -> None:
    bridge.hear()
    bridge.speak(frames(30))
    for _ in range(5):
        bridge.tick()
    payloads = [packet.payload for packet in bridge.sent()]
    heard = [payload[0] for payload in payloads if payload != b"\xff" * 160]
    assert heard == list(range(1, 31))
    assert all(len(set(payload)) == 1 for payload in payloads)


def test_who_hears_nobody_sends_silence(bridge: Bridge) -> None:
    bridge.speak(frames(10))
    assert {packet.payload for packet in bridge.sent()} == {b"\xff" * 160}
    assert bridge.desk.sessions[0]["tapped"] == 0


def test_hearing_ends_with_the_command_and_nothing_is_kept_any_more(bridge: Bridge) -> None:
    bridge.hear()
    bridge.speak(frames(10))
    assert bridge.desk.sessions[0]["tapped"] == bridge.c.TAPPED_BRIDGE
    bridge.hear_nobody()
    bridge.sent()
    bridge.speak(frames(10))
    assert {packet.payload for packet in bridge.sent()} == {b"\xff" * 160}
    assert (bridge.desk.sessions[0]["tapped"], bridge.desk.sessions[0]["hearers"]) == (0, 0)


@pytest.mark.parametrize("speaks", CODECS)
@pytest.mark.parametrize("sends", CODECS)
def test_a_tone_is_heard_in_every_pair_of_codecs(kernel: Kernel, speaks: str, sends: str) -> None:
    bridge = Bridge(kernel, speaks, sends)
    bridge.hear()
    bridge.speak(codecs.encode(tone(700, 1.0), speaks))
    octets = np.frombuffer(b"".join(packet.payload for packet in bridge.sent()), np.uint8)
    samples = codecs.decode(octets, sends)[1600:7200]
    assert abs(level_of(samples, 700) - 8000) < 400
    assert level_of(samples, 1300) < 100
    bridge.desk.close()


def test_a_lost_frame_is_made_up_and_the_next_ones_follow(bridge: Bridge) -> None:
    bridge.hear()
    octets = frames(20)
    for place in range(20):
        bridge.tick(None if place == 10 else octets[place * 160 : place * 160 + 160].tobytes())
    for _ in range(5):
        bridge.tick()
    packets = bridge.sent()
    heard = [packet.payload[-1] for packet in packets]
    first = heard.index(1)
    assert heard[first : first + 10] == [*range(1, 11)]
    assert heard[first + 11 : first + 20] == [*range(12, 21)]
    made_up = packets[first + 10].payload
    assert made_up[:80] == bytes([10]) * 80, "what was heard last, for 10 ms"
    assert made_up[-1] == 14, "and then falling"


def test_a_party_on_hold_is_silence_and_not_its_last_frame_for_ever(bridge: Bridge) -> None:
    bridge.hear()
    bridge.speak(frames(10))
    bridge.desk.generation = bridge.generations[0]
    bridge.desk.start(0, receive=False)
    bridge.sent()
    for _ in range(5):
        bridge.tick()
    assert {packet.payload for packet in bridge.sent()} == {b"\xff" * 160}


def test_what_is_played_goes_first_and_the_other_party_goes_on_behind_it(bridge: Bridge) -> None:
    bridge.hear()
    bridge.speak(frames(10))
    prompt = np.full(320, 0x2A, np.uint8)
    bridge.desk.command(
        bridge.c.COMMAND_PLAY, 1, bridge.generations[1], 7, prompt.ctypes.data, len(prompt), 1, 0, bridge.c.NO_GROUP
    )
    bridge.sent()
    bridge.speak(np.repeat(np.arange(11, 16, dtype=np.uint8), 160))
    payloads = [packet.payload for packet in bridge.sent()]
    assert payloads[:2] == [b"\x2a" * 160] * 2
    assert [payload[0] for payload in payloads[2:]] == [12, 13, 14]


@pytest.mark.parametrize("ptime", [10, 30, 60])
def test_packets_have_the_length_the_hearer_asked_for(kernel: Kernel, ptime: int) -> None:
    bridge = Bridge(kernel, ptime=ptime)
    bridge.hear()
    bridge.speak(frames(30))
    packets = bridge.sent()
    assert {len(packet.payload) for packet in packets} == {8 * ptime}
    heard = b"".join(packet.payload for packet in packets).replace(b"\xff", b"")
    assert heard == frames(30).tobytes()[: len(heard)]
    assert len(heard) > 24 * 160
    bridge.desk.close()


def test_the_end_of_the_one_who_is_heard_is_silence_also_when_its_place_is_taken_by_another(bridge: Bridge) -> None:
    bridge.hear()
    bridge.speak(frames(10))
    bridge.desk.command(bridge.c.COMMAND_CLOSE, 0, bridge.generations[0])
    bridge.desk.open(0)
    bridge.desk.start(0)
    bridge.sent()
    bridge.sequence = 0
    bridge.speak(frames(10))
    assert {packet.payload for packet in bridge.sent()} == {b"\xff" * 160}
    assert bridge.desk.sessions[1]["hears"] == -1


def test_the_end_of_the_hearer_gives_the_other_free(bridge: Bridge) -> None:
    bridge.hear()
    bridge.desk.command(bridge.c.COMMAND_CLOSE, 1, bridge.generations[1])
    assert (bridge.desk.sessions[0]["tapped"], bridge.desk.sessions[0]["hearers"]) == (0, 0)


def test_a_session_that_is_gone_cannot_be_heard(bridge: Bridge) -> None:
    bridge.desk.command(bridge.c.COMMAND_HEAR, 1, bridge.generations[1], 0, 99)
    assert bridge.desk.sessions[1]["hears"] == -1


def test_one_that_its_thread_has_not_opened_yet_is_heard_once_it_has(bridge: Bridge) -> None:
    desk, c = bridge.desk, bridge.c
    # The row has been somebody's before, who said much.
    bridge.hear()
    bridge.speak(frames(20))
    bridge.sent()
    desk.command(c.COMMAND_CLOSE, 0, bridge.generations[0])
    coming = 7
    desk.command(c.COMMAND_HEAR, 1, bridge.generations[1], 0, coming, 1)
    bridge.tick()
    assert set(bridge.sent()[-1].payload) == {0xFF}
    desk.generation = coming - 1
    desk.open(0)
    desk.start(0)
    desk.command(c.COMMAND_HEARD, 0, coming, 1)
    bridge.sequence = 0
    bridge.speak(frames(20))
    heard = b"".join(packet.payload for packet in bridge.sent())
    assert frames(10).tobytes() in heard
    # Gone again, and for good.
    desk.command(c.COMMAND_CLOSE, 0, coming)
    desk.open(0)
    desk.start(0)
    bridge.tick()
    assert desk.sessions[1]["hears"] == -1
