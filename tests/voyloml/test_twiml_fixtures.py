"""Public documents written for Twilio: each parses, and runs as meant or says in one finding what is not offered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voyloml import lint, parse_document
from voyloml.simulate import Caller, QueueScript, StreamScript, World, answers, simulate
from voyloml.verbs import BY_NAME

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "fixtures" / "twiml"
INDEX = FOLDER / "index.json"
DOCUMENTS: dict[str, dict[str, list[str]]] = json.loads(INDEX.read_text()) if INDEX.is_file() else {}

pytestmark = pytest.mark.skipif(not DOCUMENTS, reason="test data not found: ../shared/fixtures/twiml")

# What is not offered, by the beginning of a file's name. All other documents have nothing against them.
NOT_OFFERED = {
    "application__": "<Parameter> is not allowed in ",
    "client__client-3": "<Client> has no attribute 'statusCallback'; it is TwiML",
    "conference__conference-4": "statusCallbackEvent must be one or more of start end join leave speaker, separated by "
    "spaces; not offered are mute hold",
    "connect__connect-2": "<Room> is not an element of VoyloML; it is TwiML",
    "connect__conversation__": "<Conversation> is not an element of VoyloML; it is TwiML",
    "connect__virtualagent": "<VirtualAgent> is not an element of VoyloML; it is TwiML",
    "dial__dial-6": "<Dial> has no attribute 'recordingStatusCallback'; it is TwiML",
    "dial__dial-9": "<Dial> has no attribute 'referUrl'; it is TwiML",
    "number__number-4": "<Number> has no attribute 'statusCallback'; it is TwiML",
    "number__number-5": "<Number> has no attribute 'url'; it is TwiML",
    "pay__": "<Pay> is not a verb of VoyloML; it is TwiML",
    "queue__queue-1": "<Queue> has no attribute 'url'; it is TwiML",
    "sip__sip-9": "<Sip> has no attribute 'url'; it is TwiML",
    "sms__": "<Sms> is not a verb of VoyloML; it is TwiML",
    "transcription__transcription-stop": "<Stop> is not a verb of VoyloML; it is TwiML",
    "transcription__": "<Transcription> is not an element of VoyloML; it is TwiML",
}
TWICE = {"number__number-4.twiml"}
"""One finding for each of its two numbers."""

WORLD = World(
    parties={"*": answers(1, hangs_up_after=10)},
    queues={"*": QueueScript(taken_after=5)},
    streams={"*": StreamScript(closes_after=5)},
)


def expected(name: str) -> str | None:
    return next((message for start, message in NOT_OFFERED.items() if name.startswith(start)), None)


@pytest.mark.parametrize("name", DOCUMENTS)
class TestEach:
    def test_parses(self, name: str) -> None:
        document = parse_document((FOLDER / name).read_bytes())
        assert [verb.name for verb in document.verbs] == DOCUMENTS[name]["verbs"]

    def test_says_precisely_what_is_not_offered(self, name: str) -> None:
        result = lint((FOLDER / name).read_bytes(), base_url=...)
        found = [finding.message for finding in (*result.errors, *result.warnings)]
        message = expected(name)
        assert len(found) == (0 if message is None else 2 if name in TWICE else 1)
        assert all(one.startswith(message or "") for one in found)

    def test_runs_all_that_is_offered(self, name: str) -> None:
        text = (FOLDER / name).read_text()
        ran = simulate(text, world=WORLD, caller=Caller().press("1").say("yes").hang_up(at=60), app=elsewhere)
        document = parse_document(text)
        wanted = [verb.name for verb in document.verbs if verb.name in BY_NAME]
        # A Connect or Start without a stream is not run; what has an action may go on elsewhere.
        wanted = [verb for verb in wanted if verb not in {"Connect", "Start"} or "Stream" in text]
        assert ran.verbs == wanted[: len(ran.verbs)]
        assert (
            len(ran.verbs) == len(wanted) or any(asked.path != "/" for asked in ran.asked) or ran.verbs[-1] == "Gather"
        )
        assert ran.ended in {"completed", "hangup", "rejected", "caller"}
        assert not [warning for warning in ran.warnings if "verb_unavailable" in warning]
        assert len(ran.warnings) == (0 if expected(name) is None else 2 if name in TWICE else 1)


def elsewhere(asked: object) -> str:
    return "<Response/>"
