"""`Dial` (contract §10.6) beyond its truth table: targets, order of things, what is heard, what interrupts it."""

from __future__ import annotations

import asyncio

import pytest

from voyloml.simulate import (
    Caller,
    ConferenceScript,
    PartyScript,
    Setting,
    Simulated,
    Simulation,
    World,
    answers,
    busy,
    never_answers,
    simulate,
)
from voyloml.virtual_time import run_in_virtual_time

A, B = "+20223456789", "sip:desk@example.com"
ANSWERING = World(parties={"*": answers(2, hangs_up_after=10)})
HANGUP = "<Response><Hangup/></Response>"


def dial(
    inside: str = A, attributes: str = "", world: World = ANSWERING, caller: Caller | None = None, rest: str = ""
) -> Simulated:
    document = f"<Response><Dial action='/done' {attributes}>{inside}</Dial>{rest}</Response>"
    return simulate(document, app={"/done": HANGUP}, world=world, caller=caller)


def told(ran: Simulated) -> dict[str, str]:
    (asked,) = [one for one in ran.asked if one.path == "/done"]
    return dict(asked.parameters)


def moments(ran: Simulated, *kinds: str) -> list[tuple[float, str]]:
    return [(round(one.at, 2), one.text) for one in ran.timeline if one.what in kinds]


class TestTargets:
    @pytest.mark.parametrize(
        ("inside", "dialled"),
        [
            ("415-123-4567", "+4151234567 is dialled"),
            ("sip:bob@example.com", "sip:bob@example.com is dialled"),
            ("sip:bob@example.com?X-A=1&amp;b=2", "sip:bob@example.com?b=2 is dialled with X-A=1"),
            ("<Agent>anna</Agent>", "anna is dialled"),
            ("<User>anna</User>", "anna is dialled"),
            ("<Client>anna</Client>", "anna is dialled"),
            ("<Trunk>Main office</Trunk>", "Main office is dialled"),
            ("<Queue>support</Queue>", "support is dialled"),
            ("<Sip headers='A=1'>bob@example.com</Sip>", "sip:bob@example.com is dialled with X-A=1"),
            (
                "<Sip>sip:a@b.example?User-to-User=12%3Bencoding%3Dhex&amp;X-Name=Agent%2C+A</Sip>",
                "sip:a@b.example is dialled with User-to-User=12;encoding=hex, X-Name=Agent, A",
            ),
            ("<Sip>sip:a@b.example?X-Voylo-Id=1&amp;X-%0d=2&amp;X-A=%0a</Sip>", "sip:a@b.example is dialled"),
            (
                "<Client><Identity>anna</Identity><Parameter name='FirstName' value='Jane'/></Client>",
                "anna is dialled with X-FirstName=Jane",
            ),
        ],
    )
    def test_are_whom_the_noun_names(self, inside: str, dialled: str) -> None:
        ran = dial(inside)
        assert moments(ran, "party")[0] == (0, dialled)

    def test_get_the_headers_of_the_dial_too(self) -> None:
        ran = dial("<Sip headers='B=2'>a@b.example</Sip>", "sipHeaders='A=1'")
        assert moments(ran, "party")[0][1] == "sip:a@b.example is dialled with X-A=1, X-B=2"

    def test_that_are_wrong_are_left_out(self) -> None:
        ran = dial(f"<Number>bob</Number><Number>{A}</Number>")
        assert told(ran)["DialTo"] == A

    def test_none_at_all_is_a_failure(self) -> None:
        ran = dial("<Number>bob</Number>")
        assert {"DialStatus": "failed", "DialDuration": "0"}.items() <= told(ran).items()

    def test_a_parameter_that_is_no_header_is_left_out_with_a_warning(self) -> None:
        ran = dial("<Client><Identity>anna</Identity><Parameter name='a b' value='c'/></Client>")
        assert moments(ran, "party")[0][1] == "anna is dialled"
        assert "does not fit in a SIP header" in ran.warnings[0]


