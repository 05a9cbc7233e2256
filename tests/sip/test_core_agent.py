"""The core as a whole: which requests reach the application, what the others are told, and what is never answered."""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sip.core.config import UserAgentConfig
from sip.core.inspection import ALLOWED_METHODS, SUPPORTED_EXTENSIONS
from sip.core.messaging import MessageReceived
from sip.digest import Credentials, DigestOutcome, answer_challenge
from sip.endpoint import Endpoint
from sip.message import Request, Response, parse_message
from sip.transaction.timers import TimerConfig
from tests.sip.support import (
    ANSWER,
    PEER,
    Agent,
    encode,
    invite,
    only_request,
    only_response,
    request,
    response,
)

CREDENTIALS = Credentials("alice", "secret")


def options(agent: Agent, *headers: str, **more: object) -> Response:
    return only_response(agent.answer_to(request("OPTIONS", branch="z9hG4bKo", headers=headers, **more)))  # type: ignore[arg-type]


class TestMethods:
    @pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH"])
    def test_known_ones_that_are_not_supported_get_405(self, method: str) -> None:
        """RFC 3261 §8.2.1."""
        answer = only_response(Agent().answer_to(request(method, branch="z9hG4bK1")))
        assert answer.status == 405
        assert answer.allow == set(ALLOWED_METHODS)

    @pytest.mark.parametrize("method", ["FOO", "invite", "RE%47IST%45R"])
    def test_unknown_ones_get_501(self, method: str) -> None:
        answer = only_response(Agent().answer_to(request(method, branch="z9hG4bK1")))
        assert answer.status == 501
        assert answer.allow

    @pytest.mark.parametrize("method", ["BYE", "INFO", "PRACK", "UPDATE", "NOTIFY"])
    def test_those_of_a_dialog_get_481_outside_of_one(self, method: str) -> None:
        assert only_response(Agent().answer_to(request(method, branch="z9hG4bK1"))).status == 481

    def test_an_unknown_dialog_gets_481(self) -> None:
        agent = Agent()
        assert only_response(agent.answer_to(invite(to_tag="gone"))).status == 481
        assert agent.calls == []


class TestOptions:
    def test_it_tells_what_we_can_do(self) -> None:
        """RFC 3261 §11.2."""
        # As long as a phone's; a shorter one gets less, so that nobody is sent much more than was asked
        answer = options(Agent(), "User-Agent: a phone with an ordinary name", "Accept: application/sdp")
        assert answer.status == 200
        assert answer.allow == set(ALLOWED_METHODS)
        assert answer.headers.get("Accept") == "application/sdp"
        assert answer.supported == SUPPORTED_EXTENSIONS
        assert answer.to.tag

    def test_max_forwards_0_is_answered_like_any_other(self) -> None:
        """Contract §14.1."""
        agent = Agent()
        data = request("OPTIONS", branch="z9hG4bKo").replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
        assert only_response(agent.answer_to(data)).status == 200

    def test_while_draining_it_is_503(self) -> None:
        agent = Agent()
        agent.core.draining = True
        answer = options(agent)
        assert answer.status == 503
        assert answer.headers.get("Retry-After") == "30"

    def test_inside_a_call_it_is_answered_even_then(self) -> None:
        """RFC 3261 §11: the peer asks whether the dialog lives."""
        agent = Agent()
        call = agent.call()
        call.answer(ANSWER)
        agent.sent()
        agent.core.draining = True
        answer = options(agent, to_tag=call.local_tag, cseq=2)
        assert (answer.status, answer.allow) == (200, set(ALLOWED_METHODS))

    def test_over_a_connection_nothing_is_left_out(self) -> None:
        agent = Agent(local=Endpoint("tcp", "192.0.2.1", 5060))
        agent.receive(request("OPTIONS", branch="z9hG4bKo"), Endpoint("tcp", "192.0.2.99", 5070))
        answer = only_response(agent.sent())
        assert answer.headers.get("Allow-Events") == "refer"
        assert answer.supported == SUPPORTED_EXTENSIONS
        assert answer.headers.get("Accept") == "application/sdp"


