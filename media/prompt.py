"""Audio that is played by reference: decoded once, encoded once per codec, shared by every session that plays it."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from media.kernel.g711 import encode as encode_g711

if TYPE_CHECKING:
    from media.kernel.libopus import OpusSending

SAMPLE_RATE = 8000

PACKET_FORMS = 4
"""Ways in which far ends like Opus that one audio is kept in; for others it is encoded as it is sent."""


class PromptAudio:
    """Mono audio at 8 kHz. Sessions play its encoded form where it lies, so it never changes.

    `name` says in logs and traces what it is: a URL, a text, a tone.
    """

    __slots__ = ("_encoded", "_packets", "_places", "name", "samples")

    def __init__(self, samples: npt.NDArray[np.int16], name: str) -> None:
        """Keep `(n,) int16` samples; raises ValueError for any other shape or type."""
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise ValueError(f"audio of {name!r} is {samples.ndim}-dimensional {samples.dtype}, not mono int16")
        view = np.ascontiguousarray(samples).view()
        view.flags.writeable = False
        self.samples = view
        self.name = name
        self._encoded: dict[str, npt.NDArray[np.uint8]] = {}
        self._places: dict[str, tuple[int, int]] = {}
        self._packets: dict[OpusSending, npt.NDArray[np.uint8]] = {}

    def __repr__(self) -> str:
        return f"<PromptAudio {self.name!r} {self.seconds:.2f} s>"

    @property
    def seconds(self) -> float:
        """How long it plays, in seconds."""
        return len(self.samples) / SAMPLE_RATE

    def slow_to_encode(self, codec: str) -> bool:
        """Whether `encoded` would take long enough to do it on another thread, which it may be called from."""
        return codec == "G722" and codec not in self._encoded and len(self.samples) > SAMPLE_RATE

    def encoded(self, codec: str) -> npt.NDArray[np.uint8]:
        """Return the octets in "PCMU", "PCMA" or "G722", one per sample, the same array each time.

        The first call per codec takes about 1 ms per minute of audio, for G.722 about 50 ms.
        Raises KeyError for another codec.
        """
        octets = self._encoded.get(codec)
        if octets is None:
            octets = _encode(self.samples, codec)
            octets.flags.writeable = False
            # Of two threads the first one's stays: sessions may be playing it where it lies.
            octets = self._encoded.setdefault(codec, octets)
        return octets

    def place(self, codec: str) -> tuple[int, int]:
        """Where in memory the octets in a codec lie, and how many they are; as `encoded`."""
        place = self._places.get(codec)
        if place is None:
            octets = self.encoded(codec)
            place = self._places[codec] = (octets.ctypes.data, len(octets))
        return place

    def can_keep_packets(self, sending: "OpusSending") -> bool:
        """Whether `keep_packets` would make what is not there yet."""
        return sending not in self._packets and len(self._packets) < PACKET_FORMS

    def keep_packets(self, sending: "OpusSending") -> None:
        """Encode it in Opus as a far end likes it, once; about 3 ms for a second of audio, on any thread."""
        # Not at the top: child processes that make prompts do without the kernel.
        from media.kernel.libopus import keep_packets

        # Of two threads the first one's stay, as in `encoded`.
        self._packets.setdefault(sending, keep_packets(self.samples, sending))

    def packets(self, sending: "OpusSending") -> npt.NDArray[np.uint8] | None:
        """The packets that `keep_packets` has made, as the kernel wants them; None where it has not."""
        return self._packets.get(sending)


def _encode(samples: npt.NDArray[np.int16], codec: str) -> npt.NDArray[np.uint8]:
    if codec != "G722":
        return encode_g711(samples, codec)
    # Not at the top: child processes that make prompts do without the compiler.
    from media.kernel.codecs import encode

    return encode(samples, codec)
