"""Identity, diversion and reason fields: what peers send, what they break, and that none of it raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import identity
from sip.errors import LocalProtocolError, SipParseError
from sip.headers import Headers
from sip.identity import Reason, parse_reasons


def headers(*lines: tuple[str, str]) -> Headers:
    return Headers(lines)


class TestAssertedIdentity:
    def test_rfc_3325_9_1_a_sip_and_a_tel_uri_are_read_in_order(self) -> None:
        found = identity.asserted_identities(
            headers(("P-Asserted-Identity", '"Cullen Jennings" <sip:fluffy@cisco.com>, tel:+14085264000'))
        )
        assert [str(address.uri) for address in found] == ["sip:fluffy@cisco.com", "tel:+14085264000"]
        assert found[0].display == "Cullen Jennings"

    def test_what_does_not_parse_is_left_out_and_the_rest_stays(self) -> None:
        lines = [("P-Asserted-Identity", value) for value in ("<sip:a@", '"open', "<http://x>", "<tel:+1555>")]
        assert [str(address.uri) for address in identity.asserted_identities(headers(*lines))] == ["tel:+1555"]

    def test_a_flood_of_values_is_cut(self) -> None:
        many = headers(("P-Preferred-Identity", ", ".join(["<sip:a@b>"] * 100)))
        assert len(identity.preferred_identities(many)) == identity.IDENTITIES


class TestRemoteParty:
    def test_privacy_and_screening_are_typed(self) -> None:
        (found,) = identity.remote_parties(
            headers(("Remote-Party-ID", '"A" <sip:+1555@x>;party=calling;screen=yes;privacy=full'))
        )
        assert (str(found.address.uri), found.party, found.private, found.screened) == (
            "sip:+1555@x",
            "calling",
            True,
            True,
        )

    def test_without_parameters_it_is_the_public_caller(self) -> None:
        (found,) = identity.remote_parties(headers(("Remote-Party-ID", "<sip:a@x>")))
        assert (found.party, found.private, found.screened) == ("calling", False, False)


def test_rfc_3323_4_2_privacy_is_a_list_of_tokens() -> None:
    assert identity.privacy(headers(("Privacy", "ID; critical"), ("Privacy", 'x"'))) == {"id", "critical"}
    assert identity.privacy(headers()) == frozenset()


class TestDiversion:
    def test_rfc_5806_several_with_the_most_recent_first(self) -> None:
        found = identity.diversions(
            headers(
                ("Diversion", "<tel:+19195551002>;reason=User-Busy;privacy=full;counter=3"),
                ("Diversion", "<sip:+19195551001@x>;reason=unconditional, <sip:b@x>;counter=x"),
            )
        )
        assert [(d.reason, d.counter, d.private) for d in found] == [
            ("user-busy", 3, True),
            ("unconditional", 1, False),
            (None, 1, False),
        ]
        assert str(found[0].address) == "<tel:+19195551002>"


class TestHistoryInfo:
    def test_rfc_7044_index_and_cause_are_read(self) -> None:
        found = identity.history(
            headers(
                ("History-Info", "<sip:bob@example.com>;index=1"),
                (
                    "History-Info",
                    "<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302&Privacy=history>;index=1.1,"
                    "<sip:office@example.com;cause=486>;index=1.2;rc=1.1",
                ),
            )
        )
        assert [(h.index, h.cause, h.private) for h in found] == [
            ((1,), None, False),
            ((1, 1), 302, True),
            ((1, 2), 486, False),
        ]
        assert str(found[1].address.uri) == "sip:bob@192.0.2.4"

    @pytest.mark.parametrize("index", ["", ";index=", ";index=1..2", ";index=x", ";index=1.99999"])
    def test_without_a_sound_index_it_is_left_out(self, index: str) -> None:
        assert identity.history(headers(("History-Info", f"<sip:a@b>{index}"))) == ()


class TestReason:
    def test_rfc_3326_2_several_values_in_one_line_or_more(self) -> None:
        found = identity.reasons(
            headers(("Reason", 'SIP ;cause=200 ;text="Call completed, elsewhere"'), ("Reason", "Q.850;cause=16"))
        )
        assert found == (Reason("SIP", 200, "Call completed, elsewhere"), Reason("Q.850", 16))

    def test_rfc_3326_2_of_one_protocol_the_first_counts(self) -> None:
        assert parse_reasons("SIP;cause=1, sip;cause=2") == (Reason("SIP", 1),)

    def test_written_and_parsed_it_is_the_same(self) -> None:
        reason = Reason("Q.850", 16, 'say "no"; \\ , now')
        assert Reason.parse(str(reason)) == reason
        assert str(Reason("SIP", 408)) == "SIP;cause=408"

    @pytest.mark.parametrize("value", ["", ";cause=1", "SIP;cause=x", "SIP;cause=99999", 'SIP;text="open'])
    def test_a_malformed_one_is_left_out(self, value: str) -> None:
        assert parse_reasons(value) == ()
        with pytest.raises(SipParseError):
            Reason.parse(value)

    @pytest.mark.parametrize("reason", [Reason("S IP"), Reason("SIP", 1, "a\r\nVia: x"), Reason("")])
    def test_it_cannot_break_out_of_its_line(self, reason: Reason) -> None:
        with pytest.raises(LocalProtocolError):
            str(reason)


@given(st.text(alphabet=st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=60))
def test_nothing_raises(value: str) -> None:
    made = Headers.trusted(
        [
            (name, value)
            for name in (
                *("P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"),
                *("Privacy", "Diversion", "History-Info", "Reason"),
            )
        ]
    )
    for read in (
        identity.asserted_identities,
        identity.preferred_identities,
        identity.remote_parties,
        identity.privacy,
        identity.diversions,
        identity.history,
        identity.reasons,
    ):
        read(made)
