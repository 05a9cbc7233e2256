"""Attributes with an effect outside the interpreter, as the simulator shows them: rooms, sockets, callbacks, logins."""

from __future__ import annotations

import pytest

from voyloml import verify_signature
from voyloml.simulate import (
    Caller,
    ConferenceScript,
    PartyScript,
    QueueScript,
    Setting,
    Simulated,
    StreamScript,
    World,
    answers,
    simulate,
)

HANGUP = "<Response><Hangup/></Response>"
URL = "wss://a.example/s"
SECRET = "whsec_test"
BUSY_ROOM = World(conferences={"room": ConferenceScript(others=2)})


def calls(ran: Simulated) -> list[str]:
    return [moment.text for moment in ran.timeline.of("call")]


def told(ran: Simulated, path: str = "/told") -> list[dict[str, str]]:
    return [dict(asked.parameters) for asked in ran.asked if asked.path == path]


def conference(attributes: str, world: World | None = None, seconds: int = 60) -> Simulated:
    document = f"<Response><Conference {attributes} timeLimit='{seconds}' action='/done'>room</Conference></Response>"
    setting = Setting(signing_secret=SECRET)
    return simulate(document, app={"/done": HANGUP, "/told": ""}, world=world, setting=setting)


class TestConference:
    @pytest.mark.parametrize(
        ("attributes", "words"),
        [
            ("", "in conference room"),
            ("muted='true'", "in conference room, muted"),
            ("beep='onEnter'", "in conference room, no tone when he leaves"),
            ("beep='onExit'", "in conference room, no tone when he enters"),
            ("beep='false'", "in conference room, no tones"),
        ],
    )
    def test_how_the_caller_is_in_the_room(self, attributes: str, words: str) -> None:
        assert words in calls(conference(attributes))

    def test_somebody_who_does_not_start_it_waits_for_another(self) -> None:
        waiting = "startConferenceOnEnter='false' waitSound='/w.wav' statusCallback='/told'"
        ran = conference(waiting)
        assert "in conference room, it does not start for him" in calls(ran)
        assert ran.heard == ["file http://app.test/w.wav for ever"]
        assert [form["StatusCallbackEvent"] for form in told(ran)] == ["join", "leave", "end"]
        assert conference("waitUrl='/w.wav'").heard == ran.heard
        joined = conference(waiting, BUSY_ROOM)
        assert "in conference room" in calls(joined)
        assert joined.heard == []

    @pytest.mark.parametrize(("ends", "words"), [("true", ", which ends it for everybody"), ("false", "")])
    def test_who_leaves_may_end_it(self, ends: str, words: str) -> None:
        ran = conference(f"endConferenceOnExit='{ends}' statusCallback='/told'", BUSY_ROOM)
        assert f"out of conference room{words}" in calls(ran)
        assert [form["StatusCallbackEvent"] for form in told(ran)] == ["join", "leave", *(["end"] if words else [])]

    @pytest.mark.parametrize(("most", "reason"), [("2", "full"), ("3", "left")])
    def test_the_room_holds_so_many(self, most: str, reason: str) -> None:
        (form,) = told(conference(f"maxParticipants='{most}'", BUSY_ROOM), "/done")
        assert form["ConferenceEndReason"] == reason

    def test_its_action_is_asked_with_get(self) -> None:
        (asked,) = [one for one in conference("method='GET'").asked if one.path == "/done"]
        assert (asked.method, asked.body, asked.parameters["ConferenceName"]) == ("GET", b"", "room")

    def test_its_callback_is_told_in_order_and_signed(self) -> None:
        ran = conference("statusCallback='/told' muted='true'", seconds=30)
        forms = told(ran)
        assert [(form["StatusCallbackEvent"], form["Participants"]) for form in forms] == [
            ("join", "1"),
            ("start", "1"),
            ("leave", "0"),
            ("end", "0"),
        ]
        assert [form["SequenceNumber"] for form in forms] == list("0123")
        assert (forms[0]["Muted"], forms[3]["ConferenceDuration"]) == ("true", "30")
        assert {(form["ConferenceName"], form["ConferenceSid"]) for form in forms} == {("room", "cf_room")}
        assert forms[3]["Timestamp"] == "1970-01-01T00:00:30+00:00"
        (first, *_) = [asked for asked in ran.asked if asked.path == "/told"]
        assert verify_signature(SECRET, first.body, first.headers["Voylo-Signature"], now=0)

    def test_only_the_events_that_were_asked_for_are_told(self) -> None:
        ran = conference("statusCallback='/told' statusCallbackEvent='start end'")
        assert [form["StatusCallbackEvent"] for form in told(ran)] == ["start", "end"]


