"""`Record`, `Conference`, `Enqueue` and `Leave` (contract §10.7, §10.8)."""

from __future__ import annotations

import pytest

from voyloml import LanguageLimits
from voyloml.simulate import Caller, ConferenceScript, QueueScript, Setting, Simulated, World, simulate

HANGUP = "<Response><Hangup/></Response>"
ON = "<Say>on</Say>"


def record(attributes: str = "", caller: Caller | None = None, before: str = "") -> Simulated:
    document = f"<Response>{before}<Record action='/done' {attributes}/>{ON}</Response>"
    return simulate(document, app={"/done": HANGUP}, caller=caller)


def told(ran: Simulated) -> dict[str, str]:
    (asked,) = [one for one in ran.asked if one.path == "/done"]
    return dict(asked.parameters)


SPEAKING = Caller().at(1).say("hello", seconds=3)


class TestRecord:
    @pytest.mark.parametrize(
        ("attributes", "caller", "seconds", "digits", "at"),
        [
            # Speech from 1 to 4 s; the tone takes the first half second.
            ("", SPEAKING, "3", "", 9),
            ("timeout='2'", SPEAKING, "3", "", 6),
            ("", SPEAKING.press("#"), "3", "#", 4),
            ("", SPEAKING.press("5"), "3", "5", 4),
            ("finishOnKey='*'", SPEAKING.press("5"), "3", "", 9),
            ("finishOnKey=''", SPEAKING.press("#"), "3", "", 9),
            ("maxLength='2'", SPEAKING, "2", "", 2.5),
            ("maxLength='60' timeout='0' trim='do-not-trim'", SPEAKING, "60", "", 60.5),
            ("trim='do-not-trim'", SPEAKING, "8", "", 9),
            ("playBeep='false' trim='do-not-trim'", SPEAKING.press("#"), "4", "#", 4),
        ],
    )
    def test_ends_by_key_silence_or_length(
        self, attributes: str, caller: Caller, seconds: str, digits: str, at: float
    ) -> None:
        ran = record(attributes, caller)
        parameters = told(ran)
        assert (parameters["RecordingDuration"], parameters["Digits"]) == (seconds, digits)
        assert ran.asked[1].at == pytest.approx(at)
        assert parameters["Step"] == "record"
        assert parameters["RecordingSid"]
        assert parameters["RecordingUrl"].startswith("https://")

    def test_without_anything_audible_goes_on_with_the_next_verb(self) -> None:
        ran = record(caller=Caller().at(1).say("m", seconds=0.4))
        assert [asked.path for asked in ran.asked] == ["/"]
        assert ran.heard == ["“on”"]

    def test_after_a_hangup_still_tells_the_action(self) -> None:
        ran = record(caller=SPEAKING.hang_up())
        assert {"Digits": "hangup", "RecordingDuration": "3", "CallStatus": "completed"}.items() <= told(ran).items()
        assert ran.heard == []

    def test_after_a_hangup_with_nothing_audible_does_not(self) -> None:
        assert [asked.path for asked in record(caller=Caller().hang_up(at=2)).asked] == ["/"]

    def test_without_action_goes_on(self) -> None:
        ran = simulate(f"<Response><Record/>{ON}</Response>", caller=SPEAKING)
        assert (ran.heard, len(ran.asked)) == (["“on”"], 1)

    def test_does_not_take_keys_from_before(self) -> None:
        ran = record(caller=Caller().press("#").at(3).say("hello", seconds=3), before="<Pause length='2'/>")
        assert told(ran)["Digits"] == ""


def conference(attributes: str = "", world: World | None = None, caller: Caller | None = None) -> Simulated:
    document = f"<Response><Conference action='/done' {attributes}>room</Conference>{ON}</Response>"
    return simulate(document, app={"/done": HANGUP}, world=world, caller=caller)


