"""How long a registration waits after what, and what is read from a registrar's answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.core.registration_state import granted_expires, min_expires_of, retry_after_of, retry_delay
from sip.fields import NameAddr
from sip.message import Request, Response, parse_message
from tests.sip.support import request

OURS = NameAddr.parse('<sip:alice@192.0.2.1:5060>;+sip.instance="<urn:uuid:1>";reg-id=1')


def answer(*headers: tuple[str, str], status: int = 200) -> Response:
    made = parse_message(request("REGISTER", branch="z9hG4bK1"))
    assert isinstance(made, Request)
    return made.build_response(status, headers=headers)


class TestDelay:
    def test_it_doubles_from_30_s_to_30_min(self) -> None:
        assert [retry_delay(500, None, n, 0.0) for n in range(1, 8)] == [60, 120, 240, 480, 960, 1800, 1800]
        assert [retry_delay(500, None, n, 1.0) for n in range(1, 8)] == [30, 60, 120, 240, 480, 900, 900]

    @given(
        st.none() | st.integers(300, 699),
        st.none() | st.integers(0, 2**32),
        st.integers(1, 10**6),
        st.floats(0, 1),
    )
    def test_its_bounds(self, status: int | None, retry_after: int | None, failures: int, jitter: float) -> None:
        delay = retry_delay(status, retry_after, failures, jitter)
        if retry_after is None:
            assert 30 <= delay <= 1800
        else:
            assert min(retry_after, 86400) <= delay <= 86400
            assert delay >= 1

    @pytest.mark.parametrize("status", [401, 403, 404, 407])
    def test_what_waiting_does_not_change_is_tried_seldom(self, status: int) -> None:
        assert retry_delay(status, None, 1, 0.0) == 1800
        assert retry_delay(status, None, 1, 1.0) == 1620

    def test_the_registrars_word_is_kept(self) -> None:
        assert retry_delay(503, 5, 1, 0.5) == 5
        assert retry_delay(503, 5, 2, 0.0) == 120  # it did not come back as it said
        assert retry_delay(503, 4000, 1, 0.5) == 4000


class TestReading:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("120", 120), ("18000;duration=3600", 18000), ("120 (I'm in a meeting)", 120), ("soon", None), ("", None)],
    )
    def test_retry_after(self, text: str, seconds: int | None) -> None:
        assert retry_after_of(answer(("Retry-After", text), status=503)) == seconds

    def test_min_expires(self) -> None:
        assert min_expires_of(answer(("Min-Expires", "7200"), status=423)) == 7200
        assert min_expires_of(answer(("Min-Expires", "99999999999"), status=423)) is None
        assert min_expires_of(answer(status=423)) is None

    @pytest.mark.parametrize(
        ("contacts", "expires", "granted"),
        [
            (["<sip:alice@192.0.2.1:5060>;expires=300"], None, 300),
            (["<sip:other@192.0.2.7>;expires=9", "<sip:alice@192.0.2.1:5060>;expires=300"], None, 300),
            (["<sip:other@192.0.2.7>;expires=9", "<sip:alice@192.0.2.1:5060>"], "120", 120),
            (["<sip:rewritten@198.51.100.1>;expires=240"], None, 240),
            (
                ["<sip:other@192.0.2.7>;expires=9", '<sip:x@y>;+sip.instance="<urn:uuid:1>";reg-id=1;expires=77'],
                None,
                77,
            ),
            (
                ["<sip:other@192.0.2.7>;expires=9", '<sip:x@y>;+sip.instance="<urn:uuid:1>";reg-id=2;expires=77'],
                None,
                3600,
            ),
            ([], None, 3600),
            ([], "600", 600),
            (["<sip:alice@192.0.2.1:5060>;expires=0"], None, 0),
            (["<sip:alice@192.0.2.1:5060>;expires=x"], "600", 600),
            (["<sip:alice@192.0.2.1:5060>;expires=4294967295"], None, 2**31),
            (["<sip:broken"], None, 3600),
        ],
    )
    def test_what_was_granted(self, contacts: list[str], expires: str | None, granted: int) -> None:
        headers = [("Contact", contact) for contact in contacts]
        headers += [("Expires", expires)] if expires is not None else []
        assert granted_expires(answer(*headers), OURS, 3600) == granted
