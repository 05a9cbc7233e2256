"""Text made ready for speech, and cut where a breath may be taken."""

from __future__ import annotations

import random

import pytest

from media.speech.text import FIRST_PIECE_CHARS, PIECE_CHARS, pieces, speakable

LONG = (
    "This sentence goes on without any stop, as happens when people write prompts for telephone menus, and it must be "
    "cut at a comma, so that the caller hears something soon, instead of waiting until all of it has been rendered, "
    "which takes a while on a slow machine with many calls, however fast the engine may be"
)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("  Press\n\t one.  ", "Press one."),
        ("a\0b\x1b[31mc\x7fd\x85e", "a b [31mc d e"),
        ("soft\u00adhyphen, zero\u200bwidth, \u202eleft\u202c, \ufeffmark", "softhyphen, zerowidth, left, mark"),
        ("half \ud800 a pair", "half a pair"),
        ("e\u0301te\u0301", "été"),
        ("private \ue000 use", "private use"),
        ("Grüße, 日本, ½ €", "Grüße, 日本, ½ €"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_nobody_can_speak_is_taken_out(text: str, spoken: str) -> None:
    assert speakable(text) == spoken


def test_words_longer_than_any_are_broken() -> None:
    assert speakable("x" * 100) == f"{'x' * 40} {'x' * 40} {'x' * 20}"
    assert speakable("x" * 40) == "x" * 40
    assert max(map(len, speakable("1" * 4000).split())) == 40


@pytest.mark.parametrize(
    ("language", "text", "cut"),
    [
        ("en-US", "Welcome to the demo line. Please press one for sales.", 2),
        ("en-US", "Are you still on the line? Please press any key now!", 2),
        ("en-US", 'She said "please hold the line." Nobody answered for long.', 2),
        ("en-US", "Your appointment is with Dr. Smith on the second floor.", 1),
        ("en-US", "Your appointment is with Mr. J. R. Smith on the second floor.", 1),
        ("en-US", "The office in the U.S. Capitol building is open today.", 1),
        ("en-US", "We open at 9 a.m. Eastern and close in the late evening.", 1),
        ("en-US", "Your balance is $12.50 today and version 2.0 is available.", 1),
        ("en-US", "Please ask for item No. 5 when you are connected to us.", 1),
        ("en-US", "Sorry, but the answer to that is still no. Please hold on for a moment.", 2),
        ("en-US", "Transfers are made to account 4711. Please hold the line for now.", 2),
        ("en-US", "Please wait... we are still looking for the right person.", 1),
        ("en-US", "1. For the sales department. 2. For the support department.", 2),
        ("de-DE", "Ihr Termin ist am 3. Mai um 12.30 Uhr bei Hr. Dr. Müller.", 1),
        ("de-DE", "Das gilt z.B. Montags und bzw. Dienstags in der Filiale.", 1),
        ("fr-FR", "Bonjour et bienvenue chez nous ! M. Dupont vous répondra.", 2),
        ("es-ES", "¡Hola y bienvenido a la casa! ¿Con quién desea hablar?", 2),
        (
            "ja-JP",
            "お電話いただきまして、誠にありがとうございます。ただいま電話が大変込み合っておりますので、少々お待ちください。",
            2,
        ),
    ],
)
def test_sentences_are_cut_where_they_end_and_nowhere_else(language: str, text: str, cut: int) -> None:
    assert len(pieces(text, language)) == cut, pieces(text, language)


def test_tiny_sentences_join_their_neighbours() -> None:
    assert pieces("Hi. Yes. No. Press one for sales. Press two for the support department. Bye.") == [
        "Hi. Yes. No. Press one for sales.",
        "Press two for the support department. Bye.",
    ]


def test_a_tiny_sentence_does_not_make_the_first_piece_a_long_one() -> None:
    assert pieces("Hello. " + "W" * 30 + " and" * 40 + ".")[0] == "Hello."


def test_a_long_sentence_is_cut_at_commas_and_its_first_piece_is_short() -> None:
    made = pieces(LONG)
    assert len(made[0]) <= FIRST_PIECE_CHARS
    assert all(piece.endswith(",") for piece in made[:-1])
    assert " ".join(made) == LONG


def test_a_sentence_without_commas_is_cut_between_words() -> None:
    made = pieces("word " * 200)
    assert all(set(piece.split()) == {"word"} for piece in made)
    assert sum(len(piece.split()) for piece in made) == 200


@pytest.mark.parametrize(
    "text", ["", "...", "?", ".", "a", "x" * 4000, ", " * 500, ". " * 500, "A. " * 500, "1. " * 500]
)
def test_odd_texts_lose_nothing_and_keep_the_bounds(text: str) -> None:
    made = pieces(speakable(text))
    assert "".join("".join(made).split()) == "".join(text.split())
    assert all(len(piece) <= (PIECE_CHARS if n else FIRST_PIECE_CHARS) for n, piece in enumerate(made))


def test_any_text_loses_nothing_and_keeps_the_bounds() -> None:
    chance = random.Random(11)
    words = [
        "Dr.",
        "a.m.",
        "1.",
        "12.50",
        "Hello.",
        "what?",
        "no.",
        "5",
        "(so",
        "to)",
        "–",
        "x" * 39,
        "日。本",
        "…",
        "Aa",
        "b,",
    ]
    for _ in range(300):
        text = speakable(" ".join(chance.choices(words, k=chance.randrange(120))))
        made = pieces(text, chance.choice(["en-US", "de-DE"]))
        assert "".join("".join(made).split()) == "".join(text.split())
        assert all(piece == piece.strip() != "" for piece in made)
        assert all(len(piece) <= (PIECE_CHARS if n else FIRST_PIECE_CHARS) for n, piece in enumerate(made))