class TestMessage:
    """RFC 3428 §7."""

    def message(self, agent: Agent, **more: object) -> Response:
        data = request("MESSAGE", branch="z9hG4bKm", headers=["Content-Type: text/plain"], body=b"hello", **more)  # type: ignore[arg-type]
        return only_response(agent.answer_to(data))

    def test_without_anybody_to_take_it_it_gets_405(self) -> None:
        answer = self.message(Agent())
        assert answer.status == 405
        assert "MESSAGE" not in answer.allow

    def test_or_what_is_configured(self) -> None:
        answer = self.message(Agent(UserAgentConfig(message_status=488)))
        assert (answer.status, answer.allow, answer.headers.get("Accept")) == (488, set(), None)
        answer = self.message(Agent(UserAgentConfig(message_status=415)))
        assert (answer.status, answer.allow, answer.headers.get("Accept")) == (415, set(), "application/sdp")

    def test_what_is_wrong_with_one_that_is_taken_is_told_all_the_same(self) -> None:
        agent = Agent(UserAgentConfig(message_status=202), on_message=lambda _message: None)
        assert self.message(agent, uri="tel:+15550100").status == 416

    def test_else_it_is_accepted_once_and_in_allow(self) -> None:
        heard: list[MessageReceived] = []
        agent = Agent(on_message=heard.append)
        assert self.message(agent).status == 200
        assert self.message(agent).status == 200
        assert [(message.content_type, message.body, message.call) for message in heard] == [
            ("text/plain", b"hello", None)
        ]
        assert "MESSAGE" in options(agent, "Contact: <sip:caller@192.0.2.99:5070>", "User-Agent: Phone").allow

    def test_inside_a_call_it_names_the_call(self) -> None:
        heard: list[MessageReceived] = []
        agent = Agent(on_message=heard.append)
        call = agent.call()
        call.answer(ANSWER)
        agent.sent()
        assert self.message(agent, to_tag=call.local_tag, cseq=2).status == 200
        assert heard[0].call is call
        assert self.message(Agent(on_message=heard.append), to_tag="gone").status == 481

    def test_at_the_limit_of_transactions_it_gets_503(self) -> None:
        agent = Agent(UserAgentConfig(server_transactions=0), on_message=lambda _message: None)
        assert self.message(agent).status == 503


class TestEvents:
    @pytest.mark.parametrize("method", ["SUBSCRIBE", "PUBLISH"])
    @pytest.mark.parametrize(
        ("event", "wanted"), [("presence", 489), ("Message-Summary;id=1", 489), ("refer", 405), ("", 405)]
    )
    def test_rfc_6665_4_2_1_2_an_unknown_package_gets_489(self, method: str, event: str, wanted: int) -> None:
        answer = only_response(Agent().answer_to(request(method, branch="z9hG4bK1", headers=[f"Event: {event}"])))
        assert answer.status == wanted
        assert answer.headers.get("Allow-Events") == ("refer" if wanted == 489 else None)


class TestLoops:
    def test_a_call_of_ours_that_comes_back_through_a_proxy_is_a_call(self) -> None:
        """RFC 3261 §16.3 (4) is for proxies: to a user agent, its own Via further down is no fault (an extension that
        dials its own number). What would go in circles ends at Max-Forwards."""
        agent = Agent()
        agent.place()
        back = only_request(agent.sent())
        back.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.99:5070;branch=z9hG4bKproxy")
        agent.receive(back)
        assert len(agent.calls) == 1


