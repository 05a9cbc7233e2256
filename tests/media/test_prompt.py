"""Audio held for playing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import media
from media.kernel import g711
from media.kernel.arrays import Octets
from media.kernel.libopus import OpusSending
from media.prompt import PromptAudio
from tests.media.support import tone


def test_it_knows_how_long_it_plays() -> None:
    assert PromptAudio(np.zeros(12_000, np.int16), "x").seconds == 1.5
    assert PromptAudio(np.zeros(0, np.int16), "x").seconds == 0


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_each_codec_is_encoded_once(codec: str) -> None:
    audio = PromptAudio(tone(440, 0.1), "tone")
    octets = audio.encoded(codec)
    assert octets.tobytes() == g711.encode(audio.samples, codec).tobytes()
    assert audio.encoded(codec) is octets


def overtaken(first: Callable[[], object]) -> Callable[..., Octets]:
    """An encoder during whose first run another thread encodes the same, from its beginning to its end."""
    runs = 0

    def encode(*_what: object) -> Octets:
        nonlocal runs
        runs += 1
        if runs == 1:
            first()
        return np.zeros(160, np.uint8)

    return encode


def test_what_one_thread_has_encoded_stays_when_another_is_done_with_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = PromptAudio(tone(440, 0.1), "tone")
    playing: list[Octets] = []
    monkeypatch.setattr("media.prompt._encode", overtaken(lambda: playing.append(audio.encoded("G722"))))
    assert audio.encoded("G722") is playing[0]
    assert audio.place("G722") == (playing[0].ctypes.data, 160)


def test_packets_that_are_being_played_stay_when_another_thread_is_done_with_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    audio, liked = PromptAudio(tone(440, 0.1), "tone"), OpusSending()
    playing: list[Octets | None] = []

    def other() -> None:
        audio.keep_packets(liked)
        playing.append(audio.packets(liked))

    monkeypatch.setattr("media.kernel.libopus.keep_packets", overtaken(other))
    audio.keep_packets(liked)
    assert playing[0] is not None
    assert audio.packets(liked) is playing[0]


def test_what_the_kernel_points_into_cannot_be_changed() -> None:
    samples = tone(440, 0.1)
    audio = PromptAudio(samples, "tone")
    with pytest.raises(ValueError):
        audio.encoded("PCMU")[0] = 1
    with pytest.raises(ValueError):
        audio.samples[0] = 1
    samples[0] = 5
    assert samples.flags.writeable


def test_a_slice_of_something_larger_is_made_contiguous() -> None:
    audio = PromptAudio(np.arange(100, dtype=np.int16)[::2], "every other")
    assert audio.samples.tolist() == list(range(0, 100, 2))
    assert audio.encoded("PCMU").flags.c_contiguous


@pytest.mark.parametrize("samples", [np.zeros((2, 2), np.int16), np.zeros(4, np.float32), np.zeros(4, np.int32)])
def test_anything_but_mono_16_bit_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"'odd'.*not mono int16"):
        PromptAudio(samples, "odd")


def test_an_unknown_codec_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        PromptAudio(np.zeros(1, np.int16), "x").encoded("G729")


def test_child_processes_get_it_without_the_compiler() -> None:
    code = "import sys, media; media.PromptAudio; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=Path(media.__file__).parents[1], check=True)


def test_every_public_name_can_be_had() -> None:
    for name in media.__all__:
        assert getattr(media, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = media.nothing