class TestParameters:
    def test_come_under_the_names_of_twilio_too(self) -> None:
        parameters = told(dial())
        assert parameters["DialCallStatus"] == parameters["DialStatus"] == "completed"
        assert parameters["DialCallDuration"] == parameters["DialDuration"] == "10"
        assert parameters["Step"] == "dial"

    def test_answered_by_is_that_of_the_dial_and_there_once(self) -> None:
        document = f"<Response><Dial action='/done' machineDetection='enable'>{A}</Dial></Response>"
        setting = Setting(direction="outbound", answered_by="human")
        world = World(parties={A: answers(1, hangs_up_after=9, machine=True)})
        ran = simulate(document, app={"/done": HANGUP}, world=world, setting=setting)
        assert ran.asked[0].parameters["AnsweredBy"] == "human"
        assert told(ran)["AnsweredBy"] == "machine"
        assert ran.asked[1].body.count(b"AnsweredBy") == 1

    def test_without_action_the_next_verb_runs_however_it_ended(self) -> None:
        for world in (ANSWERING, World(parties={A: busy()}), World()):
            ran = simulate(f"<Response><Dial>{A}</Dial><Say>on</Say></Response>", world=world)
            assert ran.heard == ["“on”"]

    def test_with_get_they_are_in_the_query(self) -> None:
        ran = dial(attributes="method='GET'")
        asked = ran.asked[1]
        assert (asked.method, asked.body) == ("GET", b"")
        assert asked.parameters["DialStatus"] == "completed"


class TestTheCaller:
    def test_is_answered_first_unless_the_dial_waits_for_the_bridge(self) -> None:
        assert ("answered" in [text for at, text in moments(dial(), "call") if at == 0]) is True
        ran = dial(attributes="answerOnBridge='true'")
        assert (2, "answered") in moments(ran, "call")

    def test_is_not_answered_when_nobody_is_reached(self) -> None:
        ran = dial(attributes="answerOnBridge='true'", world=World(parties={A: busy()}))
        assert "answered" not in [text for _, text in moments(ran, "call")]
        assert told(ran)["CallStatus"] == "ringing"

    @pytest.mark.parametrize(
        ("attributes", "heard"),
        [
            ("", "ringing"),
            ("dialMusic='/m.mp3'", "file http://app.test/m.mp3 for ever (until stopped)"),
            ("dialMusic='real'", "the far side's early media"),
            ("dialMusic='/m.mp3' answerOnBridge='true'", "ringing"),
        ],
    )
    def test_hears_that_it_rings_until_the_bridge(self, attributes: str, heard: str) -> None:
        ran = dial(attributes=attributes)
        assert moments(ran, "hears")[0] == (0, heard)
        if "for ever" in heard:
            assert moments(ran, "stops") == [(2, "no more")]

    def test_keys_pressed_while_bridged_are_not_for_the_next_verb(self) -> None:
        document = f"<Response><Dial>{A}</Dial><Gather numDigits='1' timeout='1' action='/got'/></Response>"
        ran = simulate(document, app={"/got": HANGUP}, world=ANSWERING, caller=Caller().at(5).press("12"))
        assert [asked.path for asked in ran.asked] == ["/"]

    def test_keys_pressed_while_it_rings_are_kept(self) -> None:
        document = f"<Response><Dial>{A}</Dial><Gather numDigits='1' action='/got'/></Response>"
        world = World(parties={A: busy(3)})
        ran = simulate(document, app={"/got": HANGUP}, world=world, caller=Caller().at(1).press("7"))
        assert ran.asked[1].parameters["Digits"] == "7"

    def test_who_hangs_up_leaves_nobody_ringing_and_the_action_is_told(self) -> None:
        ran = dial(f"<Number>{A}</Number><Sip>{B}</Sip>", world=World(parties={"*": never_answers()}),
                   caller=Caller().hang_up(at=3))  # fmt: skip
        assert moments(ran, "party")[2:] == [(3, f"{A} is cancelled"), (3, f"{B} is cancelled")]
        assert {"DialStatus": "canceled", "CallStatus": "completed"}.items() <= told(ran).items()
        assert ran.ended == "caller"

    def test_whose_action_then_fails_or_answers_ends_all_the_same(self) -> None:
        for app in ({}, {"/done": "<Response><Say>too late</Say></Response>"}):
            document = f"<Response><Dial action='/done'>{A}</Dial></Response>"
            ran = simulate(document, app=app, world=ANSWERING, caller=Caller().hang_up(at=4))
            assert (ran.ended, ran.heard) == ("caller", [])
            assert ran.asked[1].path == "/done"


