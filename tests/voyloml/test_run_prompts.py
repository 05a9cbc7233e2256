"""`Play`, `Say` and `Pause` on a call (contract §10.4, §10.8)."""

from __future__ import annotations

import asyncio
import math

import pytest

from tests.voyloml.scripted import (
    ACTION_URL,
    FILE_SECONDS,
    SPEECH_SECONDS,
    ScriptedApplication,
    ScriptedCall,
    facts,
    run,
    run_template,
)
from voyloml import ApplicationScript, Delivery, Interpreter, PlayDigits, PlayFile, RunResult, Silence, Speak
from voyloml.virtual_time import run_in_virtual_time


class TestPlay:
    def test_plays_one_after_the_other(self) -> None:
        ran = run('<Response><Play>/a.wav</Play><Play loop="3">https://b.example/c.mp3</Play></Response>')
        assert [(heard.items, heard.began, heard.ended) for heard in ran.call.heard] == [
            ((PlayFile("https://app.example/a.wav"),), 0, FILE_SECONDS),
            ((PlayFile("https://b.example/c.mp3", 3),), FILE_SECONDS, 4 * FILE_SECONDS),
        ]

    def test_plays_digits_instead_of_a_file(self) -> None:
        ran = run('<Response><Play digits="1w2" loop="2">/a.wav</Play></Response>')
        assert ran.call.heard[0].items == (PlayDigits("1w2", 2),)

    def test_without_a_base_a_relative_file_is_skipped(self) -> None:
        ran = run_template("<Response><Play>a.wav</Play><Say>on</Say></Response>")
        assert ran.spoken == ["on"]
        assert ran.call.warnings() == ["relative_url_without_base"]

    def test_keys_do_not_stop_it(self) -> None:
        ran = run("<Response><Play>/a.wav</Play></Response>", keys=[(1, "5")])
        assert ran.call.heard[0].interrupt_keys == ""
        assert ran.call.heard[0].ended == FILE_SECONDS

    def test_stops_when_the_run_is_cancelled(self) -> None:
        async def main() -> None:
            call = ScriptedCall()
            application = ScriptedApplication({ACTION_URL: '<Response><Play loop="0">/a.wav</Play></Response>'})
            interpreter = Interpreter(call, facts(call), ApplicationScript(action_url=ACTION_URL), application)
            task = asyncio.create_task(interpreter.run())
            await asyncio.sleep(3600)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert call.heard[0].ended == 3600
            assert [what for _, what in call.done] == ["answer"]

        run_in_virtual_time(main())


