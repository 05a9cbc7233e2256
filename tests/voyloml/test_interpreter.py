"""The loop of contract §11.6 with the rules of §10.1 and §10.2: order, ends, limits, warnings, replacement."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.voyloml.scripted import (
    ACTION_URL,
    HANGUP,
    Answer,
    Script,
    ScriptedApplication,
    ScriptedCall,
    facts,
    run,
    run_template,
)
from voyloml import ApplicationScript, DocumentError, Interpreter, LanguageLimits, RunResult
from voyloml.virtual_time import run_in_virtual_time

PAGE = "https://app.example/page"


class TestTheEnd:
    @pytest.mark.parametrize("document", ["<Response/>", "", "<Response><!-- nothing --></Response>"])
    def test_an_empty_document_hangs_up(self, document: str) -> None:
        assert run(document, answered=True).result == RunResult("completed")
        assert run(document, answered=True).call.done == [(0, "hangup")]

    def test_before_the_answer_it_refuses_like_hangup(self) -> None:
        ran = run("<Response><Pause/></Response>")
        assert ran.result == RunResult("rejected", "rejected")
        assert ran.call.done == [(1, "rejected")]

    def test_after_the_last_verb_the_call_is_hung_up(self) -> None:
        ran = run("<Response><Say>bye</Say></Response>")
        assert ran.result == RunResult("completed")
        assert ran.call.done == [(0, "answer"), (3, "hangup")]


class TestTheAnswer:
    @pytest.mark.parametrize(
        ("verb", "answers"),
        [
            ("<Play>/a.wav</Play>", True),
            ("<Say>a</Say>", True),
            ("<Gather timeout='1'/>", True),
            ("<Pause/>", False),
            ("<Wait/>", False),
            ("<Play>ftp://x/</Play>", False),
            ("<Say/>", False),
            ("<Nothing/>", False),
        ],
    )
    def test_is_implied_by_the_first_verb_that_needs_it(self, verb: str, answers: bool) -> None:
        ran = run(f"<Response>{verb}{verb}</Response>")
        assert [what for _, what in ran.call.done] == (["answer", "hangup"] if answers else ["rejected"])

    def test_of_an_outbound_call_has_happened(self) -> None:
        ran = run("<Response><Say>a</Say></Response>", answered=True, direction="outbound")
        assert [what for _, what in ran.call.done] == ["hangup"]


class TestWarnings:
    def test_tell_what_is_skipped_and_what_is_replaced(self) -> None:
        ran = run(
            "<Response colour='red'>\n  words\n  <Foo/>\n  <Number>1002</Number>\n"
            "  <Say loop='x' speed='2'>hi</Say>\n  <Say/>\n</Response>"
        )
        assert ran.spoken == ["hi"]
        assert [(entry["line"], entry["column"], entry["code"]) for entry in ran.call.logged("warning")] == [
            (1, 1, "unknown_attribute"),
            (1, 1, "bad_nesting"),
            (3, 3, "unknown_verb"),
            (4, 3, "bad_nesting"),
            (5, 3, "invalid_attribute"),
            (5, 3, "unknown_attribute"),
            (6, 3, "missing_content"),
        ]

    def test_come_with_the_verb_they_are_about(self) -> None:
        ran = run("<Response><Say speed='2'>one</Say><Hangup/><Foo/></Response>")
        assert [kind for kind, _ in ran.call.entries] == ["document", "warning", "verb", "verb"]

    def test_are_bounded_for_each_document(self) -> None:
        many = " ".join(f"x{n}='1'" for n in range(1000))
        ran = run(
            f"<Response><Say {many}>a</Say><Redirect>/page</Redirect></Response>",
            answers={PAGE: f"<Response><Say {many}>b</Say></Response>"},
        )
        assert ran.spoken == ["a", "b"]
        assert len(ran.call.logged("warning")) == 100

    def test_verbs_are_logged_with_their_place(self) -> None:
        ran = run("<Response>\n  <Wait/>\n</Response>")
        assert ran.call.logged("verb") == [{"verb": "Pause", "line": 2, "column": 3, "path": "/Response/Wait[1]"}]


class TestLimits:
    def test_of_verbs_in_a_call(self) -> None:
        loop = "<Response>" + "<Pause/>" * 99 + "<Redirect>/page</Redirect></Response>"
        ran = run(loop, answers={PAGE: loop})
        assert ran.result == RunResult("application_error", "more than 500 verbs in one call")
        assert len(ran.call.logged("verb")) == 500
        assert ran.call.done == []

    def test_an_answered_call_is_hung_up(self) -> None:
        loop = "<Response><Say>a</Say><Redirect>/page</Redirect></Response>"
        ran = run(loop, answers={PAGE: loop}, limits=LanguageLimits(verbs_per_call=3))
        assert ran.result.reason == "application_error"
        assert ran.call.done == [(0, "answer"), (6, "hangup")]

    def test_elements_that_are_skipped_do_not_count(self) -> None:
        ran = run("<Response><Foo/><Say/><Say>a</Say></Response>", limits=LanguageLimits(verbs_per_call=1))
        assert ran.result == RunResult("completed")

    def test_of_redirects_in_a_row(self) -> None:
        hop = "<Response><Redirect>/page</Redirect></Response>"
        ran = run(hop, answers={PAGE: [hop] * 19 + [HANGUP]})
        assert ran.result.reason == "rejected"
        ran = run(hop, answers={PAGE: [hop] * 20 + [HANGUP]})
        assert ran.result == RunResult("application_error", "more than 20 redirects without another verb between")
        assert len(ran.application.asked) == 21

    def test_another_verb_between_starts_the_count_again(self) -> None:
        hop = "<Response><Redirect>/page</Redirect></Response>"
        rest = "<Response><Pause/><Redirect>/page</Redirect></Response>"
        ran = run(hop, answers={PAGE: [*[hop] * 19, rest, *[hop] * 19, HANGUP]})
        assert ran.result.reason == "rejected"

    def test_a_verb_that_is_skipped_does_not(self) -> None:
        hop = "<Response><Foo/><Say/><Redirect>/page</Redirect></Response>"
        assert run(hop, answers={PAGE: hop}).result.reason == "application_error"


class Live:
    """A running interpreter that a test acts on from outside."""

    def __init__(self, answers: dict[str, Script | list[Script]], *, answered: bool = True) -> None:
        self.call = ScriptedCall(answered=answered)
        self.application = ScriptedApplication(answers)
        script = ApplicationScript(action_url=ACTION_URL, xml_template="<Response><Say>template</Say></Response>")
        self.interpreter = Interpreter(self.call, facts(self.call), script, self.application)
        self.task = asyncio.create_task(self.interpreter.run())

    @property
    def spoken(self) -> list[tuple[str, float, float | None]]:
        return [(heard.items[0].text, heard.began, heard.ended) for heard in self.call.heard]  # type: ignore[union-attr]


def live(act: Callable[[Live], Awaitable[None]], answers: dict[str, Script | list[Script]]) -> None:
    async def main() -> None:
        running = Live(answers)
        await act(running)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_in_virtual_time(main())


LONG = "<Response><Say loop='0'>long</Say><Say>never</Say></Response>"
SHORT = "<Response><Say>other</Say></Response>"


class TestReplacement:
    """Live call control (contract §6.5)."""

    def test_interrupts_the_verb_and_runs_the_xml(self) -> None:
        async def act(running: Live) -> None:
            await asyncio.sleep(10)
            assert running.interpreter.replace(xml=SHORT) is True
            assert await running.task == RunResult("completed")
            assert running.spoken == [("long", 0, 10), ("other", 10, 13)]
            assert running.call.done == [(13, "hangup")]

        live(act, {ACTION_URL: LONG})

    def test_or_the_document_at_a_url(self) -> None:
        async def act(running: Live) -> None:
            await asyncio.sleep(10)
            assert running.interpreter.replace(url=PAGE)
            await running.task
            assert running.spoken[1:] == [("other", 11, 14)]
            assert running.application.asked[1].parameters["Step"] == "redirect"
            assert running.application.lines[1] == f"POST {PAGE}"

        live(act, {ACTION_URL: LONG, PAGE: Answer(SHORT, delay=1)})

    def test_in_the_middle_of_a_request_drops_the_request(self) -> None:
        async def act(running: Live) -> None:
            await asyncio.sleep(4)
            assert running.interpreter.replace(xml=SHORT)
            await running.task
            assert running.spoken == [("other", 4, 7)]

        live(act, {ACTION_URL: Answer(LONG, delay=9)})

    def test_of_several_the_last_counts(self) -> None:
        async def act(running: Live) -> None:
            await asyncio.sleep(1)
            assert running.interpreter.replace(xml="<Response><Say>first</Say></Response>")
            assert running.interpreter.replace(xml=SHORT)
            await running.task
            assert [text for text, _, _ in running.spoken] == ["long", "other"]

        live(act, {ACTION_URL: LONG})

    def test_while_the_verb_still_cleans_up_counts_as_well(self) -> None:
        async def act(running: Live) -> None:
            await asyncio.sleep(1)
            assert running.interpreter.replace(xml="<Response><Say>first</Say></Response>")
            await asyncio.sleep(0)
            assert running.interpreter.replace(xml=SHORT)
            await running.task
            assert [text for text, _, _ in running.spoken] == ["menu", "other"]

        live(act, {ACTION_URL: "<Response><Gather><Say loop='0'>menu</Say></Gather></Response>"})

    def test_can_happen_again(self) -> None:
        async def act(running: Live) -> None:
            for second in (1, 2, 3):
                await asyncio.sleep(1)
                assert running.interpreter.replace(xml=LONG if second < 3 else SHORT)
            await running.task
            assert running.spoken == [("long", 0, 1), ("long", 1, 2), ("long", 2, 3), ("other", 3, 6)]

        live(act, {ACTION_URL: LONG})

    def test_at_the_very_end_of_the_document_still_takes_over(self) -> None:
        async def act(running: Live) -> None:
            took: list[bool] = []
            asyncio.get_running_loop().call_at(3, lambda: took.append(running.interpreter.replace(xml=SHORT)))
            assert await running.task == RunResult("completed")
            assert took == [True]
            assert running.spoken == [("other", 3, 6)]

        live(act, {ACTION_URL: "<Response><Pause length='3'/></Response>"})

    def test_that_is_no_document_changes_nothing(self) -> None:
        async def act(running: Live) -> None:
            await asyncio.sleep(1)
            with pytest.raises(DocumentError):
                running.interpreter.replace(xml="<Response>")
            assert running.interpreter.replace(xml=SHORT)
            await running.task

        live(act, {ACTION_URL: LONG})

    def test_that_cannot_be_fetched_is_an_application_error(self) -> None:
        async def act(running: Live) -> None:
            await asyncio.sleep(1)
            assert running.interpreter.replace(url=PAGE)
            assert (await running.task).reason == "application_error"
            assert running.call.done == [(1, "hangup")]

        live(act, {ACTION_URL: LONG, PAGE: Answer(status=404)})

    def test_resolves_relative_urls_in_xml_against_the_action_url(self) -> None:
        async def act(running: Live) -> None:
            await asyncio.sleep(1)
            assert running.interpreter.replace(xml="<Response><Redirect>/page</Redirect></Response>")
            await running.task
            assert running.application.lines[-1] == f"POST {PAGE}"

        live(act, {ACTION_URL: LONG, PAGE: HANGUP})

    def test_comes_too_late_after_the_end_and_too_early_before_the_start(self) -> None:
        async def main() -> None:
            call = ScriptedCall(answered=True)
            interpreter = Interpreter(call, facts(call), ApplicationScript(xml_template=SHORT), ScriptedApplication({}))
            assert interpreter.replace(xml=LONG) is False
            await interpreter.run()
            assert interpreter.replace(xml=LONG) is False

        run_in_virtual_time(main())

    def test_a_hangup_wins(self) -> None:
        async def act(running: Live) -> None:
            await asyncio.sleep(1)
            assert running.interpreter.replace(xml=SHORT)
            running.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running.task
            assert running.spoken == [("long", 0, 1)]

        live(act, {ACTION_URL: LONG})


class TestCancellation:
    @pytest.mark.parametrize("at", [0.5, 1.2, 2.0, 5.0])
    def test_ends_a_run_wherever_it_is_and_leaves_nothing_behind(self, at: float) -> None:
        async def act(running: Live) -> None:
            await asyncio.sleep(at)
            running.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running.task
            assert running.call.done == []

        document = "<Response><Pause/><Gather><Say loop='0'>menu</Say></Gather></Response>"
        live(act, {ACTION_URL: [Answer(status=500, delay=1), Answer(document, delay=1)]})


def test_a_timeout_of_something_else_is_not_taken_for_a_replacement() -> None:
    class Failing(ScriptedCall):
        async def answer(self) -> None:
            raise TimeoutError("media")

    async def main() -> None:
        call = Failing()
        application = ScriptedApplication({})
        with pytest.raises(TimeoutError, match="media"):
            await Interpreter(call, facts(call), ApplicationScript(xml_template=SHORT), application).run()

    run_in_virtual_time(main())


def test_a_bug_elsewhere_is_not_swallowed() -> None:
    async def main() -> None:
        call = ScriptedCall(answered=True)

        async def exchange(request: object) -> None:
            raise ZeroDivisionError

        interpreter = Interpreter(call, facts(call), ApplicationScript(action_url=ACTION_URL), exchange)  # type: ignore[arg-type]
        with pytest.raises(ZeroDivisionError):
            await interpreter.run()

    run_in_virtual_time(main())


def test_a_template_runs_as_any_document() -> None:
    assert run_template("<Response><Say>a</Say></Response>").result == RunResult("completed")