class TestHeaderInspection:
    @pytest.mark.parametrize("uri", ["tel:+15550100", "soap.beep://192.0.2.1", "nobody:x"])
    def test_an_unknown_uri_scheme_gets_416(self, uri: str) -> None:
        """RFC 3261 §8.2.2.1."""
        assert only_response(Agent().answer_to(invite(uri=uri))).status == 416

    def test_a_required_extension_gets_420(self) -> None:
        """RFC 3261 §8.2.2.3."""
        answer = only_response(Agent().answer_to(invite(headers=["Require: 100rel, foo", "Require: precondition"])))
        assert (answer.status, answer.headers.get("Unsupported")) == (420, "foo, precondition")

    def test_cancel_is_not_refused_for_one(self) -> None:
        agent = Agent()
        agent.call()
        answers = agent.answer_to(request("CANCEL", branch="z9hG4bKinvite", headers=["Require: foo"]))
        assert [m.status for m in answers if isinstance(m, Response)] == [200, 487]

    def test_the_same_invite_on_another_path_gets_482(self) -> None:
        """RFC 3261 §8.2.2.2."""
        agent = Agent()
        agent.call()
        assert only_response(agent.answer_to(invite(branch="z9hG4bKfork"))).status == 482
        assert len(agent.calls) == 1

    def test_an_invite_without_contact_gets_400(self) -> None:
        agent = Agent()
        assert only_response(agent.answer_to(invite(contact=None))).status == 400
        assert agent.calls == []
        assert agent.core.calls == 0
        assert agent.core.layer.server_count == 0


class TestContent:
    @pytest.mark.parametrize("kind", ["text/plain", "multipart/mixed;boundary=x", "application/isup"])
    def test_an_unknown_body_gets_415(self, kind: str) -> None:
        """RFC 3261 §8.2.3."""
        data = invite().replace(b"Content-Type: application/sdp", f"Content-Type: {kind}".encode())
        answer = only_response(Agent().answer_to(data))
        assert (answer.status, answer.headers.get("Accept")) == (415, "application/sdp")

    def test_an_optional_one_is_ignored(self) -> None:
        agent = Agent()
        data = invite(headers=["Content-Disposition: signal; handling=optional"])
        agent.receive(data.replace(b"Content-Type: application/sdp", b"Content-Type: application/isup"))
        assert agent.calls[0].offer is None

    def test_an_encoded_one_gets_415(self) -> None:
        answer = only_response(Agent().answer_to(invite(headers=["Content-Encoding: gzip"])))
        assert (answer.status, answer.headers.get("Accept-Encoding")) == (415, "identity")

    def test_a_caller_who_takes_no_sdp_gets_406(self) -> None:
        assert only_response(Agent().answer_to(invite(headers=["Accept: text/plain"]))).status == 406

    @pytest.mark.parametrize("accept", ["application/sdp", "text/plain, Application/SDP;q=0.5", "*/*", "application/*"])
    def test_a_caller_who_takes_sdp_is_served(self, accept: str) -> None:
        agent = Agent()
        agent.receive(invite(headers=[f"Accept: {accept}"]))
        assert len(agent.calls) == 1


class TestFaults:
    def test_a_malformed_request_gets_400(self) -> None:
        agent = Agent()
        answer = only_response(agent.answer_to(invite().replace(b"Max-Forwards: 70", b"Max-Forwards: seventy")))
        assert answer.status == 400
        assert "Max-Forwards" not in answer.headers
        assert agent.core.statistics.parse_errors == 1

    def test_an_unknown_method_counts_before_a_fault_and_names_ours(self) -> None:
        data = request("FOO", branch="z9hG4bK1").replace(b"1 FOO", b"1 INVITE")
        answer = only_response(Agent().answer_to(data))
        assert answer.status == 501
        assert "INVITE" in answer.allow
        fault = Agent().answer_to(invite().replace(b"Max-Forwards: 70", b"Max-Forwards: x"))
        assert "Allow" not in only_response(fault).headers

    def test_another_version_gets_505(self) -> None:
        data = request("OPTIONS", branch="z9hG4bK1").replace(b" SIP/2.0\r\n", b" SIP/3.0\r\n", 1)
        assert only_response(Agent().answer_to(data)).status == 505

    @pytest.mark.parametrize(
        "data",
        [
            invite().replace(b"INVITE", b"ACK").replace(b"Max-Forwards: 70", b"Max-Forwards: x"),
            b"SIP/2.0 200 OK\r\nVia: broken\r\n\r\n",
            b"INVITE sip:x SIP/2.0\r\n\r\n",
            b"\x00\x01\x02\x03",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\r\n\r\n",
            b"",
        ],
    )
    def test_what_cannot_be_answered_is_dropped(self, data: bytes) -> None:
        agent = Agent()
        assert agent.answer_to(data) == []

    def test_a_reason_phrase_never_echoes_the_peer(self) -> None:
        data = invite().replace(b"Max-Forwards: 70", b"Max-Forwards: <script>")
        assert b"script" not in bytes(only_response(Agent().answer_to(data)))

    def test_an_oversized_message_gets_513_or_nothing(self) -> None:
        agent = Agent()
        agent.receive(invite(body=b"x" * 70000))
        assert all(status == 513 for status in agent.statuses())


