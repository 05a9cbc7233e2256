"""Carries out `Stream`, and `Connect` and `Start` around one (contract §10.8)."""

from __future__ import annotations

from typing import Literal, cast

from voyloml.binding import Bound
from voyloml.capabilities import StreamFailed, StreamOrder, Streams
from voyloml.execution import Execution, Outcome


async def run_stream(run: Execution, verb: Bound) -> Outcome:
    """`Stream`: with `bidirectional` until the socket closes, otherwise a fork that goes on by itself."""
    await _stream(run, verb, bidirectional=verb.flag("bidirectional"))
    return None


async def run_connect(run: Execution, verb: Bound) -> Outcome:
    """`Connect`: a bidirectional stream, then the action. Raises DocumentUnavailable."""
    for stream in verb.children:
        if stream.usable:
            await _stream(run, stream, bidirectional=True)
    return await run.act(verb, ())


async def run_start(run: Execution, verb: Bound) -> Outcome:
    """`Start`: a stream that is a fork."""
    for stream in verb.children:
        if stream.usable:
            await _stream(run, stream, bidirectional=False)
    return None


async def _stream(run: Execution, verb: Bound, *, bidirectional: bool) -> None:
    await run.answer()
    track = verb.text("track")
    assert track in {"inbound", "outbound", "both"}
    order = StreamOrder(
        url=verb.text("url") or "",
        track=cast('Literal["inbound", "outbound", "both"]', track),
        bidirectional=bidirectional,
        name=verb.text("name"),
        status_callback=run.url(verb, "statusCallback"),
        parameters={child.text("name") or "": child.text("value") or "" for child in verb.children if child.usable},
    )
    try:
        streaming = await cast("Streams", run.control).stream(order)
    except StreamFailed as error:
        run.control.log("stream_failed", {"url": order.url, "message": str(error), **verb.element.place})
        return
    run.control.log("stream", {"url": order.url, "bidirectional": bidirectional, **verb.element.place})
    if not bidirectional:
        return
    try:
        await streaming.closed()
    finally:
        await streaming.stop()
    # They went to the socket.
    await run.drop_keys()
