"""libopus as asyncio sees it: where it comes from, and the memory of one session's decoder and encoder.

The library comes with the wheel of PyAV, which is a dependency for its decoders; nothing of PyAV itself is loaded here.
States are made in memory of ours, since the kernel's thread allocates nothing. Where there is no library, `AVAILABLE`
is false and Opus is not spoken.
"""

import ctypes
import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from media.kernel import constants as c
from media.kernel.arrays import Octets, Samples

_APPLICATION_VOIP = 2048
_SET_BITRATE = 4002
_SET_VBR = 4006
_SET_COMPLEXITY = 4010
_SET_INBAND_FEC = 4012
_SET_PACKET_LOSS = 4014
_SET_SIGNAL = 4024
_SIGNAL_VOICE = 3001

# More than speech of 4 kHz gains from, with room for the copies of FEC.
BITRATE = 24_000
# What no phone exceeds for speech that nobody asked it to keep smaller.
USUAL_BITRATE = 64_000
# Loss that FEC is prepared for, in percent, and how much work is put into a frame (0 to 10).
EXPECTED_LOSS = 10
COMPLEXITY = 5
# After so many frames of silence the encoder has forgotten what was before.
_SETTLED_FRAMES = 25
# libopus aligns its structures to pointers.
_ALIGNMENT = 16


def _load() -> ctypes.CDLL | None:
    found = importlib.util.find_spec("av")
    if found is None or found.origin is None:
        return None
    # Where auditwheel puts the libraries of a wheel.
    for path in sorted(Path(found.origin).parents[1].glob("av.libs/libopus-*.so*")):
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            continue
    return None


_LIBRARY = _load()
AVAILABLE = _LIBRARY is not None


def opus_address(name: str) -> int:
    """Return where a function of libopus lies; without the library, something that ends the process when called."""
    function = getattr(ctypes.CDLL(None), "abort") if _LIBRARY is None else getattr(_LIBRARY, name)  # noqa: B009
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@dataclass(frozen=True, slots=True)
class OpusSending:
    """What the far end likes to receive: `fec` asks for copies of lost speech, `bitrate` is in bit/s."""

    fec: bool = False
    bitrate: int | None = None
    constant_bitrate: bool = False

    @property
    def takes_any(self) -> bool:
        """Whether packets that another far end has made will do: it asks for no less than phones send by themselves."""
        return not self.constant_bitrate and (self.bitrate is None or self.bitrate >= USUAL_BITRATE)


def _room(octets: int) -> Octets:
    memory = np.zeros(octets + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + octets]


class OpusStates:
    """One session's decoder and encoder, mono at 8 kHz; alive for as long as the kernel may use them."""

    def __init__(self) -> None:
        if _LIBRARY is None:
            raise RuntimeError("libopus is not there")
        self._library = _LIBRARY
        self._decoder = _room(self._library.opus_decoder_get_size(1))
        self._encoder = _room(self._library.opus_encoder_get_size(1))
        decoder, encoder = ctypes.c_void_p(self.decoder), ctypes.c_void_p(self.encoder)
        failed = self._library.opus_decoder_init(decoder, c.CLOCK_RATE, 1)
        failed = failed or self._library.opus_encoder_init(encoder, c.CLOCK_RATE, 1, _APPLICATION_VOIP)
        if failed:
            raise RuntimeError(f"libopus makes no state: error {failed}")

    @property
    def decoder(self) -> int:
        """The address of the decoder's state."""
        return self._decoder.ctypes.data

    @property
    def encoder(self) -> int:
        """The address of the encoder's state."""
        return self._encoder.ctypes.data

    def encode(self, samples: int, target: int, room: int) -> int:
        """Encode 20 ms at one address to another, and return the octets. Raises RuntimeError."""
        count: int = self._library.opus_encode(
            ctypes.c_void_p(self.encoder), ctypes.c_void_p(samples), c.TICK_SAMPLES, ctypes.c_void_p(target), room
        )
        if count <= 0:
            raise RuntimeError(f"libopus encodes nothing: error {count}")
        return count

    def set_up(self, sending: OpusSending) -> None:
        """Set the encoder before the kernel has it."""
        for request, value in (
            (_SET_BITRATE, min(BITRATE, sending.bitrate or BITRATE)),
            (_SET_VBR, int(not sending.constant_bitrate)),
            (_SET_COMPLEXITY, COMPLEXITY),
            (_SET_INBAND_FEC, int(sending.fec)),
            (_SET_PACKET_LOSS, EXPECTED_LOSS if sending.fec else 0),
            (_SET_SIGNAL, _SIGNAL_VOICE),
        ):
            self._library.opus_encoder_ctl(ctypes.c_void_p(self.encoder), request, ctypes.c_int(value))


def keep_packets(samples: Samples, sending: OpusSending) -> Octets:
    """Encode samples at 8 kHz once for all who hear them, as `(frames, 128)` octets: a packet each, its length last.

    What is less than a whole frame at the end is left out. About 3 ms for a second of audio.
    """
    states = OpusStates()
    states.set_up(sending)
    frames = len(samples) // c.TICK_SAMPLES
    kept = np.zeros((frames, c.KEPT_BYTES), np.uint8)
    whole = np.ascontiguousarray(samples)
    for frame in range(frames):
        count = states.encode(whole[frame * c.TICK_SAMPLES :].ctypes.data, kept[frame].ctypes.data, c.KEPT_OCTETS)
        kept[frame, c.KEPT_OCTETS] = count & 0xFF
    kept.flags.writeable = False
    return kept


@functools.cache
def kept_silence() -> Octets:
    """A packet of silence, in the form of `keep_packets`, the same array each time."""
    return keep_packets(np.zeros(_SETTLED_FRAMES * c.TICK_SAMPLES, np.int16), OpusSending())[-1]


class OpusMemory:
    """The states of one session from one change of its parameters to the next. Nothing is allocated without Opus.

    A state that has been replaced may be in use until the kernel has taken the next command, so all are kept until the
    session is closed; there is a new one only where the far end wants something else.
    """

    def __init__(self) -> None:
        self._kept: list[OpusStates] = []
        self._sending: OpusSending | None = None

    def use(self, sending: OpusSending | None) -> tuple[int, int, int, int] | None:
        """Return the addresses of decoder, encoder and a packet of silence for the kernel, 0 without Opus, and whether
        packets of others may be sent on; None where nothing changes."""
        if sending == self._sending:
            return None
        self._sending = sending
        if sending is None:
            return 0, 0, 0, 0
        states = OpusStates()
        states.set_up(sending)
        self._kept.append(states)
        return states.decoder, states.encoder, kept_silence().ctypes.data, int(sending.takes_any)

    def release(self) -> None:
        """Forget all states; the kernel does not use them any more."""
        self._kept.clear()