class TestResponses:
    def test_strays_are_counted_and_dropped(self) -> None:
        agent = Agent()
        made = parse_message(request("INVITE", branch="z9hG4bKnobody", via="192.0.2.1:5060"))
        assert isinstance(made, Request)
        assert agent.answer_to(response(made, 200)) == []
        assert agent.core.statistics.stray_responses == 1

    @pytest.mark.parametrize("change", [(b"192.0.2.1:5060", b"192.0.2.7:5060"), (b"192.0.2.1:5060", b"192.0.2.1:5061")])
    def test_one_that_names_another_sender_is_dropped(self, change: tuple[bytes, bytes]) -> None:
        """RFC 3261 §18.1.2."""
        agent = Agent()
        call = agent.place()
        data = bytes(response(only_request(agent.sent()), 486)).replace(*change, 1)
        agent.receive(data)
        assert agent.events[call] == []
        assert agent.core.statistics.stray_responses == 1

    def test_one_with_two_vias_is_dropped(self) -> None:
        """RFC 3261 §8.1.3.3."""
        agent = Agent()
        call = agent.place()
        heard = response(only_request(agent.sent()), 486)
        heard.headers.add("Via", "SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKx")
        agent.receive(heard)
        assert agent.events[call] == []


class TestAcks:
    def test_one_for_nothing_is_dropped(self) -> None:
        agent = Agent()
        assert agent.answer_to(request("ACK", branch="z9hG4bK1", to_tag="x")) == []
        assert agent.core.statistics.stray_acks == 1


class TestDraining:
    def test_new_calls_get_503_and_a_time(self) -> None:
        """Contract §22.4."""
        agent = Agent()
        agent.core.draining = True
        answer = only_response(agent.answer_to(invite()))
        assert (answer.status, answer.headers.get("Retry-After")) == (503, "30")
        assert agent.calls == []

    def test_calls_in_progress_go_on(self) -> None:
        agent = Agent()
        call = agent.call()
        agent.core.draining = True
        call.answer(ANSWER)
        assert only_response(agent.sent()).status == 200
        bye = request("BYE", branch="z9hG4bKb", to_tag=call.local_tag, cseq=2)
        assert only_response(agent.answer_to(bye)).status == 200


class TestLimits:
    def test_too_many_calls_get_503(self) -> None:
        agent = Agent(UserAgentConfig(calls=2))
        for number in range(3):
            agent.receive(invite(branch=f"z9hG4bK{number}", call_id=str(number)))
        assert len(agent.calls) == 2
        assert only_response(agent.sent()).status == 503

    def test_too_many_transactions_get_503_but_a_call_can_end(self) -> None:
        agent = Agent(UserAgentConfig(server_transactions=1))
        call = agent.call()
        assert only_response(agent.answer_to(invite(branch="z9hG4bK2", call_id="2"))).status == 503
        call.answer(ANSWER)
        agent.sent()
        bye = request("BYE", branch="z9hG4bKb", to_tag=call.local_tag, cseq=2)
        assert only_response(agent.answer_to(bye)).status == 200