class TestBeforeTheBridge:
    def test_digits_detection_and_confirmation_come_in_this_order(self) -> None:
        world = World(parties={A: answers(2, hangs_up_after=30, presses=((6, "1"),))})
        attributes = "machineDetection='enable' confirmSound='/c.wav' confirmKey='1'"
        ran = dial(f"<Number sendDigits='ww1'>{A}</Number>", attributes, world)
        assert [(at, text) for at, text in moments(ran, "party", "hears", "call") if at > 0][:8] == [
            (2, f"{A} answers"),
            (2, f"{A} hears keys ww1 (1.2 s)"),
            (4.75, f"{A} is taken for human"),
            (4.75, f"{A} hears file http://app.test/c.wav (2.0 s)"),
            (8, f"{A} presses 1"),
            (8, f"bridged with {A}"),
            (32, f"{A} hangs up"),
            (32, "hung up"),
        ]

    def test_without_confirmation_the_others_are_cancelled_at_the_answer(self) -> None:
        world = World(parties={A: answers(2, hangs_up_after=30), B: answers(2.5)})
        ran = dial(f"<Number sendDigits='wwww'>{A}</Number><Sip>{B}</Sip>", world=world)
        assert (2, f"{B} is cancelled") in moments(ran, "party")
        assert told(ran)["DialTo"] == A

    def test_of_two_answers_at_once_the_first_in_the_document_wins(self) -> None:
        world = World(parties={"*": answers(2, hangs_up_after=5)})
        assert told(dial(f"<Sip>{B}</Sip><Number>{A}</Number>", world=world))["DialTo"] == B

    def test_each_party_has_its_own_detection(self) -> None:
        world = World(parties={A: answers(1, machine=True), B: answers(3, presses="1", hangs_up_after=9)})
        ran = dial(
            f"<Number>{A}</Number><Sip>{B}</Sip>", "machineDetection='enable' confirmKey='1' confirmTimeout='5'", world
        )
        assert (told(ran)["DialTo"], told(ran)["AnsweredBy"]) == (B, "human")

    def test_the_ring_time_is_each_partys_own_when_they_are_tried_in_turn(self) -> None:
        world = World(parties={"*": never_answers()})
        ran = dial(f"<Number>{A}</Number><Sip>{B}</Sip>", "sequential='true' timeout='7'", world)
        assert told(ran)["DialTo"] == B
        assert ran.asked[1].at == 14


class TestAQueue:
    def test_waits_for_a_caller_as_long_as_it_may_ring(self) -> None:
        taken = World(parties={"queue:support": answers(8, hangs_up_after=60)})
        ran = dial("<Queue>support</Queue>", world=taken)
        assert {"DialStatus": "completed", "DialTo": "support", "DialDuration": "60"}.items() <= told(ran).items()
        nobody = World(parties={"queue:support": PartyScript(rings=False)})
        ran = dial("<Queue>support</Queue>", "timeout='9'", world=nobody)
        assert (told(ran)["DialStatus"], ran.asked[1].at) == ("no-answer", 9)


class TestAConference:
    def test_tells_the_action_of_the_dial_about_both(self) -> None:
        ran = dial("<Conference>room</Conference>", world=World(conferences={"room": ConferenceScript(ends_after=50)}))
        assert {
            "Step": "dial",
            "DialStatus": "completed",
            "DialCallStatus": "completed",
            "DialDuration": "50",
            "ConferenceName": "room",
            "ConferenceEndReason": "ended",
        }.items() <= told(ran).items()

    def test_that_is_full_is_a_failure(self) -> None:
        ran = dial("<Conference>room</Conference>", world=World(conferences={"*": ConferenceScript(full=True)}))
        assert (told(ran)["DialStatus"], told(ran)["ConferenceEndReason"]) == ("failed", "full")

    @pytest.mark.parametrize(
        ("attributes", "noun", "at"),
        [
            ("hangupOnStar='true'", "", 5),
            ("", "hangupOnStar='true'", 5),
            ("timeLimit='20'", "", 20),
            ("", "timeLimit='30'", 30),
            ("timeLimit='20'", "timeLimit='30'", 20),
        ],
    )
    def test_ends_as_the_dial_or_the_noun_says(self, attributes: str, noun: str, at: float) -> None:
        ran = dial(f"<Conference {noun}>room</Conference>", attributes, caller=Caller().at(5).press("*"))
        assert ran.asked[1].at == at
        assert told(ran)["ConferenceEndReason"] == "left"


class TestAReplacement:
    @pytest.mark.parametrize(("at", "party"), [(1, "is cancelled"), (5, "is hung up")])
    def test_ends_the_legs_and_asks_no_action(self, at: float, party: str) -> None:
        async def main() -> Simulated:
            document = f"<Response><Dial action='/done' record='true'>{A}</Dial></Response>"
            simulation = Simulation(document, None, {"/done": HANGUP}, Caller(), ANSWERING, Setting())
            loop = asyncio.get_running_loop()
            loop.call_at(at, lambda: simulation.replace(xml="<Response><Say>instead</Say></Response>"))
            return await simulation.run()

        ran = run_in_virtual_time(main())
        assert ran.heard == ["“instead”"]
        assert (at, f"{A} {party}") in moments(ran, "party")
        assert [asked.path for asked in ran.asked] == ["/"]
