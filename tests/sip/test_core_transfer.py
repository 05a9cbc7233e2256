"""Transfer: REFER from both sides, its NOTIFYs, and calls that take the place of others (RFC 3515, RFC 3420, RFC 3891,
RFC 4488)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.core.call import Call
from sip.core.call_state import CallState
from sip.core.events import (
    Cancelled,
    HungUp,
    ReferAccepted,
    ReferEnded,
    ReferFailed,
    ReferProgress,
    Referred,
    Rejected,
    RemoteHangup,
    Replaced,
)
from sip.core.incoming import IncomingCall
from sip.core.outgoing import OutgoingCall
from sip.core.transfer import DECISION_SECONDS, REFERS, SUBSCRIPTION_SECONDS, parse_event, parse_sipfrag
from sip.errors import LocalProtocolError, SipParseError
from sip.fields import NameAddr
from sip.message import Request, Response
from sip.replaces import Replaces, headers_from_uri
from sip.uri import OtherUri, SipUri, parse_uri
from tests.sip.support import (
    ANSWER,
    Agent,
    Wire,
    invite,
    losing,
    only_request,
    only_response,
    pair,
    request,
    response,
)

CAROL = SipUri.parse("sip:carol@192.0.2.50")


class Referable:
    """An incoming call that is confirmed, and its peer who refers."""

    def __init__(self) -> None:
        self.agent = Agent()
        self.call: IncomingCall = self.agent.call()
        self.events = self.agent.attend(self.call)
        self.call.answer(ANSWER)
        self.agent.receive(request("ACK", branch="z9hG4bKack", to_tag=self.call.local_tag))
        self.agent.sent()
        self.events.clear()

    def send(self, method: str, cseq: int, *headers: str, body: bytes = b"") -> list[Request | Response]:
        data = request(
            method, branch=f"z9hG4bK{cseq}", to_tag=self.call.local_tag, cseq=cseq, headers=headers, body=body
        )
        return self.agent.answer_to(data)

    def refer(self, cseq: int = 2, *headers: str, to: str = "<sip:carol@192.0.2.50>") -> Referred:
        assert self.send("REFER", cseq, f"Refer-To: {to}", *headers) == []
        event = self.events[-1]
        assert isinstance(event, Referred)
        return event

    def accepted(self) -> tuple[Referred, Request]:
        """A REFER that was accepted, and the first NOTIFY, which is answered."""
        refer = self.refer()
        refer.respond.accept()
        _accepted, notify = self.agent.sent()
        assert isinstance(notify, Request)
        self.agent.receive(response(notify, 200))
        return refer, notify


class TestReferAsServer:
    def test_rfc_3515_2_4_4_it_is_told_and_accepted_and_reported_on_at_once(self) -> None:
        call = Referable()
        refer = call.refer(2, "Referred-By: <sip:boss@example.net>")
        assert (refer.target, refer.method, refer.replaces) == (CAROL, "INVITE", None)
        assert str(refer.referred_by) == "<sip:boss@example.net>"
        refer.respond.accept()
        accepted, notify = call.agent.sent()
        assert isinstance(accepted, Response)
        assert isinstance(notify, Request)
        assert (accepted.status, accepted.to.tag) == (202, call.call.local_tag)
        assert accepted.contacts
        assert (notify.method, notify.headers.get("Event")) == ("NOTIFY", "refer")
        assert notify.headers.get("Subscription-State") == f"active;expires={SUBSCRIPTION_SECONDS}"
        assert notify.headers.get("Content-Type") == "message/sipfrag;version=2.0"
        assert notify.body == b"SIP/2.0 100 Trying\r\n"

    def test_rfc_3515_2_4_5_a_final_status_ends_the_subscription(self) -> None:
        call = Referable()
        refer, _ = call.accepted()
        refer.respond.notify(180)
        ringing = only_request(call.agent.sent())
        assert ringing.body == b"SIP/2.0 180 Ringing\r\n"
        call.agent.receive(response(ringing, 200))
        refer.respond.notify(486, "Busy")
        busy = only_request(call.agent.sent())
        assert busy.body == b"SIP/2.0 486 Busy\r\n"
        assert busy.headers.get("Subscription-State") == "terminated;reason=noresource"
        call.agent.receive(response(busy, 200))
        refer.respond.notify(200)
        assert call.agent.sent_times(SUBSCRIPTION_SECONDS + 1) == []
        assert call.call.state is CallState.CONFIRMED

    def test_notifies_do_not_overtake_each_other(self) -> None:
        call = Referable()
        refer = call.refer()
        refer.respond.accept()
        _, first = call.agent.sent()
        assert isinstance(first, Request)
        refer.respond.notify(180)
        refer.respond.notify(183)
        refer.respond.notify(200)
        assert call.agent.sent() == []
        call.agent.receive(response(first, 200))
        assert only_request(call.agent.sent()).body == b"SIP/2.0 200 OK\r\n"

    def test_rfc_3515_2_4_6_the_second_refer_of_a_dialog_has_an_id(self) -> None:
        call = Referable()
        call.accepted()
        second = call.refer(7)
        second.respond.accept()
        assert [m.headers.get("Event") for m in call.agent.sent() if isinstance(m, Request)] == ["refer;id=7"]

    def test_rfc_4488_4_who_wants_no_reports_gets_none(self) -> None:
        call = Referable()
        refer = call.refer(2, "Refer-Sub: false", "Supported: norefersub")
        refer.respond.accept()
        accepted = only_response(call.agent.sent())
        assert (accepted.status, accepted.headers.get("Refer-Sub")) == (202, "false")
        refer.respond.notify(200)
        assert call.agent.sent_times(SUBSCRIPTION_SECONDS + 1) == []

    @pytest.mark.parametrize(("given", "wanted"), [({}, 603), ({"status": 488}, 488)])
    def test_it_is_refused(self, given: dict[str, int], wanted: int) -> None:
        call = Referable()
        refer = call.refer()
        refer.respond.reject(**given)
        assert only_response(call.agent.sent()).status == wanted
        refer.respond.accept()
        refer.respond.notify(200)
        assert call.agent.sent() == []

    def test_without_a_decision_it_is_declined(self) -> None:
        call = Referable()
        call.refer()
        call.agent.pass_time(DECISION_SECONDS + 0.1)
        assert only_response(call.agent.sent()).status == 603

    def test_rfc_6665_4_2_2_a_subscription_expires(self) -> None:
        call = Referable()
        refer, _ = call.accepted()
        call.agent.pass_time(SUBSCRIPTION_SECONDS)
        last = only_request(call.agent.sent())
        assert last.headers.get("Subscription-State") == "terminated;reason=timeout"
        refer.respond.notify(200)
        assert call.agent.sent() == []

    @pytest.mark.parametrize("status", [481, 489, 500])
    def test_rfc_6665_4_2_2_a_refused_notify_ends_the_reports_and_not_the_call(self, status: int) -> None:
        call = Referable()
        refer = call.refer()
        refer.respond.accept()
        _, notify = call.agent.sent()
        assert isinstance(notify, Request)
        call.agent.receive(response(notify, status))
        refer.respond.notify(200)
        assert call.agent.sent() == []
        assert call.call.state is CallState.CONFIRMED

    def test_a_notify_without_answer_ends_the_reports_and_not_the_call(self) -> None:
        call = Referable()
        refer = call.refer()
        refer.respond.accept()
        call.agent.pass_time(33)
        call.agent.sent()
        refer.respond.notify(200)
        assert call.agent.sent() == []
        assert call.call.state is CallState.CONFIRMED

    @pytest.mark.parametrize(
        "headers",
        [
            (),
            ("Refer-To: <sip:a@b>", "Refer-To: <sip:c@d>"),
            ("Refer-To: <sip:a@b>, <sip:c@d>",),
            ("Refer-To: nonsense",),
            ("Refer-To: <sip:a@b?Replaces=x>",),
            ("Refer-To: <sip:a@b>", "Referred-By: <<"),
        ],
    )
    def test_rfc_3515_2_4_2_a_malformed_one_gets_400(self, headers: Sequence[str]) -> None:
        call = Referable()
        assert only_response(call.send("REFER", 2, *headers)).status == 400
        assert call.events == []

    def test_another_kind_of_target_is_told(self) -> None:
        call = Referable()
        assert call.refer(to="<tel:+15550100>").target == OtherUri("tel", "+15550100")
        assert call.refer(3, to="<sip:a@b;method=BYE>").method == "BYE"

    def test_the_target_keeps_only_the_headers_of_a_transfer(self) -> None:
        call = Referable()
        refer = call.refer(to="<sip:a@b?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Route=%3Csip:c%3E&X=%0d%0aVia:%20y>")
        assert refer.replaces == Replaces("x", "1", "2")
        assert isinstance(refer.target, SipUri)
        assert [name for name, _ in refer.target.headers] == ["Replaces"]

    def test_out_of_a_dialog_it_gets_403(self) -> None:
        agent = Agent()
        data = request("REFER", branch="z9hG4bK1", headers=["Refer-To: <sip:a@b>", "Contact: <sip:c@192.0.2.99>"])
        assert only_response(agent.answer_to(data)).status == 403

    def test_before_the_answer_it_gets_403(self) -> None:
        agent = Agent()
        call = agent.call()
        data = request("REFER", branch="z9hG4bK1", to_tag=call.local_tag, cseq=2, headers=["Refer-To: <sip:a@b>"])
        assert only_response(agent.answer_to(data)).status == 403

    def test_a_flood_of_them_is_bounded(self) -> None:
        call = Referable()
        for cseq in range(2, 2 + REFERS):
            call.refer(cseq)
        answer = only_response(call.send("REFER", 99, "Refer-To: <sip:a@b>"))
        assert (answer.status, answer.headers.get("Retry-After")) == (500, "10")

    def test_the_end_of_the_call_answers_what_is_undecided(self) -> None:
        call = Referable()
        refer = call.refer()
        answers = call.send("BYE", 3)
        assert [answer.status for answer in answers if isinstance(answer, Response)] == [200, 487]
        refer.respond.accept()
        refer.respond.notify(200)
        assert call.agent.sent_times(300) == []

    @pytest.mark.parametrize(("status", "reason"), [(200, "a\r\nVia: x"), (99, None), (700, None), (200, "a\x00")])
    def test_a_report_cannot_break_out_of_its_line(self, status: int, reason: str | None) -> None:
        call = Referable()
        refer, _ = call.accepted()
        with pytest.raises(LocalProtocolError):
            refer.respond.notify(status, reason)


class Referring:
    """An outgoing call that is confirmed and has sent a REFER."""

    def __init__(self, **refer: object) -> None:
        self.agent = Agent()
        self.call: OutgoingCall = self.agent.place()
        self.agent.receive(response(only_request(self.agent.sent()), 200, body=ANSWER))
        self.agent.sent()
        self.events = self.agent.events[self.call]
        self.events.clear()
        self.call.refer(CAROL, **refer)  # type: ignore[arg-type]
        self.request = only_request(self.agent.sent())
        self._cseq = 0

    def answer(self, status: int, *headers: tuple[str, str]) -> None:
        self.agent.receive(response(self.request, status, headers=headers))

    def notify(
        self,
        line: str = "SIP/2.0 180 Ringing",
        state: str | None = "active;expires=60",
        event: str | None = "refer",
        kind: str = "message/sipfrag;version=2.0",
    ) -> int:
        self._cseq += 1
        dialog = self.call.dialog
        assert dialog is not None
        headers = [f"Content-Type: {kind}"]
        headers += [f"Event: {event}"] if event is not None else []
        headers += [f"Subscription-State: {state}"] if state is not None else []
        data = request(
            "NOTIFY",
            branch=f"z9hG4bKn{self._cseq}",
            call_id=self.call.call_id,
            from_tag=dialog.remote_tag,
            to_tag=dialog.local_tag,
            cseq=self._cseq,
            headers=headers,
            body=line.encode() + b"\r\n",
        )
        return only_response(self.agent.answer_to(data)).status


class TestReferAsClient:
    def test_rfc_3515_2_1_it_names_the_target_and_who_refers(self) -> None:
        call = Referring(referred_by=NameAddr.parse("<sip:me@example.net>"))
        assert call.request.method == "REFER"
        assert call.request.headers.get("Refer-To") == "<sip:carol@192.0.2.50>"
        assert call.request.headers.get("Referred-By") == "<sip:me@example.net>"
        assert call.request.contacts

    def test_rfc_3891_3_what_is_to_be_replaced_stands_in_the_uri(self) -> None:
        call = Referring(replaces=Replaces("a@b", "1", "2"))
        value = call.request.headers.get("Refer-To") or ""
        uri = NameAddr.parse(value).uri
        assert isinstance(uri, SipUri)
        assert uri.headers == (("Replaces", "a@b;to-tag=1;from-tag=2"),)
        assert ";to-tag" not in value

    def test_it_is_accepted_reported_on_and_over(self) -> None:
        call = Referring()
        call.answer(202)
        assert call.notify("SIP/2.0 100 Trying") == 200
        assert call.notify("SIP/2.0 200 Fine", "terminated;reason=noresource") == 200
        assert call.events == [
            ReferAccepted(),
            ReferProgress(100, "Trying"),
            ReferProgress(200, "Fine"),
            ReferEnded("noresource"),
        ]
        assert call.notify() == 481
        call.agent.pass_time(7200)
        assert len(call.events) == 4

    def test_rfc_3515_2_4_5_nothing_follows_a_final_status_whatever_its_state(self) -> None:
        call = Referring()
        call.answer(202)
        assert call.notify("SIP/2.0 500 Server Internal Error", "active") == 200
        assert call.events[1:] == [ReferProgress(500, "Server Internal Error"), ReferEnded("noresource")]
        assert call.call.state is CallState.CONFIRMED
        call.call.refer(CAROL)  # and another one may be sent

    def test_rfc_6665_4_1_2_4_a_notify_may_come_before_the_202(self) -> None:
        call = Referring()
        assert call.notify() == 200
        call.answer(202)
        assert call.events == [ReferAccepted(), ReferProgress(180, "Ringing")]

    @pytest.mark.parametrize("status", [400, 403, 603])
    def test_it_is_refused_and_the_call_goes_on(self, status: int) -> None:
        call = Referring()
        call.answer(status)
        assert [type(event) for event in call.events] == [ReferFailed]
        assert call.call.state is CallState.CONFIRMED
        call.call.refer(CAROL)
        assert only_request(call.agent.sent()).method == "REFER"

    def test_rfc_5057_a_481_ends_the_call(self) -> None:
        call = Referring()
        call.answer(481)
        assert [type(event).__name__ for event in call.events] == ["ReferFailed", "Failed"]

    def test_without_an_answer_it_has_failed(self) -> None:
        call = Referring()
        call.agent.pass_time(33)
        assert call.events == [ReferFailed(None, "timeout")]

    def test_rfc_6665_4_1_2_4_timer_n_without_any_notify_it_is_over(self) -> None:
        call = Referring()
        call.answer(202)
        call.agent.pass_time(32.1)
        assert call.events == [ReferAccepted(), ReferEnded("timeout")]

    def test_a_subscription_that_falls_silent_is_over(self) -> None:
        call = Referring()
        call.answer(202)
        call.notify(state="active;expires=60")
        call.agent.pass_time(59)
        assert len(call.events) == 2
        call.agent.pass_time(2)
        assert call.events[-1] == ReferEnded("timeout")

    def test_rfc_4488_4_a_peer_that_sends_no_reports_says_so(self) -> None:
        call = Referring()
        call.answer(200, ("Refer-Sub", "false"))
        assert call.events == [ReferAccepted(), ReferEnded("no_subscription")]

    @pytest.mark.parametrize(
        ("event", "wanted"), [("presence", 489), ("refer;id=77", 481), (None, 400), ("refer;", 400), ("REFER", 200)]
    )
    def test_rfc_6665_4_1_3_a_notify_about_something_else_is_refused(self, event: str | None, wanted: int) -> None:
        call = Referring()
        call.answer(202)
        assert call.notify(event=event) == wanted

    def test_rfc_3515_2_4_6_the_id_is_the_cseq_of_the_refer(self) -> None:
        call = Referring()
        call.answer(202)
        assert call.notify(event=f"refer;id={call.request.cseq.number}") == 200

    @pytest.mark.parametrize(
        ("line", "state", "kind"),
        [
            ("nonsense", "active", "message/sipfrag"),
            ("SIP/2.0 180 Ringing", "active", "text/plain"),
            ("", "active;expires=x", "message/sipfrag"),
            ("SIP/2.0 999 No", ";;", "message/sipfrag"),
        ],
    )
    def test_a_report_that_says_nothing_is_answered_and_not_told(self, line: str, state: str, kind: str) -> None:
        call = Referring()
        call.answer(202)
        assert call.notify(line, state, kind=kind) == 200
        assert call.events == [ReferAccepted()]

    def test_one_at_a_time_and_only_in_a_confirmed_call(self) -> None:
        call = Referring()
        with pytest.raises(LocalProtocolError):
            call.call.refer(CAROL)
        early = Agent().place()
        with pytest.raises(LocalProtocolError):
            early.refer(CAROL)

    def test_what_cannot_be_written_costs_nothing(self) -> None:
        call = Referring()
        call.answer(603)
        assert call.call.dialog is not None
        before = call.call.dialog.local_sequence
        with pytest.raises(LocalProtocolError):
            call.call.refer(parse_uri("tel:+1"), replaces=Replaces("a", "b", "c"))
        with pytest.raises(LocalProtocolError):
            call.call.refer(CAROL, replaces=Replaces("a\r\n", "b;", "c"))
        assert call.call.dialog.local_sequence == before
        assert call.agent.sent() == []

    def test_after_the_end_nothing_happens(self) -> None:
        call = Referring()
        call.answer(202)
        call.call.hangup()
        bye = only_request(call.agent.sent())
        assert call.notify() == 481
        call.agent.receive(response(bye, 200))
        call.call.refer(CAROL)
        call.agent.pass_time(7200)
        assert [type(event) for event in call.events] == [ReferAccepted, HungUp]


class Transfer:
    """A caller that refers its callee over a wire."""

    def __init__(self, fate: object = None) -> None:
        self.caller, self.callee, self.wire = pair(None, self.on_call)
        self.ours = self.caller.place()
        self.wire.run(1)
        if fate is not None:
            self.wire.fate = fate  # type: ignore[assignment]
        self.ours.refer(CAROL)

    def on_call(self, call: IncomingCall) -> None:
        events = self.callee.attend(call)

        def hear(event: object) -> None:
            events.append(event)  # type: ignore[arg-type]
            if isinstance(event, Referred):
                event.respond.accept()
                event.respond.notify(180)
                event.respond.notify(200)

        call.on_event = hear
        call.answer(ANSWER)


@pytest.mark.parametrize(
    "lost", [(), ("REFER",), ("202",), ("NOTIFY",), ("202", "NOTIFY"), ("200",), ("REFER", "202", "NOTIFY", "200")]
)
def test_a_transfer_is_told_once_whatever_is_lost(lost: Sequence[str]) -> None:
    talk = Transfer(losing(*lost))
    talk.wire.run(40)
    told = talk.caller.events[talk.ours]
    assert told.count(ReferAccepted()) == 1
    assert told[-2:] == [ReferProgress(200, "OK"), ReferEnded("noresource")]
    assert sum(isinstance(e, Referred) for e in talk.callee.events[talk.callee.calls[0]]) == 1
    talk.ours.hangup()
    talk.wire.run(1840)
    for agent in talk.wire.agents:
        assert (agent.core.calls, agent.core.dialogs, len(agent.core.layer.timers)) == (0, 0, 0)


def test_a_transfer_where_everything_comes_twice_and_out_of_order_is_told_once() -> None:
    talk = Transfer(lambda number, _d, _s: (Wire.DELAY * (1 + number % 5), 0.2 + Wire.DELAY * (number % 3)))
    talk.wire.run(40)
    told = talk.caller.events[talk.ours]
    assert [type(event) for event in told].count(ReferEnded) == 1
    assert told[-2] == ReferProgress(200, "OK")


class TestReplaces:
    def established(self, agent: Agent) -> IncomingCall:
        call = agent.call()
        agent.attend(call)
        call.answer(ANSWER)
        agent.receive(request("ACK", branch="z9hG4bKack", to_tag=call.local_tag))
        agent.sent()
        return call

    def value(self, call: Call, more: str = "") -> str:
        assert call.dialog is not None
        return f"Replaces: {call.call_id};to-tag={call.local_tag};from-tag={call.dialog.remote_tag}{more}"

    def ask(self, agent: Agent, *headers: str) -> list[Request | Response]:
        return agent.answer_to(invite(branch="z9hG4bKr", call_id="call-2", from_tag="carol", headers=headers))

    def test_rfc_3891_3_the_answer_hangs_up_the_replaced_call(self) -> None:
        agent = Agent()
        old = self.established(agent)
        assert self.ask(agent, self.value(old), "Require: replaces") == []
        new = agent.calls[-1]
        assert new.replaces is old
        new.ring()
        assert agent.events[old][-1:] != [Replaced("call-2")]
        agent.sent()
        new.answer(ANSWER)
        ok, bye = agent.sent()
        assert isinstance(ok, Response)
        assert isinstance(bye, Request)
        assert (ok.status, bye.method, bye.call_id) == (200, "BYE", "call-1")
        agent.receive(response(bye, 200))
        assert agent.events[old][-2:] == [Replaced("call-2"), HungUp(200)]

    def test_a_call_that_is_refused_leaves_the_other_one_alone(self) -> None:
        agent = Agent()
        old = self.established(agent)
        self.ask(agent, self.value(old))
        agent.calls[-1].reject(603)
        assert old.state is CallState.CONFIRMED

    def test_one_that_ended_meanwhile_does_not_matter(self) -> None:
        agent = Agent()
        old = self.established(agent)
        self.ask(agent, self.value(old))
        agent.answer_to(request("BYE", branch="z9hG4bKb", to_tag=old.local_tag, cseq=2))
        agent.calls[-1].answer(ANSWER)
        assert only_response(agent.sent()).status == 200
        assert isinstance(agent.events[old][-1], RemoteHangup)

    @pytest.mark.parametrize(
        "change", [("call-1", "call-9"), ("from-tag=caller", "from-tag=x"), ("to-tag=", "to-tag=x")]
    )
    def test_rfc_3891_3_an_unknown_dialog_gets_481(self, change: tuple[str, str]) -> None:
        agent = Agent()
        old = self.established(agent)
        assert only_response(self.ask(agent, self.value(old).replace(*change))).status == 481

    def test_rfc_3891_3_one_that_is_ending_gets_603(self) -> None:
        agent = Agent()
        old = self.established(agent)
        value = self.value(old)
        old.hangup()
        agent.sent()
        assert only_response(self.ask(agent, value)).status == 603

    def test_rfc_3891_3_early_only_and_a_confirmed_call_gets_486(self) -> None:
        agent = Agent()
        old = self.established(agent)
        assert only_response(self.ask(agent, self.value(old, ";early-only"))).status == 486

    def test_rfc_3891_3_two_of_them_get_400(self) -> None:
        agent = Agent()
        old = self.established(agent)
        assert only_response(self.ask(agent, self.value(old), self.value(old))).status == 400

    @pytest.mark.parametrize(
        "value", ["x", "x;to-tag=1", "x;from-tag=1", "x;to-tag=1;to-tag=2;from-tag=3", "x;to-tag;from-tag=1"]
    )
    def test_a_malformed_one_gets_400(self, value: str) -> None:
        assert only_response(self.ask(Agent(), f"Replaces: {value}")).status == 400

    def test_rfc_3891_3_a_call_that_rings_here_is_not_replaced(self) -> None:
        agent = Agent()
        call = agent.call()
        call.ring()
        agent.sent()
        assert only_response(self.ask(agent, self.value(call))).status == 481
        assert call.state is CallState.EARLY

    def test_rfc_3891_3_a_call_of_ours_that_rings_there_is_cancelled(self) -> None:
        agent = Agent()
        call = agent.place()
        sent = only_request(agent.sent())
        agent.receive(response(sent, 180))
        value = f"Replaces: {call.call_id};to-tag={sent.from_.tag};from-tag=callee;early-only"
        assert self.ask(agent, value) == []
        agent.calls[-1].answer(ANSWER)
        _ok, cancel = agent.sent()
        assert isinstance(cancel, Request)
        assert cancel.method == "CANCEL"
        agent.receive(response(sent, 487))
        replaced, rejected = agent.events[call][-2:]
        assert replaced == Replaced("call-2")
        assert isinstance(rejected, Rejected)
        assert not any(isinstance(event, Cancelled) for event in agent.events[call])

    def test_a_call_to_the_target_of_a_transfer_carries_what_its_uri_says(self) -> None:
        agent = Agent()
        target = "sip:a@192.0.2.99?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Referred-By=%3Csip:b%40c%3E&Route=%3Csip:d%3E"
        agent.place(target=target)
        sent = only_request(agent.sent())
        assert str(sent.uri) == "sip:a@192.0.2.99"
        assert sent.headers.get("Replaces") == "x;to-tag=1;from-tag=2"
        assert sent.headers.get("Referred-By") == "<sip:b@c>"
        assert sent.require == ("replaces",)
        assert "Route" not in sent.headers

    @pytest.mark.parametrize("value", ["x", "%0d%0aVia:%20y", "x%3Bto-tag%3D1%3Bfrom-tag%3D2%0d%0aVia:%20y"])
    def test_what_does_not_parse_in_a_uri_stays_there(self, value: str) -> None:
        assert headers_from_uri(SipUri.parse(f"sip:a@b?Replaces={value}&Replaces={value}")) == ()

    def test_a_whole_attended_transfer(self) -> None:
        """The caller has a second call to the callee's colleague and asks for both to be joined: seen at the colleague,
        who gets a call that takes the place of the second one."""
        agent = Agent()
        consultation = agent.place()
        agent.receive(response(only_request(agent.sent()), 200, body=ANSWER))
        agent.sent()
        named = consultation.replaces_value
        assert named is not None
        seen_there = Replaces.parse(str(named))
        assert (seen_there.to_tag, seen_there.from_tag) == ("callee", consultation.local_tag)


class TestParsers:
    @pytest.mark.parametrize(
        ("body", "wanted"),
        [
            (b"SIP/2.0 200 OK\r\n", (200, "OK")),
            (b"SIP/2.0 486 Busy Here", (486, "Busy Here")),
            (b"SIP/2.0 100\r\nVia: x\r\n", (100, "")),
            (b"sip/2.0 180 R\xffnging\n", (180, "R\ufffdnging")),
            (b"SIP/2.0 20 OK\r\n", None),
            (b"SIP/3.0 200 OK\r\n", None),
            (b"", None),
        ],
    )
    def test_rfc_3420_2_the_start_line_of_a_sipfrag(self, body: bytes, wanted: tuple[int, str] | None) -> None:
        assert parse_sipfrag(body) == wanted

    @given(st.binary(max_size=80), st.text(max_size=40))
    def test_nothing_but_a_parse_error_is_raised(self, body: bytes, text: str) -> None:
        parse_sipfrag(b"SIP/2.0 200 " + body)
        for parse in (parse_event, Replaces.parse):
            try:
                parse(text)
            except SipParseError:
                continue