class TestAuthentication:
    def challenge(self, agent: Agent, *, proxy: bool = False) -> Response:
        call = agent.call()
        assert agent.core.check_credentials(call, "realm", CREDENTIALS, proxy=proxy).outcome is DigestOutcome.MISSING
        call.challenge("realm")
        return only_response(agent.sent())

    def answer(self, challenge: Response, password: str, *, cseq: int = 2) -> bytes:
        proxy = challenge.status == 407
        values = challenge.headers.get_all("Proxy-Authenticate" if proxy else "WWW-Authenticate")
        value = answer_challenge(values, "alice", password, "INVITE", "sip:+15550100@192.0.2.1")
        name = "Proxy-Authorization" if proxy else "Authorization"
        return invite(branch=f"z9hG4bKauth{cseq}", cseq=cseq, headers=[f"{name}: {value}"])

    @pytest.mark.parametrize("proxy", [False, True])
    def test_the_right_password_is_accepted(self, proxy: bool) -> None:
        agent = Agent()
        challenge = self.challenge(agent, proxy=proxy)
        assert challenge.status == (407 if proxy else 401)
        agent.receive(self.answer(challenge, "secret"))
        result = agent.core.check_credentials(agent.calls[-1], "realm", CREDENTIALS, proxy=proxy)
        assert result.ok
        assert result.username == "alice"

    def test_a_challenge_leaves_no_state(self) -> None:
        """RFC 3261 §8.2.7, issue: no state for unauthenticated requests."""
        agent = Agent()
        self.challenge(agent)
        assert agent.core.layer.server_count == 0
        assert agent.core.calls == 0
        assert agent.core.dialogs == 0
        assert agent.sent_times(60) == []

    def test_a_retransmission_is_challenged_again_under_the_same_tag(self) -> None:
        agent = Agent()
        tags = {self.challenge(agent).to.tag for _ in range(3)}
        assert len(tags) == 1

    def test_the_ack_to_a_challenge_is_absorbed(self) -> None:
        agent = Agent()
        challenge = self.challenge(agent)
        assert agent.answer_to(request("ACK", branch="z9hG4bKinvite", to_tag=challenge.to.tag)) == []

    def test_five_wrong_passwords_silence_the_address_for_ten_minutes(self) -> None:
        """Contract §14.1."""
        agent = Agent()
        for number in range(5):
            challenge = self.challenge(agent)
            agent.receive(self.answer(challenge, "wrong", cseq=10 + number))
            result = agent.core.check_credentials(agent.calls[-1], "realm", CREDENTIALS)
            assert result.outcome is DigestOutcome.BAD
            agent.calls[-1].reject(403, stateless=True)
            agent.sent()
        assert agent.bans == ["192.0.2.99"]
        assert agent.answer_to(request("OPTIONS", branch="z9hG4bKo")) == []
        assert agent.core.statistics.banned == 1
        other = Endpoint("udp", "192.0.2.98", 5070)
        assert only_response(agent.answer_to(request("OPTIONS", branch="z9hG4bKo"), other)).status == 200
        agent.pass_time(601)
        assert options(agent).status == 200

    def test_a_forged_source_cannot_get_a_peer_banned(self) -> None:
        """A failure counts only under a nonce that was sent to that very address."""
        agent = Agent()
        challenge = self.challenge(agent)
        victim = Endpoint("udp", "192.0.2.44", 5060)
        for number in range(10):
            agent.receive(self.answer(challenge, "wrong", cseq=10 + number), victim)
            agent.core.check_credentials(agent.calls[-1], "realm", CREDENTIALS)
            agent.calls[-1].reject(403, stateless=True)
        assert agent.bans == []


class TestAmplification:
    @pytest.mark.parametrize(
        "data",
        [
            request("OPTIONS", branch="z9hG4bK1"),
            request("OPTIONS", branch="z"),
            request("REGISTER", branch="z9hG4bK1"),
            request("FOO", branch="z9hG4bK1"),
            request("BYE", branch="z9hG4bK1"),
            invite(body=b""),
            invite(headers=["Require: foo"]),
            invite(contact=None),
        ],
    )
    def test_an_answer_to_a_stranger_is_not_much_longer_than_the_request(self, data: bytes) -> None:
        agent = Agent()
        agent.receive(data)
        if agent.calls:
            agent.calls[0].challenge("realm")
        (sent,) = agent.core.data_to_send()
        assert len(sent.data) <= 1.5 * len(data)