class TestStream:
    def test_its_track_is_shown_and_its_callback_told_of_beginning_and_end(self) -> None:
        document = (
            f"<Response><Stream url='{URL}' track='both' name='ears' statusCallback='/told'/>"
            "<Pause length='9'/></Response>"
        )
        ran = simulate(document, app={"/told": ""})
        assert f"streams to {URL}, track both" in calls(ran)
        events = [(form["StreamEvent"], form["StreamName"], form["Timestamp"][14:19]) for form in told(ran)]
        assert events == [("stream-started", "ears", "00:00"), ("stream-stopped", "ears", "00:09")]
        assert {form["StreamSid"] for form in told(ran)} == {"st_1"}

    def test_a_fork_ends_when_its_socket_closes(self) -> None:
        document = f"<Response><Stream url='{URL}' statusCallback='/told'/><Pause length='9'/></Response>"
        ran = simulate(document, app={"/told": ""}, world=World(streams={URL: StreamScript(closes_after=4)}))
        assert [form["Timestamp"][14:19] for form in told(ran)] == ["00:00", "00:04"]

    def test_one_that_cannot_be_opened_tells_the_error(self) -> None:
        document = f"<Response><Stream url='{URL}' statusCallback='/told'/></Response>"
        ran = simulate(document, app={"/told": ""}, world=World(streams={"*": StreamScript(fails=True)}))
        (form,) = told(ran)
        assert (form["StreamEvent"], form["StreamError"]) == ("stream-error", f"{URL} cannot be reached")

    def test_the_action_of_connect_is_asked_with_get(self) -> None:
        document = f"<Response><Connect method='GET' action='/done'><Stream url='{URL}'/></Connect></Response>"
        ran = simulate(document, app={"/done": HANGUP}, world=World(streams={URL: StreamScript(closes_after=4)}))
        assert (ran.asked[1].method, ran.asked[1].path, ran.asked[1].at) == ("GET", "/done", 4)


class TestRecord:
    RECORD = "<Response><Record recordingStatusCallback='/told'/><Pause length='2'/></Response>"

    def test_its_callback_is_told_where_the_recording_is(self) -> None:
        ran = simulate(self.RECORD, app={"/told": ""}, caller=Caller().at(1).say("hello", seconds=3))
        (form,) = told(ran)
        assert (
            form.items() >= {"RecordingSid": "rec_1", "RecordingDuration": "3", "RecordingStatus": "completed"}.items()
        )
        assert form["RecordingUrl"].startswith("https://")

    def test_nothing_audible_tells_nothing(self) -> None:
        assert told(simulate(self.RECORD, app={"/told": ""})) == []


class TestPartialResults:
    DOCUMENT = (
        "<Response><Gather input='dtmf speech' numDigits='2' action='/done' partialResultCallback='/told' "
        "partialResultCallbackMethod='{}'><Pause/></Gather></Response>"
    )

    def heard(self, caller: Caller, method: str = "POST") -> Simulated:
        setting = Setting(signing_secret=SECRET, variables={"plan": "gold"})
        return simulate(
            self.DOCUMENT.format(method), app={"/done": HANGUP, "/told": ""}, caller=caller, setting=setting
        )

    def test_what_is_said_is_told_as_it_is_said_and_when_a_pause_has_ended_it(self) -> None:
        caller = Caller().at(2).say("i want to pay", seconds=2.5).at(5.5).say("my bill", seconds=1)
        ran = self.heard(caller)
        names = ("SequenceNumber", "StableSpeechResult", "UnstableSpeechResult", "Stability")
        assert [tuple(form[name] for name in names) for form in told(ran)] == [
            ("0", "", "i want", "0"),
            ("1", "", "i want to", "0.67"),
            ("2", "i want to pay", "", "1"),
            ("3", "i want to pay", "my bill", "0"),
            ("4", "i want to pay my bill", "", "1"),
        ]
        assert [one.at for one in ran.asked if one.path == "/told"] == [3, 4, 5.1, 6.5, 7.1]
        (form, *_) = told(ran)
        assert (form["CallStatus"], form["Step"], form["var_plan"]) == ("in-progress", "gather", "gold")
        (asked, *_) = [one for one in ran.asked if one.path == "/told"]
        assert (asked.method, asked.headers["Content-Type"]) == ("POST", "application/x-www-form-urlencoded")
        assert verify_signature(SECRET, asked.body, asked.headers["Voylo-Signature"], now=asked.at)
        assert told(ran, "/done")[0]["SpeechResult"] == "i want to pay my bill"

    def test_with_get_they_are_in_the_query_and_a_key_ends_them(self) -> None:
        ran = self.heard(Caller().at(2).say("a very long story", seconds=4), "GET")
        (first, *_) = [one for one in ran.asked if one.path == "/told"]
        assert (first.method, first.body, first.parameters["UnstableSpeechResult"]) == ("GET", b"", "a")
        assert verify_signature(SECRET, b"", first.headers["Voylo-Signature"], now=first.at)
        ran = self.heard(Caller().press("1").at(2).say("a very long story", seconds=2).press("2"))
        assert told(ran) == []
        assert told(ran, "/done")[0]["Digits"] == "12"

    def test_without_speech_there_are_none(self) -> None:
        document = "<Response><Gather partialResultCallback='/told'/></Response>"
        assert told(simulate(document, caller=Caller().at(1).say("hello"), app={"/told": ""})) == []


