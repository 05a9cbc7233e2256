"""The simulator: a caller who does what the script says, applications of every kind, and what it tells afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from voyloml.simulate import Asked, Caller, Reply, Setting, World, answers, asgi, over_http, simulate, wsgi
from voyloml.simulate.fixture import Calls, simulated_call  # noqa: F401
from voyloml.simulate.folder import folder
from voyloml.simulate.script import PartyScript
from voyloml.simulate.script_text import LINES, Route, ScriptError, parse_script

MENU = '<Response><Gather numDigits="1" action="/pressed"><Say>press one or two</Say></Gather><Say>bye</Say></Response>'
DONE = "<Response><Hangup/></Response>"


class TestTheCaller:
    def test_does_one_thing_after_the_other(self) -> None:
        caller = Caller().wait_for_prompt().silent(1).press("12").say("hello there").at(20).hang_up()
        ran = simulate("<Response><Say>one two three four five</Say><Pause length='60'/></Response>", caller=caller)
        done = [(round(moment.at, 2), moment.text) for moment in ran.timeline.of("does")]
        assert done == [
            (3, "presses 1"),
            (3.2, "presses 2"),
            (3.2, "says “hello there” (0.8 s)"),
            (20, "hangs up"),
        ]
        assert (ran.ended, ran.seconds) == ("caller", 20)

    def test_waits_for_verbs_one_after_the_other(self) -> None:
        document = "<Response><Pause length='5'/><Gather timeout='2'/><Gather timeout='2' action='/got'/></Response>"
        caller = Caller().wait_for("Gather").wait_for("Gather").press("7")
        ran = simulate(document, caller=caller, app={"/got": DONE})
        assert [moment.at for moment in ran.timeline.of("does")] == [7]
        assert ran.asked[1].parameters["Digits"] == "7"

    def test_stays_on_the_line_when_there_is_nothing_more_to_do(self) -> None:
        ran = simulate("<Response><Pause length='3600'/></Response>", caller=Caller().press("1"))
        assert (ran.ended, ran.seconds) == ("rejected", 3600)

    def test_who_hangs_up_before_the_answer_cancels(self) -> None:
        ran = simulate("<Response><Pause length='60'/></Response>", caller=Caller().hang_up(at=5))
        assert (ran.ended, ran.seconds) == ("caller", 5)

    def test_is_cut_off_when_the_call_lasts_too_long(self) -> None:
        document = "<Response><Play loop='0'>/m.wav</Play></Response>"
        ran = simulate(document)
        assert (ran.ended, ran.seconds) == ("time_limit", 14_400)
        assert simulate(document, setting=Setting(call_seconds=60)).seconds == 60


class TestTime:
    def test_an_hour_takes_next_to_none(self) -> None:
        began = time.perf_counter()
        ran = simulate("<Response><Pause length='3600'/></Response>")
        assert ran.seconds == 3600
        assert time.perf_counter() - began < 5

    def test_files_last_as_long_as_the_world_says(self) -> None:
        world = World(sounds={"http://app.test/a.wav": 7.5})
        document = "<Response><Play>/a.wav</Play><Play>/b.wav</Play></Response>"
        assert simulate(document, world=world).seconds == 9.5


class TestApplications:
    def test_a_mapping_answers_by_url_path_or_method_and_in_turn(self) -> None:
        document = "<Response><Redirect>/a</Redirect></Response>"
        again = "<Response><Redirect method='GET'>/a</Redirect></Response>"
        there = "<Response><Redirect>https://other.test/b</Redirect></Response>"
        app = {"/a": [again], "GET /a": there, "https://other.test/b": DONE}
        assert [asked.url.partition("?")[0] for asked in simulate(document, app=app).asked] == [
            "http://app.test/",
            "http://app.test/a",
            "http://app.test/a",
            "https://other.test/b",
        ]
        turns = {"/a": [document.replace("Redirect>/a", "Redirect>/a"), DONE]}
        assert len(simulate(document, app=turns).asked) == 3

    def test_a_mapping_may_hold_functions(self) -> None:
        def pressed(asked: Asked) -> str:
            return f"<Response><Say>you pressed {asked.parameters['Digits']}</Say></Response>"

        ran = simulate(MENU, app={"/pressed": pressed}, caller=Caller().press("2"))
        assert ran.heard[-1] == "“you pressed 2”"

    def test_a_function_may_answer_all(self) -> None:
        async def app(asked: Asked) -> Reply:
            return Reply(DONE if asked.path == "/pressed" else MENU, delay=2)

        ran = simulate(app=app, caller=Caller().at(3).press("1"))
        assert [asked.at for asked in ran.asked] == [0, 3]
        assert ran.seconds == 5

    def test_what_is_not_there_is_404(self) -> None:
        ran = simulate(MENU, caller=Caller().press("1"))
        assert (ran.ended, ran.detail) == (
            "application_error",
            "http://app.test/pressed: answered with status 404",
        )

    def test_a_document_stands_at_its_url_for_every_request(self) -> None:
        ran = simulate("<Response><Gather numDigits='1'/><Say>bye</Say></Response>", caller=Caller().press("1"))
        assert [asked.path for asked in ran.asked] == ["/", "/"]
        assert ran.heard == ["“bye”"]

    def test_a_wsgi_application_is_asked_in_process(self) -> None:
        def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
            start_response("200 OK", [("Content-Type", "application/xml")])
            said = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {'Step=start' in body} {environ['HTTP_HOST']}"
            return [f"<Response><Say>{said}</Say></Response>".encode()]

        assert simulate(app=wsgi(app), url="http://a.test/voice").heard == ["“POST /voice True a.test”"]

    def test_an_asgi_application_is_asked_in_process(self) -> None:
        async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
            body = (await receive())["body"].decode()
            said = (
                f"{scope['method']} {scope['path']} {'Step=start' in body} {dict(scope['headers'])[b'host'].decode()}"
            )
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"<Response><Say>", "more_body": True})
            await send({"type": "http.response.body", "body": f"{said}</Say></Response>".encode()})

        assert simulate(app=asgi(app), url="http://a.test/voice").heard == ["“POST /voice True a.test”"]

    def test_a_server_is_asked_over_http(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
                body = (DONE if "Digits=2" in asked else MENU).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/voice"
            ran = simulate(url=url, app=over_http, caller=Caller().wait_for_prompt().press("2"))
        finally:
            server.shutdown()
            server.server_close()
        assert [asked.path for asked in ran.asked] == ["/voice", "/pressed"]
        assert ran.ended == "hangup"
        gone = simulate(url=url, app=over_http)
        assert (gone.ended, "no connection" in gone.detail) == ("application_error", True)

    def test_a_folder_is_a_static_host(self, tmp_path: Path) -> None:
        (tmp_path / "pressed.xml").write_text(DONE)
        (tmp_path / "two.xml").write_text("<Response><Say>two</Say></Response>")
        (tmp_path.parent / "secret.xml").write_text(DONE)
        app = folder(tmp_path, [Route("/pressed", {"Digits": "2"}, "two.xml")])
        assert simulate(MENU, app=app, caller=Caller().press("1")).ended == "hangup"
        assert simulate(MENU, app=app, caller=Caller().press("2")).heard[-1] == "“two”"
        outside = "<Response><Redirect>/%2e%2e/secret.xml</Redirect></Response>"
        assert simulate(outside, app=app).ended == "application_error"

    def test_a_template_is_filled_in(self) -> None:
        ran = simulate(
            template="<Response><Say>Hi {{name}}</Say></Response>", setting=Setting(variables={"name": "A&B"})
        )
        assert (ran.heard, ran.asked) == (["“Hi A&B”"], ())

    def test_a_template_stands_in_when_the_url_fails(self) -> None:
        ran = simulate(template="<Response><Say>sorry</Say></Response>", url="http://app.test/", app={})
        assert (ran.heard, len(ran.asked)) == (["“sorry”"], 1)


class TestWhatItTells:
    RAN = simulate(MENU, app={"/pressed": DONE}, caller=Caller().at(1).press("1"))

    def test_a_timeline_for_people(self) -> None:
        assert self.RAN.text().splitlines() == [
            "    0.00  call     inbound from +971501234567 to +97142345678",
            "    0.00  asks     POST http://app.test/ Step=start → 200",
            "    0.00  verb     <Gather> line 1",
            "    0.00  call     answered",
            "    0.00  hears    “press one or two” (1.6 s)",
            "    1.00  does     presses 1",
            "    1.00  stops    no more",
            "    1.00  result   gather: digits 1",
            "    1.00  asks     POST http://app.test/pressed Step=gather Digits=1 InputType=dtmf → 200",
            "    1.00  verb     <Hangup> line 1",
            "    1.00  call     hung up",
            "    1.00  end      hangup",
        ]

    def test_and_the_same_as_json(self) -> None:
        moments = json.loads(self.RAN.json())
        assert [moment["text"] for moment in moments] == [moment.text for moment in self.RAN.timeline]
        asked = [moment for moment in moments if moment["what"] == "asks"]
        assert asked[1]["parameters"] == {"Step": "gather", "Digits": "1", "InputType": "dtmf"}
        assert asked[1]["status"] == 200

    def test_and_in_python(self) -> None:
        assert self.RAN.verbs == ["Gather", "Hangup"]
        assert self.RAN.heard == ["“press one or two”"]
        assert self.RAN.warnings == []
        assert self.RAN.asked[1].parameters["Digits"] == "1"

    def test_it_is_the_same_each_time(self) -> None:
        again = simulate(MENU, app={"/pressed": DONE}, caller=Caller().at(1).press("1"))
        assert again.json() == self.RAN.json()

    def test_warnings_are_told(self) -> None:
        ran = simulate("<Response><Nope/><Say loop='x'>hi</Say></Response>")
        assert [warning.split(":")[0] for warning in ran.warnings] == ["unknown_verb", "invalid_attribute"]

    def test_the_fixture_prints_the_timeline(self, simulated_call: Calls, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
        ran = simulated_call(MENU)
        assert capsys.readouterr().out == ran.text() + "\n"
        assert simulated_call.made == [ran]


class TestScripts:
    def test_every_line_is_read(self) -> None:
        script = parse_script(
            """
            # a comment
            from +1     # and one more
            to +2
            outbound
            answered by machine
            template
            variable name "Mona & Karim"
            wait for prompt
            wait for Record
            press 12#
            press #
            say yes please
            say yes for 3
            silent 7s
            at 30
            hang up at 31
            hang up
            party +3 answers after 4 hangs up after 20 presses 1 machine
            party +4 busy
            party +5 declines
            party * never answers
            party +6 unreachable with 503
            conference room full
            conference other ends after 60
            queue support ahead 2 taken after 30 talk 90
            stream wss://a.example/ fails
            stream * closes after 9
            refer sip:a@b 603 after 2
            sound https://a.example/x.wav 12.5
            url /a Digits=1 DialStatus=no-answer one.xml
            url /a two.xml
            """
        )
        expected = (
            Caller().wait_for_prompt().wait_for("Record").press("12#").press("#").say("yes please")
            .say("yes", seconds=3).silent(7).at(30).hang_up(at=31).hang_up()
        )  # fmt: skip
        assert script.caller == expected
        assert script.setting == Setting("+1", "+2", "outbound", {"name": "Mona & Karim"}, "machine")
        assert script.template
        world = script.world
        machine = answers(4, hangs_up_after=20, presses="1", machine=True)
        assert world.party("+3") == machine
        assert [world.party(address).code for address in ("+4", "+5", "+6")] == [486, 603, 503]
        assert world.party("+9") == PartyScript()
        assert world.conferences["room"].full
        assert world.conferences["other"].ends_after == 60
        assert (world.queues["support"].ahead, world.queues["support"].taken_after, world.queues["support"].talk) == (
            2,
            30,
            90,
        )
        assert world.streams["wss://a.example/"].fails
        assert world.streams["*"].closes_after == 9
        assert (world.refers["sip:a@b"].code, world.refers["sip:a@b"].after) == (603, 2)
        assert world.sounds == {"https://a.example/x.wav": 12.5}
        assert script.routes == (
            Route("/a", {"Digits": "1", "DialStatus": "no-answer"}, "one.xml"),
            Route("/a", {}, "two.xml"),
        )

    @pytest.mark.parametrize(
        "line",
        ["dance", "press", "press x", "silent soon", "silent -1", "hang on", "party +1", "party +1 sings",
         "wait prompt", "party +1 answers after", "hang up at", "sound x", "url menu x.xml", "refer a", "say 'open",
         "from +1 +2", "answered by nobody", "at nan", "url /a"],
    )  # fmt: skip
    def test_a_line_that_says_nothing_known_is_named(self, line: str) -> None:
        with pytest.raises(ScriptError, match=r"^line 2: ") as caught:
            parse_script(f"press 1\n{line}\npress 2")
        assert caught.value.line == 2
        assert LINES.splitlines()[0] in str(caught.value)
