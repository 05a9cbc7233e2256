"""Opus in the kernel (RFC 6716, RFC 7587): packets decoded as they are played, frames encoded as they are sent.

On the wire the clock is 48 kHz and packets are of any length; inside, a session in Opus is one in PCMU at 8 kHz, which
libopus makes and takes itself. So whatever a session does, prompts, bridges, rooms, recordings, knows nothing of Opus.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from llvmlite import binding
from numba import types

from media.kernel import constants as c
from media.kernel.arrays import Samples
from media.kernel.compiled import JIT_DISABLED, compiled
from media.kernel.g711 import LINEAR_TO_ULAW, ULAW_TO_LINEAR
from media.kernel.layout import (
    DATAGRAMS_AT,
    HEARD_PACKETS_AT,
    JB_PAYLOADS_AT,
    PACKET_AT,
    SAMPLES_AT,
    SPEECH_AT,
    CoreRow,
    SessionRow,
)
from media.kernel.libopus import opus_address
from media.kernel.native import copy_octets
from media.kernel.octets import octet

# A length of speech that libopus can make up: whole 2.5 ms.
_UNIT = c.CLOCK_RATE // 400

_C_TYPES = {types.int32: ctypes.c_int32, types.int64: ctypes.c_int64}


def opus_function(name: str, *arguments: Any) -> Callable[..., Any]:
    """Return a function of libopus with these types of arguments, in the form that the callers' mode needs."""
    address = opus_address(name)
    if not JIT_DISABLED:
        # By a name of our own, as libsrtp's: compiled code is cached with names, not with addresses.
        symbol = f"voylo_{name}"
        binding.add_symbol(symbol, address)
        external: Callable[..., Any] = types.ExternalFunction(symbol, types.int32(*arguments))
        return external
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *(_C_TYPES[argument] for argument in arguments))(address)

    def call(*values: Any) -> int:
        return int(function(*(int(value) for value in values)))

    return call


_int, _word = types.int32, types.int64

_samples_in = opus_function("opus_packet_get_nb_samples", _word, _int, _int)
_decode = opus_function("opus_decode", _word, _word, _int, _word, _int, _int)
_encode = opus_function("opus_encode", _word, _word, _int, _word, _int)


@compiled
def use_opus(row: SessionRow, decoder: int, encoder: int, silence: int, forwards: int) -> None:
    """Take a decoder and an encoder for what follows, or 0 for none; the stream's clock changes with them.

    At `silence` a packet lies ready for frames in which nothing plays. With `forwards` the far end takes packets as
    another far end has made them.
    """
    steps = c.OPUS_CLOCK_STEPS if decoder else 1
    if steps != row.clock_steps:
        row.clock_steps = steps
        # Of another clock, so nothing of before can be compared with.
        row.max_timestamp = -1
        row.transit = 0
    row.opus_decoder = decoder
    row.opus_encoder = encoder
    row.opus_silence = silence
    row.opus_forwards = forwards


@compiled
def samples_of(core: CoreRow, at: int, length: int) -> int:
    """Return how many samples at 8 kHz a packet at `core.datagrams[at]` holds; 0 where it is none, or over 60 ms."""
    samples = _samples_in(core.address + DATAGRAMS_AT + at, length, c.CLOCK_RATE)
    return samples if 0 < samples <= c.OPUS_SAMPLES else 0


@compiled
def _narrow(samples: Samples, place: int) -> int:
    return int(LINEAR_TO_ULAW[int(samples[place]) & 0xFFFF])


@compiled
def decode_packet(row: SessionRow, core: CoreRow, place: int, octets: int, samples: int) -> None:
    """Turn the payload that waits in a place of the jitter buffer into so many octets of PCMU, where it lies."""
    at = place * c.PAYLOAD_BYTES
    payload = row.address + JB_PAYLOADS_AT + at
    count = _decode(row.opus_decoder, payload, octets, core.address + SPEECH_AT, c.OPUS_SAMPLES, c.NO)
    for sample in range(samples):
        row.jb_payloads[at + sample] = _narrow(core.speech, sample) if sample < count else c.PCMU_SILENCE


@compiled
def keep_packet(row: SessionRow, core: CoreRow, place: int, octets: int) -> None:
    """Keep the packet that waits in a place of the jitter buffer, which is all of this frame, for who hears this."""
    if row.tapped & c.TAPPED_BRIDGE and octets <= c.FORWARDED_BYTES:
        kept = row.address + HEARD_PACKETS_AT + row.heard_count[0] % c.HEARD_FRAMES * c.FORWARDED_BYTES
        copy_octets(kept, row.address + JB_PAYLOADS_AT + place * c.PAYLOAD_BYTES, octets)
        core.packet_octets = octets


@compiled
def conceal(row: SessionRow, core: CoreRow, at: int, samples: int, place: int, octets: int) -> None:
    """Fill so many samples at `core.frame[at]` for a lost packet, from the copy in the packet behind it, if any.

    That one waits in `place` with `octets`; 0 where it is not known. libopus makes something up without a copy.
    """
    if samples % _UNIT:
        return
    payload = row.address + JB_PAYLOADS_AT + place * c.PAYLOAD_BYTES if octets else 0
    count = _decode(row.opus_decoder, payload, octets, core.address + SPEECH_AT, samples, c.YES if octets else c.NO)
    for sample in range(min(count, samples)):
        core.frame[at + sample] = _narrow(core.speech, sample)


@compiled
def encode_packet(row: SessionRow, core: CoreRow) -> int:
    """Turn the 160 octets of PCMU behind the header in `core.packet` into Opus and return their number; 0: a fault.

    A frame of a prompt may lie ready, and so may one of another session's.
    """
    if row.kept_packet and row.kept_octets:
        copy_octets(core.address + PACKET_AT + c.RTP_HEADER_BYTES, row.kept_packet, row.kept_octets)
        return row.kept_octets
    if row.kept_packet:
        copy_octets(core.address + PACKET_AT + c.RTP_HEADER_BYTES, row.kept_packet, c.KEPT_BYTES)
        count = c.RTP_HEADER_BYTES + c.KEPT_OCTETS
        return octet(core.packet, count) | octet(core.packet, count + 1) << 8
    for sample in range(c.TICK_SAMPLES):
        core.samples[sample] = ULAW_TO_LINEAR[core.packet[c.RTP_HEADER_BYTES + sample]]
    target = core.address + PACKET_AT + c.RTP_HEADER_BYTES
    return max(_encode(row.opus_encoder, core.address + SAMPLES_AT, c.TICK_SAMPLES, target, c.PAYLOAD_BYTES), 0)
