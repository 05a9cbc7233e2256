"""`Gather` on a call (contract §10.5): keys in time, what is asked, what the caller hears."""

from __future__ import annotations

import asyncio

import pytest

from tests.voyloml.scripted import (
    ACTION_URL,
    FILE_SECONDS,
    HANGUP,
    SPEECH_SECONDS,
    Answer,
    Ran,
    ScriptedApplication,
    ScriptedCall,
    facts,
    redirect,
    run,
    run_template,
)
from voyloml import (
    ApplicationScript,
    Interpreter,
    LanguageLimits,
    PlayDigits,
    PlayFile,
    RunResult,
    Silence,
    Speak,
)
from voyloml.virtual_time import run_in_virtual_time

ACTION = "https://app.example/digits"
NO_INPUT = "<Say>no input</Say>"


def gather(
    attributes: str = "",
    *keys: tuple[float, str],
    prompts: str = "<Say>menu</Say>",
    before: str = "",
    after: str = NO_INPUT,
) -> Ran:
    return run(
        f'<Response>{before}<Gather action="/digits" {attributes}>{prompts}</Gather>{after}</Response>',
        answers={ACTION: HANGUP},
        keys=keys,
    )


def asked(ran: Ran) -> dict[str, str] | None:
    """The verb's own parameters in the action request, if there was one."""
    if len(ran.application.asked) == 1:
        return None
    parameters = ran.application.asked[1].parameters
    assert parameters["Step"] == "gather"
    assert parameters["CallStatus"] == "in-progress"
    return {name: parameters[name] for name in ("Digits", "InputType", "SpeechResult") if name in parameters}


def when(ran: Ran) -> float:
    """When the action was requested or the next verb ran."""
    return ran.application.asked[1].at if len(ran.application.asked) > 1 else ran.call.heard[-1].began


def digits(value: str) -> dict[str, str]:
    return {"Digits": value, "InputType": "dtmf"}


class TestTheTable:
    """Prompt: 3 seconds of speech from 0. Each row: attributes, keys → input, at what time, prompt heard until when."""

    @pytest.mark.parametrize(
        ("attributes", "keys", "result", "at", "prompt_ended"),
        [
            # Nothing pressed: `timeout` after the prompt.
            ("", [], None, 8, 3),
            ('timeout="2"', [], None, 5, 3),
            # One key during the prompt stops it at once; silence of `timeout` later it is the input.
            ("", [(1, "5")], digits("5"), 6, 1),
            ('timeout="2"', [(1, "5")], digits("5"), 3, 1),
            # The set number of keys finishes at once.
            ('numDigits="1"', [(1, "5")], digits("5"), 1, 1),
            ('numDigits="3"', [(1, "1"), (2, "2"), (4, "3")], digits("123"), 4, 1),
            ('numDigits="1"', [(6, "5")], digits("5"), 6, 3),
            # The timer runs anew after each key, not from the first.
            ('timeout="2"', [(4, "1"), (5.5, "2"), (7, "3")], digits("123"), 9, 3),
            ('timeout="2"', [(4, "1"), (6.5, "2")], digits("1"), 6, 3),
            # The finish key.
            ("", [(1, "1"), (2, "2"), (2.5, "#")], digits("12"), 2.5, 1),
            ('finishOnKey="*"', [(1, "#"), (2, "*")], digits("#"), 2, 1),
            ('finishOnKey=""', [(1, "#")], digits("#"), 6, 1),
            ("", [(4, "#")], None, 4, 3),
            ("", [(1, "#")], None, 1, 1),
            # Keys that do not count stop nothing and extend nothing.
            ('validDigits="12"', [(1, "3"), (2, "3")], None, 8, 3),
            ('validDigits="12"', [(4, "3"), (5, "3")], None, 8, 3),
            ('validDigits="12" numDigits="2"', [(1, "3"), (2, "1"), (2.5, "3"), (4, "2")], digits("12"), 4, 2),
            ('validDigits="12"', [(1, "1"), (2, "#")], digits("1"), 2, 1),
            # Without barge-in keys wait for the end of the prompt, and then count in their order.
            ('bargeIn="false"', [(1, "5")], digits("5"), 8, 3),
            ('bargeIn="false" numDigits="1"', [(1, "5")], digits("5"), 3, 3),
            ('bargeIn="false" numDigits="2"', [(1, "5"), (2, "6"), (2.5, "7")], digits("56"), 3, 3),
            ('bargeIn="false"', [(1, "5"), (2, "#")], digits("5"), 3, 3),
            ('bargeIn="false"', [(1, "#")], None, 3, 3),
            ('bargeIn="false" numDigits="1"', [(6, "5")], digits("5"), 6, 3),
            # Speech without a recogniser: keys do not count, silence ends it.
            ('input="speech"', [(1, "5"), (4, "6")], None, 8, 3),
            ('input="dtmf speech" numDigits="1"', [(1, "5")], digits("5"), 1, 1),
            # No input, but the action wants to know.
            ('actionOnEmptyResult="true"', [], {"Digits": ""}, 8, 3),
            ('actionOnEmptyResult="true"', [(1, "#")], {"Digits": ""}, 1, 1),
            ('actionOnEmptyResult="true" input="speech"', [(1, "5")], {"Digits": ""}, 8, 3),
            ('actionOnEmptyResult="true" numDigits="1"', [(1, "5")], digits("5"), 1, 1),
        ],
    )
    def test_row(
        self,
        attributes: str,
        keys: list[tuple[float, str]],
        result: dict[str, str] | None,
        at: float,
        prompt_ended: float,
    ) -> None:
        ran = gather(attributes, *keys)
        assert asked(ran) == result
        assert when(ran) == pytest.approx(at)
        assert ran.call.heard[0].ended == pytest.approx(prompt_ended)
        assert ("no input" in ran.spoken) is (result is None)


