"""`Redirect`, `Hangup`, `Reject` (contract §10.8), and verbs that are not carried out yet."""

from __future__ import annotations

import pytest

from tests.voyloml.scripted import ACTION_URL, HANGUP, Answer, run
from voyloml import RunResult
from voyloml.interpreter import RUNNERS
from voyloml.verbs import ELEMENTS

PAGE = "https://app.example/page"


class TestHangupAndReject:
    @pytest.mark.parametrize("verb", ["Hangup", "Reject"])
    @pytest.mark.parametrize(
        ("attributes", "reason"),
        [("", "rejected"), ('reason="rejected"', "rejected"), ('reason="busy"', "busy"), ('reason="?"', "rejected")],
    )
    def test_before_the_answer_refuse_the_call(self, verb: str, attributes: str, reason: str) -> None:
        ran = run(f"<Response><{verb} {attributes}/><Say>never</Say></Response>")
        assert ran.call.done == [(0, reason)]
        assert ran.result == RunResult("rejected", reason)
        assert ran.spoken == []

    @pytest.mark.parametrize("verb", ["Hangup", "Reject"])
    def test_after_the_answer_hang_up(self, verb: str) -> None:
        ran = run(f'<Response><Say>bye</Say><{verb} reason="busy"/><Say>never</Say></Response>')
        assert ran.call.done == [(0, "answer"), (3, "hangup")]
        assert ran.result == RunResult("hangup")


class TestRedirect:
    def test_drops_the_rest_and_runs_the_other_document(self) -> None:
        ran = run(
            "<Response><Say>one</Say><Redirect>/page</Redirect><Say>never</Say></Response>",
            answers={PAGE: "<Response><Say>two</Say></Response>"},
        )
        assert ran.spoken == ["one", "two"]
        assert ran.application.asked[1].parameters["Step"] == "redirect"

    def test_does_not_answer(self) -> None:
        ran = run("<Response><Redirect>/page</Redirect></Response>", answers={PAGE: HANGUP})
        assert ran.application.asked[1].parameters["CallStatus"] == "ringing"
        assert [what for _, what in ran.call.done] == ["rejected"]

    @pytest.mark.parametrize(
        ("reference", "url"),
        [
            ("next", "https://app.example/voice/next"),
            ("../next?a=1", "https://app.example/next?a=1"),
            ("/next", "https://app.example/next"),
            ("?step=2", "https://app.example/voice/start?step=2"),
            ("//b.example/next", "https://b.example/next"),
            ("http://b.example", "http://b.example"),
        ],
    )
    def test_resolves_against_the_url_of_its_document(self, reference: str, url: str) -> None:
        answers = [f"<Response><Redirect>{reference}</Redirect></Response>", HANGUP]
        ran = run(answers, answers={url.partition("?")[0]: HANGUP} if not url.startswith(ACTION_URL) else None)
        assert ran.application.asked[1].request.url == url

    @pytest.mark.parametrize("content", ["", "ftp://x/", "a b"])
    def test_that_cannot_be_followed_is_skipped(self, content: str) -> None:
        ran = run(f"<Response><Redirect>{content}</Redirect><Say>on</Say></Response>")
        assert ran.spoken == ["on"]
        assert len(ran.call.warnings()) == 1


# The smallest right document of each verb that needs more of a call than CallControl.
UNAVAILABLE = {
    "Dial": "<Dial {}>+20223456789</Dial>",
    "Record": "<Record {}/>",
    "Conference": "<Conference {}>room</Conference>",
    "PreAnswer": "<PreAnswer/>",
    "Refer": "<Refer {}>sip:a@b.example</Refer>",
    "Enqueue": "<Enqueue {}>support</Enqueue>",
    "Leave": "<Leave/>",
    "Stream": '<Stream url="wss://a.example/"/>',
    "Connect": '<Connect><Stream url="wss://a.example/"/></Connect>',
    "Start": '<Start><Stream url="wss://a.example/"/></Start>',
}
FAILURES = {
    "Dial": {"Step": "dial", "DialStatus": "failed", "DialDuration": "0"},
    "Refer": {"Step": "refer", "ReferStatus": "failed"},
    "Enqueue": {"Step": "queue", "QueueResult": "error", "QueueTime": "0"},
}


class TestVerbsThatTheCallCannotCarryOut:
    def test_are_all_tried_here(self) -> None:
        assert set(UNAVAILABLE) == {name for name, carrying in RUNNERS.items() if carrying.needs and "/" not in name}
        assert set(FAILURES) == {spec.name for spec in ELEMENTS if spec.unavailable}

    @pytest.mark.parametrize("name", UNAVAILABLE)
    def test_are_passed_over_with_a_clear_entry_and_without_answering(self, name: str) -> None:
        ran = run(f"<Response>{UNAVAILABLE[name].format('')}<Pause/><Reject/></Response>")
        (entry,) = ran.call.logged("verb_unavailable")
        assert entry["verb"] == name
        assert entry["message"] == f"<{name}> is not available in this version"
        assert entry["path"] == f"/Response/{name}[1]"
        assert ran.call.done == [(1, "rejected")]
        assert len(ran.application.asked) == 1

    @pytest.mark.parametrize("name", [name for name in UNAVAILABLE if "{}" in UNAVAILABLE[name]])
    def test_tell_their_action_of_the_failure_where_there_is_one_to_tell(self, name: str) -> None:
        verb = UNAVAILABLE[name].format('action="/page" method="GET"')
        ran = run(f"<Response>{verb}<Say>on</Say></Response>", answers={PAGE: HANGUP})
        if name not in FAILURES:
            assert ran.spoken == ["on"]
            return
        assert ran.spoken == []
        assert ran.application.lines[1] == f"GET {PAGE}"
        parameters = ran.application.asked[1].parameters
        assert {key: parameters[key] for key in FAILURES[name]} == FAILURES[name]

    def test_an_action_that_fails_is_an_application_error(self) -> None:
        ran = run('<Response><Dial action="/page">1002</Dial></Response>', answers={PAGE: Answer(status=404)})
        assert ran.result == RunResult("application_error", f"{PAGE}: answered with status 404")
