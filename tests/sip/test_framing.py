from __future__ import annotations

import pytest

from sip.errors import SipParseError
from sip.framing import decode_head, has_bare_control, is_keepalive, split_head, unfold


@pytest.mark.parametrize(
    ("data", "keepalive"),
    [(b"", True), (b"\r\n", True), (b"\r\n\r\n", True), (b"\n", True), (b"x\r\n", False), (b"\0", False)],
)
def test_only_line_ends_are_a_keepalive(data: bytes, keepalive: bool) -> None:
    assert is_keepalive(data) is keepalive


class TestSplitHead:
    @pytest.mark.parametrize(
        ("data", "head", "body"),
        [
            (b"A\r\nB\r\n\r\nbody", b"A\nB", b"body"),
            (b"A\nB\n\nbody", b"A\nB", b"body"),
            (b"A\r\nB\n\r\nbody", b"A\nB", b"body"),
            (b"A\nB\r\n\nbody", b"A\nB", b"body"),
            (b"A\r\n\r\nb\n\nc\r\n\r\n", b"A", b"b\n\nc\r\n\r\n"),
            (b"A\n\nb\r\n\r\n", b"A", b"b\r\n\r\n"),
            (b"A\r\n\r\n", b"A", b""),
            (b"A\n\n", b"A", b""),
        ],
    )
    def test_the_first_blank_line_ends_the_head_whatever_the_line_ends(
        self, data: bytes, head: bytes, body: bytes
    ) -> None:
        found, start = split_head(data)
        assert found == head
        assert data[start:] == body

    @pytest.mark.parametrize("data", [b"", b"A", b"A\r\nB\r\n", b"A\r\n\r"])
    def test_no_blank_line_is_told_apart(self, data: bytes) -> None:
        assert split_head(data)[1] == -1


def test_what_is_not_utf_8_is_latin_1() -> None:
    assert decode_head("Zoë 東".encode()) == "Zoë 東"
    assert decode_head("Zoë".encode("latin-1")) == "Zoë"
    assert decode_head(b"\xed\xa0\x80").encode()


@pytest.mark.parametrize(
    ("head", "bare"),
    [
        (b"a\tb\nc", False),
        (b'"\\\x00 \\\x07"', False),
        (b"\x00", True),
        (b"\x7f", True),
        (b"\\\\\x00", True),
        (b"\\\x00\x00", True),
        (b"a\rb", True),
        (b'"\\\rb"', True),
        (b"\\", False),
    ],
)
def test_controls_are_legal_in_escapes_only_and_cr_never(head: bytes, bare: bool) -> None:
    assert has_bare_control(head) is bare


class TestUnfold:
    def test_continuations_are_joined_with_one_space(self) -> None:
        lines = ["start", "a: 1 \t", " \t 2", "\t3 ", "b: 4"]
        assert unfold(lines, 100) == ["start", "a: 1 2 3", "b: 4"]

    def test_empty_continuations_add_nothing(self) -> None:
        assert unfold(["start", "a: 1", "  ", "\t", " 2", " "], 100) == ["start", "a: 1 2"]

    def test_the_start_line_cannot_be_continued(self) -> None:
        with pytest.raises(SipParseError):
            unfold(["start", " a: 1"], 100)

    def test_the_limit_holds_for_the_joined_line(self) -> None:
        assert unfold(["start", "a: 1", " 2"], 6) == ["start", "a: 1 2"]
        with pytest.raises(SipParseError):
            unfold(["start", "a: 1", " 2"], 5)