class TestSources:
    def test_received_and_rport_are_written_and_followed(self) -> None:
        """RFC 3581 §4."""
        agent = Agent()
        source = Endpoint("udp", "203.0.113.7", 40000)
        agent.receive(request("OPTIONS", branch="z9hG4bK1", via="10.0.0.5:5060;rport"), source)
        ((answer, remote),) = agent.take()
        assert (answer.top_via.received, answer.top_via.rport) == ("203.0.113.7", 40000)
        assert remote == source

    def test_without_rport_the_port_is_that_of_via(self) -> None:
        """RFC 3261 §18.2.2."""
        agent = Agent()
        agent.receive(request("OPTIONS", branch="z9hG4bK1", via="10.0.0.5:5066"), Endpoint("udp", "203.0.113.7", 40000))
        ((answer, remote),) = agent.take()
        assert answer.top_via.received == "203.0.113.7"
        assert (remote.host, remote.port) == ("203.0.113.7", 5066)

    def test_an_ipv6_peer_is_answered(self) -> None:
        agent = Agent(local=Endpoint("udp", "2001:db8::1", 5060))
        source = Endpoint("udp", "2001:db8::99", 5070)
        agent.receive(invite(via="[2001:db8::99]:5070", contact="<sip:c@[2001:db8::99]:5070>"), source)
        call = agent.calls[0]
        call.answer(ANSWER)
        ((ok, remote),) = agent.take()
        assert remote == source
        assert "[2001:db8::1]:5060" in (ok.headers.get("Contact") or "")
        agent.receive(request("ACK", branch="z9hG4bKa", to_tag=call.local_tag, via="[2001:db8::99]:5070"), source)
        call.hangup()
        ((bye, remote),) = agent.take()
        assert bye.top_via.host == "2001:db8::1"
        assert remote == source

    def test_the_advertised_address_is_what_peers_are_told(self) -> None:
        agent = Agent(UserAgentConfig(advertised_address="203.0.113.1"))
        agent.call().answer(ANSWER)
        assert only_response(agent.sent()).contacts[0].uri.host == "203.0.113.1"  # type: ignore[union-attr]
        agent.place()
        ours = only_request(agent.sent())
        assert ours.top_via.host == "203.0.113.1"


class TestMemory:
    def test_ten_thousand_calls_leave_nothing_behind(self) -> None:
        agent = Agent(on_call=lambda call: call.answer(ANSWER))
        for number in range(10_000):
            ids = {"call_id": f"c{number}", "from_tag": f"t{number}"}
            agent.receive(invite(branch=f"z9hG4bKi{number}", **ids))  # type: ignore[arg-type]
            call = agent.calls.pop()
            agent.receive(request("ACK", branch=f"z9hG4bKa{number}", to_tag=call.local_tag, **ids))
            agent.receive(request("BYE", branch=f"z9hG4bKb{number}", to_tag=call.local_tag, cseq=2, **ids))
            agent.core.data_to_send()
            agent.pass_time(0.01)
        agent.pass_time(33)
        core = agent.core
        assert (core.calls, core.dialogs, core.layer.server_count, core.layer.client_count) == (0, 0, 0, 0)
        assert core.layer.timers.heap_size == 0
        assert core.layer._merge_keys == {}

    def test_thousands_of_outgoing_calls_leave_nothing_behind(self) -> None:
        agent = Agent(UserAgentConfig(timers=TimerConfig(t1=0.05)))
        for number in range(3_000):
            call = agent.place()
            ours = only_request(agent.sent())
            if number % 3 == 0:
                agent.receive(response(ours, 486))
            elif number % 3 == 1:
                agent.receive(response(ours, 180))
                agent.receive(response(ours, 200, body=ANSWER))
                call.hangup()
                agent.receive(response([m for m in agent.sent() if isinstance(m, Request)][-1], 200))
            agent.events.clear()
            agent.pass_time(0.01)
            agent.core.data_to_send()
        agent.pass_time(33)
        core = agent.core
        assert (core.calls, core.dialogs, core.layer.client_count) == (0, 0, 0)
        assert core.layer.timers.heap_size == 0

    @pytest.mark.parametrize("end", ["reject", "bye", "hangup", "cancel"])
    def test_a_call_that_ended_is_not_kept_for_its_transaction(self, end: str) -> None:
        """The transaction stays half a minute; the call with its request would be many times as large."""
        agent = Agent()
        call = agent.call()
        if end == "reject":
            call.reject(486)
        elif end == "cancel":
            agent.receive(request("CANCEL", branch="z9hG4bKinvite"))
        else:
            call.answer(ANSWER)
            agent.receive(request("ACK", branch="z9hG4bKack", to_tag=call.local_tag))
            agent.sent()
            if end == "bye":
                agent.receive(request("BYE", branch="z9hG4bKb", to_tag=call.local_tag, cseq=2))
            else:
                call.hangup()
                agent.receive(response(only_request(agent.sent()), 200))
        agent.sent()
        kept = weakref.ref(call)
        agent.calls.clear()
        del call
        gc.collect()
        assert kept() is None
        assert agent.core.layer.server_count >= 1

    def test_a_flood_of_strangers_leaves_nothing_behind(self) -> None:
        agent = Agent(on_call=lambda call: call.challenge("realm"))
        for number in range(2000):
            agent.receive(invite(branch=f"z9hG4bK{number}", call_id=str(number)))
            agent.core.data_to_send()
        agent.calls.clear()
        assert agent.core.layer.server_count == 0
        assert agent.core.layer.timers.heap_size < 2100