class TestTypeAhead:
    """Keys pressed before the Gather starts, here during three seconds of speech that keys do not stop."""

    BEFORE = "<Say>welcome</Say>"

    def test_counts_and_the_prompt_is_not_begun(self) -> None:
        ran = gather('numDigits="1"', (1, "5"), before=self.BEFORE)
        assert asked(ran) == digits("5")
        assert when(ran) == SPEECH_SECONDS
        assert ran.spoken == ["welcome"]

    def test_that_is_not_complete_skips_the_prompt_and_waits(self) -> None:
        ran = gather('numDigits="2" timeout="4"', (1, "5"), (6, "6"), before=self.BEFORE)
        assert asked(ran) == digits("56")
        assert when(ran) == 6
        assert ran.spoken == ["welcome"]
        ran = gather('timeout="4"', (1, "5"), before=self.BEFORE)
        assert (asked(ran), when(ran)) == (digits("5"), 7)

    def test_of_more_keys_than_wanted_leaves_the_rest_to_the_next(self) -> None:
        ran = run(
            '<Response><Say>welcome</Say><Gather numDigits="2" action="/digits"/></Response>',
            answers={
                ACTION: '<Response><Gather numDigits="1" action="/more"/></Response>',
                "https://app.example/more": HANGUP,
            },
            keys=[(1, "1"), (1.1, "2"), (1.2, "3")],
        )
        assert [one.parameters.get("Digits") for one in ran.application.asked] == [None, "12", "3"]
        assert ran.seconds == 3

    def test_of_keys_that_do_not_count_lets_the_prompt_play(self) -> None:
        ran = gather('validDigits="1"', (1, "5"), before=self.BEFORE)
        assert ran.spoken == ["welcome", "menu", "no input"]

    def test_with_a_finish_key_alone_is_no_input(self) -> None:
        ran = gather("", (1, "#"), before=self.BEFORE)
        assert asked(ran) is None
        assert ran.spoken == ["welcome", "no input"]

    def test_waits_for_the_prompt_without_barge_in(self) -> None:
        ran = gather('bargeIn="false" numDigits="1"', (1, "5"), before=self.BEFORE)
        assert asked(ran) == digits("5")
        assert when(ran) == 2 * SPEECH_SECONDS
        assert ran.spoken == ["welcome", "menu"]

    def test_is_left_alone_by_a_gather_for_speech(self) -> None:
        ran = run(
            '<Response><Say>welcome</Say><Gather input="speech" timeout="1"><Say>speak</Say></Gather>'
            '<Gather numDigits="1" action="/digits"/></Response>',
            answers={ACTION: HANGUP},
            keys=[(1, "1"), (4, "2")],
        )
        assert asked(ran) == digits("1")
        assert ran.spoken == ["welcome", "speak"]

    def test_during_a_pause_counts(self) -> None:
        ran = gather('numDigits="1"', (1, "5"), before='<Pause length="2"/>')
        assert (asked(ran), when(ran)) == (digits("5"), 2)

    def test_a_key_between_two_verbs_is_not_lost(self) -> None:
        ran = gather('numDigits="1"', (SPEECH_SECONDS, "5"), before=self.BEFORE)
        assert (asked(ran), when(ran)) == (digits("5"), SPEECH_SECONDS)


