"""Matching of messages to transactions (RFC 3261 §17.1.3, §17.2.3, §8.2.2.2, §9.2), and what stays of them."""

from __future__ import annotations

import pytest

from sip.message import Request, parse_message
from sip.transaction import cancel_for, cancelled_key, new_branch, server_key
from sip.transaction.table import Event
from tests.sip.support import LOCAL, PEER, Bench, request, response


def parsed(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


class TestServerKey:
    def test_a_retransmission_has_the_key_of_its_request(self) -> None:
        assert server_key(parsed(request("BYE", branch="z9hG4bK1"))) == server_key(
            parsed(request("BYE", branch="z9hG4bK1"))
        )

    def test_an_ack_has_the_key_of_its_invite(self) -> None:
        ack = parsed(request("ACK", branch="z9hG4bK1", to_tag="x"))
        assert server_key(ack) == server_key(parsed(request("INVITE", branch="z9hG4bK1")))

    def test_a_cancel_has_a_key_of_its_own_and_names_its_invite(self) -> None:
        cancel = parsed(request("CANCEL", branch="z9hG4bK1"))
        invite = parsed(request("INVITE", branch="z9hG4bK1"))
        assert server_key(cancel) != server_key(invite)
        assert cancelled_key(cancel) == server_key(invite)

    @pytest.mark.parametrize("via", ["192.0.2.99:5071;rport", "192.0.2.98:5070;rport", "192.0.2.99;rport"])
    def test_the_same_branch_from_another_sender_is_another_request(self, via: str) -> None:
        assert server_key(parsed(request("BYE", branch="z9hG4bK1", via=via))) != server_key(
            parsed(request("BYE", branch="z9hG4bK1"))
        )

    @pytest.mark.parametrize("branch", [None, "1", "z9hg4bk1"])
    def test_without_magic_cookie_the_whole_request_is_compared(self, branch: str | None) -> None:
        """RFC 3261 §17.2.3, for peers of RFC 2543."""
        invite = parsed(request("INVITE", branch=branch))
        assert server_key(invite) == server_key(parsed(request("INVITE", branch=branch)))
        assert server_key(parsed(request("ACK", branch=branch, to_tag="ours"))) == server_key(invite)
        assert cancelled_key(parsed(request("CANCEL", branch=branch))) == server_key(invite)
        for change in ({"call_id": "other"}, {"from_tag": "other"}, {"cseq": 2}, {"uri": "sip:other@192.0.2.1"}):
            assert server_key(parsed(request("INVITE", branch=branch, **change))) != server_key(invite)  # type: ignore[arg-type]


class TestClientMatching:
    def test_branch_and_cseq_method_decide(self) -> None:
        """RFC 3261 §17.1.3: the CANCEL of an INVITE has the same branch."""
        bench = Bench()
        invite = bench.client()
        cancel = bench.layer.send_request(cancel_for(invite.request), PEER, LOCAL, bench)
        assert bench.layer.find_client(response(invite.request, 200)) is invite
        assert bench.layer.find_client(response(cancel.request, 200)) is cancel

    def test_a_response_to_nothing_finds_nothing(self) -> None:
        bench = Bench()
        bench.client()
        assert bench.layer.find_client(response(parsed(request("INVITE", branch="z9hG4bKelse")), 200)) is None

    def test_branches_are_unique_and_carry_the_cookie(self) -> None:
        branches = {new_branch() for _ in range(1000)}
        assert len(branches) == 1000
        assert all(branch.startswith("z9hG4bK") for branch in branches)


class TestCancel:
    def test_it_repeats_what_ties_it_to_its_invite(self) -> None:
        """RFC 3261 §9.1."""
        invite = parsed(request("INVITE", branch="z9hG4bK1", headers=["Route: <sip:p.example.com;lr>"], cseq=9))
        cancel = parsed(bytes(cancel_for(invite)))
        assert str(cancel.uri) == str(invite.uri)
        assert [str(via) for via in cancel.via] == [str(invite.top_via)]
        for name in ("From", "To", "Call-ID", "Route"):
            assert cancel.headers.get_all(name) == invite.headers.get_all(name)
        assert (cancel.cseq.number, cancel.cseq.method) == (9, "CANCEL")
        assert cancel.body == b""


class TestMerged:
    def test_a_request_on_another_path_is_merged_while_the_first_is_known(self) -> None:
        """RFC 3261 §8.2.2.2."""
        bench = Bench()
        transaction = bench.server()
        assert bench.layer.is_merged(parsed(request("INVITE", branch="z9hG4bKother")))
        transaction.discard()
        assert not bench.layer.is_merged(parsed(request("INVITE", branch="z9hG4bKother")))

    @pytest.mark.parametrize("change", [{"cseq": 2}, {"call_id": "x"}, {"from_tag": "x"}, {"to_tag": "x"}])
    def test_another_request_is_not_merged(self, change: dict[str, object]) -> None:
        bench = Bench()
        bench.server()
        assert not bench.layer.is_merged(parsed(request("INVITE", branch="z9hG4bKother", **change)))  # type: ignore[arg-type]


class TestMemory:
    def test_terminated_transactions_leave_nothing_behind(self) -> None:
        bench = Bench()
        for number in range(300):
            invite = parsed(request("INVITE", branch=f"z9hG4bKs{number}", call_id=str(number)))
            server = bench.layer.serve_request(invite, PEER, LOCAL, bench)
            server.respond(invite.build_response(486))
            ours = parsed(request("BYE", branch=f"z9hG4bKc{number}", call_id=str(number)))
            client = bench.layer.send_request(ours, PEER, LOCAL, bench)
            if number % 2:
                server.handle(Event.RECEIVE_ACK, parsed(request("ACK", branch=f"z9hG4bKs{number}")))
                client.receive(response(ours, 200))
        bench.pass_time(100)
        assert (bench.layer.client_count, bench.layer.server_count, len(bench.layer.timers)) == (0, 0, 0)
        assert bench.layer._merge_keys == {}
        assert bench.layer.timers.heap_size == 0
