"""`say-as` of SSML: the words that are spoken for a text of a kind."""

from __future__ import annotations

import pytest

from voyloml.number_words import ordinal, whole, year
from voyloml.say_as import KINDS, as_words


@pytest.mark.parametrize(
    ("kind", "form", "text", "words"),
    [
        ("characters", "", "AB-1 ", "A, B, dash, one"),
        ("spell-out", "", "a@b.c", "a, at, b, dot, c"),
        ("digits", "", "4711", "four seven one one"),
        ("digits", "", "12-34", "one two, three four"),
        ("telephone", "", "+1 (555) 010 x12", "plus, one, five five five, zero one zero, extension, one two"),
        ("telephone", "", "1-800-CALL", "one, eight zero zero, C, A, L, L"),
        ("cardinal", "", "1,234.50", "one thousand two hundred thirty-four point five zero"),
        ("number", "", "-7", "minus seven"),
        ("cardinal", "", "9" * 16, " ".join(["nine"] * 16)),
        ("ordinal", "", "21st", "twenty-first"),
        ("ordinal", "", "1,000", "one thousandth"),
        ("date", "", "2026-11-27", "November twenty-seventh, twenty twenty-six"),
        ("date", "", "11/27/2026", "November twenty-seventh, twenty twenty-six"),
        ("date", "dmy", "27.11.1999", "November twenty-seventh, nineteen ninety-nine"),
        ("date", "MDY", "1/2/05", "January second, two thousand five"),
        ("date", "dmy", "3 March 71", "March third, nineteen seventy-one"),
        ("date", "md", "12-24", "December twenty-fourth"),
        ("date", "my", "9/2026", "September twenty twenty-six"),
        ("date", "y", "1905", "nineteen oh five"),
        ("date", "yyyymmdd", "20260102", "January second, twenty twenty-six"),
        ("date", "yyyymmdd", "????0922", "September twenty-second"),
        ("time", "", "14:30", "fourteen thirty"),
        ("time", "hms12", "9:05am", "nine oh five A M"),
        ("time", "", "3 p.m.", "three P M"),
        ("time", "", "12:00", "twelve o'clock"),
        ("time", "", "00:15:01", "zero fifteen and one second"),
        ("time", "", "17:00", "seventeen hundred hours"),
        ("time", "", "1'21\"", "one minute twenty-one seconds"),
        # What is not of its kind is spoken as it stands.
        ("cardinal", "", "a lot", "a lot"),
        ("cardinal", "", "1,23", "1,23"),
        ("ordinal", "", "next", "next"),
        ("date", "", "13/13/2026", "13/13/2026"),
        ("date", "md", "1/2/3", "1/2/3"),
        ("date", "y", "²²", "²²"),
        ("time", "", "25:00", "25:00"),
        ("time", "", "13 pm", "13 pm"),
        ("time", "", "12", "12"),
        ("digits", "", "none", "n, o, n, e"),
        ("digits", "", "---", "---"),
        ("currency", "", "$5", "$5"),
        *((kind, "", "", "") for kind in KINDS),
    ],
)
def test_a_text_becomes_the_words_of_its_kind(kind: str, form: str, text: str, words: str) -> None:
    assert as_words(text, kind, form, "en-US") == words


def test_a_british_date_begins_with_its_day() -> None:
    assert as_words("2/1/2026", "date", "", "en-GB") == "January second, twenty twenty-six"
    assert as_words("2/1/2026", "date", "", "en-US") == "February first, twenty twenty-six"


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("characters", "ab1", "A, B, 1"),
        ("digits", "4711", "4 7 1 1"),
        ("telephone", "+49 30-12", "4 9, 3 0, 1 2"),
        ("cardinal", "12", "12"),
        ("date", "2026-11-27", "2026-11-27"),
    ],
)
def test_other_languages_have_their_characters_and_digits_parted(kind: str, text: str, words: str) -> None:
    assert as_words(text, kind, "", "de-DE") == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (110, "one hundred ten"),
        (1_000_000, "one million"),
        (10**15 - 1, " ".join(f"nine hundred ninety-nine{name}" for name in (
            " trillion", " billion", " million", " thousand", ""))),
    ],
)  # fmt: skip
def test_whole_numbers(number: int, words: str) -> None:
    assert whole(number) == words


def test_ordinals_and_years() -> None:
    assert ", ".join(ordinal(number) for number in (0, 1, 2, 3, 5, 8, 9, 12, 20, 30, 112)) == (
        "zeroth, first, second, third, fifth, eighth, ninth, twelfth, twentieth, thirtieth, one hundred twelfth"
    )
    assert ", ".join(year(number) for number in (33, 1000, 1066, 1900, 2000, 2010)) == (
        "thirty-three, one thousand, ten sixty-six, nineteen hundred, two thousand, twenty ten"
    )