class TestRobustness:
    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.binary(max_size=400))
    def test_random_bytes_never_raise(self, data: bytes) -> None:
        agent = Agent()
        agent.receive(data)
        agent.pass_time(1)

    def test_damaged_messages_never_raise(self) -> None:
        chance = random.Random(3261)
        agent = Agent(on_call=lambda call: call.answer(ANSWER))
        seeds = _seeds(agent)
        for _ in range(4000):
            data = bytearray(chance.choice(seeds))
            for _ in range(chance.randrange(1, 6)):
                place = chance.randrange(len(data))
                match chance.randrange(4):
                    case 0:
                        data[place] = chance.randrange(256)
                    case 1:
                        del data[place : place + chance.randrange(20)]
                    case 2:
                        data[place:place] = data[chance.randrange(len(data)) :][: chance.randrange(40)]
                    case _:
                        data[place:place] = chance.choice([b"\r\n", b",", b'"', b"<", b";tag=", b"\xff", b"%00", b"::"])
                if not data:
                    break
            agent.receive(bytes(data))
            agent.pass_time(0.05)
            agent.core.data_to_send()
            del agent.calls[:-50]
        agent.pass_time(40)
        agent.core.data_to_send()
        assert only_response(agent.answer_to(request("OPTIONS", branch="z9hG4bKlast"))).status == 200


def _seeds(agent: Agent) -> Sequence[bytes]:
    """One valid message of each kind that a live agent sees, those of a dialog and of a call of ours included."""
    call = agent.call(call_id="seed", branch="z9hG4bKseed")
    ours = agent.place()
    invite_of_ours = [m for m in agent.sent() if isinstance(m, Request)][-1]
    assert ours.request.call_id == invite_of_ours.call_id
    inside = {"call_id": "seed", "to_tag": call.local_tag, "branch": "z9hG4bKin"}
    return [
        invite(),
        request("OPTIONS", branch="z9hG4bKo"),
        request("CANCEL", branch="z9hG4bKseed", call_id="seed"),
        request("ACK", **inside),  # type: ignore[arg-type]
        request("INFO", cseq=2, **inside),  # type: ignore[arg-type]
        invite(cseq=3, **inside),  # type: ignore[arg-type]
        encode(response(invite_of_ours, 180)),
        encode(response(invite_of_ours, 200, body=ANSWER, headers=[("Record-Route", "<sip:192.0.2.50;lr>")])),
        encode(
            response(invite_of_ours, 401, headers=[("WWW-Authenticate", 'Digest realm="x", nonce="y", qop="auth"')])
        ),
    ]


def test_the_peer_address_is_where_requests_come_from() -> None:
    assert Agent().call().source == PEER
