"""Contract §11.2–11.5: what the application is asked, how, how often, and what counts as its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.voyloml.scripted import (
    ACTION_URL,
    CLOCK,
    HANGUP,
    Answer,
    Ran,
    Script,
    ScriptedCall,
    facts,
    redirect,
    run,
    run_template,
)
from voyloml import (
    ApplicationScript,
    DocumentUnavailable,
    HttpFailure,
    HttpReply,
    HttpRequest,
    Interpreter,
    LanguageLimits,
    RunResult,
    parse_document,
    verify_signature,
)
from voyloml.documents import Page
from voyloml.virtual_time import run_in_virtual_time

SECRET = "whsec_test"
PAGE = "https://app.example/page"
TEMPLATE = "<Response><Say>from the template</Say></Response>"
ERROR = RunResult("application_error", "")


def script(**changes: object) -> ApplicationScript:
    return ApplicationScript(**{"action_url": ACTION_URL, "signing_secret": SECRET, **changes})  # type: ignore[arg-type]


class TestTheRequest:
    def test_has_every_parameter_of_the_contract(self) -> None:
        ran = run(HANGUP)
        (asked,) = ran.application.asked
        assert asked.line == f"POST {ACTION_URL}"
        assert asked.parameters == {
            "CallSid": "cl_a1b2c3d4e5f6",
            "From": "+971501234567",
            "To": "+97142345678",
            "Direction": "inbound",
            "CallStatus": "ringing",
            "CallUuid": "9b8a7c6d-5e4f-4a2b-9c0d-9e8f7a6b5c4d",
            "ApplicationId": "11111111-2222-4333-8444-555555555555",
            "WorkspaceId": "ws_a1b2c3d4e5f6",
            "Step": "start",
        }

    def test_carries_who_forwarded_the_call_on_every_request(self) -> None:
        documents = {"https://app.example/next": HANGUP}
        ran = run("<Response><Redirect>/next</Redirect></Response>", answers=documents, forwarded_from="+15550177")
        assert [asked.parameters.get("ForwardedFrom") for asked in ran.application.asked] == ["+15550177"] * 2

    def test_carries_every_variable_and_who_answered(self) -> None:
        variables = {"order_id": "ORD 1&2=é", "n": 1.0, "yes": True, "empty": ""}
        ran = run(HANGUP, answered=True, variables=variables, answered_by="machine", direction="outbound")
        parameters = ran.application.asked[0].parameters
        assert parameters["Direction"] == "outbound"
        assert parameters["AnsweredBy"] == "machine"
        assert parameters["CallStatus"] == "in-progress"
        assert {key: value for key, value in parameters.items() if key.startswith("var_")} == {
            "var_order_id": "ORD 1&2=é",
            "var_n": "1.0",
            "var_yes": "true",
            "var_empty": "",
        }

    def test_has_its_headers_and_limits(self) -> None:
        request = run(HANGUP).application.asked[0].request
        assert request.headers["User-Agent"] == "Voylo/1.0"
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert (request.connect_timeout, request.total_timeout, request.max_bytes) == (3.0, 10.0, 262_144)

    def test_is_signed_over_its_body(self) -> None:
        request = run(HANGUP).application.asked[0].request
        assert verify_signature(SECRET, request.body, request.headers["Voylo-Signature"], now=CLOCK)
        assert request.headers["Voylo-Signature"].startswith(f"t={int(CLOCK)},v1=")

    def test_signs_the_empty_body_of_a_get(self) -> None:
        ran = run(f'<Response><Redirect method="GET">{PAGE}?a=1#part</Redirect></Response>', answers={PAGE: HANGUP})
        asked = ran.application.asked[1]
        assert asked.line == f"GET {PAGE}"
        assert asked.request.url.startswith(f"{PAGE}?a=1&CallSid=cl_a1b2c3d4e5f6&")
        assert "#" not in asked.request.url
        assert asked.parameters["Step"] == "redirect"
        assert asked.request.body == b""
        assert "Content-Type" not in asked.request.headers
        assert verify_signature(SECRET, b"", asked.request.headers["Voylo-Signature"], now=CLOCK)

    def test_is_unsigned_without_a_secret(self) -> None:
        ran = run(HANGUP, script=script(signing_secret=None))
        assert "Voylo-Signature" not in ran.application.asked[0].request.headers

    def test_carries_the_configured_headers(self) -> None:
        headers = {"Authorization": "Bearer x", "user-agent": "Mine/2"}
        ran = run(HANGUP, script=script(action_url_headers=headers))
        sent = ran.application.asked[0].request.headers
        assert sent["Authorization"] == "Bearer x"
        assert [value for name, value in sent.items() if name.lower() == "user-agent"] == ["Mine/2"]

    @pytest.mark.parametrize(
        ("url", "same"),
        [
            ("/other", True),
            ("https://app.example:443/x", True),
            ("https://APP.example/x", True),
            ("http://app.example/x", False),
            ("https://app.example:8443/x", False),
            ("https://app.example.evil.example/x", False),
            ("https://other.example/x", False),
            ("//other.example/x", False),
        ],
    )
    def test_takes_them_to_the_origin_of_the_action_url_only(self, url: str, same: bool) -> None:
        absolute = {"/other": "https://app.example/other", "//other.example/x": "https://other.example/x"}.get(url, url)
        ran = run(
            f"<Response><Redirect>{url}</Redirect></Response>",
            answers={absolute: HANGUP},
            script=script(action_url_headers={"Authorization": "Bearer x"}),
        )
        asked = ran.application.asked[1]
        assert asked.request.url == absolute
        assert ("Authorization" in asked.request.headers) is same
        assert "Voylo-Signature" in asked.request.headers


class TestTheResponse:
    @pytest.mark.parametrize(
        "content_type", ["application/xml", "text/xml; charset=utf-8", "text/plain", "image/png", None]
    )
    def test_of_any_type_that_parses(self, content_type: str | None) -> None:
        headers = {} if content_type is None else {"content-type": content_type}
        assert run(Answer(HANGUP, headers=headers)).result == RunResult("rejected", "rejected")

    @pytest.mark.parametrize("answer", [Answer(""), Answer(" \r\n"), Answer(status=204)])
    def test_that_is_empty_is_an_empty_document(self, answer: Answer) -> None:
        ran = run(answer, answered=True)
        assert ran.result == RunResult("completed")
        assert ran.ending == "hangup"

    def test_is_logged(self) -> None:
        ran = run(Answer(HANGUP, delay=1.5))
        assert ran.call.logged("document") == [
            {"url": ACTION_URL, "method": "POST", "step": "start", "status": 200, "ms": 1500}
        ]


class TestHttpRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303])
    def test_become_a_get(self, status: int) -> None:
        ran = run(redirect("/page?x=1", status), answers={PAGE: HANGUP})
        asked = ran.application.asked[1]
        assert (asked.request.method, asked.request.url) == ("GET", f"{PAGE}?x=1")
        assert verify_signature(SECRET, b"", asked.request.headers["Voylo-Signature"], now=CLOCK)
        assert ran.call.logged("document")[0]["finalUrl"] == f"{PAGE}?x=1"

    @pytest.mark.parametrize("status", [307, 308])
    def test_or_repeat_the_post(self, status: int) -> None:
        ran = run(redirect(PAGE, status), answers={PAGE: HANGUP})
        first, second = ran.application.asked
        assert second.line == f"POST {PAGE}"
        assert second.request.body == first.request.body
        assert verify_signature(SECRET, second.request.body, second.request.headers["Voylo-Signature"], now=CLOCK)

    @pytest.mark.parametrize("status", [302, 307])
    def test_of_a_get_go_to_the_location_as_it_is(self, status: int) -> None:
        ran = run(
            '<Response><Redirect method="GET">/page</Redirect></Response>',
            answers={PAGE: redirect("/other?a=1", status), "https://app.example/other": HANGUP},
        )
        assert ran.application.asked[1].request.url.startswith(f"{PAGE}?CallSid=")
        asked = ran.application.asked[2].request
        assert (asked.method, asked.url) == ("GET", "https://app.example/other?a=1")

    def test_leave_the_configured_headers_behind_at_the_border(self) -> None:
        ran = run(
            redirect("https://b.example/", 307),
            answers={"https://b.example/": redirect(PAGE, 307), PAGE: HANGUP},
            script=script(action_url_headers={"Authorization": "x"}),
        )
        assert ["Authorization" in asked.request.headers for asked in ran.application.asked] == [True, False, True]

    def test_three_are_followed(self) -> None:
        urls = [f"https://app.example/{n}" for n in range(5)]
        hops: dict[str, Script] = {urls[n]: redirect(urls[n + 1]) for n in range(4)}
        assert run(redirect(urls[1]), answers={**hops, urls[3]: HANGUP}).result.reason == "rejected"
        ran = run(redirect(urls[1]), answers={**hops, urls[4]: HANGUP})
        assert ran.result == RunResult("application_error", f"{ACTION_URL}: more than 3 redirects")
        assert len(ran.application.asked) == 4

    @pytest.mark.parametrize(
        "location",
        ["", "ftp://app.example/", "javascript:x", "http://", "https://u:p@app.example/", "http://[", "/" * 9000],
    )
    def test_to_nowhere_are_a_failure(self, location: str) -> None:
        ran = run(redirect(location))
        assert ran.result.reason == "application_error"
        assert len(ran.application.asked) == 1

    def test_set_what_relative_urls_resolve_against(self) -> None:
        ran = run(
            redirect("https://b.example/dir/first"),
            answers={
                "https://b.example/dir/first": "<Response><Redirect>next</Redirect></Response>",
                "https://b.example/dir/next": HANGUP,
            },
        )
        assert ran.application.lines[-1] == "POST https://b.example/dir/next"


class TestGetFallback:
    @pytest.mark.parametrize("status", [405, 501])
    def test_repeats_once_as_get_with_the_parameters_in_the_query(self, status: int) -> None:
        ran = run(answers={f"POST {ACTION_URL}": Answer(status=status), f"GET {ACTION_URL}": HANGUP})
        post, get = ran.application.asked
        assert get.parameters == post.parameters
        assert get.at == post.at
        assert ran.result.reason == "rejected"

    def test_is_remembered_for_the_origin_and_the_rest_of_the_call(self) -> None:
        other = "https://b.example/x"
        ran = run(
            answers={
                f"POST {ACTION_URL}": Answer(status=405),
                f"GET {ACTION_URL}": "<Response><Redirect>/page</Redirect></Response>",
                f"GET {PAGE}": f"<Response><Redirect>{other}</Redirect></Response>",
                f"POST {other}": HANGUP,
            }
        )
        assert ran.application.lines == [f"POST {ACTION_URL}", f"GET {ACTION_URL}", f"GET {PAGE}", f"POST {other}"]

    def test_that_is_refused_as_well_is_a_failure(self) -> None:
        ran = run(Answer(status=405))
        assert ran.application.lines == [f"POST {ACTION_URL}", f"GET {ACTION_URL}"]
        assert ran.result == RunResult("application_error", f"{ACTION_URL}: answered with status 405")


class TestRetry:
    @pytest.mark.parametrize(
        "failure",
        [
            HttpFailure("connect", "refused"),
            HttpFailure("dns", "no such host"),
            HttpFailure("timeout", "too slow"),
            HttpFailure("protocol", "closed without an answer"),
            Answer(status=500),
            Answer(status=503),
        ],
        ids=str,
    )
    def test_once_after_a_quarter_of_a_second(self, failure: Script) -> None:
        ran = run([failure, HANGUP])
        assert [asked.at for asked in ran.application.asked] == [0.0, 0.25]
        assert ran.result.reason == "rejected"
        (entry,) = ran.call.logged("document_failed")
        assert entry["retrying"] is True
        ran = run([failure, failure, HANGUP])
        assert len(ran.application.asked) == 2
        assert ran.result.reason == "application_error"
        assert [entry["retrying"] for entry in ran.call.logged("document_failed")] == [True, False]

    @pytest.mark.parametrize(
        "failure",
        [
            HttpFailure("blocked", "private address"),
            HttpFailure("too_large", "more than 262144 bytes"),
            Answer(status=400),
            Answer(status=404),
            Answer(status=429),
            Answer(status=304),
            Answer("<html></html>"),
            Answer("not xml"),
        ],
        ids=str,
    )
    def test_never_after_anything_else(self, failure: Script) -> None:
        ran = run([failure, HANGUP])
        assert len(ran.application.asked) == 1
        assert ran.result.reason == "application_error"
        assert ran.seconds == 0.0

    def test_signs_anew(self) -> None:
        for asked in run([Answer(status=500, delay=5), HANGUP]).application.asked:
            header = asked.request.headers["Voylo-Signature"]
            assert verify_signature(SECRET, asked.request.body, header, now=CLOCK + asked.at, tolerance=1)

    def test_starts_from_the_url_asked_for(self) -> None:
        ran = run([redirect(PAGE), HANGUP], answers={PAGE: Answer(status=502)})
        assert ran.application.lines == [f"POST {ACTION_URL}", f"GET {PAGE}", f"POST {ACTION_URL}"]

    def test_as_often_as_configured(self) -> None:
        ran = run(Answer(status=500), limits=LanguageLimits(action_retries=0))
        assert len(ran.application.asked) == 1
        ran = run(Answer(status=500), limits=LanguageLimits(action_retries=3))
        assert len(ran.application.asked) == 4


class TestTime:
    def test_an_answer_within_ten_seconds_is_in_time(self) -> None:
        assert run(Answer(HANGUP, delay=9.9)).result.reason == "rejected"

    def test_a_later_one_is_not_waited_for(self) -> None:
        ran = run(Answer(HANGUP, delay=11))
        assert ran.seconds == 20.25
        assert ran.result == RunResult("application_error", f"{ACTION_URL}: no document within 10 s")

    def test_redirects_and_fallback_share_the_time_of_one_attempt(self) -> None:
        ran = run(
            answers={
                f"POST {ACTION_URL}": Answer(status=405, delay=4),
                f"GET {ACTION_URL}": Answer(status=302, headers={"location": PAGE}, delay=4),
                PAGE: Answer(HANGUP, delay=4),
            },
            limits=LanguageLimits(action_retries=0),
        )
        assert [asked.request.total_timeout for asked in ran.application.asked] == [10, 6, 2]
        assert [asked.request.connect_timeout for asked in ran.application.asked] == [3, 3, 2]
        assert ran.seconds == 10
        assert ran.result.reason == "application_error"

    def test_a_loop_held_up_over_the_deadline_asks_no_more(self) -> None:
        async def main() -> None:
            call = ScriptedCall()
            asked: list[HttpRequest] = []

            async def exchange(request: HttpRequest) -> HttpReply:
                asked.append(request)
                asyncio.get_running_loop()._jumping.now += 11  # type: ignore[attr-defined]
                return HttpReply(302, {"location": PAGE}, b"", 0, request.url)

            limits = LanguageLimits(action_retries=0)
            result = await Interpreter(call, facts(call), script(), exchange, limits=limits).run()
            assert result == RunResult("application_error", f"{ACTION_URL}: no document within 10 s")
            assert len(asked) == 1

        run_in_virtual_time(main())


class TestUrlsThatAreNone:
    def test_as_action_url_are_left_to_the_exchange(self) -> None:
        url = "http://[::1/x"
        ran = run(answers={url: HttpFailure("protocol", "bad URL")}, script=script(action_url=url))
        assert ran.result == RunResult("application_error", f"{url}: bad URL")

    def test_as_reference_are_unavailable(self) -> None:
        page = Page(parse_document("<Response/>"), ACTION_URL, ACTION_URL)
        with pytest.raises(DocumentUnavailable):
            page.resolve("//[")


LAUGHS = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><Response><Say>&b;</Say></Response>'
FAILURES: Sequence[tuple[Script, str]] = [
    (HttpFailure("connect", "connection refused"), "connection refused"),
    (HttpFailure("timeout", "no answer"), "no answer"),
    (HttpFailure("blocked", "10.0.0.1 is a private address"), "10.0.0.1 is a private address"),
    (HttpFailure("too_large", "the body has more than 262144 bytes"), "the body has more than 262144 bytes"),
    (Answer(status=500), "answered with status 500"),
    (Answer(status=404), "answered with status 404"),
    (Answer("<!DOCTYPE html><html></html>"), "a DOCTYPE is not allowed; this looks like an HTML page"),
    (Answer("<html><body>Hello</body></html>"), "the root element must be <Response>; this is an HTML page"),
    (Answer("<Response>"), "<Response>, opened on line 1, is never closed"),
    (Answer(LAUGHS), "a DOCTYPE is not allowed"),
    (Answer(b"<Response>" + b" " * 262_144 + b"</Response>"), "a document has at most 262144 bytes"),
    (Answer(b"\xff\xfe"), "byte 0xff is not UTF-8"),
]


@pytest.mark.parametrize(("failure", "reason"), FAILURES, ids=[reason[:30] for _, reason in FAILURES])
class TestFailure:
    """Contract §11.5, for each way in which there is no usable document."""

    def _error(self, ran: Ran, url: str, reason: str) -> None:
        assert ran.result.reason == "application_error"
        assert ran.result.detail.startswith(f"{url}: ")
        assert reason in ran.result.detail

    def test_of_the_first_document_runs_the_template(self, failure: Script, reason: str) -> None:
        ran = run(failure, script=script(xml_template=TEMPLATE))
        assert ran.spoken == ["from the template"]
        assert ran.result == RunResult("completed")
        (entry,) = ran.call.logged("template_fallback")
        assert reason in str(entry["reason"])

    def test_of_the_first_document_without_template_leaves_the_call_to_be_refused(
        self, failure: Script, reason: str
    ) -> None:
        ran = run(failure)
        self._error(ran, ACTION_URL, reason)
        assert ran.call.done == []

    def test_on_an_answered_call_hangs_up(self, failure: Script, reason: str) -> None:
        ran = run(failure, answered=True)
        self._error(ran, ACTION_URL, reason)
        assert [what for _, what in ran.call.done] == ["hangup"]

    def test_of_a_later_document_never_runs_the_template(self, failure: Script, reason: str) -> None:
        ran = run(
            "<Response><Say>one</Say><Redirect>/page</Redirect></Response>",
            answers={PAGE: failure},
            script=script(xml_template=TEMPLATE),
        )
        self._error(ran, PAGE, reason)
        assert ran.spoken == ["one"]
        assert [what for _, what in ran.call.done] == ["answer", "hangup"]

    def test_is_in_the_log(self, failure: Script, reason: str) -> None:
        entry = run(failure).call.logged("document_failed")[-1]
        assert entry["url"] == ACTION_URL
        assert entry["method"] == "POST"
        assert entry["step"] == "start"
        assert entry["status"] == (failure.status if isinstance(failure, Answer) else None)
        assert isinstance(entry["ms"], int)
        assert reason in str(entry["error"])


class TestTheLog:
    def test_keeps_two_kilobytes_of_the_body(self) -> None:
        (entry,) = run(Answer(b"\x00\xff" + b"x" * 5000, status=404)).call.logged("document_failed")
        assert entry["body"] == "\x00\ufffd" + "x" * 2046


class TestTheTemplate:
    def test_runs_while_there_is_no_action_url(self) -> None:
        ran = run_template("<Response><Say>Hello {{name}} {{From}}</Say></Response>", variables={"name": "Ann & Bob"})
        assert ran.spoken == ["Hello Ann & Bob +971501234567"]
        assert ran.application.asked == []

    def test_knows_the_call(self) -> None:
        ran = run_template("<Response><Say>{{CallSid}} {{From}} {{To}} {{Direction}}</Say></Response>")
        assert ran.spoken == ["cl_a1b2c3d4e5f6 +971501234567 +97142345678 inbound"]

    def test_custom_keys_win_over_what_is_built_in(self) -> None:
        ran = run_template("<Response><Say>{{From}}</Say></Response>", variables={"From": "me"})
        assert ran.spoken == ["me"]

    def test_warns_once_of_each_key_without_a_value(self) -> None:
        ran = run_template("<Response><Say>a{{x}}b{{y}}c{{x}}</Say></Response>")
        assert ran.spoken == ["abc"]
        assert [entry["message"] for entry in ran.call.logged("warning")] == [
            "no variable is named 'x': it becomes the empty string",
            "no variable is named 'y': it becomes the empty string",
        ]

    def test_the_log_of_keys_is_bounded(self) -> None:
        keys = "".join(f"{{{{k{n}}}}}" for n in range(1000))
        assert len(run_template(f"<Response><Say>x{keys}</Say></Response>").call.logged("warning")) == 50

    @pytest.mark.parametrize("template", ["<Response>", "<Response>{{a}}" + "{{a}}" * 300 + "</Response>"])
    def test_that_cannot_be_parsed_is_an_application_error(self, template: str) -> None:
        ran = run_template(template, variables={"a": "x" * 1024})
        assert ran.result.reason == "application_error"
        assert ran.result.detail.startswith("template: ")
        assert ran.call.done == []

    def test_documents_of_an_action_url_are_not_substituted(self) -> None:
        ran = run("<Response><Say>{{From}}</Say></Response>")
        assert ran.spoken == ["{{From}}"]

    def test_resolves_relative_urls_against_the_action_url(self) -> None:
        ran = run(
            Answer(status=404),
            answers={"https://app.example/voice/next": HANGUP},
            script=script(xml_template="<Response><Redirect>next</Redirect></Response>"),
        )
        assert ran.application.lines[-1] == "POST https://app.example/voice/next"

    def test_without_action_url_a_relative_url_is_an_application_error(self) -> None:
        ran = run_template("<Response><Say>x</Say><Redirect>next</Redirect></Response>")
        assert ran.result == RunResult(
            "application_error", "'next' is relative, and the document has no URL it could be relative to"
        )
        assert ran.ending == "hangup"

    def test_neither_url_nor_template_is_an_application_error(self) -> None:
        ran = run(script=ApplicationScript())
        assert ran.result == RunResult("application_error", "the application has neither an action URL nor a template")
        assert ran.call.done == []
