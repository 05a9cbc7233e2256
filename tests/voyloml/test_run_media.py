"""`Stream`, `Connect`, `Start`, `Refer`, `PreAnswer`, `SendDigits` (contract §10.8)."""

from __future__ import annotations

import pytest

from voyloml.simulate import Caller, ReferScript, Setting, Simulated, StreamScript, World, simulate

HANGUP = "<Response><Hangup/></Response>"
URL = "wss://a.example/s"
CLOSING = World(streams={URL: StreamScript(closes_after=20)})
OUTBOUND = Setting(direction="outbound")


def texts(ran: Simulated, kind: str) -> list[tuple[float, str]]:
    return [(round(moment.at, 2), moment.text) for moment in ran.timeline.of(kind)]


class TestStream:
    def test_that_is_a_fork_lets_the_next_verb_run(self) -> None:
        ran = simulate(f"<Response><Stream url='{URL}'/><Say>on</Say></Response>", world=CLOSING)
        assert texts(ran, "call")[1:3] == [(0, "answered"), (0, f"streams to {URL}")]
        assert texts(ran, "hears") == [(0, "“on” (0.4 s)")]

    def test_that_is_bidirectional_lasts_until_the_socket_closes(self) -> None:
        ran = simulate(f"<Response><Stream url='{URL}' bidirectional='true'/><Say>on</Say></Response>", world=CLOSING)
        assert texts(ran, "hears") == [(20, "“on” (0.4 s)")]

    def test_that_cannot_be_opened_is_skipped(self) -> None:
        world = World(streams={"*": StreamScript(fails=True)})
        ran = simulate(f"<Response><Stream url='{URL}' bidirectional='true'/><Say>on</Say></Response>", world=world)
        assert ran.heard == ["“on”"]
        assert ran.warnings == [f"stream_failed: {URL} cannot be reached"]

    def test_takes_the_keys_while_it_lasts(self) -> None:
        document = (
            f"<Response><Stream url='{URL}' bidirectional='true'/><Gather numDigits='1' timeout='1' action='/got'/>"
            "</Response>"
        )
        assert len(simulate(document, world=CLOSING, caller=Caller().at(5).press("5")).asked) == 1

    def test_hands_its_parameters_over(self) -> None:
        parameters = "<Parameter name='a' value='1'/><Parameter name='b' value=''/>"
        document = f"<Response><Stream url='{URL}'>{parameters}</Stream></Response>"
        ran = simulate(document, world=CLOSING)
        (moment,) = [moment for moment in ran.timeline if moment.data.get("url") == URL and moment.what == "call"]
        assert moment.data["parameters"] == {"a": "1", "b": ""}


class TestTwiliosWaysToWriteAStream:
    def test_connect_is_bidirectional_and_then_asks_its_action(self) -> None:
        document = f"<Response><Connect action='/done'><Stream url='{URL}'/></Connect><Say>no</Say></Response>"
        ran = simulate(document, app={"/done": HANGUP}, world=CLOSING)
        assert (ran.asked[1].path, ran.asked[1].at, ran.heard) == ("/done", 20, [])
        assert ran.asked[1].parameters["Step"] == "stream"

    def test_connect_without_action_goes_on(self) -> None:
        ran = simulate(f"<Response><Connect><Stream url='{URL}'/></Connect><Say>on</Say></Response>", world=CLOSING)
        assert texts(ran, "hears") == [(20, "“on” (0.4 s)")]

    def test_start_is_a_fork(self) -> None:
        document = f"<Response><Start><Stream url='{URL}' bidirectional='true'/></Start><Say>on</Say></Response>"
        assert texts(simulate(document, world=CLOSING), "hears") == [(0, "“on” (0.4 s)")]

    @pytest.mark.parametrize("verb", ["Connect", "Start"])
    def test_a_stream_that_is_wrong_is_passed_over(self, verb: str) -> None:
        ran = simulate(f"<Response><{verb}><Stream url='/x'/></{verb}><Say>on</Say></Response>", world=CLOSING)
        assert ran.heard == ["“on”"]
        assert "streams to" not in ran.text()


class TestRefer:
    @pytest.mark.parametrize("inside", ["sip:a@b.example", "<Sip>sip:a@b.example</Sip>", "<Sip>a@b.example</Sip>"])
    def test_that_is_accepted_ends_the_call_and_ignores_what_the_action_answers(self, inside: str) -> None:
        document = f"<Response><Refer action='/done'>{inside}</Refer><Say>no</Say></Response>"
        ran = simulate(document, app={"/done": "<Response><Say>no</Say></Response>"}, setting=OUTBOUND)
        assert (1, "hung up") in texts(ran, "call")
        assert (0, "REFER to sip:a@b.example") in texts(ran, "call")
        assert ran.heard == []
        parameters = ran.asked[1].parameters
        assert (parameters["ReferStatus"], parameters["ReferSipCode"]) == ("accepted", "200")
        assert (parameters["ReferCallStatus"], parameters["ReferSipResponseCode"]) == ("accepted", "200")

    def test_that_fails_goes_on_with_the_action(self) -> None:
        world = World(refers={"*": ReferScript(code=603)})
        document = "<Response><Refer action='/done'>sip:a@b.example</Refer></Response>"
        app = {"/done": "<Response><Say>sorry</Say></Response>"}
        ran = simulate(document, app=app, world=world, setting=OUTBOUND)
        assert (ran.asked[1].parameters["ReferStatus"], ran.asked[1].parameters["ReferSipCode"]) == ("failed", "603")
        assert ran.heard == ["“sorry”"]

    def test_of_a_caller_who_is_not_answered_fails(self) -> None:
        document = "<Response><Refer action='/done'>sip:a@b.example</Refer></Response>"
        ran = simulate(document, app={"/done": HANGUP})
        assert ran.asked[1].parameters["ReferStatus"] == "failed"
        assert "ReferSipCode" not in ran.asked[1].parameters
        assert "REFER" not in ran.text()


class TestPreAnswer:
    def test_plays_before_the_answer_and_does_not_answer(self) -> None:
        ran = simulate("<Response><PreAnswer><Say>busy</Say><Pause/></PreAnswer><Reject reason='busy'/></Response>")
        assert texts(ran, "call")[1:] == [(0, "early media"), (1.4, "refused with 486")]
        assert texts(ran, "hears") == [(0, "“busy” · silence 1 s (1.4 s)")]

    def test_on_an_answered_call_just_plays(self) -> None:
        ran = simulate("<Response><PreAnswer><Say>hello</Say></PreAnswer></Response>", setting=OUTBOUND)
        assert ran.heard == ["“hello”"]
        assert "early media" not in ran.text()

    def test_with_nothing_to_play_does_nothing(self) -> None:
        assert "early media" not in simulate("<Response><PreAnswer/></Response>").text()


class TestSendDigits:
    def test_sends_them_to_the_caller(self) -> None:
        ran = simulate("<Response><SendDigits>1ww2</SendDigits></Response>", setting=OUTBOUND)
        assert texts(ran, "hears") == [(0, "keys 1ww2 (1.5 s)")]

    def test_before_the_answer_sends_nothing(self) -> None:
        ran = simulate("<Response><SendDigits>1</SendDigits><Reject/></Response>")
        assert ran.heard == []
        assert ran.warnings == ["bad_nesting: <SendDigits> sends nothing: the call is not answered"]
