"""Recordings as a client of the engine sees them: links, and the files in the data directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from tests.api.documented import documented_client
from tests.support.engine import TestEngine
from tests.support.tones import wav_channels, wav_samples


async def fetch(url: str, **options: Any) -> httpx.Response:
    """A request without any key."""
    async with documented_client() as client:
        return await client.get(url, **options)


def samples_of(response: httpx.Response) -> NDArray[np.int16]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "audio/wav"
    samples, rate = wav_samples(response.content)
    assert rate == 8000
    return samples


def files(engine: TestEngine) -> list[Path]:
    folder = engine.process.config.storage.data_dir / "recordings"
    return [path for path in folder.rglob("*") if path.is_file()]


async def channels_at(url: str) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Left and right of a recording with two channels, by its link."""
    response = await fetch(url)
    assert response.status_code == 200, response.text
    return wav_channels(response.content)
