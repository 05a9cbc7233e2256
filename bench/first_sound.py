"""From the `Say` verb to its first sound at the far end: sentences of 15 words that nobody has said before, one after
the other on one call in G.711, as the engine's own prompting plays them."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from bench.kernel import speaks_pcmu
from engine.calls.prompting import LegPrompting, PromptSources
from media import EmbeddedSpeech, MediaConfig, MediaPlane, MediaSession
from media.kernel.g711 import decode
from voyloml import Speak

if TYPE_CHECKING:
    from engine.prompts import PromptFiles

TARGET_MS: Final = 300.0
"""At most one sentence in twenty may take longer."""

_RTP_HEADER = 12
_AUDIBLE = 400
_NAMES = ("Adams", "Baker", "Carter", "Davis", "Evans", "Foster", "Graham", "Harris", "Irving", "Jordan", "Keller")
_THINGS = ("order", "parcel", "invoice", "contract", "booking", "delivery", "repair", "refund", "voucher", "ticket")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def sentences(count: int) -> Iterator[str]:
    """So many, of 15 words each."""
    draw = random.Random(15)
    for number in range(count):
        yield (
            f"The {draw.choice(_THINGS)} for {draw.choice(_NAMES)} will be ready on {draw.choice(_DAYS)} and costs "
            f"{20 + number} dollars with everything."
        )


async def measure(count: int) -> list[float]:
    """Milliseconds to the first sound of each of `count` sentences."""
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.bind(("127.0.0.1", 0))
    far.setblocking(False)
    plane, speech = MediaPlane(MediaConfig(rtp_ports=(20_000, 20_020), capacity=2)), EmbeddedSpeech()
    await plane.start()
    try:
        # As the engine does before it takes calls.
        await speech.start()
        session = plane.open("127.0.0.1", lambda _: None)
        session.start(speaks_pcmu(far.getsockname()[1], 0))
        # No file is played.
        sources = PromptSources(cast("PromptFiles", None), speech)
        return [await _until_heard(far, session, sources, text) for text in sentences(count)]
    finally:
        await speech.close()
        await plane.close()
        far.close()


async def _until_heard(far: socket.socket, session: MediaSession, sources: PromptSources, text: str) -> float:
    began = time.monotonic()
    prompting = LegPrompting(session, sources, [Speak(text, None, "en-US")], "", _refuse)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        while True:
            packet = await loop.sock_recv(far, 2048)
            samples = decode(np.frombuffer(packet[_RTP_HEADER:], np.uint8), "PCMU")
            if np.abs(samples.astype(np.int32)).max(initial=0) > _AUDIBLE:
                break
    took = time.monotonic() - began
    prompting.stop()
    # What is under way still belongs to this sentence.
    await asyncio.sleep(0.1)
    while True:
        try:
            far.recv(2048)
        except BlockingIOError:
            return took * 1000


def _refuse(kind: str, data: Mapping[str, object]) -> None:
    raise RuntimeError(f"{kind}: {data}")
