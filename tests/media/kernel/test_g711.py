"""G.711, bit for bit against the standard library's tables."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from media.kernel import codecs, g711

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    audioop = pytest.importorskip("audioop")

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)
EVERY_OCTET = np.arange(256).astype(np.uint8)


@pytest.mark.parametrize(("codec", "reference"), [("PCMU", audioop.lin2ulaw), ("PCMA", audioop.lin2alaw)])
def test_every_sample_encodes_as_the_reference(codec: str, reference) -> None:
    assert g711.encode(EVERY_SAMPLE, codec).tobytes() == reference(EVERY_SAMPLE.tobytes(), 2)


@pytest.mark.parametrize(("codec", "reference"), [("PCMU", audioop.ulaw2lin), ("PCMA", audioop.alaw2lin)])
def test_every_octet_decodes_as_the_reference(codec: str, reference) -> None:
    assert g711.decode(EVERY_OCTET, codec).tobytes() == reference(EVERY_OCTET.tobytes(), 2)


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_the_silence_octet_is_what_zero_encodes_to(codec: str) -> None:
    assert g711.encode(np.zeros(1, np.int16), codec)[0] == codecs.SILENCE[codecs.CODECS[codec]]


def test_an_unknown_codec_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        g711.encode(EVERY_SAMPLE, "G722")
