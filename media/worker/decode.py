"""What the decoding child does: a WAV or MP3 file to 8 kHz mono int16, through FFmpeg (PyAV) and soxr.

FFmpeg is told the format instead of guessing it, so that a file cannot pick one of its other parsers, some of which
open further files and addresses. Memory grows with the output only, and the output is bounded.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from media.resample import RATE, Resampler, Signal, quantise
from media.worker import wav
from media.worker.errors import Refused
from media.worker.frames import Body, Header

# Full scale of the sample formats FFmpeg's PCM and MP3 decoders give (24-bit PCM comes as the upper part of 32).
_FULL_SCALE = {"int16": 32768.0, "int32": 2147483648.0, "float32": 1.0, "float64": 1.0}
# A file with more damaged places than this is noise.
_MAX_DAMAGED = 1000
# Samples of one channel that are converted and resampled at a time.
_RUN_SAMPLES = 32_768


def handle(request: Header, body: bytes) -> tuple[Header, Body]:
    """Decode a file.

    Request: `format` wav or mp3, `seconds` the longest sound allowed. Reply: `warnings`, and as its body the samples,
    int16 in the machine's byte order. Raises Refused.
    """
    kind: str = request["format"]
    warnings = wav.inspect(body) if kind == "wav" else []
    samples = bytearray()
    longest = int(request["seconds"] * RATE) * 2
    try:
        for piece in _at_8k(body, kind, warnings):
            samples += quantise(piece).tobytes()
            if len(samples) > longest:
                raise Refused(f"too long: more than {request['seconds']:g} s")
    except av.FFmpegError as error:
        raise Refused(f"damaged {kind.upper()}: {error.strerror}") from None
    if not samples:
        raise Refused(f"damaged {kind.upper()}: no audio in it can be decoded")
    return {"warnings": warnings}, samples


def _at_8k(data: bytes, kind: str, warnings: list[str]) -> Iterator[Signal]:
    resampler: Resampler | None = None
    nothing = np.zeros(0, np.float32)
    for rate, signal in _signals(_frames(data, kind, warnings)):
        if resampler is None or resampler.rate != rate:
            # MP3 files put one after the other may change their rate in the middle.
            if resampler is not None:
                yield resampler.feed(nothing, last=True)
            try:
                resampler = Resampler(rate)
            except ValueError as error:
                raise Refused(f"not playable: {error}") from None
        yield resampler.feed(signal)
    if resampler is not None:
        yield resampler.feed(nothing, last=True)


def _signals(frames: Iterator[av.AudioFrame]) -> Iterator[tuple[int, Signal]]:
    """Rate and mono signal of runs of alike frames; one by one, the calls would cost more than the arithmetic."""
    alike = itertools.groupby(frames, lambda frame: (frame.sample_rate, frame.format.name, frame.layout.nb_channels))
    for (rate, _, channels), group in alike:
        if channels > wav.MAX_CHANNELS:
            raise Refused(f"not playable: {channels} channels; at most {wav.MAX_CHANNELS} are possible")
        blocks: list[npt.NDArray[Any]] = []
        samples = 0
        planar = True
        for frame in group:
            planar = frame.format.is_planar
            blocks.append(frame.to_ndarray())
            samples += frame.samples
            if samples >= _RUN_SAMPLES:
                yield rate, _mono(np.concatenate(blocks, axis=1), channels, planar=planar)
                blocks, samples = [], 0
        if blocks:
            yield rate, _mono(np.concatenate(blocks, axis=1), channels, planar=planar)


def _frames(data: bytes, kind: str, warnings: list[str]) -> Iterator[av.AudioFrame]:
    """The decoded frames; a damaged packet costs its own sound and a warning."""
    damaged = 0
    with av.open(io.BytesIO(data), mode="r", format=kind, metadata_errors="replace") as container:
        if not container.streams.audio:
            raise Refused(f"damaged {kind.upper()}: no audio stream")
        stream = container.streams.audio[0]
        # FFmpeg gives no decoder for a sub-format it does not know.
        decoder: str = getattr(stream.codec_context, "name", "unknown")
        if not decoder.startswith("pcm_" if kind == "wav" else "mp3"):
            raise Refused(f"not playable: {kind.upper()} with {decoder} audio")
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                frames = packet.decode()
            except (av.error.InvalidDataError, av.error.EOFError):
                damaged += 1
                if damaged > _MAX_DAMAGED:
                    raise
                continue
            yield from frames
    if damaged:
        warnings.append(f"damaged {kind.upper()}: {damaged} places in it were skipped")


def _mono(block: npt.NDArray[Any], channels: int, *, planar: bool) -> Signal:
    """Decoded samples as one channel of full scale 1.0: the mean of their channels.

    A planar block is `(channels, n)`, a packed one `(1, n * channels)`.
    """
    if not planar:
        block = block.reshape(-1, channels).T
    if block.dtype == np.uint8:
        signal = (block.astype(np.float32) - 128.0) / 128.0
    else:
        signal = (block / _FULL_SCALE[block.dtype.name]).astype(np.float32)
    mixed: Signal = signal[0] if channels == 1 else signal.mean(axis=0, dtype=np.float32)
    return mixed
