"""Audio files by URL: fetched once, revalidated, and played stale rather than not at all when their server is away."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from aiohttp import web

from engine.http import OutboundHttp, OutboundHttpConfig
from engine.prompts import STALE_SECONDS, PromptFiles, PromptUnavailable
from media import AudioError, PromptAudio
from media.library import FAILURE_SECONDS, FRESH_SECONDS
from tests.support.flow import Flow


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Decoder:
    """Counts what it decodes; the audio is one sample an octet."""

    def __init__(self) -> None:
        self.decoded: list[bytes] = []

    async def __call__(self, data: bytes, name: str) -> PromptAudio:
        self.decoded.append(data)
        if data.startswith(b"<"):
            raise AudioError("not audio: looks like HTML")
        return PromptAudio(np.zeros(len(data), np.int16), name)


@pytest.fixture
async def http():
    client = OutboundHttp(OutboundHttpConfig())
    await client.start()
    yield client
    await client.close()


def files(http: OutboundHttp, decoder: Decoder, clock: Clock, max_bytes: int = 10_000) -> PromptFiles:
    return PromptFiles(http, decoder, max_bytes=max_bytes, fetch_seconds=2.0, clock=clock)


async def test_a_fresh_file_is_asked_for_once_however_many_want_it(http: OutboundHttp) -> None:
    decoder, clock = Decoder(), Clock()
    prompts = files(http, decoder, clock)
    async with Flow({"/a.wav": "sound"}) as flow:
        first, second = await asyncio.gather(prompts.get(flow.url("/a.wav")), prompts.get(flow.url("/a.wav")))
        third = await prompts.get(flow.url("/a.wav"))
        assert first is second is third
        assert len(flow.asked) == len(decoder.decoded) == 1


async def test_after_five_minutes_it_is_revalidated_by_its_etag_and_not_decoded_again(http: OutboundHttp) -> None:
    async def tagged(request: web.Request) -> web.StreamResponse:
        if request.headers.get("If-None-Match") == '"v1"':
            return web.Response(status=304, headers={"ETag": '"v1"'})
        return web.Response(body=b"sound", headers={"ETag": '"v1"'})

    decoder, clock = Decoder(), Clock()
    prompts = files(http, decoder, clock)
    async with Flow({"/a.wav": tagged}) as flow:
        first = await prompts.get(flow.url("/a.wav"))
        clock.now += FRESH_SECONDS + 1
        assert await prompts.get(flow.url("/a.wav")) is first
        assert await prompts.get(flow.url("/a.wav")) is first
        assert len(flow.asked) == 2
        assert len(decoder.decoded) == 1


async def test_a_held_file_is_played_for_an_hour_when_its_server_is_away_but_not_when_it_is_gone(
    http: OutboundHttp,
) -> None:
    gone = False

    async def sometimes(_: web.Request) -> web.StreamResponse:
        return web.Response(status=404) if gone else web.Response(body=b"sound")

    decoder, clock = Decoder(), Clock()
    prompts = files(http, decoder, clock)
    async with Flow({"/a.wav": sometimes}) as flow:
        url = flow.url("/a.wav")
        first = await prompts.get(url)
        gone = True
        clock.now += FRESH_SECONDS + 1
        with pytest.raises(PromptUnavailable, match="404"):
            await prompts.get(url)
    clock.now += FAILURE_SECONDS + 1
    assert await prompts.get(url) is first, "nobody listens there any more"
    clock.now += STALE_SECONDS
    with pytest.raises(PromptUnavailable):
        await prompts.get(url)


async def test_redirects_are_followed_three_times(http: OutboundHttp) -> None:
    async def hop(request: web.Request) -> web.StreamResponse:
        left = int(request.path.rsplit("/", 1)[1])
        if left:
            return web.Response(status=302, headers={"Location": f"/hop/{left - 1}"})
        return web.Response(body=b"sound")

    prompts = files(http, Decoder(), Clock())
    async with Flow({f"/hop/{n}": hop for n in range(5)}) as flow:
        await prompts.get(flow.url("/hop/3"))
        with pytest.raises(PromptUnavailable, match="redirects"):
            await prompts.get(flow.url("/hop/4"))


async def test_a_redirect_to_nowhere_is_an_unavailable_file_and_nothing_worse(http: OutboundHttp) -> None:
    async def astray(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://[oops/x.wav"})

    prompts = files(http, Decoder(), Clock())
    async with Flow({"/a.wav": astray}) as flow:
        with pytest.raises(PromptUnavailable, match="leads to no URL"):
            await prompts.get(flow.url("/a.wav"))


async def test_what_is_no_audio_or_too_large_is_unavailable_and_says_why(http: OutboundHttp) -> None:
    prompts = files(http, Decoder(), Clock(), max_bytes=10)
    async with Flow({"/page": "<html>", "/big": "x" * 11}) as flow:
        with pytest.raises(PromptUnavailable, match="looks like HTML"):
            await prompts.get(flow.url("/page"))
        with pytest.raises(PromptUnavailable, match="more than 10"):
            await prompts.get(flow.url("/big"))


async def test_one_callers_hangup_does_not_take_the_file_from_another(http: OutboundHttp) -> None:
    release = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response(body=b"sound")

    prompts = files(http, Decoder(), Clock())
    async with Flow({"/a.wav": slow}) as flow:
        leaving = asyncio.create_task(prompts.get(flow.url("/a.wav")))
        staying = asyncio.create_task(prompts.get(flow.url("/a.wav")))
        while not flow.asked:
            await asyncio.sleep(0.01)
        leaving.cancel()
        release.set()
        assert (await staying).name == flow.url("/a.wav")
        assert len(flow.asked) == 1