class TestConference:
    @pytest.mark.parametrize(
        ("attributes", "world", "caller", "reason", "seconds"),
        [
            ("", World(conferences={"room": ConferenceScript(ends_after=90)}), Caller(), "ended", "90"),
            ("hangupOnStar='true'", World(), Caller().at(5).press("1").at(9).press("*"), "left", "9"),
            ("timeLimit='60'", World(), Caller().at(5).press("*"), "left", "60"),
            ("", World(conferences={"*": ConferenceScript(full=True)}), Caller(), "full", "0"),
            ("", World(), Caller().hang_up(at=30), "hangup", "30"),
        ],
    )
    def test_ends(self, attributes: str, world: World, caller: Caller, reason: str, seconds: str) -> None:
        parameters = told(conference(attributes, world, caller))
        assert parameters["ConferenceEndReason"] == reason
        assert parameters["ConferenceDuration"] == seconds
        assert (parameters["ConferenceName"], parameters["Step"]) == ("room", "conference")
        assert ("ConferenceSid" in parameters) is (reason != "full")

    def test_that_is_recorded_gives_the_recording(self) -> None:
        parameters = told(conference("record='true' timeLimit='60'"))
        assert (parameters["RecordingDuration"], parameters["RecordingUrl"][:8]) == ("60", "https://")

    def test_without_action_goes_on_and_keys_in_it_are_gone(self) -> None:
        document = (
            "<Response><Conference timeLimit='9'>room</Conference><Gather numDigits='1' timeout='1' action='/got'/>"
            f"{ON}</Response>"
        )
        ran = simulate(document, caller=Caller().at(3).press("5"))
        assert (ran.heard, len(ran.asked)) == (["“on”"], 1)


def enqueue(attributes: str = "", world: World | None = None, caller: Caller | None = None, **pages: str) -> Simulated:
    document = f"<Response><Enqueue action='/done' {attributes}>support</Enqueue>{ON}</Response>"
    app = {"/done": HANGUP} | {f"/{name}": page for name, page in pages.items()}
    return simulate(document, app=app, world=world, caller=caller, setting=Setting(call_seconds=3000))


TAKEN = World(queues={"support": QueueScript(taken_after=30, talk=60)})
WAIT = "<Response><Say>please wait a moment longer</Say><Pause length='8'/></Response>"


