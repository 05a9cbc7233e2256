"""`Stream` on a live call, by ear: what goes over the socket is what the phone says, and the other way round."""

from __future__ import annotations

import asyncio
import contextlib
import http
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from engine.calls import stream_reconnect
from tests.support.certificates import Certificates, make_certificates
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.phone import PCMU, Phone
from tests.support.relay import a_relay, assert_unbroken
from tests.support.shared_engine import MANY_REQUESTS
from tests.support.streamer import FRAME, Stream, a_stream_server, echo
from tests.support.tones import decode_ulaw, frames_of, seconds_of, sine
from voyloml import verify_signature

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
GOODBYE = "<Response><Hangup/></Response>"
TONE, ANSWER = 620.0, 1150.0


async def log_of(engine: TestEngine, kind: str) -> list[dict[str, Any]]:
    """The entries of one kind in the newest call's log, once the call is over."""
    ended = await engine.ended_call()
    entries = (await engine.client.get(f"/v1/calls/{ended['publicId']}/events")).json()
    return [entry["data"] for entry in entries if entry["type"] == kind]


async def ended_streams(engine: TestEngine, record: dict[str, Any]) -> list[dict[str, Any]]:
    """What the log of a call says of the streams that have ended."""
    entries = (await engine.client.get(f"/v1/calls/{record['publicId']}/events")).json()
    return [entry["data"] for entry in entries if entry["type"] == "stream_ended"]


def numbers(stream: Stream, name: str) -> list[int]:
    """One counter of the media messages, which are numbers as text."""
    return [int(message["media"][name]) for message in stream.of("media")]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certificates]:
    """Those of a server that the engine of the module trusts: who starts it has named their authority."""
    made = make_certificates(tmp_path_factory.mktemp("trusted"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(made.authority))
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestEngine]:
    async with running_engine(tmp_path_factory.mktemp("data"), limits=MANY_REQUESTS) as started:
        yield started


