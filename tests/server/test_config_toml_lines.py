"""Each key is found on its own line, whatever stands around it."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config.toml_lines import key_lines


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1", ("a",), 1),
        ("# a = 0\n\na = 1", ("a",), 3),
        ("[t]\n\n  a = 1", ("t", "a"), 3),
        ("[t] # b = 2\nb = 1", ("t", "b"), 2),
        ("[ t . u ]\na = 1", ("t", "u", "a"), 2),
        ("[[t]]\na = 1", ("t", "a"), 2),
        ("t.a = 1", ("t", "a"), 1),
        ("t . a = 1", ("t",), 1),
        ('"a b" = 1', ("a b",), 1),
        ("'a.b' = 1", ("a.b",), 1),
        ('["t"]\na = 1', ("t", "a"), 2),
        ("t = { a = 1 }\nb = 2", ("t",), 1),
        ("t = { a = 1 }\nb = 2", ("b",), 2),
        ('a = [\n "x",\n # ]\n "b = 1",\n]\nb = 1', ("b",), 6),
        ('a = """\nb = 1\n"""\nb = 1', ("b",), 4),
        ('a = """x"" "\\""""""\nb = 1', ("b",), 2),
        ("a = '''\nb = 1\n'''\nb = 1", ("b",), 4),
        ("a = '#'\nb = 1", ("b",), 2),
        ('a = "\\""\nb = 1', ("b",), 2),
        ('a = ""\nb = ""', ("b",), 2),
        ("a = 1979-05-27T07:32:00Z # t\nb = 1", ("b",), 2),
        ("a = [[1, 2], [3]]\nb = 1", ("b",), 2),
    ],
)
def test_a_key_has_its_line(text: str, path: tuple[str, ...], line: int) -> None:
    tomllib.loads(text)
    assert key_lines(text)[path] == line


def test_a_key_inside_a_string_or_a_comment_is_none() -> None:
    assert key_lines('a = """\nb = 1\n"""\n# c = 1\nd = [\n"e = 1"\n]') == {("a",): 1, ("d",): 5}


@given(st.text(alphabet="ab=[]{}\"'#.,\\\n \t1", max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    lines = text.count("\n") + 1
    assert all(1 <= line <= lines for line in key_lines(text).values())


def test_a_long_hostile_text_takes_no_time() -> None:
    assert key_lines("a = " + '"' * 100_001)[("a",)] == 1
    assert key_lines("a = " + "[" * 500_000)[("a",)] == 1