class LateKeys(ScriptedCall):
    """A call on which a key stops the prompt some time before it is delivered."""

    def press(self, key: str) -> None:
        if self._prompting is not None and key in self._prompting.heard.interrupt_keys:
            self._prompting.interrupt()
        asyncio.get_running_loop().call_later(0.04, super().press, key)


class TestKeysAreNotLost:
    def test_that_arrive_after_the_stop_they_caused(self) -> None:
        async def main() -> None:
            call = LateKeys(keys=[(1, "5")])
            document = '<Response><Gather numDigits="1" action="/digits"><Say>menu</Say></Gather></Response>'
            application = ScriptedApplication({ACTION_URL: document, ACTION: HANGUP})
            await Interpreter(call, facts(call), ApplicationScript(action_url=ACTION_URL), application).run()
            assert call.heard[0].ended == 1
            assert application.asked[1].parameters["Digits"] == "5"
            assert application.asked[1].at == 1.04

        run_in_virtual_time(main())

    def test_that_arrive_with_the_end_of_the_prompt(self) -> None:
        ran = gather('numDigits="1"', (SPEECH_SECONDS, "5"))
        assert (asked(ran), when(ran)) == (digits("5"), SPEECH_SECONDS)

    @pytest.mark.parametrize("offset", [-0.001, 0, 0.001])
    def test_that_arrive_with_the_timeout(self, offset: float) -> None:
        ran = run(
            '<Response><Gather timeout="5" numDigits="1" action="/digits"/>'
            '<Gather numDigits="1" action="/digits"/></Response>',
            answers={ACTION: HANGUP},
            keys=[(5 + offset, "7")],
        )
        assert asked(ran) == digits("7")
        assert when(ran) == pytest.approx(5 + offset)

    def test_pressed_while_the_action_is_asked_belong_to_the_next_gather(self) -> None:
        ran = run(
            '<Response><Gather numDigits="1" action="/digits"/></Response>',
            answers={ACTION: Answer('<Response><Gather numDigits="1"/></Response>', delay=4)},
            keys=[(1, "1"), (2, "2")],
            limits=LanguageLimits(verbs_per_call=2),
        )
        assert [one.parameters.get("Digits") for one in ran.application.asked] == [None, "1", "2"]


class TestPrompts:
    def test_play_back_to_back_in_order_with_their_loops(self) -> None:
        ran = gather(
            'timeout="1"',
            (100, "1"),
            prompts='<Play>/a.wav</Play><Pause length="2"/><Say voice="v" language="fr-FR" loop="2">\n bon  jour </Say>'
            '<Play digits="1w2"/><Wait/><Play loop="0">b.mp3</Play>',
        )
        (heard,) = ran.call.heard[:1]
        assert heard.items == (
            PlayFile("https://app.example/a.wav"),
            Silence(2),
            Speak("bon jour", "v", "fr-FR", 2),
            PlayDigits("1w2"),
            Silence(1),
            PlayFile("https://app.example/voice/b.mp3", 0),
        )

    def test_that_never_end_are_stopped_by_a_key(self) -> None:
        ran = gather('numDigits="1"', (3600, "1"), prompts='<Play loop="0">/a.wav</Play>')
        assert (asked(ran), when(ran)) == (digits("1"), 3600)

    def test_tell_the_call_which_keys_stop_them(self) -> None:
        assert gather('validDigits="12" finishOnKey="*"').call.heard[0].interrupt_keys == "12*"
        assert gather('bargeIn="false"').call.heard[0].interrupt_keys == ""
        assert gather('input="speech"').call.heard[0].interrupt_keys == ""

    def test_that_cannot_be_played_are_left_out_with_a_warning(self) -> None:
        ran = gather('timeout="1"', prompts="<Play>ftp://x/</Play><Foo/><Say>menu</Say><Hangup/>")
        assert ran.call.heard[0].items == (Speak("menu", None, "en-US"),)
        assert ran.call.warnings() == ["bad_url", "unknown_verb", "bad_nesting"]

    def test_none_at_all_start_the_timer_at_once(self) -> None:
        ran = gather('timeout="2"', prompts="")
        assert (asked(ran), when(ran)) == (None, 2)


