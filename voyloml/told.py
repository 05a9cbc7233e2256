"""What status callbacks tell: the parameters beside those of the call, of live calls and of simulated ones.

`partialResultCallback` of Gather, `recordingStatusCallback` of Record and `statusCallback` of Conference and Stream
(contract §10.5, §10.7, §10.8).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from voyloml.capabilities import PartialSpeech, Recorded
from voyloml.dial import whole_seconds


def of_recording(recorded: Recorded) -> dict[str, str]:
    """A recording that can be fetched."""
    return {
        "RecordingSid": recorded.sid,
        "RecordingUrl": recorded.url,
        "RecordingDuration": whole_seconds(recorded.seconds),
        "RecordingStatus": "completed",
    }


def of_partial(sequence: int, said: PartialSpeech) -> dict[str, str]:
    """What a caller has said so far; `sequence` counts the partial results of a Gather from 0."""
    return {
        "SequenceNumber": str(sequence),
        "StableSpeechResult": said.stable,
        "UnstableSpeechResult": said.unstable,
        "Stability": f"{said.stability:g}",
    }


def of_stream(sid: str, event: str, now: datetime, name: str | None, error: str | None = None) -> dict[str, str]:
    """`stream-started`, `stream-stopped`, or `stream-error` with what was wrong."""
    told = {"StreamSid": sid, "StreamEvent": event, "Timestamp": now.isoformat()}
    if name is not None:
        told["StreamName"] = name
    if error is not None:
        told["StreamError"] = error
    return told


def of_conference(
    sid: str, room: str, event: str, now: datetime, participants: int, more: Mapping[str, str]
) -> dict[str, str]:
    """`join`, `leave`, `start`, `end`, `participant-speech-start` or `participant-speech-stop`; `participants` are in
    the room then. Events of one URL are numbered too."""
    return {
        "ConferenceSid": sid,
        "ConferenceName": room,
        "StatusCallbackEvent": event,
        "Timestamp": now.isoformat(),
        "Participants": str(participants),
        **more,
    }
