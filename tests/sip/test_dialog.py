"""Dialogs: how they are made, the requests inside them, routes, sequence numbers (RFC 3261 §12)."""

from __future__ import annotations

import pytest

from sip.dialog import Dialog, DialogState, contact_uri, first_cseq, new_tag
from sip.errors import LocalProtocolError, SipParseError
from sip.message import Request, Response, parse_message
from tests.sip.support import invite, request, response

LOOSE = ["Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>"]


def parsed(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def uas(**changes: object) -> Dialog:
    return Dialog.from_request(parsed(invite(**changes)), "ours")  # type: ignore[arg-type]


def uac(*, status: int = 200, headers: tuple[tuple[str, str], ...] = (), **changes: object) -> Dialog:
    ours = parsed(invite(**changes))  # type: ignore[arg-type]
    heard = parse_message(bytes(response(ours, status, tag="theirs", headers=headers)))
    assert isinstance(heard, Response)
    return Dialog.from_response(ours, heard)


class TestServerSide:
    def test_tags_parties_and_target_come_from_the_request(self) -> None:
        """RFC 3261 §12.1.1."""
        dialog = uas(cseq=7)
        assert dialog.key == ("call-1", "ours", "caller")
        assert dialog.local_party == "<sip:+15550100@192.0.2.1>;tag=ours"
        assert dialog.remote_party == "<sip:caller@example.net>;tag=caller"
        assert str(dialog.remote_target) == "sip:caller@192.0.2.99:5070"
        assert dialog.remote_sequence == 7
        assert dialog.state is DialogState.EARLY

    def test_the_route_set_keeps_the_order_of_record_route(self) -> None:
        dialog = uas(headers=LOOSE)
        assert [str(route) for route in dialog.route_set] == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
        assert str(dialog.next_hop) == "sip:p1.example.com;lr"

    def test_a_peer_without_tag_has_none(self) -> None:
        """RFC 3261 §12.1.1: peers of RFC 2543."""
        assert uas(from_tag=None).remote_tag is None

    @pytest.mark.parametrize("contact", [None, "*", "<tel:+15550100>"])
    def test_a_request_without_usable_contact_makes_no_dialog(self, contact: str | None) -> None:
        with pytest.raises(SipParseError):
            uas(contact=contact)


class TestClientSide:
    def test_tags_and_target_come_from_the_response(self) -> None:
        """RFC 3261 §12.1.2."""
        dialog = uac(cseq=3)
        assert dialog.key == ("call-1", "caller", "theirs")
        assert str(dialog.remote_target) == "sip:callee@192.0.2.99:5070"
        assert dialog.local_sequence == 3
        assert dialog.remote_sequence is None
        assert dialog.state is DialogState.CONFIRMED

    def test_a_provisional_response_makes_an_early_dialog(self) -> None:
        assert uac(status=180).state is DialogState.EARLY

    def test_the_route_set_is_reversed(self) -> None:
        headers = (("Record-Route", "<sip:p1.example.com;lr>"), ("Record-Route", "<sip:p2.example.com;lr>"))
        dialog = uac(headers=headers)
        assert [str(route) for route in dialog.route_set] == ["<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>"]

    def test_without_contact_the_request_uri_is_the_target(self) -> None:
        ours = parsed(invite())
        heard = response(ours, 200, contact=None)
        assert str(Dialog.from_response(ours, heard).remote_target) == str(ours.uri)


class TestRequests:
    def test_they_carry_the_dialog(self) -> None:
        """RFC 3261 §12.2.1.1."""
        dialog = uas(headers=LOOSE)
        first = dialog.request("BYE")
        assert str(first.uri) == "sip:caller@192.0.2.99:5070"
        assert first.headers.get("From") == dialog.local_party
        assert first.headers.get("To") == dialog.remote_party
        assert first.call_id == "call-1"
        assert first.max_forwards == 70
        assert [str(route) for route in first.route] == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]

    def test_the_sequence_number_grows_by_one(self) -> None:
        dialog = uas()
        numbers = [dialog.request(method).cseq.number for method in ("INVITE", "INFO", "BYE")]
        assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
        assert 0 < numbers[0] < 2**31

    def test_an_ack_has_the_number_of_its_invite_and_takes_none(self) -> None:
        """RFC 3261 §13.2.2.4."""
        dialog = uac(cseq=3)
        ack = dialog.request("ACK", sequence=3)
        assert (ack.cseq.number, ack.cseq.method) == (3, "ACK")
        assert dialog.request("BYE").cseq.number == 4

    def test_a_strict_router_finds_itself_in_the_request_uri(self) -> None:
        """RFC 3261 §12.2.1.1: the target moves to the end of the Route."""
        dialog = uas(headers=["Record-Route: <sip:strict.example.com>, <sip:p2.example.com;lr>"])
        bye = dialog.request("BYE")
        assert str(bye.uri) == "sip:strict.example.com"
        assert [str(route) for route in bye.route] == ["<sip:p2.example.com;lr>", "<sip:caller@192.0.2.99:5070>"]
        assert str(dialog.next_hop) == "sip:strict.example.com"

    def test_without_routes_there_is_no_route_header(self) -> None:
        assert "Route" not in uas().request("BYE").headers

    def test_none_but_ack_follows_the_end(self) -> None:
        dialog = uac()
        dialog.state = DialogState.TERMINATED
        assert dialog.request("ACK", sequence=1).method == "ACK"
        with pytest.raises(LocalProtocolError):
            dialog.request("BYE")


class TestSequence:
    def test_numbers_must_not_fall(self) -> None:
        """RFC 3261 §12.2.2."""
        dialog = uas(cseq=10)
        assert not dialog.accepts_sequence(9)
        assert dialog.accepts_sequence(12)
        assert not dialog.accepts_sequence(11)
        assert dialog.accepts_sequence(12)

    def test_the_first_one_may_be_anything(self) -> None:
        assert uac().accepts_sequence(0)


class TestTargetRefresh:
    def test_the_contact_of_a_reinvite_is_taken_over(self) -> None:
        dialog = uas()
        dialog.refresh_target(parsed(invite(contact="<sip:moved@192.0.2.77>")))
        assert str(dialog.next_hop) == "sip:moved@192.0.2.77"

    def test_without_contact_the_target_stays(self) -> None:
        dialog = uas()
        dialog.refresh_target(parsed(request("INFO", branch="z9hG4bKx")))
        assert str(dialog.remote_target) == "sip:caller@192.0.2.99:5070"

    def test_an_unusable_contact_is_refused(self) -> None:
        dialog = uas()
        with pytest.raises(SipParseError):
            dialog.refresh_target(parsed(invite(contact="*")))
        assert str(dialog.remote_target) == "sip:caller@192.0.2.99:5070"

    @pytest.mark.parametrize("extra", [";method=BYE?Route=x", "?Route=x", ";method=BYE", ""])
    def test_what_cannot_stand_in_a_request_uri_is_left_out(self, extra: str) -> None:
        """RFC 3261 §19.1.1."""
        made = parsed(invite(contact=f"<sip:a@192.0.2.5;transport=udp{extra}>"))
        assert str(contact_uri(made)) == "sip:a@192.0.2.5;transport=udp"

    def test_the_first_of_several_contacts_counts(self) -> None:
        assert str(contact_uri(parsed(invite(contact="<sip:a@192.0.2.5>, <sip:b@192.0.2.6>")))) == "sip:a@192.0.2.5"


def test_tags_and_first_numbers_differ() -> None:
    assert len({new_tag() for _ in range(100)}) == 100
    assert len({first_cseq() for _ in range(100)}) > 50
