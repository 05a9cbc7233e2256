"""Files of strangers: what is sound is played, what is not ends in an AudioError, and the decoder stands."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import struct
from collections.abc import AsyncIterator

import numpy as np
import pytest

from media.decode import SMALL_FILE_BYTES, AudioDecoder, AudioError, AudioLimits, DecoderUnavailable
from tests.media.sounds import Samples, audio_file, chunk, index, level, rms, shared_files, sine, strongest, wav


class Decoding:
    """A decoder and what it warned of."""

    def __init__(self, limits: AudioLimits | None = None) -> None:
        self.warnings: list[str] = []
        self.decoder = AudioDecoder(limits, on_warning=lambda name, message: self.warnings.append(f"{name}: {message}"))

    async def __call__(self, data: bytes, name: str = "file") -> Samples:
        return (await self.decoder.decode(data, name)).samples

    async def refusal(self, data: bytes) -> str:
        with pytest.raises(AudioError) as caught:
            await self.decoder.decode(data, "file")
        assert not isinstance(caught.value, DecoderUnavailable)
        return str(caught.value)

    async def stands(self) -> bool:
        return strongest(await self(wav(pcm16(sine(440, 0.5))))) == pytest.approx(440, rel=0.01)


@pytest.fixture
async def decode() -> AsyncIterator[Decoding]:
    decoding = Decoding()
    yield decoding
    await decoding.decoder.close()


def pcm16(signal: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bytes:
    return np.round(signal * 32767).astype("<i2").tobytes()


async def test_every_shared_tone_is_heard_at_its_pitch_for_its_time(decode: Decoding) -> None:
    for name, entry in shared_files().items():
        if "tone_hz" not in entry["expected"]:
            continue
        expected = entry["expected"]
        samples = await decode(audio_file(name), name)
        assert strongest(samples) == pytest.approx(expected["tone_hz"], rel=0.01), name
        assert len(samples) / 8000 == pytest.approx(expected["seconds"], abs=expected.get("tolerance_s", 0.002)), name
        assert int(np.abs(samples.astype(int)).max()) < 32000, name


async def test_every_shared_file_is_decoded_for_its_whole_length(decode: Decoding) -> None:
    for name, entry in shared_files().items():
        seconds = entry.get("seconds", entry["expected"].get("seconds"))
        samples = await decode(audio_file(name), name)
        if seconds is not None:
            assert len(samples) / 8000 == pytest.approx(seconds, abs=entry["expected"].get("tolerance_s", 0.002)), name


async def test_an_8_khz_file_is_played_bit_for_bit(decode: Decoding) -> None:
    samples = np.frombuffer(random.Random(1).randbytes(20_000), "<i2")
    assert np.array_equal(await decode(wav(samples.tobytes())), samples)


async def test_both_channels_of_a_stereo_file_are_heard(decode: Decoding) -> None:
    samples = await decode(audio_file("stereo_600_900_44k.wav"))
    for hertz in index()["stereo_600_900_44k.wav"]["expected"]["tones_hz_after_downmix"]:
        assert level(samples, hertz) == pytest.approx(-16, abs=0.5)


async def test_what_is_above_the_telephone_band_does_not_fold_back(decode: Decoding) -> None:
    samples = await decode(audio_file("alias_3000_6000_48k.wav"))
    expected = index()["alias_3000_6000_48k.wav"]["expected"]
    for hertz in expected["tones_hz_at_8k"]:
        assert level(samples, hertz) == pytest.approx(-10, abs=0.5)
    for hertz in expected["absent_hz_at_8k"]:
        assert level(samples[400:-400], hertz) < -80


def encodings() -> dict[str, bytes]:
    """A tone of 700 Hz and 0.5 s, in every encoding a WAV file may have here."""
    tone = sine(700, 0.5, 16_000)
    wide = np.round(tone * 2**31).astype("<i4")
    packed24 = wide.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    both = np.stack([tone, tone], axis=1)
    return {
        "8 bit": wav(np.round(tone * 127 + 128).astype(np.uint8).tobytes(), bits=8, rate=16_000),
        "16 bit": wav(pcm16(tone), rate=16_000),
        "24 bit": wav(packed24, bits=24, rate=16_000),
        "24 bit extensible": wav(packed24, bits=24, rate=16_000, extensible=True),
        "32 bit": wav(wide.tobytes(), bits=32, rate=16_000),
        "float": wav(tone.astype("<f4").tobytes(), tag=3, bits=32, rate=16_000),
        "double": wav(tone.astype("<f8").tobytes(), tag=3, bits=64, rate=16_000),
        "stereo": wav(pcm16(both.reshape(-1)), channels=2, rate=16_000),
        "six channels": wav(pcm16(np.repeat(tone, 6)), channels=6, rate=16_000, extensible=True),
        "chunks before": wav(pcm16(tone), rate=16_000, before=chunk(b"LIST", b"x" * 77) + chunk(b"bext", bytes(602))),
    }


@pytest.mark.parametrize("name", list(encodings()))
async def test_every_encoding_gives_the_same_tone_at_the_same_level(decode: Decoding, name: str) -> None:
    samples = await decode(encodings()[name])
    assert len(samples) == pytest.approx(4000, abs=2)
    assert strongest(samples) == pytest.approx(700, rel=0.01)
    assert level(samples, 700) == pytest.approx(20 * np.log10(0.3), abs=0.1)
    assert decode.warnings == []


@pytest.mark.parametrize("tag", [6, 7])
async def test_g711_in_wav_keeps_its_level(decode: Decoding, tag: int) -> None:
    # Every octet there is, and its complement: by the symmetry of G.711 their mean is silence, not an offset.
    octets = np.repeat(np.arange(256, dtype=np.uint8), 8)
    samples = await decode(wav(octets.tobytes(), tag=tag, bits=8))
    assert len(samples) == len(octets)
    assert abs(float(samples.mean())) < 1
    assert int(samples.max()) == -int(samples.min()) == (32256 if tag == 6 else 32124)


@pytest.mark.parametrize("says", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
async def test_a_length_left_open_by_a_writer_that_could_not_seek_is_no_fault(decode: Decoding, says: int) -> None:
    assert len(await decode(wav(pcm16(sine(440, 0.25)), says=says))) == 2000
    assert decode.warnings == []


async def test_of_a_truncated_file_is_played_what_is_there_with_a_warning(decode: Decoding) -> None:
    data = wav(pcm16(sine(440, 1.0)))[: 44 + 8001]
    assert len(await decode(data, "cut.wav")) == 4000
    assert decode.warnings == [
        "cut.wav: truncated WAV: data chunk says 16000 bytes, 8001 present; what is there is played"
    ]


async def test_damage_in_the_middle_of_an_mp3_costs_only_its_place(decode: Decoding) -> None:
    data = bytearray(audio_file("tone_1000.mp3"))
    data[2000:2300] = bytes(300)
    samples = await decode(bytes(data), "scratched.mp3")
    assert strongest(samples) == pytest.approx(1000, rel=0.01)
    assert len(samples) / 8000 > 0.7


async def test_mp3_files_one_after_the_other_are_heard_both_whatever_comes_between(decode: Decoding) -> None:
    data = audio_file("tone_1000.mp3")
    samples = await decode(data + b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + data)
    assert len(samples) / 8000 == pytest.approx(2, abs=0.3)
    assert strongest(samples) == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<!doctype html><title>404</title>", "not audio: looks like HTML"),
        (bytes(1000), "not audio: looks like unknown data"),
        (b"RIFF\x24\0\0\0WAVE", "no fmt chunk"),
        (b"RIFF\x24\0\0\0WAVE" + chunk(b"data", bytes(100)), "no fmt chunk before the data chunk"),
        (wav(b"")[:-8], "no data chunk"),
        (wav(b""), "empty WAV"),
        (wav(b"\0"), "no audio in it"),
        (b"RIFF\x24\0\0\0WAVE" + chunk(b"fmt ", b"\1\0\1\0"), "fmt chunk is too short"),
        (wav(bytes(100), tag=0x11, bits=4, channels=2), "WAV with IMA ADPCM audio; send PCM"),
        (wav(bytes(100), tag=0x55), "WAV with MP3 audio"),
        (wav(bytes(100), tag=0x1234), "format 0x1234"),
        (wav(bytes(100), bits=12, channels=2), "12 bits a sample"),
        (wav(bytes(100), channels=0), "0 channels"),
        (wav(bytes(900), channels=9), "9 channels; 1 to 8"),
        (wav(bytes(100), rate=0), "WAV of 0 Hz"),
        (wav(bytes(100), rate=10_000_000), "WAV of 10000000 Hz"),
        (b"\xff\xfb\x90\x64" + bytes(413), "damaged MP3"),
    ],
)
async def test_what_cannot_be_played_is_refused_in_words(decode: Decoding, data: bytes, reason: str) -> None:
    assert reason in await decode.refusal(data)
    assert await decode.stands()


async def test_what_is_not_audio_does_not_even_start_a_process(decode: Decoding) -> None:
    await decode.refusal(b"<html>")
    await decode.refusal(b"")
    await decode.refusal(bytes(50_000_000))
    assert decode.decoder.pids == (None, None)


async def test_a_file_over_the_size_limit_is_refused_and_one_at_it_is_not() -> None:
    data = wav(bytes(2000))
    decoding = Decoding(AudioLimits(file_bytes=len(data)))
    assert len(await decoding(data)) == 1000
    assert f"too large: {len(data) + 1} bytes" in await decoding.refusal(data + b"\0")
    await decoding.decoder.close()


async def test_a_sound_over_the_length_limit_is_refused_and_one_at_it_is_not() -> None:
    decoding = Decoding(AudioLimits(sound_seconds=1.0))
    assert len(await decoding(wav(bytes(16_000)))) == 8000
    assert await decoding.refusal(wav(bytes(16_002))) == "too long: more than 1 s"
    # Few bytes, much sound: 1000 Hz, 8 bit, so that each octet becomes eight samples.
    assert await decoding.refusal(wav(bytes(1_000_000), rate=1000, bits=8)) == "too long: more than 1 s"
    assert await decoding.stands()
    await decoding.decoder.close()


async def test_a_decoding_that_takes_too_long_is_given_up_and_the_next_file_plays() -> None:
    decoding = Decoding(AudioLimits(decode_seconds=2.0, sound_seconds=36_000))
    await decoding.stands()
    # Hours of sound in one file: bounded time has to end it, since the length limit is off.
    data = wav(bytes(19_000_000), bits=8, rate=1000)
    assert "took longer than 2 s" in await decoding.refusal(data)
    assert await decoding.stands()
    await decoding.decoder.close()


async def test_decoding_goes_on_after_its_process_was_killed(decode: Decoding) -> None:
    assert await decode.stands()
    first = decode.decoder.pids[0]
    assert first is not None
    assert first != os.getpid()
    os.kill(first, signal.SIGKILL)
    assert await decode.stands()
    assert decode.decoder.pids[0] != first


async def test_a_small_file_does_not_wait_behind_a_large_one(decode: Decoding) -> None:
    await decode.stands()
    large = asyncio.create_task(decode(wav(bytes(SMALL_FILE_BYTES * 8), channels=2, rate=44_100)))
    await asyncio.sleep(0)
    assert await decode.stands()
    assert not large.done()
    await large
    small_pid, large_pid = decode.decoder.pids
    assert small_pid != large_pid
    assert [statistics.answered for statistics in decode.decoder.statistics] == [2, 1]


async def test_a_closed_decoder_says_so() -> None:
    decoder = AudioDecoder()
    await decoder.close()
    with pytest.raises(DecoderUnavailable, match="closed"):
        await decoder.decode(wav(bytes(100)), "file")


async def test_mutilated_files_never_raise_anything_but_an_audio_error(decode: Decoding) -> None:
    chance = random.Random(7)
    seeds = [wav(pcm16(sine(440, 0.1))), encodings()["24 bit extensible"]]
    if index():
        seeds.append(audio_file("tone_1000.mp3"))
    played = 0
    for _ in range(150):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice([1, 3, 30])):
            data[chance.randrange(chance.choice([60, len(data)]))] = chance.choice([0, 0xFF, chance.randrange(256)])
        del data[chance.choice([len(data), chance.randrange(len(data))]) :]
        try:
            played += len(await decode(bytes(data))) > 0
        except AudioError as error:
            assert "fault" not in str(error)
    assert played > 20
    assert await decode.stands()


async def test_a_float_file_with_anything_in_it_stays_within_bounds(decode: Decoding) -> None:
    values = np.frombuffer(random.Random(3).randbytes(40_000), "<f4").copy()
    values[::7] = np.nan
    samples = await decode(wav(values.tobytes(), tag=3, bits=32, rate=16_000))
    assert len(samples) == pytest.approx(5000, abs=2)
    assert struct.calcsize("h") == samples.itemsize
    assert rms(samples) <= 0
