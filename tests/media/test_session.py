"""Sessions on loopback: what a phone hears and what is heard of it, in real time through the real kernel."""

from __future__ import annotations

import asyncio
import itertools
import struct

import numpy as np
import pytest

from media import (
    DigitEnded,
    DigitsSent,
    DigitStarted,
    FirstPacket,
    ItemEnded,
    Latched,
    MediaConfig,
    MediaEvent,
    MediaPlane,
    MediaTimeout,
    PlaybackResult,
    PromptAudio,
    RtcpBye,
    StreamError,
    StreamParameters,
)
from media import session as session_module
from media.kernel import constants, g711
from tests.media.support import Phone, hears, level_of, rtp, tone

PORTS = (43_000, 43_199)


class Leg:
    """A session, its phone, and what the session told."""

    def __init__(self, plane: MediaPlane, phone: Phone, address: str = "127.0.0.1") -> None:
        self.events: list[MediaEvent] = []
        self.changed = asyncio.Event()
        self.phone = phone
        self.session = plane.open(address, self._on_event)
        self.frames: list[np.ndarray] = []

    def _on_event(self, event: MediaEvent) -> None:
        self.events.append(event)
        self.changed.set()

    def start(self, **changes) -> None:
        values = {
            "remote_address": self.phone.address[0],
            "remote_port": self.phone.address[1],
            "codec": "PCMU",
            "payload_type": 0,
            "receive_payload_type": 0,
            "dtmf_send_pt": 101,
            "dtmf_receive_pt": 101,
        }
        self.session.start(StreamParameters(**{**values, **changes}))

    def listen(self) -> None:
        def keep(frame: np.ndarray) -> None:
            self.frames.append(frame)
            self.changed.set()

        self.session.tap(keep)

    async def until(self, condition) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    async def event(self, kind: type) -> MediaEvent:
        await self.until(lambda: any(isinstance(event, kind) for event in self.events))
        return next(event for event in self.events if isinstance(event, kind))

    async def hear(self, milliseconds: int) -> np.ndarray:
        """Wait until so much sound has come through the jitter buffer, and return it from its start on."""
        await self.until(lambda: sum(20 for frame in self.frames if frame.any()) >= milliseconds)
        samples = np.concatenate(self.frames)
        return samples[np.flatnonzero(samples)[0] :][: milliseconds * 8]

    def phone_heard(self, codec: str = "PCMU") -> np.ndarray:
        octets = b"".join(packet.payload for packet in self.phone.heard if packet.payload_type in (0, 8))
        return g711.decode(np.frombuffer(octets, np.uint8), codec)


@pytest.fixture
async def plane():
    made = MediaPlane(MediaConfig(rtp_ports=PORTS, capacity=64, timeout_seconds=1))
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def leg(plane: MediaPlane):
    phone = await Phone().open()
    made = Leg(plane, phone)
    yield made
    phone.close()


def assert_continuous(packets, *, first_marked: bool = True) -> None:
    """Every packet follows the one before in number and time, and only the first is marked."""
    for before, after in itertools.pairwise(packets):
        assert (after.sequence - before.sequence) & 0xFFFF == 1
        assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == len(before.payload)
        assert not after.marker
    assert packets[0].marker == first_marked


async def test_each_party_hears_exactly_the_others_tone(plane: MediaPlane) -> None:
    tones = (440.0, 700.0, 1000.0)
    legs = []
    for hertz in tones:
        leg = Leg(plane, await Phone().open())
        leg.start()
        leg.listen()
        leg.session.play(PromptAudio(tone(hertz + 1000, 1.0), "ours"))
        legs.append(leg)
    speaking = [
        leg.phone.speak(leg.session.local, g711.encode(tone(hertz, 0.8), "PCMU"))
        for leg, hertz in zip(legs, tones, strict=True)
    ]
    await asyncio.gather(*speaking)
    for leg, hertz in zip(legs, tones, strict=True):
        assert hears((await leg.hear(800))[:4800], hertz, tuple(other for other in tones if other != hertz))
        await leg.phone.hear(45)
        back = leg.phone_heard()[160:6400]
        assert hears(back, hertz + 1000, tuple(other + 1000 for other in tones if other != hertz))
        statistics = leg.session.statistics()
        assert (statistics.lost, statistics.packets_in, statistics.late) == (0, 40, 0)
        assert statistics.remote == leg.phone.address
        leg.phone.close()