class TestSay:
    def test_speaks_with_its_attributes(self) -> None:
        ran = run('<Response><Say voice="v" language="fr-FR" loop="2"> Bon\n   jour </Say></Response>')
        assert ran.call.heard[0].items == (Speak("Bon jour", "v", "fr-FR", 2),)
        assert ran.seconds == 2 * SPEECH_SECONDS

    def test_speaks_the_words_inside_elements_it_does_not_know(self) -> None:
        ran = run("<Response><Say>one <w>two <b>three</b></w> four</Say></Response>")
        assert ran.spoken == ["one two three four"]
        assert ran.call.warnings() == ["unknown_verb"]

    @pytest.mark.parametrize(
        ("inside", "heard"),
        [
            ("One <break time='2s'/> two", ["One", 2.0, "two"]),
            ("One<break time='1500ms'/><break time='500ms'/>two<break/>", ["One", 2.0, "two"]),
            ("<break strength='strong'/>One<break time='99s'/>two", [1.0, "One", 10.0, "two"]),
            (
                "<sub alias='World Wide Web'>WWW</sub> is <prosody>slow</prosody>",
                ["World Wide Web is slow"],
            ),
            (
                "<say-as interpret-as='date' format='md'>11/27</say-as> at <say-as interpret-as='time'>9 am</say-as>",
                ["November twenty-seventh at nine A M"],
            ),
            ("<prosody rate='medium'>One</prosody><break strength='none'/> two", ["One two"]),
            ("<p>One.</p><p><s>Two.</s></p>Three.", ["One.", 0.5, "Two.", 0.8, "Three."]),
            ("<break time='soon'/>One", [0.5, "One"]),
            ("<![CDATA[One ]]><w>two</w>", ["One two"]),
        ],
    )
    def test_carries_out_ssml(self, inside: str, heard: list[str | float]) -> None:
        ran = run(f"<Response><Say voice='v'>{inside}</Say></Response>")
        expected = [Speak(one, "v", "en-US") if isinstance(one, str) else Silence(one) for one in heard]
        assert ran.call.heard[0].items == tuple(expected)
        assert ran.call.warnings() == []

    @pytest.mark.parametrize(
        ("inside", "heard"),
        [
            ("<prosody rate='fast'>One</prosody>", [("One", Delivery(rate=1.25))]),
            ("<prosody rate='80%' pitch='+20%' volume='soft'>One</prosody>", [("One", Delivery(0.8, 1.2, -6))]),
            ("<prosody rate='0.9' pitch='-12st' volume='+6dB'>One</prosody>", [("One", Delivery(0.9, 0.5, 6))]),
            ("<prosody rate='900%' pitch='x-low' volume='+90dB'>One</prosody>", [("One", Delivery(2, 0.7, 10))]),
            ("<prosody volume='silent'>One <emphasis>two</emphasis></prosody>",
             [("One", Delivery(decibels=-math.inf, runs_on=True)), ("two", Delivery(rate=0.93, decibels=-math.inf))]),
            ("<emphasis>One</emphasis>, <emphasis level='strong'>two</emphasis><emphasis level='reduced'>3</emphasis>!",
             [("One,", Delivery(0.93, 1, 2)), ("two", Delivery(0.85, 1, 4, True)), ("3!", Delivery(1.1, 1, -3))]),
            # A change is one of what stands around it, a word or a percentage sets it anew.
            ("<prosody rate='80%'>One <prosody rate='+50%'>two</prosody> <prosody rate='slow'>3</prosody></prosody> 4",
             [("One", Delivery(0.8, runs_on=True)), ("two", Delivery(1.2, runs_on=True)),
              ("3", Delivery(0.75, runs_on=True)), ("4", Delivery())]),
            ("<prosody volume='loud'><s>One</s><say-as interpret-as='digits'>23</say-as></prosody>",
             [("One", Delivery(decibels=3)), 0.3, ("two three", Delivery(decibels=3))]),
        ],
    )  # fmt: skip
    def test_speaks_a_part_as_it_is_told_to(self, inside: str, heard: list[tuple[str, Delivery] | float]) -> None:
        ran = run(f"<Response><Say>{inside}</Say></Response>")
        assert ran.call.heard[0].items == tuple(
            Silence(one) if isinstance(one, float) else Speak(one[0], None, "en-US", delivery=one[1]) for one in heard
        )
        assert ran.call.warnings() == []

    def test_says_what_it_does_not_carry_out_and_speaks_the_text(self) -> None:
        ran = run(
            "<Response><Say>One <prosody rate='quick' range='high'>two</prosody> <emphasis level='mad'>three</emphasis>"
            "<say-as interpret-as='currency'>$4</say-as></Say></Response>"
        )
        assert ran.spoken == ["One two", "three", "$4"]
        assert ran.call.warnings() == ["invalid_attribute"] * 4

    def test_repeats_a_text_with_breaks_as_a_whole(self) -> None:
        ran = run("<Response><Say loop='2'>One<break time='1s'/>two</Say></Response>")
        one, two = Speak("One", None, "en-US"), Speak("two", None, "en-US")
        assert ran.call.heard[0].items == (one, Silence(1.0), two) * 2

    def test_speaks_as_much_as_may_be(self) -> None:
        ran = run(f"<Response><Say>{'x' * 5000}</Say></Response>")
        assert ran.spoken == ["x" * 4000]
        assert ran.call.warnings() == ["too_large"]


class TestPause:
    @pytest.mark.parametrize(
        ("xml", "seconds"), [("<Pause/>", 1), ('<Wait length="7"/>', 7), ('<Pause length="0"/>', 1)]
    )
    def test_takes_its_time_and_does_not_answer(self, xml: str, seconds: int) -> None:
        ran = run(f"<Response>{xml}<Reject/></Response>")
        assert ran.call.done == [(seconds, "rejected")]
        assert ran.result == RunResult("rejected", "rejected")