class TestOthers:
    def test_language_and_hints_go_to_the_recogniser(self) -> None:
        document = (
            "<Response><Gather input='speech' language='de-DE' hints='Rechnung, Technik' action='/got'/></Response>"
        )
        ran = simulate(document, app={"/got": HANGUP}, caller=Caller().say("Technik"))
        assert "listens in de-DE, expecting Rechnung, Technik" in calls(ran)
        assert told(ran, "/got")[0]["SpeechResult"] == "Technik"

    @pytest.mark.parametrize(("password", "status"), [("sesame", "completed"), ("wrong", "failed")])
    def test_a_party_lets_in_who_knows_its_password(self, password: str, status: str) -> None:
        document = (
            f"<Response><Dial action='/done'><Sip username='anna' password='{password}'>sip:a@b.example</Sip></Dial>"
            "</Response>"
        )
        party = PartyScript(answers_after=1, hangs_up_after=2, login=("anna", "sesame"))
        ran = simulate(document, app={"/done": HANGUP}, world=World(parties={"*": party}))
        (form,) = told(ran, "/done")
        assert (form["DialStatus"], form["DialSipCode"]) == (status, "200" if status == "completed" else "401")

    def test_the_actions_of_record_and_enqueue_are_asked_with_get(self) -> None:
        document = "<Response><Record method='GET' action='/next'/></Response>"
        queue = "<Response><Enqueue method='GET' action='/done'>line</Enqueue></Response>"
        caller = Caller().wait_for("Record").at(1).say("hello", seconds=2).press("#")
        world = World(queues={"line": QueueScript(taken_after=3, talk=5)})
        ran = simulate(document, app={"/next": queue, "/done": HANGUP}, caller=caller, world=world)
        assert [(one.method, one.path) for one in ran.asked[1:]] == [("GET", "/next"), ("GET", "/done")]
        assert (ran.asked[1].parameters["Digits"], ran.asked[2].parameters["QueueResult"]) == ("#", "bridged")

    def test_the_action_of_refer_is_asked_with_get(self) -> None:
        document = "<Response><Refer method='GET' action='/done'>sip:a@b.example</Refer></Response>"
        ran = simulate(document, app={"/done": HANGUP}, setting=Setting(direction="outbound"))
        assert (ran.asked[1].method, ran.asked[1].parameters["ReferStatus"]) == ("GET", "accepted")

    def test_twilios_other_names_mean_the_same(self) -> None:
        world = World(parties={"anna": answers(1, hangs_up_after=2), "bert": answers(1, hangs_up_after=2)})
        nouns = "<User>anna</User><Client>bert</Client>"
        document = f"<Response><Wait length='2'/><Dial sequential='true' action='/done'>{nouns}</Dial></Response>"
        ran = simulate(document, app={"/done": HANGUP}, world=world)
        (form,) = told(ran, "/done")
        assert (form["DialTo"], ran.asked[1].at) == ("anna", 5)
        assert [moment.text for moment in ran.timeline.of("party") if "bert" in moment.text] == []
