"""The messages of streams: what the engine writes, what it understands, and which audio is asked for."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calls.stream_messages import (
    NAME_CHARS,
    BadFormat,
    BadMessage,
    Clear,
    Mark,
    Media,
    Messages,
    StreamFormat,
    read_message,
    stream_format,
)

PARTS = (
    b'{"event":',
    b'"media"',
    b'"mark"',
    b'"clear"',
    b',"media":',
    b'{"payload":',
    b'"AAA="',
    b"1",
    b"null",
    b"}",
    b"]",
)
MULAW = StreamFormat("audio/x-mulaw", 8000, 1, raw=False)


def test_each_message_is_that_of_the_contract_with_what_twilio_adds() -> None:
    messages = Messages("st_1", "cl_1", "ws_1")
    assert json.loads(messages.connected()) == {"event": "connected"}
    assert json.loads(messages.start(("inbound",), MULAW, {"a": "ü\n"})) == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": "st_1",
        "start": {
            "streamSid": "st_1",
            "accountSid": "ws_1",
            "callSid": "cl_1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"a": "ü\n"},
        },
    }
    assert json.loads(messages.media("inbound", 1, 40) + b'/wA="}}') == {
        "event": "media",
        "sequenceNumber": "2",
        "streamSid": "st_1",
        "media": {"track": "inbound", "chunk": "1", "timestamp": "40", "payload": "/wA="},
    }
    assert json.loads(messages.dtmf("#"))["dtmf"] == {"track": "inbound_track", "digit": "#"}
    assert json.loads(messages.mark('"quoted"'))["mark"] == {"name": '"quoted"'}
    stop = json.loads(messages.stop())
    assert stop == {
        "event": "stop",
        "sequenceNumber": "5",
        "streamSid": "st_1",
        "stop": {"accountSid": "ws_1", "callSid": "cl_1"},
    }


def test_what_a_peer_may_say() -> None:
    payload = base64.b64encode(b"\0" * 160).decode()
    assert read_message(json.dumps({"event": "media", "media": {"payload": payload}}).encode()) == Media(b"\0" * 160)
    assert read_message(b'{"event":"mark","streamSid":"x","mark":{"name":"one"}}') == Mark("one")
    assert read_message(b'{"event":"clear","streamSid":"x"}') == Clear()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"hello", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "event 'None'"),
        (b'{"event":"start"}', "event 'start'"),
        (b'{"event":"media"}', "payload is no text"),
        (b'{"event":"media","media":{"payload":7}}', "payload is no text"),
        (b'{"event":"media","media":{"payload":"a"}}', "not base64"),
        (b'{"event":"media","media":{"payload":"RIFF$$$$"}}', "not base64"),
        (b'{"event":"media","media":{"payload":"\xc3\xbc\xc3\xbc"}}', "not base64"),
        (b'{"event":"mark"}', "mark.name"),
        (b'{"event":"mark","mark":{"name":"' + b"x" * (NAME_CHARS + 1) + b'"}}', "mark.name"),
    ],
)
def test_what_is_not_understood_says_why(message: bytes, reason: str) -> None:
    with pytest.raises(BadMessage, match=reason.replace(".", r"\.")):
        read_message(message)


@given(st.binary(max_size=200) | st.lists(st.sampled_from(PARTS), max_size=12).map(b"".join))
def test_nothing_a_peer_says_raises_anything_else(message: bytes) -> None:
    with contextlib.suppress(BadMessage):
        read_message(message)


def test_the_audio_is_ulaw_unless_a_parameter_asks_for_linear_samples() -> None:
    assert stream_format({}, ("inbound",)) == MULAW
    assert stream_format({"contentType": "audio/x-mulaw"}, ("inbound", "outbound")) == MULAW
    for rate in (8000, 16_000, 24_000):
        for wanted in (f"audio/l16;rate={rate}", f"audio/x-l16; rate={rate}", f"Audio/L16;rate={rate}"):
            form = stream_format({"contentType": wanted}, ("inbound", "outbound"))
            assert form == StreamFormat("audio/l16", rate, 2, raw=True)
    for wrong in ("audio/l16", "audio/l16;rate=11025", "audio/l16;rate=8000;channels=2", "audio/opus", ""):
        with pytest.raises(BadFormat, match=r"contentType must be audio/x-mulaw or one of audio/l16;rate=8000"):
            stream_format({"contentType": wrong}, ("inbound",))
