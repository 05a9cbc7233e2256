"""Opus in the kernel: what libopus itself says is heard, and what the kernel says libopus understands."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from media.kernel import libopus
from tests.media.support import MS, Desk, Kernel, hears, level_of, opened_desk, rtp, tone

pytestmark = pytest.mark.skipif(not libopus.AVAILABLE, reason="libopus is not there")

OPUS_PT = 111
RATE = 48_000


class Coder:
    """libopus as a far end has it: 48 kHz, packets of any length."""

    def __init__(self, *, fec: bool = False, bitrate: int = 24_000) -> None:
        self._library = libopus._LIBRARY
        assert self._library is not None
        self._decoder = ctypes.create_string_buffer(self._library.opus_decoder_get_size(1))
        self._encoder = ctypes.create_string_buffer(self._library.opus_encoder_get_size(1))
        assert self._library.opus_decoder_init(self._decoder, RATE, 1) == 0
        assert self._library.opus_encoder_init(self._encoder, RATE, 1, 2048) == 0
        for request, value in ((4002, bitrate), (4012, int(fec)), (4014, 30 if fec else 0)):
            self._library.opus_encoder_ctl(self._encoder, request, ctypes.c_int(value))

    def encode(self, samples: npt.NDArray[np.int16], milliseconds: int) -> list[bytes]:
        size = RATE * milliseconds // 1000
        packets = []
        for place in range(0, len(samples) - size + 1, size):
            frame = np.ascontiguousarray(samples[place : place + size])
            room = ctypes.create_string_buffer(1500)
            count = self._library.opus_encode(self._encoder, ctypes.c_void_p(frame.ctypes.data), size, room, 1500)
            assert count > 0
            packets.append(room.raw[:count])
        return packets

    def decode(self, packets: list[bytes]) -> npt.NDArray[np.int16]:
        """Return what is heard at 8 kHz."""
        heard = []
        for packet in packets:
            room = np.zeros(RATE * 60 // 1000, np.int16)
            count = self._library.opus_decode(
                self._decoder, packet, len(packet), ctypes.c_void_p(room.ctypes.data), len(room), 0
            )
            assert count > 0
            heard.append(room[:count])
        return np.concatenate(heard)[::6]


def wide_tone(hertz: float, seconds: float) -> npt.NDArray[np.int16]:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE)).astype(np.int16)


@pytest.fixture
def desk(kernel: Kernel) -> Desk:
    with opened_desk(kernel) as opened:
        memory = kernel.libopus.OpusMemory()
        states = memory.use(kernel.libopus.OpusSending(fec=True))
        opened.memory = memory
        opened.command(opened.c.COMMAND_OPUS, 0, opened.generation, *states)
        opened.start(
            remote=opened.far_address,
            codec="opus",
            payload_type=OPUS_PT,
            receive_payload_type=OPUS_PT,
            dtmf_clock=RATE,
        )
        opened.PEER = opened.far_address
        opened.command(opened.c.COMMAND_TAP, 0, opened.generation, 1)
        yield opened


def speak(desk: Desk, packets: list[bytes], milliseconds: int, lost: frozenset[int] = frozenset()) -> None:
    """Let packets arrive at their pace, and play on until all has been heard."""
    ticks = 0
    for number, packet in enumerate(packets):
        while ticks * 20 < number * milliseconds:
            desk.tick()
            ticks += 1
        if number not in lost:
            desk.give(
                rtp(number, 0xFFFFF000 + number * 48 * milliseconds, packet, payload_type=OPUS_PT),
                at=desk.now + (number * milliseconds - ticks * 20) * 1_000_000,
            )
    desk.tick(6)


@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
def test_packets_of_every_length_are_heard_as_they_were_said(desk: Desk, milliseconds: int) -> None:
    speak(desk, Coder().encode(wide_tone(440, 0.96), milliseconds), milliseconds)
    heard = desk.frames()
    assert hears(heard[2400:6400], 440, (880, 1320, 220))
    assert desk.row["concealed"] == 0


@pytest.mark.parametrize("fec", [False, True])
def test_a_lost_packet_is_not_heard(desk: Desk, fec: bool) -> None:
    speak(desk, Coder(fec=fec).encode(wide_tone(440, 1.0), 20), 20, frozenset({20, 31}))
    heard = desk.frames()
    assert desk.row["concealed"] == 320
    # Every 20 ms of the middle, those of the lost packets too.
    assert min(level_of(heard[place : place + 160], 450) for place in range(2400, 6400, 160)) > 2000


@pytest.mark.parametrize("fec", [False, True])
def test_the_copy_of_a_lost_packet_is_used(desk: Desk, fec: bool) -> None:
    said = np.concatenate([wide_tone(440, 0.4), wide_tone(1000, 0.4)])
    speak(desk, Coder(fec=fec).encode(said, 20), 20, frozenset({20}))
    heard = desk.frames()
    # The first packet of the other tone is the lost one; made up, it is the tone before.
    begun = next(place for place in range(0, len(heard), 160) if level_of(heard[place : place + 160], 440) > 4000)
    lost = heard[begun + 20 * 160 :][:160]
    assert (level_of(lost, 1000) > level_of(lost, 440)) is fec


def test_what_is_no_packet_of_opus_is_dropped_and_disturbs_nothing(desk: Desk) -> None:
    packets = Coder().encode(wide_tone(440, 0.6), 20)
    packets[10] = b"\xff"
    # Code 3 with more frames than 120 ms hold.
    packets[11] = b"\x1b\x3f" + bytes(80)
    speak(desk, packets, 20)
    assert desk.row["drops"][desk.c.DROP_MALFORMED] == 2
    assert hears(desk.frames()[3000:4400], 440)


def test_random_payloads_do_no_harm(desk: Desk) -> None:
    random = np.random.default_rng(7)
    speak(desk, [random.bytes(int(size)) for size in random.integers(1, 512, 300)], 20)
    speak(desk, Coder().encode(wide_tone(440, 0.2), 20), 20)
    assert desk.row["send_errors"] == 0


def test_what_is_played_goes_out_in_packets_of_20_ms_of_a_clock_of_48_khz(desk: Desk) -> None:
    octets = desk.k.codecs.encode(tone(660, 1.0), "PCMU")
    desk.command(desk.c.COMMAND_PLAY, 0, desk.generation, 1, octets.ctypes.data, len(octets), 1, 0, 0)
    desk.tick(48)
    sent = desk.sent_rtp()
    assert len(sent) == 48
    steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(sent)}
    assert (steps, {packet.payload_type for packet in sent}) == ({960}, {OPUS_PT})
    assert max(len(packet.payload) for packet in sent) < 160
    assert hears(Coder().decode([packet.payload for packet in sent])[1600:], 660, (330, 1320))


def test_a_prompt_that_is_kept_in_opus_is_sent_as_it_lies(desk: Desk) -> None:
    sending = desk.k.libopus.OpusSending()
    audio = tone(660, 1.01)
    kept = desk.k.libopus.keep_packets(audio, sending)
    assert kept.shape == (50, 128)
    octets = desk.k.codecs.encode(audio, "PCMU")
    desk.command(desk.c.COMMAND_PLAY, 0, desk.generation, 1, octets.ctypes.data, len(octets), 2, 0, 0)
    desk.command(desk.c.COMMAND_PACKETS, 0, desk.generation, 1, kept.ctypes.data)
    desk.tick(101)
    payloads = [packet.payload for packet in desk.sent_rtp()]
    ready = [bytes(frame[: frame[126]]) for frame in kept]
    assert payloads[:50] == ready
    # The last 10 ms and the loop's first 10 ms are one packet, and from there on no frame is one that is kept.
    assert not set(payloads[50:]) & set(ready)
    heard = Coder().decode(payloads)
    assert hears(heard[1600:8000], 660, (330, 1320))
    assert hears(heard[9600:16000], 660, (330, 1320))


def test_what_is_kept_in_opus_gives_way_to_another_codec_and_to_keys_as_tones(desk: Desk) -> None:
    audio = tone(660, 2.0)
    kept = desk.k.libopus.keep_packets(audio, desk.k.libopus.OpusSending())
    octets = desk.k.codecs.encode(audio, "PCMU")
    desk.command(desk.c.COMMAND_PLAY, 0, desk.generation, 1, octets.ctypes.data, len(octets), 1, 0, 0)
    desk.command(desk.c.COMMAND_PACKETS, 0, desk.generation, 1, kept.ctypes.data)
    desk.tick(10)
    desk.row["digits_payload_type"] = -1
    symbols = np.frombuffer(bytes([5]).ljust(desk.c.DIGITS_MAX, b"\0"), np.int64).tolist()
    desk.command(desk.c.COMMAND_DIGITS, 0, desk.generation, 1, 1, 160, 80, *symbols)
    desk.sent_rtp()
    desk.tick(8)
    key = Coder().decode([packet.payload for packet in desk.sent_rtp()])
    assert min(level_of(key[400:], 770), level_of(key[400:], 1336)) > 1500
    desk.tick(10)
    desk.sent_rtp()
    desk.command(desk.c.COMMAND_RECODE, 0, desk.generation, 1, octets.ctypes.data, len(octets))
    desk.tick(3)
    assert not {packet.payload for packet in desk.sent_rtp()} & {bytes(frame[: frame[126]]) for frame in kept}


def test_keys_have_the_clock_of_the_stream(desk: Desk) -> None:
    symbols = np.frombuffer(bytes([5]).ljust(desk.c.DIGITS_MAX, b"\0"), np.int64).tolist()
    desk.command(desk.c.COMMAND_DIGITS, 0, desk.generation, 1, 1, 160, 80, *symbols)
    desk.tick(12)
    events = [packet for packet in desk.sent_rtp() if packet.payload_type == 101]
    assert [int.from_bytes(packet.payload[2:]) for packet in events] == [960 * n for n in range(1, 9)] + [7680] * 2
    assert len({packet.timestamp for packet in events}) == 1


def test_another_codec_follows(desk: Desk) -> None:
    speak(desk, Coder().encode(wide_tone(440, 0.4), 20), 20)
    desk.frames()
    desk.command(desk.c.COMMAND_OPUS, 0, desk.generation, 0, 0)
    desk.start(remote=desk.far_address)
    law = desk.k.codecs.encode(tone(880, 0.6), "PCMU")
    for number in range(30):
        desk.give(rtp(100 + number, 5000 + 160 * number, law[160 * number : 160 * number + 160].tobytes()))
        desk.tick()
    assert hears(desk.frames()[1600:4400], 880, (440,))
    assert len(desk.sent_rtp()[-1].payload) == 160


class OpusBridge:
    """Two sessions in Opus: the first is spoken to, the second hears it and sends to `sent`."""

    def __init__(self, kernel: Kernel, sending: libopus.OpusSending) -> None:
        self.desk = Desk(kernel, sessions=2)
        self.memories = [kernel.libopus.OpusMemory() for _ in range(2)]
        desk, c = self.desk, self.desk.c
        for slot, wanted in ((0, libopus.OpusSending()), (1, sending)):
            desk.open(slot)
            states = self.memories[slot].use(kernel.libopus.OpusSending(wanted.fec, wanted.bitrate))
            desk.command(c.COMMAND_OPUS, slot, desk.generation, *states)
            desk.start(
                slot,
                remote=desk.far_address if slot else None,
                codec="opus",
                payload_type=OPUS_PT,
                receive_payload_type=OPUS_PT,
                dtmf_clock=RATE,
            )
        desk.command(c.COMMAND_HEAR, 1, 2, 0, 1)
        self.sequence = 0

    def tick(self, packet: bytes | None, milliseconds: int = 20) -> None:
        desk = self.desk
        desk.row = desk.sessions[0]
        if packet is not None:
            desk.give(rtp(self.sequence, self.sequence * 48 * milliseconds, packet, payload_type=OPUS_PT))
        self.sequence += 1
        desk.now += 20 * MS
        desk.tick_number += 1
        for slot in (0, 1):
            desk.serve(slot)

    def sent(self) -> list[bytes]:
        return [packet.payload for packet in self.desk.sent_rtp()]


@contextlib.contextmanager
def opus_bridge(kernel: Kernel, sending: libopus.OpusSending | None = None) -> Iterator[OpusBridge]:
    bridge = OpusBridge(kernel, sending or libopus.OpusSending())
    try:
        yield bridge
    finally:
        bridge.desk.close()


def test_two_legs_in_opus_are_bridged_packet_by_packet(kernel: Kernel) -> None:
    with opus_bridge(kernel) as bridge:
        packets = Coder().encode(wide_tone(440, 1.0), 20)
        for packet in packets:
            bridge.tick(packet)
        sent = bridge.sent()
    first = sent.index(packets[0])
    assert first <= 3
    assert sent[first:] == packets[: len(sent) - first]


def test_a_lost_packet_between_two_legs_in_opus_is_made_up(kernel: Kernel) -> None:
    with opus_bridge(kernel) as bridge:
        packets = Coder().encode(wide_tone(440, 1.0), 20)
        for place, packet in enumerate(packets):
            bridge.tick(None if place == 20 else packet)
        sent = bridge.sent()
    first = sent.index(packets[0])
    assert len(sent) == 50
    assert sent[first : first + 20] == packets[:20]
    assert sent[first + 20] not in packets
    assert sent[first + 21 :] == packets[21 : 21 + len(sent) - first - 21]
    assert hears(Coder().decode(sent)[1600:7200], 440, (880, 1320))


def test_packets_of_another_length_are_encoded_anew(kernel: Kernel) -> None:
    with opus_bridge(kernel) as bridge:
        packets = Coder().encode(wide_tone(440, 1.2), 60)
        for packet in packets:
            bridge.tick(packet, 60)
            bridge.sequence -= 2
            bridge.tick(None, 60)
            bridge.tick(None, 60)
        sent = bridge.sent()
    assert not set(sent) & set(packets)
    assert hears(Coder().decode(sent)[2400:8000], 440, (880, 1320))


def test_who_asks_for_less_than_phones_send_gets_packets_of_ours(kernel: Kernel) -> None:
    with opus_bridge(kernel, libopus.OpusSending(bitrate=12_000)) as bridge:
        packets = Coder().encode(wide_tone(440, 1.0), 20)
        for packet in packets:
            bridge.tick(packet)
        sent = bridge.sent()
    assert not set(sent) & set(packets)
    assert sum(map(len, sent[10:])) / len(sent[10:]) < 12_000 / 400 * 1.2
    assert hears(Coder().decode(sent)[1600:7200], 440, (880, 1320))


def test_a_prompt_and_keys_go_before_the_packets_of_the_other(kernel: Kernel) -> None:
    with opus_bridge(kernel) as bridge:
        desk = bridge.desk
        packets = Coder().encode(wide_tone(440, 2.0), 20)
        octets = desk.k.codecs.encode(tone(880, 0.4), "PCMU")
        for place, packet in enumerate(packets):
            if place == 20:
                desk.command(desk.c.COMMAND_PLAY, 1, 2, 1, octets.ctypes.data, len(octets), 1, 0, 0)
            bridge.tick(packet)
        sent = bridge.sent()
    heard = Coder().decode(sent)
    assert not set(sent[20:40]) & set(packets)
    assert set(sent[42:]) <= set(packets)
    assert hears(heard[20 * 160 + 400 : 40 * 160], 880, (440,))
    assert hears(heard[44 * 160 :], 440, (880,))


def test_a_packet_that_is_too_large_to_keep_is_encoded_anew(kernel: Kernel) -> None:
    with opus_bridge(kernel) as bridge:
        coder = Coder(bitrate=128_000)
        noise = np.random.default_rng(5).integers(-9000, 9000, RATE).astype(np.int16)
        packets = coder.encode(noise, 20)
        assert min(map(len, packets[5:])) > bridge.desk.c.FORWARDED_BYTES
        for packet in packets:
            bridge.tick(packet)
        sent = bridge.sent()
        assert not set(sent) & set(packets)
        assert max(map(len, sent)) <= bridge.desk.c.FORWARDED_BYTES
        assert bridge.desk.sessions[0]["drops"].sum() == 0
