"""The audio of a stream as it lies in a message: µ-law at 8 kHz, or 16-bit samples at 8, 16 or 24 kHz.

Both directions of one stream are one object: what is encoded and what is decoded each go on from piece to piece.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from media.kernel.g711 import decode, encode
from media.kernel.messages import frame_octets, write_message
from media.polyphase import RATE, RATES, Narrower, Widener

L16_RATES: Final = RATES
FRAME_SAMPLES: Final = RATE // 50

Samples = npt.NDArray[np.int16]


class StreamAudio(Protocol):
    """Octets of messages to samples at 8 kHz, and back."""

    def encode(self, frame: Samples) -> bytes:
        """The octets of the next 20 ms, `(160,) int16`; of two channels `(160, 2)`."""

    def decode(self, octets: bytes) -> Samples:
        """The next `(n,) int16` samples at 8 kHz; octets of any number, a sample may be torn by their end."""


class UlawAudio:
    """ITU-T G.711 µ-law, one channel."""

    def __init__(self) -> None:
        self._frame = np.zeros(0, np.uint8)

    def encode(self, frame: Samples) -> bytes:
        """See `StreamAudio`."""
        return encode(frame, "PCMU").tobytes()

    def encode_message(self, head: bytes, frame: Samples, mask: int) -> bytes:
        """A whole WebSocket frame with a text message: the next 20 ms in base64 between `head` and what ends every
        message with audio, masked by a number of 32 bits."""
        room = frame_octets(head, len(frame))
        if len(self._frame) < room:
            self._frame = np.zeros(room + FRAME_SAMPLES, np.uint8)
        return self._frame[: write_message(head, frame, mask, self._frame)].tobytes()

    def decode(self, octets: bytes) -> Samples:
        """See `StreamAudio`."""
        return decode(np.frombuffer(octets, np.uint8), "PCMU")


class L16Audio:
    """Linear PCM, 16 bits, little-endian, at `rate` Hz; two channels are interleaved. Raises ValueError for a rate that
    is not 8000, 16000 or 24000."""

    def __init__(self, rate: int, channels: int = 1) -> None:
        self._wideners = [Widener(rate) for _ in range(channels)]
        self._narrower = Narrower(rate)
        self._torn = b""

    def encode(self, frame: Samples) -> bytes:
        """See `StreamAudio`."""
        channels = frame.reshape(len(frame), -1).T
        wide = [widener.feed(channel) for widener, channel in zip(self._wideners, channels, strict=True)]
        return np.stack(wide, axis=1).astype("<i2", copy=False).tobytes()

    def decode(self, octets: bytes) -> Samples:
        """See `StreamAudio`. What comes is one channel."""
        octets = self._torn + octets
        whole = len(octets) // 2 * 2
        self._torn = octets[whole:]
        return self._narrower.feed(np.frombuffer(octets[:whole], "<i2").astype(np.int16, copy=False))