class TestWhatFollows:
    def test_input_without_action_asks_the_url_of_the_document(self) -> None:
        ran = run(
            ['<Response><Gather numDigits="1"/></Response>', HANGUP],
            keys=[(1, "5")],
        )
        assert ran.application.lines == [f"POST {ACTION_URL}"] * 2
        assert ran.application.asked[1].parameters["Digits"] == "5"

    def test_and_that_url_is_the_one_after_redirects_without_the_parameters_of_a_get(self) -> None:
        page = "https://app.example/page"
        ran = run(
            redirect(f"{page}?a=1"),
            answers={page: ['<Response><Gather numDigits="1" method="GET"/></Response>'] * 2 + [HANGUP]},
            keys=[(1, "5"), (2, "6")],
        )
        urls = [one.request.url for one in ran.application.asked]
        assert urls[1] == f"{page}?a=1"
        assert all(url.startswith(f"{page}?a=1&CallSid=") for url in urls[2:])
        assert [one.parameters.get("Digits") for one in ran.application.asked] == [None, None, "5", "6"]

    def test_input_without_action_in_a_template_goes_on_with_the_next_verb(self) -> None:
        template = '<Response><Gather numDigits="1"/><Say>next</Say></Response>'
        assert run_template(template, keys=[(1, "5")]).spoken == ["next"]
        fallback = ApplicationScript(action_url=ACTION_URL, xml_template=template)
        ran = run(Answer(status=404), script=fallback, keys=[(1, "5")])
        assert ran.spoken == ["next"]
        assert len(ran.application.asked) == 1

    def test_the_rest_of_the_document_is_dropped_when_the_action_answers(self) -> None:
        ran = gather('numDigits="1"', (1, "5"))
        assert "no input" not in ran.spoken
        assert ran.result == RunResult("hangup")

    def test_get_puts_the_digits_in_the_query(self) -> None:
        ran = gather('numDigits="2" method="GET"', (1, "*"), (2, "0"))
        assert ran.application.lines[1] == f"GET {ACTION}"
        assert ran.application.asked[1].parameters["Digits"] == "*0"

    def test_answers_the_call_first(self) -> None:
        ran = gather()
        assert ran.call.done[0] == (0, "answer")

    def test_the_log_counts_the_digits_and_does_not_tell_them(self) -> None:
        ran = gather('numDigits="4"', (1, "4"), (2, "7"), (3, "1"), (4, "1"))
        (entry,) = ran.call.logged("gather")
        assert entry == {"digits": 4, "line": 1, "column": 11, "path": "/Response/Gather[1]"}
        assert "4711" not in str(ran.call.entries)


def test_nothing_runs_on_after_a_hangup_in_the_middle() -> None:
    """A hang-up cancels: the prompt stops, and no task stays behind."""

    async def main() -> None:
        call = ScriptedCall()
        document = '<Response><Gather action="/digits"><Play loop="0">/a.wav</Play></Gather></Response>'
        application = ScriptedApplication({ACTION_URL: document})
        interpreter = Interpreter(call, facts(call), ApplicationScript(action_url=ACTION_URL), application)
        task = asyncio.create_task(interpreter.run())
        await asyncio.sleep(FILE_SECONDS + 0.5)
        assert call.heard[0].ended is None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert call.heard[0].ended == FILE_SECONDS + 0.5
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_in_virtual_time(main())
