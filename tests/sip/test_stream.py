"""Messages out of a byte stream (RFC 3261 §18.3, RFC 5626 §4.4.1)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import SipParseError
from sip.limits import MessageLimits
from sip.message import parse_message
from sip.stream import MessageStream, Taken
from tests.support.effort import effort_below


def message(body: bytes = b"", *, length: bytes | None = None, name: bytes = b"Content-Length") -> bytes:
    return (
        b"MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n"
        b"Call-ID: x\r\nCSeq: 1 MESSAGE\r\n" + name + b": " + (length or b"%d" % len(body)) + b"\r\n\r\n" + body
    )


def fed(data: bytes, cuts: tuple[int, ...] = (), limits: MessageLimits | None = None) -> tuple[Taken, MessageStream]:
    stream = MessageStream(limits) if limits else MessageStream()
    total = Taken()
    for start, end in pairwise((0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data))):
        taken = stream.feed(data[start:end])
        total.messages += taken.messages
        total.pings += taken.pings
    return total, stream


class TestMessages:
    def test_several_in_one_piece_and_one_in_several(self) -> None:
        messages = [message(b"abc"), message(), message(b"x" * 5000, name=b"l"), message(b"\r\n\r\n")]
        whole, _ = fed(b"".join(messages))
        assert whole.messages == messages
        single = MessageStream()
        one = [found for octet in b"".join(messages) for found in single.feed(bytes([octet])).messages]
        assert one == messages
        assert len(single) == 0

    @given(st.lists(st.sampled_from([message(), message(b"body"), b"\r\n", b"\r\n\r\n", b"\n"]), max_size=6), st.data())
    def test_where_the_stream_is_cut_makes_no_difference_to_its_messages(
        self, pieces: list[bytes], data: st.DataObject
    ) -> None:
        cuts = tuple(data.draw(st.lists(st.integers(0, 2000), max_size=8)))
        whole, _ = fed(b"".join(pieces))
        cut, _ = fed(b"".join(pieces), cuts)
        assert cut.messages == whole.messages == [piece for piece in pieces if len(piece) > 4]

    @pytest.mark.parametrize(
        "line", [b"Content-Length:\r\n 3", b"content-length   :3", b"L:3", b"Content-Length: 3\r\nl: 3", b"l: 0003"]
    )
    def test_each_way_to_write_the_length_is_understood(self, line: bytes) -> None:
        data = message(b"abc").replace(b"Content-Length: 3", line)
        taken, stream = fed(data + message())
        assert taken.messages == [data, message()]
        assert not stream.broken

    def test_bare_line_feeds_end_a_head_as_well(self) -> None:
        data = message(b"abc").replace(b"\r\n", b"\n")
        assert fed(data)[0].messages == [data]


class TestKeepAlive:
    def test_double_line_ends_are_pings_single_ones_are_nothing(self) -> None:
        assert fed(b"\r\n\r\n")[0].pings == 1
        assert fed(b"\r\n\r\n\r\n\r\n" + message())[0].pings == 2
        taken, _ = fed(b"\r\n" + message() + b"\r\n\r\n" + message())
        assert (len(taken.messages), taken.pings) == (2, 1)
        assert fed(b"\r\n\r\n", (1, 2, 3))[0].pings == 1

    def test_a_line_end_by_itself_may_be_taken_as_the_answer_to_a_ping_of_ours(self) -> None:
        stream = MessageStream()
        for _ in range(2):
            assert stream.feed(b"\r\n").pings == 0
            assert stream.take_pong()
            assert not stream.take_pong()
        assert stream.feed(message()[:10]).messages == []
        assert not stream.take_pong()
        assert stream.feed(message()[10:]).messages == [message()]


class TestFaults:
    @pytest.mark.parametrize(
        "length", [b"x", b"-1", b"1 2", b"9" * 12, b"3\r\nContent-Length: 4", b"70000", b"\xb3"], ids=str
    )
    def test_a_length_that_cannot_be_right_breaks_the_stream_and_tells_the_parser(self, length: bytes) -> None:
        data = message(b"abc", length=length)
        taken, stream = fed(data + message())
        assert stream.broken
        assert len(taken.messages) == 1
        with pytest.raises(SipParseError) as caught:
            parse_message(taken.messages[0], stream=True)
        assert caught.value.partial is not None
        assert stream.feed(message()).messages == []

    def test_a_missing_length_breaks_it(self) -> None:
        data = message().replace(b"Content-Length: 0\r\n", b"")
        taken, stream = fed(data)
        assert stream.broken
        assert taken.messages == [data]

    def test_a_head_without_an_end_is_cut_at_the_limit(self) -> None:
        limits = MessageLimits(message_bytes=2000)
        taken, stream = fed(b"x" * 1999, (), limits)
        assert not stream.broken
        taken = stream.feed(b"xx")
        assert stream.broken
        assert len(stream) == 0
        assert len(taken.messages[0]) <= 2001

    def test_octet_by_octet_costs_no_more_than_the_size(self) -> None:
        stream = MessageStream()
        data = message(b"y" * 20_000)
        with effort_below(500):
            found = [m for at in range(len(data)) for m in stream.feed(data[at : at + 1]).messages]
        assert found == [data]

    @pytest.mark.parametrize("piece", [b"A\r\nl:0\r\n\r\n", b"\rA\nl:0\n\n", message()])
    def test_many_small_messages_in_one_piece_cost_no_more_than_their_size(self, piece: bytes) -> None:
        stream = MessageStream()
        with effort_below(1500):
            taken = stream.feed(piece * (512 * 1024 // len(piece)))
        assert len(taken.messages) == 512 * 1024 // len(piece)

    def test_nothing_waits_when_lines_never_end(self) -> None:
        stream = MessageStream()
        with effort_below(700):
            for _ in range(20_000):
                stream.feed(b"\r\n")
        assert len(stream) < 4