async def test_a_queue_is_one_stream_sample_by_sample(leg: Leg) -> None:
    lengths = (801, 1, 333, 160)
    parts = [PromptAudio(np.array([(n * 37) % 8000 for n in range(n)], np.int16), f"part {n}") for n in lengths]
    playbacks = [leg.session.play(parts[0]), leg.session.play(parts[1]), leg.session.play_silence(50)]
    playbacks += [leg.session.play(parts[2]), leg.session.play(parts[3])]
    octets = [part.encoded("PCMU") for part in parts]
    expected = np.concatenate([octets[0], octets[1], np.full(400, 0xFF, np.uint8), octets[2], octets[3]])
    leg.start()
    packets = await leg.phone.hear(-(-len(expected) // 160) + 2)
    assert b"".join(packet.payload for packet in packets)[: len(expected)] == expected.tobytes()
    assert_continuous(packets)
    results = [await playback.wait() for playback in playbacks]
    assert {result.reason for result in results} == {"finished"}
    assert results[2] == PlaybackResult("finished", None, 50)


async def test_silence_is_sent_while_nothing_plays(leg: Leg) -> None:
    leg.start()
    packets = await leg.phone.hear(10)
    assert {packet.payload for packet in packets} == {b"\xff" * 160}
    assert_continuous(packets)


async def test_stop_takes_effect_within_a_tick(leg: Leg) -> None:
    audio = PromptAudio(np.full(80_000, 5000, np.int16), "long")
    loud = audio.encoded("PCMU")[0]
    leg.start()
    playback, queued = leg.session.play(audio), leg.session.play(audio)
    await leg.phone.hear(10)
    leg.session.stop()
    # What was sent before the stop may still wait in the phone's socket.
    leg.phone.read()
    stopped_after = len(leg.phone.heard)
    result = await playback.wait()
    assert (result.reason, result.key) == ("stopped", None)
    assert await queued.wait() == PlaybackResult("stopped", None, 0)
    packets = await leg.phone.hear(stopped_after + 5)
    sounding = [packet.payload[0] == loud for packet in packets]
    # One frame may have been on its way, and commands are taken every 5 ms.
    assert not any(sounding[stopped_after + 2 :])
    assert sounding.count(True) * 20 == result.played_ms
    assert_continuous(packets)


async def test_a_key_stops_what_plays_and_what_was_to_come_of_its_group(leg: Leg) -> None:
    audio = PromptAudio(tone(440, 5), "menu")
    leg.start()
    group = leg.session.new_group()
    first = leg.session.play(audio, stop_keys="123", group=group)
    second = leg.session.play_silence(500, stop_keys="123", group=group)
    await leg.phone.hear(5)
    leg.phone.press(leg.session.local, 9)
    leg.phone.press(leg.session.local, 2)
    result = await first.wait()
    assert (result.reason, result.key) == ("key", "2")
    assert 60 <= result.played_ms < 2000
    assert await second.wait() == PlaybackResult("key", "2", 0)
    late = leg.session.play(audio, group=group)
    assert await late.wait() == PlaybackResult("key", "2", 0)
    after = leg.session.play(PromptAudio(tone(440, 0.04), "next"), group=leg.session.new_group())
    assert (await after.wait()).reason == "finished"
    keys = [event.key for event in leg.events if isinstance(event, DigitStarted)]
    assert keys == ["9", "2"]
    ended = [event for event in leg.events if isinstance(event, DigitEnded)]
    assert [(event.key, event.duration_ms) for event in ended] == [("9", 160), ("2", 160)]


async def test_more_items_than_the_kernel_holds_play_in_order(leg: Leg) -> None:
    levels = [100 * (n + 1) for n in range(40)]
    audio = [PromptAudio(np.full(160, level, np.int16), str(level)) for level in levels]
    playbacks = [leg.session.play(item) for item in audio]
    leg.start()
    packets = await leg.phone.hear(41)
    assert [packet.payload for packet in packets[:40]] == [item.encoded("PCMU").tobytes() for item in audio]
    assert [(await playback.wait()).played_ms for playback in playbacks] == [20] * 40
    ended = [event.playback for event in leg.events if isinstance(event, ItemEnded)]
    assert ended == playbacks


async def test_a_key_ends_also_what_the_kernel_does_not_hold_yet(leg: Leg) -> None:
    audio = PromptAudio(tone(440, 5), "long")
    leg.start()
    playbacks = [leg.session.play(audio, stop_keys="5") for _ in range(30)]
    await leg.phone.hear(5)
    leg.phone.press(leg.session.local, 5)
    results = [await playback.wait() for playback in playbacks]
    assert {(result.reason, result.key) for result in results} == {("key", "5")}
    silent = len(leg.phone.heard) + 3
    assert (await leg.phone.hear(silent))[-1].payload == b"\xff" * 160


async def test_a_change_of_codec_in_mid_prompt_goes_on_in_the_other(leg: Leg) -> None:
    samples = tone(600, 1.0)
    audio = PromptAudio(samples, "long")
    leg.session.play(audio)
    leg.start()
    await leg.phone.hear(10)
    leg.start(codec="PCMA", payload_type=8, receive_payload_type=8)
    packets = await leg.phone.hear(30)
    changed = next(place for place, packet in enumerate(packets) if packet.payload_type == 8)
    for place, packet in enumerate(packets):
        codec = "PCMU" if place < changed else "PCMA"
        assert packet.payload == audio.encoded(codec)[place * 160 : (place + 1) * 160].tobytes()
    assert_continuous(packets)


async def test_digits_are_sent_one_call_after_another(leg: Leg) -> None:
    leg.start()
    first = leg.session.send_digits("1w#", duration_ms=100, gap_ms=60)
    second = leg.session.send_digits("a", duration_ms=100, gap_ms=60)
    assert await first is True
    assert await second is True
    events = [packet for packet in leg.phone.heard if packet.payload_type == 101]
    keys = [struct.unpack("!BBH", packet.payload)[0] for packet in events if packet.marker]
    assert keys == [1, 11, 12]
    assert_continuous_numbers(leg.phone.heard)


def assert_continuous_numbers(packets) -> None:
    assert all((b.sequence - a.sequence) & 0xFFFF == 1 for a, b in itertools.pairwise(packets))


async def test_long_digit_strings_go_out_in_pieces(leg: Leg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DIGITS_MAX", 8)
    leg.start()
    assert await leg.session.send_digits("0123456789", duration_ms=100, gap_ms=60) is True
    markers = [packet for packet in leg.phone.heard if packet.payload_type == 101 and packet.marker]
    assert [packet.payload[0] for packet in markers] == list(range(10))
    assert [event.digits for event in leg.events if isinstance(event, DigitsSent)] == ["0123456789"]


@pytest.mark.parametrize(("asked", "sent"), [(20, 100), (100, 100), (101, 120), (60_000, 200)])
async def test_a_key_lasts_whole_ticks_within_its_limits(
    leg: Leg, monkeypatch: pytest.MonkeyPatch, asked: int, sent: int
) -> None:
    monkeypatch.setattr(session_module, "_KEY_LIMIT_MS", 200)
    leg.start()
    assert await leg.session.send_digits("1", duration_ms=asked, gap_ms=60)
    units = [struct.unpack("!BBH", packet.payload)[2] for packet in leg.phone.heard if packet.payload_type == 101]
    assert len(units) == sent // 20 + 2
    assert units[-3:] == [sent * 8] * 3


async def test_digits_without_a_payload_type_are_sent_as_tones(leg: Leg) -> None:
    leg.start(dtmf_send_pt=None)
    assert await leg.session.send_digits("12") is True
    assert {packet.payload_type for packet in leg.phone.heard} == {0}


async def test_a_waiter_that_gives_up_does_not_stop_the_digits(leg: Leg) -> None:
    leg.start()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(leg.session.send_digits("12"), 0.05)
    assert await leg.session.send_digits("3") is True
    keys = [packet.payload[0] for packet in leg.phone.heard if packet.payload_type == 101 and packet.marker]
    assert keys == [1, 2, 3]


@pytest.mark.parametrize("digits", ["1x", "1 2", "é", "1,2", "1" * 513])
async def test_what_is_no_digit_is_a_value_error(leg: Leg, digits: str) -> None:
    with pytest.raises(ValueError):
        leg.session.send_digits(digits)


async def test_no_digits_at_all_are_sent_at_once(leg: Leg) -> None:
    assert await leg.session.send_digits("") is True


async def test_the_first_packet_and_the_source_are_told(leg: Leg) -> None:
    leg.start()
    before = asyncio.get_running_loop().time()
    leg.phone.send(leg.session.local, b"\xff" * 160)
    first = await leg.event(FirstPacket)
    assert before - 0.1 <= first.at <= asyncio.get_running_loop().time() + 0.1
    assert (await leg.event(Latched)).address == leg.phone.address


async def test_a_phone_behind_nat_is_found_and_answered_there(plane: MediaPlane) -> None:
    inside, outside = await Phone().open(), await Phone().open()
    leg = Leg(plane, inside)
    leg.start()
    await outside.speak(leg.session.local, g711.encode(tone(440, 0.2), "PCMU"))
    assert (await leg.event(Latched)).address == outside.address
    await outside.hear(5)
    assert leg.session.statistics().remote == outside.address
    inside.close()
    outside.close()


async def test_a_third_address_neither_injects_nor_redirects_nor_silences(plane: MediaPlane, leg: Leg) -> None:
    attacker = await Phone().open()
    leg.start()
    leg.listen()
    leg.phone.send(leg.session.local, g711.encode(tone(440, 0.02), "PCMU").tobytes())
    await leg.event(Latched)
    # The attacker knows the stream's own numbers, speaks louder and presses keys.
    attacker.ssrc, attacker.sequence, attacker.timestamp = leg.phone.ssrc, leg.phone.sequence, leg.phone.timestamp
    noise = g711.encode(tone(1500, 0.6, level=30_000), "PCMU")
    attacker.press(leg.session.local, 1)
    await asyncio.gather(
        leg.phone.speak(leg.session.local, g711.encode(tone(440, 0.6), "PCMU")),
        attacker.speak(leg.session.local, noise),
    )
    assert hears((await leg.hear(500))[:3200], 440, (1500,))
    assert not attacker.heard
    assert not [event for event in leg.events if isinstance(event, DigitStarted)]
    assert leg.session.statistics().dropped_foreign >= 30
    assert len(leg.phone.heard) >= 25
    attacker.close()


async def test_a_loss_and_a_shuffle_are_in_the_statistics(leg: Leg) -> None:
    leg.start()
    for number in (0, 1, 2, 4, 3, 7, 7, 8):
        leg.phone.sock.sendto(rtp(number, number * 160), leg.session.local)
    await leg.event(FirstPacket)
    statistics = await leg.session.close()
    assert (statistics.packets_in, statistics.lost) == (7, 2)
    assert (statistics.out_of_order, statistics.duplicates) == (1, 1)
    assert leg.session.statistics() == statistics


async def test_silence_of_the_far_end_is_told_but_not_during_a_hold(leg: Leg) -> None:
    leg.start(receive=False)
    await asyncio.sleep(1.8)
    assert not [event for event in leg.events if isinstance(event, MediaTimeout)]
    leg.start()
    told = await leg.event(MediaTimeout)
    assert told.at > 0
    # Waiting is the point: one silence is told once.
    await asyncio.sleep(1.3)
    assert len([event for event in leg.events if isinstance(event, MediaTimeout)]) == 1


async def test_goodbye_of_the_far_end_is_told(leg: Leg) -> None:
    leg.start(rtcp_mux=True)
    leg.phone.send(leg.session.local, b"\xff" * 160)
    await leg.event(Latched)
    leg.phone.sock.sendto(struct.pack("!BBHI", 0x81, 203, 1, leg.phone.ssrc), leg.session.local)
    await leg.event(RtcpBye)


async def test_a_session_says_goodbye_when_it_closes(leg: Leg) -> None:
    leg.start(rtcp_mux=True)
    await leg.phone.hear(2)
    await leg.session.close()
    while not leg.phone.reports:
        await asyncio.sleep(0.005)
    assert leg.phone.reports[-1][-8:-4] == struct.pack("!BBH", 0x81, 203, 1)


async def test_closing_ends_playbacks_and_digits_with_what_was_heard(leg: Leg) -> None:
    leg.start()
    playing = leg.session.play(PromptAudio(tone(440, 5), "long"))
    queued = leg.session.play_silence(100)
    digits = leg.session.send_digits("1234567890")
    await leg.phone.hear(10)
    await leg.session.close()
    result = await playing.wait()
    assert result.reason == "stopped"
    assert result.played_ms >= 180
    assert await queued.wait() == PlaybackResult("stopped", None, 0)
    assert await digits is False
    assert not [event for event in leg.events if isinstance(event, ItemEnded)]


async def test_a_closed_session_takes_everything_and_does_nothing(leg: Leg) -> None:
    leg.start()
    statistics = await leg.session.close()
    assert await leg.session.close() == statistics
    assert leg.session.closed
    leg.start()
    leg.listen()
    leg.session.stop()
    assert (await leg.session.play(PromptAudio(tone(440, 1), "x")).wait()).reason == "stopped"
    assert (await leg.session.play_silence(10).wait()).reason == "stopped"
    assert await leg.session.send_digits("1") is False


async def test_closing_from_two_places_at_once_is_one_close(leg: Leg) -> None:
    leg.start()
    first, second = await asyncio.gather(leg.session.close(), leg.session.close())
    assert first == second


async def test_an_owner_that_fails_harms_nobody(plane: MediaPlane, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise LookupError("a bug of the owner's")

    phone = await Phone().open()
    session = plane.open("127.0.0.1", fail)
    session.tap(fail)
    session.start(StreamParameters(*phone.address, "PCMU", 0, 0, 101, 101))
    playback = session.play_silence(60)
    assert (await playback.wait()).reason == "finished"
    phone.press(session.local, 5)
    await phone.hear(10)
    assert "a bug of the owner's" in caplog.text
    await session.close()
    phone.close()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda session, audio: session.play(audio, loops=-1), "loops"),
        (lambda session, audio: session.play(audio, loops=10**12), "loops"),
        (lambda session, audio: session.play(audio, stop_keys="x"), "not a key"),
        (lambda session, audio: session.play(audio, group=-1), "group"),
        (lambda session, audio: session.play(audio, group=2**63), "group"),
        (lambda session, audio: session.play_silence(-1), "pause"),
        (lambda session, audio: session.play_silence(10**12), "pause"),
    ],
)
async def test_arguments_out_of_range_are_value_errors(leg: Leg, call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(leg.session, PromptAudio(tone(440, 0.1), "x"))


async def test_parameters_that_cannot_be_used_change_nothing(leg: Leg) -> None:
    leg.start()
    with pytest.raises(StreamError):
        leg.start(codec="G729")
    await leg.phone.hear(3)
    assert leg.session.parameters.codec == "PCMU"


async def test_ipv6_works_as_ipv4(plane: MediaPlane) -> None:
    phone = await Phone("::1").open()
    leg = Leg(plane, phone, "::1")
    leg.start()
    leg.listen()
    await phone.speak(leg.session.local, g711.encode(tone(440, 0.3), "PCMU"))
    await phone.hear(10)
    assert level_of((await leg.hear(240))[:1600], 440) > 4000
    assert leg.session.statistics().remote == phone.address
    phone.close()


async def test_frames_stop_with_the_listener(leg: Leg) -> None:
    leg.start()
    leg.listen()
    await leg.until(lambda: len(leg.frames) >= 3)
    leg.session.tap(None)
    count = len(leg.frames)
    await leg.phone.hear(len(leg.phone.heard) + 10)
    assert len(leg.frames) == count
    # And are not even made any more.
    assert leg.session._row["tapped"] == 0