class TestEnqueue:
    @pytest.mark.parametrize(
        ("attributes", "world", "caller", "result", "seconds", "at"),
        [
            ("", TAKEN, Caller(), "bridged", "30", 90),
            ("waitUrl='/wait'", TAKEN, Caller(), "bridged", "30", 90),
            ("", TAKEN, Caller().hang_up(at=12), "hangup", "12", 12),
            ("waitUrl='/wait'", TAKEN, Caller().hang_up(at=12), "hangup", "12", 12),
            ("", TAKEN, Caller().hang_up(at=45), "bridged", "30", 45),
            ("maxQueueSize='3'", World(queues={"*": QueueScript(ahead=3)}), Caller(), "full", "0", 0),
            ("waitUrl='/leave'", TAKEN, Caller(), "leave", "2", 2),
        ],
    )
    def test_ends(self, attributes: str, world: World, caller: Caller, result: str, seconds: str, at: float) -> None:
        leave = "<Response><Pause length='2'/><Leave/></Response>"
        ran = enqueue(attributes, world, caller, wait=WAIT, leave=leave)
        assert (told(ran)["QueueResult"], told(ran)["QueueTime"]) == (result, seconds)
        assert told(ran)["Step"] == "queue"
        assert [asked.at for asked in ran.asked if asked.path == "/done"] == [at]

    def test_without_action_goes_on_with_the_next_verb(self) -> None:
        ran = simulate(f"<Response><Enqueue>support</Enqueue>{ON}</Response>", world=TAKEN)
        assert ran.heard == ["“on”"]

    @pytest.mark.parametrize(
        ("attributes", "heard"),
        [("", []), ("waitSound='/m.mp3'", ["file http://app.test/m.mp3 for ever"]), ("waitSound=''", [])],
    )
    def test_lets_the_caller_hear_music_or_nothing(self, attributes: str, heard: list[str]) -> None:
        assert enqueue(attributes, TAKEN).heard == heard

    def test_runs_the_waiting_document_over_and_over_and_tells_it_the_position(self) -> None:
        world = World(queues={"support": QueueScript(ahead=2, taken_after=29.5)})
        ran = enqueue("waitUrl='/wait' waitUrlMethod='GET'", world, wait=WAIT)
        asked = [one for one in ran.asked if one.path == "/wait"]
        assert [one.at for one in asked] == pytest.approx([0, 10, 20])
        assert [one.parameters["QueuePosition"] for one in asked] == ["3", "2", "1"]
        assert [one.parameters["QueueTime"] for one in asked] == ["0", "10", "20"]
        assert {one.method for one in asked} == {"GET"}

    def test_does_not_hurry_through_an_empty_waiting_document(self) -> None:
        ran = enqueue("waitUrl='/wait'", World(queues={"*": QueueScript(taken_after=29.5)}), wait="<Response/>")
        assert len([one for one in ran.asked if one.path == "/wait"]) == 30

    def test_a_long_wait_does_not_use_up_the_verbs_of_the_call(self) -> None:
        document = "<Response><Enqueue waitUrl='/wait'>support</Enqueue><Say>on</Say></Response>"
        world = World(queues={"support": QueueScript(taken_after=900)})
        setting = Setting(limits=LanguageLimits(verbs_per_call=5))
        assert simulate(document, app={"/wait": WAIT}, world=world, setting=setting).heard[-1] == "“on”"

    def test_a_waiting_document_that_never_rests_ends_the_call(self) -> None:
        page = "<Response><Play>/x.wav</Play><Redirect>/wait</Redirect></Response>"
        document = "<Response><Enqueue waitUrl='/wait'>support</Enqueue></Response>"
        world = World(sounds={"http://app.test/x.wav": 0})
        ran = simulate(document, app={"/wait": page}, world=world)
        assert (ran.ended, ran.detail) == ("application_error", "more than 500 verbs in one call")

    def test_the_caller_can_choose_to_leave(self) -> None:
        gather = "<Response><Gather numDigits='1' action='/leave'><Say>press one</Say></Gather></Response>"
        ran = enqueue("waitUrl='/wait'", TAKEN, Caller().at(3).press("1"),
                      wait=gather, leave="<Response><Leave/></Response>")  # fmt: skip
        assert told(ran)["QueueResult"] == "leave"

    def test_a_waiting_document_may_hang_up(self) -> None:
        ran = enqueue("waitUrl='/wait'", TAKEN, wait="<Response><Say>good bye</Say><Hangup/></Response>")
        assert (ran.ended, [asked.path for asked in ran.asked]) == ("hangup", ["/", "/wait"])
        assert "out of queue support" in ran.text()

    def test_a_waiting_document_that_cannot_be_had_is_silence(self) -> None:
        ran = enqueue("waitUrl='/nothing'", TAKEN)
        assert told(ran)["QueueResult"] == "bridged"
        assert "the caller waits in silence" in ran.warnings[-1]

    def test_verbs_that_a_waiting_caller_cannot_have_are_skipped(self) -> None:
        ran = enqueue(
            "waitUrl='/wait'", TAKEN, wait="<Response><Dial>+20223456789</Dial><Pause length='60'/></Response>"
        )
        assert "bad_nesting: <Dial> is not allowed while the caller waits in a queue" in ran.warnings
        assert "is dialled" not in ran.text()

    def test_relative_urls_after_it_are_those_of_its_own_document(self) -> None:
        document = "<Response><Enqueue waitUrl='/deep/wait'>support</Enqueue><Redirect>next</Redirect></Response>"
        app = {"/deep/wait": WAIT, "/next": HANGUP}
        ran = simulate(document, app=app, world=TAKEN)
        assert ran.asked[-1].path == "/next"

    def test_leave_outside_a_queue_does_nothing(self) -> None:
        ran = simulate(f"<Response><Leave/>{ON}</Response>")
        assert ran.heard == ["“on”"]
        assert ran.warnings == ["bad_nesting: <Leave> does nothing here: the caller is not waiting in a queue"]