class TestBidirectional:
    async def test_an_echo_is_heard_as_it_was_said_and_the_document_goes_on_when_the_socket_closes(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with a_stream_server(echo) as server:
            xml = (
                f'<Response><Connect action="/next"><Stream url="{server.url("/agent?a=b")}">'
                '<Parameter name="customer" value="&lt;4711&gt; ü"/></Stream></Connect></Response>'
            )
            then = "<Response><Play>/tone-880.wav</Play></Response>"
            async with Flow({"/": xml, "/next": then}) as flow:
                application = await engine.application(actionUrl=flow.url("/"))
                await engine.number(NUMBER, application)
                call = phone.call(NUMBER, engine.sip)
                await call.answered()
                call.say(TONE)
                await call.hears(TONE, at_least=1.0)
                stream = await server.stream()
                await stream.socket.close()
                await call.hears(880, at_least=0.8)
                await call.hung_up()
                asked = await flow.wait_for("/next")
        assert asked.form["Step"] == "stream"
        assert stream.request.path == "/agent?a=b"
        assert stream.request.headers["User-Agent"] == "Voylo/1.0"
        assert "Sec-WebSocket-Protocol" not in stream.request.headers
        assert verify_signature(application["signingSecret"], b"", stream.request.headers["Voylo-Signature"])
        connected, start = stream.messages[:2]
        assert connected == {"event": "connected"}
        assert start["event"] == "start"
        assert start["start"]["callSid"] == asked.form["CallSid"]
        assert start["start"]["customParameters"] == {"customer": "<4711> ü"}
        assert start["start"]["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        assert start["start"]["tracks"] == ["inbound"]
        assert start["streamSid"] == start["start"]["streamSid"]
        assert {message["streamSid"] for message in stream.messages[1:]} == {start["streamSid"]}
        assert [int(message["sequenceNumber"]) for message in stream.messages[1:]] == [*range(1, len(stream.messages))]
        assert seconds_of(stream.heard(), TONE) >= 0.9
        assert numbers(stream, "chunk") == [*range(1, len(stream.of("media")) + 1)]
        assert numbers(stream, "timestamp")[0] == 0
        assert set(np.diff(numbers(stream, "timestamp"))) == {20}
        (ended,) = await log_of(engine, "stream_ended")
        assert (ended["by"], ended["code"], ended["framesDropped"], ended["messagesIgnored"]) == ("peer", 1000, 0, 0)

    async def test_marks_come_back_when_heard_clear_is_silence_at_once_keys_are_told_and_hangup_stops(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with a_stream_server() as server:
            xml = f'<Response><Stream url="{server.url()}" bidirectional="true" statusCallback="/told"/></Response>'
            async with Flow({"/": xml, "/told": GOODBYE}) as flow:
                await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
                call = phone.call(NUMBER, engine.sip)
                stream = await server.stream()
                await stream.until(lambda: len(stream.of("media")) > 10)
                await stream.mark("nothing before")
                await stream.marked("nothing before")
                began = asyncio.get_running_loop().time()
                await stream.say(sine(ANSWER, 1.0), piece=1600)
                await stream.mark("one second")
                await stream.mark("and another")
                heard = await stream.marked("one second")
                await stream.marked("and another")
                assert 0.95 <= heard - began <= 3.0, "a mark comes back when its audio was sent, not when it was taken"
                await call.hears(ANSWER, at_least=0.9)
                await stream.say(sine(1700, 30.0), piece=8000)
                await stream.mark("the end")
                await call.hears(1700, at_least=0.4)
                await stream.clear()
                await stream.marked("the end", seconds=1.0)
                before = seconds_of(call.heard, 1700)
                await stream.send({"event": "never heard of"})
                await stream.say(sine(ANSWER, 0.5))
                await call.hears(ANSWER, at_least=1.4)
                assert seconds_of(call.heard, 1700) - before <= 0.5, "of half a minute"
                await call.press("4")
                await stream.until(lambda: bool(stream.of("dtmf")))
                call.outgoing.hangup()
                await stream.ended()
                (ended,) = await log_of(engine, "stream_ended")
                async with asyncio.timeout(5):
                    while len(flow.asked) < 3:
                        await asyncio.sleep(0.02)
        assert stream.of("dtmf")[0]["dtmf"] == {"track": "inbound_track", "digit": "4"}
        assert stream.messages[-1]["event"] == "stop"
        assert stream.messages[-1]["stop"]["callSid"] == stream.of("start")[0]["start"]["callSid"]
        assert stream.socket.close_code == 1000
        assert ended["by"] == "engine"
        assert (ended["messagesIgnored"], ended["firstIgnored"]) == (
            1,
            "event 'never heard of' is none of media, mark and clear",
        )
        told = [asked.form for asked in flow.asked if asked.path == "/told"]
        assert [form["StreamEvent"] for form in told] == ["stream-started", "stream-stopped"]
        assert {form["StreamSid"] for form in told} == {stream.sid}

    async def test_linear_audio_goes_both_ways_as_it_is_over_tls_that_is_checked(
        self, engine: TestEngine, phone: Phone, certificates: Certificates, tmp_path: Path
    ) -> None:
        async with (
            a_stream_server(certificates=certificates) as server,
            a_stream_server(certificates=make_certificates(tmp_path)) as stranger,
        ):
            streams = "".join(
                f'<Connect><Stream url="{one.url()}" statusCallback="/told">'
                f'<Parameter name="contentType" value="audio/l16;rate={rate}"/></Stream></Connect>'
                for one, rate in ((server, 8_000), (server, 16_000), (stranger, 8_000), (server, 24_000))
            )
            async with Flow({"/": f"<Response>{streams}</Response>", "/told": GOODBYE}) as flow:
                await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
                call = phone.call(NUMBER, engine.sip)
                await call.answered()
                call.say(TONE)
                for place, rate in enumerate((8_000, 16_000, 24_000)):
                    stream = await server.stream(place)
                    await stream.until(lambda stream=stream: bool(stream.binary))
                    loud = sine(ANSWER + 200 * place, 0.5, rate=rate)
                    if rate > 8_000:
                        # With what 8 kHz cannot hold: it must not come back as another tone.
                        loud += sine(6850, 0.5, rate=rate)
                    octets = loud.astype("<i2").tobytes()
                    for at in range(0, len(octets), 1001):  # samples are torn between messages
                        await stream.socket.send(octets[at : at + 1001])
                    await call.hears(ANSWER + 200 * place, at_least=0.4)
                    await stream.until(lambda stream=stream, rate=rate: seconds_of(stream.raw(), TONE, rate) >= 0.4)
                    await stream.socket.close()
                    said = {"encoding": "audio/l16", "sampleRate": rate, "channels": 1}
                    assert stream.of("start")[0]["start"]["mediaFormat"] == said
                    assert {len(message) for message in stream.binary} == {rate // 25}
                    assert stream.of("media") == []
                await call.hung_up()
                (failed,) = await log_of(engine, "stream_failed")
                told = await flow.wait_for("/told", StreamEvent="stream-error")
        assert stranger.streams == []
        assert failed["message"].startswith("cannot connect to 127.0.0.1: ")
        assert "certificate verify failed" in failed["message"]
        assert told.form["StreamError"] == failed["message"]

    async def test_of_a_peer_that_sends_faster_than_it_is_heard_no_more_is_read_than_the_buffer_holds(
        self, tmp_path: Path, phone: Phone
    ) -> None:
        spoken = 0

        async def without_end() -> None:
            nonlocal spoken
            second = sine(TONE, 1.0)
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await stream.say(second, piece=8000)
                    spoken += 1

        async with running_engine(tmp_path, limits={"stream_buffer_seconds": 1}) as engine, a_stream_server() as server:
            xml = f'<Response><Connect><Stream url="{server.url()}"/></Connect></Response>'
            async with Flow({"/": xml}) as flow:
                await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
                call = phone.call(NUMBER, engine.sip)
                stream = await server.stream()
                await stream.until(lambda: len(stream.of("media")) > 10)
                await stream.say(sine(ANSWER, 2.0), piece=800)
                await stream.mark("after two")
                began = asyncio.get_running_loop().time()
                speaking = asyncio.create_task(without_end())
                await call.hears(ANSWER, at_least=1.9)
                assert await stream.marked("after two") - began > 1.5
                assert 0 < spoken < 900, "fifteen minutes of sound were taken in two seconds"
                call.outgoing.hangup()
                await stream.ended()
                await speaking
                (ended,) = await log_of(engine, "stream_ended")
        assert ended["by"] == "engine"


class TestFork:
    async def test_both_tracks_go_out_while_the_next_verbs_run_until_the_call_ends(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with a_stream_server() as server:
            xml = (
                f'<Response><Start><Stream url="{server.url()}" track="both_tracks" name="listener"/></Start>'
                '<Play>/tone-880.wav</Play><Gather numDigits="1" timeout="5" action="/keys"/></Response>'
            )
            async with Flow({"/": xml, "/keys": GOODBYE}) as flow:
                await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
                call = phone.call(NUMBER, engine.sip)
                stream = await server.stream()
                await call.answered()
                call.say(TONE)
                await stream.hears(880, at_least=0.8, track="outbound")
                await stream.hears(TONE, at_least=0.8)
                await stream.say(sine(ANSWER, 0.5))
                await call.press("7")
                asked = await flow.wait_for("/keys")
                await call.hung_up()
                await stream.ended()
                (ended,) = await log_of(engine, "stream_ended")
        assert asked.form["Digits"] == "7", "keys are for the verbs as well"
        assert stream.of("dtmf")[0]["dtmf"]["digit"] == "7"
        assert stream.of("start")[0]["start"]["tracks"] == ["inbound", "outbound"]
        assert seconds_of(stream.heard("outbound"), TONE) == 0
        assert seconds_of(stream.heard("inbound"), 880) == 0
        assert seconds_of(call.heard, ANSWER) == 0, "a fork plays nothing"
        assert stream.events()[-1] == "stop"
        assert (ended["by"], ended["name"], ended["messagesIgnored"]) == ("engine", "listener", 0)

    async def test_a_peer_that_does_not_read_loses_frames_and_nobody_else_does(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.bind(("127.0.0.1", 0))

        over = asyncio.Event()

        async def stuck(connection: ServerConnection) -> None:
            connection.transport.pause_reading()  # type: ignore[attr-defined]
            await over.wait()
            connection.transport.abort()

        def fork(url: str) -> str:
            return (
                f'<Start><Stream url="{url}" track="both">'
                '<Parameter name="contentType" value="audio/l16;rate=24000"/></Stream></Start>'
            )

        stalls = engine.process.plane.statistics().skipped_ticks
        async with (
            serve(stuck, sock=small, compression=None, close_timeout=0.1, ping_interval=None),
            a_stream_server() as server,
            a_relay() as relay,
        ):
            blocked = fork(f"ws://127.0.0.1:{small.getsockname()[1]}")
            documents = {
                "/": f'<Response>{blocked}<Play loop="4">/tone-880.wav</Play></Response>',
                "/other": f'<Response>{fork(server.url())}<Play loop="0">/tone-440.wav</Play></Response>',
            }
            async with Flow(documents) as flow:
                await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
                await engine.number("+15550101", await engine.application(actionUrl=flow.url("/other")))
                other = phone.call("+15550101", engine.sip, codecs=(PCMU,), relay=relay)
                await other.answered()
                other.say(TONE)
                await other.hears(440)
                stream = await server.stream()
                call = phone.call(NUMBER, engine.sip)
                await call.hung_up()
                over.set()
                await other.hears(440, at_least=seconds_of(other.heard, 440) + 0.5)
                other.outgoing.hangup()
                await stream.ended()
                await engine.ended_call()
                logs = {record["to"]: await ended_streams(engine, record) for record in await engine.calls()}
        stalls = engine.process.plane.statistics().skipped_ticks - stalls
        (ended,), (fine,) = logs[NUMBER], logs["+15550101"]
        assert seconds_of(call.heard, 880) >= 3.5
        assert ended["framesDropped"] > 20
        assert ended["framesSent"] + ended["framesDropped"] >= 190
        packets = relay.to_phone.came
        assert_unbroken(packets, stalls)
        audio = decode_ulaw(b"".join(packet.payload for packet in packets))
        began = int(np.argmax(np.abs(audio) > 1000)) // FRAME + 1
        assert len(packets) - began >= 4.5 * 50
        assert frames_of(audio[began * FRAME :], 440) == (1.0, 0.0), "the other call's tone has no hole"
        assert fine["framesDropped"] == 0, "and its stream lost nothing"
        assert fine["framesSent"] == len(stream.binary)


class TestFailure:
    async def test_a_stream_that_cannot_be_opened_is_told_and_the_next_verb_runs(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        def forbid(_connection: ServerConnection, _request: Request) -> Response:
            return _connection.respond(http.HTTPStatus.FORBIDDEN, "no")

        async def breaks(stream: Stream) -> None:
            stream.socket.transport.abort()

        async def nothing(_: ServerConnection) -> None:
            pass

        free = socket.socket()
        free.bind(("127.0.0.1", 0))
        refused = f"ws://127.0.0.1:{free.getsockname()[1]}/"
        free.close()
        async with a_stream_server(breaks) as broken, serve(nothing, "127.0.0.1", 0, process_request=forbid) as no:
            forbidden = f"ws://127.0.0.1:{no.sockets[0].getsockname()[1]}/"
            odd = '<Parameter name="contentType" value="audio/l16;rate=44100"/>'
            streams = "".join(
                f'<Connect><Stream url="{url}" name="{name}" statusCallback="/told">{inside}</Stream></Connect>'
                for name, url, inside in (
                    ("refused", refused, ""),
                    ("forbidden", forbidden, ""),
                    ("odd", refused, odd),
                    ("broken", broken.url(), ""),
                )
            )
            xml = f"<Response>{streams}<Play>/tone-880.wav</Play></Response>"
            async with Flow({"/": xml, "/told": GOODBYE}) as flow:
                application = await engine.application(actionUrl=flow.url("/"))
                await engine.number(NUMBER, application)
                call = phone.call(NUMBER, engine.sip)
                await call.hears(880, at_least=0.8)
                await call.hung_up()
                failed = await log_of(engine, "stream_failed")
                (ended,) = await log_of(engine, "stream_ended")
                async with asyncio.timeout(5):
                    while len([asked for asked in flow.asked if asked.path == "/told"]) < 6:
                        await asyncio.sleep(0.02)
        messages = [entry["message"] for entry in failed]
        assert messages[0].startswith("cannot connect to 127.0.0.1")
        assert messages[1] == "the answer to the handshake was 403"
        assert "audio/l16;rate=24000" in messages[2]
        assert len(messages) == 3
        assert (ended["by"], ended["code"]) == ("error", 1006)
        told = [asked for asked in flow.asked if asked.path == "/told"]
        assert [(asked.form["StreamName"], asked.form["StreamEvent"]) for asked in told] == [
            ("refused", "stream-error"),
            ("forbidden", "stream-error"),
            ("odd", "stream-error"),
            ("broken", "stream-started"),
            ("broken", "stream-error"),
            ("broken", "stream-stopped"),
        ]
        assert told[1].form["StreamError"] == messages[1]
        assert all(
            verify_signature(application["signingSecret"], asked.body, asked.headers["Voylo-Signature"])
            for asked in told
        )

    async def test_a_connection_that_breaks_off_is_opened_again_as_often_as_the_document_asks(
        self, engine: TestEngine, phone: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stream_reconnect, "FIRST_SECONDS", 0.1)
        refusals = iter((False, True, False, True))

        def refuse(connection: ServerConnection, _request: Request) -> Response | None:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "starting") if next(refusals) else None

        def connect(url: str, times: str) -> str:
            parameter = f'<Parameter name="reconnect" value="{times}"/>'
            return f'<Connect><Stream url="{url}" statusCallback="/told">{parameter}</Stream></Connect>'

        async with a_stream_server(process_request=refuse) as server:
            streams = "".join(connect(server.url(), times) for times in ("3", "11"))
            xml = f"<Response>{streams}<Play>/tone-880.wav</Play></Response>"
            async with Flow({"/": xml, "/told": GOODBYE}) as flow:
                await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
                call = phone.call(NUMBER, engine.sip)
                await call.answered()
                call.say(TONE)
                first = await server.stream()
                await first.until(lambda: bool(first.of("start")))
                await first.say(sine(1700, 30.0), piece=8000)
                await first.mark("not reached")
                await call.hears(1700)
                first.break_off()
                broke = asyncio.get_running_loop().time()
                await flow.wait_for("/told", StreamEvent="stream-error")
                await call.press("4")
                second = await server.stream(1)
                assert 0.28 <= asyncio.get_running_loop().time() - broke <= 2, "a tenth of a second, and twice that"
                await second.hears(TONE)
                heard = seconds_of(call.heard, 1700)
                await second.say(sine(ANSWER, 0.5))
                await call.hears(ANSWER, at_least=0.4)
                assert seconds_of(call.heard, 1700) == heard <= 1, "of half a minute"
                second.break_off()
                await call.hears(880)
                await call.hung_up()
                (ended,) = await log_of(engine, "stream_ended")
                broken = await log_of(engine, "stream_broken")
                (odd,) = await log_of(engine, "stream_failed")
                async with asyncio.timeout(5):
                    while len([asked for asked in flow.asked if asked.path == "/told"]) < 7:
                        await asyncio.sleep(0.02)
        started = [stream.of("start")[0] for stream in (first, second)]
        assert second.events()[:4] == ["connected", "start", "mark", "dtmf"], (
            "what was to be told meanwhile comes first"
        )
        assert "reconnect" not in started[0]["start"]
        assert started[1]["start"] == started[0]["start"] | {"reconnect": 1}
        assert (second.of("mark")[0]["mark"]["name"], second.of("dtmf")[0]["dtmf"]["digit"]) == ("not reached", "4")
        assert [int(message["sequenceNumber"]) for message in second.messages[1:6]] == [1, 2, 3, 4, 5]
        frames = numbers(second, "chunk")
        assert frames[0] - numbers(first, "chunk")[-1] >= 13, "what was said meanwhile is counted"
        assert (ended["by"], ended["code"], ended["reconnects"]) == ("error", 1006, 1)
        assert ended["reason"] == "the answer to the handshake was 503", "of the third attempt in a row"
        assert ended["framesDropped"] >= 30
        assert [entry["streamSid"] for entry in (*broken, ended)] == [first.sid] * 3
        assert "a number from 1 to 10, not '11'" in odd["message"]
        told = [asked.form for asked in flow.asked if asked.path == "/told"]
        events = ["started", "error", "started", "error", "error", "stopped"]
        assert [form["StreamEvent"] for form in told] == [f"stream-{event}" for event in (*events, "error")]
        assert told[6]["StreamError"] == odd["message"]

    async def test_a_call_has_no_more_streams_at_a_time_than_the_limit(self, tmp_path: Path, phone: Phone) -> None:
        async with a_stream_server() as server:
            fork = f'<Start><Stream url="{server.url()}"/></Start>'
            template = f'<Response>{fork}{fork}<Connect><Stream url="{server.url()}"/></Connect></Response>'
            async with running_engine(tmp_path, limits={"streams_per_call": 2}) as engine:
                await engine.number(NUMBER, await engine.application(xmlTemplate=template))
                call = phone.call(NUMBER, engine.sip)
                await call.hung_up()
                (failed,) = await log_of(engine, "stream_failed")
                assert len(await log_of(engine, "stream_ended")) == 2
            assert len(server.streams) == 2
        assert failed["message"] == "a call has at most 2 streams at a time"

    async def test_a_private_address_is_not_called_where_the_operator_forbids_it(
        self, tmp_path: Path, phone: Phone
    ) -> None:
        async with a_stream_server() as server:
            template = (
                f'<Response><Connect><Stream url="{server.url()}"/></Connect>'
                f'<Connect><Stream url="ws://localhost:{server.port}/"/></Connect></Response>'
            )
            async with running_engine(tmp_path, security={"allow_private_callbacks": False}) as engine:
                await engine.number(NUMBER, await engine.application(xmlTemplate=template))
                call = phone.call(NUMBER, engine.sip)
                await call.hung_up()
                failed = await log_of(engine, "stream_failed")
            assert server.streams == []
        assert [entry["message"] for entry in failed] == [
            "127.0.0.1 is at an address that this server does not call",
            "localhost is at an address that this server does not call",
        ]
