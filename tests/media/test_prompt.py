"""Audio held for playing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import media
from media.kernel import g711
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
