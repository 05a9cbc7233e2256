"""Session timers (RFC 4028): what is agreed, who refreshes, and how a call ends whose peer has vanished."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.core.call_state import CallState
from sip.core.config import UserAgentConfig
from sip.core.events import Failed, Offer, OfferAnswered, Rejected, RemoteHangup
from sip.core.incoming import IncomingCall
from sip.core.outgoing import OutgoingCall
from sip.core.session_terms import SessionExpires, agreed_terms, answer_terms, inspect_session_expires
from sip.core.session_timer import EXPIRED_REASON
from sip.digest import Credentials, DigestAuthenticator
from sip.errors import SipParseError
from sip.message import Request, Response, parse_message
from tests.sip.support import (
    ANSWER,
    OFFER,
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

REFRESHES = {"INVITE", "UPDATE"}
CONFIG = UserAgentConfig()


def parsed(*headers: str) -> Request:
    made = parse_message(invite(headers=headers))
    assert isinstance(made, Request)
    return made


class Called:
    """An incoming call that is confirmed; its INVITE had these header fields."""

    def __init__(self, *headers: str) -> None:
        self.agent = Agent()
        self.call: IncomingCall = self.agent.call(headers=headers)
        self.events = self.agent.attend(self.call)
        self.call.answer(ANSWER)
        self.ok = only_response(self.agent.sent())
        self.agent.receive(self.ack(1))
        self.events.clear()

    def ack(self, cseq: int) -> bytes:
        return request("ACK", branch=f"z9hG4bKack{cseq}", to_tag=self.call.local_tag, cseq=cseq)

    def reinvite(self, cseq: int, *headers: str, body: bytes = OFFER) -> Response:
        data = invite(branch=f"z9hG4bK{cseq}", to_tag=self.call.local_tag, cseq=cseq, headers=headers, body=body)
        return only_response(self.agent.answer_to(data))


class Calling:
    """An outgoing call that is confirmed; its 2xx had these header fields."""

    def __init__(self, *headers: tuple[str, str], credentials: Credentials | None = None) -> None:
        self.agent = Agent()
        self.call: OutgoingCall = self.agent.place(credentials=credentials)
        self.invite = only_request(self.agent.sent())
        self.agent.receive(response(self.invite, 200, body=ANSWER, headers=headers))
        self.agent.sent()
        self.events = self.agent.events[self.call]
        self.events.clear()

    def due(self, seconds: float) -> list[Request]:
        self.agent.pass_time(seconds)
        return [message for message in self.agent.sent() if isinstance(message, Request)]


class TestValues:
    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("1800", SessionExpires(1800)),
            ("90 ; Refresher=UAC", SessionExpires(90, "uac")),
            ("4000;refresher=uas;x=y", SessionExpires(4000, "uas")),
            ("90;refresher=nobody", SessionExpires(90)),
        ],
    )
    def test_rfc_4028_4_session_expires(self, text: str, wanted: SessionExpires) -> None:
        assert SessionExpires.parse(text) == wanted
        assert SessionExpires.parse(str(wanted)) == wanted

    @pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "99999999999", "90;;", "90;refresher=\x01"])
    def test_a_malformed_one_is_an_error(self, text: str) -> None:
        with pytest.raises(SipParseError):
            SessionExpires.parse(text)

    @given(st.text(max_size=30))
    def test_nothing_else_is_raised(self, text: str) -> None:
        try:
            assert SessionExpires.parse(text).seconds >= 0
        except SipParseError:
            return

    def test_a_2xx_that_does_not_parse_means_no_timer(self) -> None:
        made = response(parsed(), 200, headers=[("Session-Expires", "soon")])
        assert agreed_terms(made) is None

    def test_a_2xx_below_the_least_interval_is_not_followed_there(self) -> None:
        made = response(parsed(), 200, headers=[("Session-Expires", "2;refresher=uas")])
        assert agreed_terms(made) == SessionExpires(90, "uas")


class TestAnswerTerms:
    """RFC 4028 §9, table 2."""

    @pytest.mark.parametrize(
        ("headers", "wanted"),
        [
            ((), None),
            (("Supported: timer",), "1800;refresher=uas"),
            (("Supported: timer", "Session-Expires: 600"), "600;refresher=uas"),
            (("Supported: timer", "Session-Expires: 600;refresher=uas"), "600;refresher=uas"),
            (("Supported: timer", "Session-Expires: 600;refresher=uac"), "600;refresher=uac"),
            (("Require: timer", "x: 7200;refresher=uac"), "1800;refresher=uac"),
            (("Supported: timer", "Session-Expires: 7200", "Min-SE: 3600"), "3600;refresher=uas"),
            (("Supported: timer", "Session-Expires: 90", "Min-SE: 3600"), "90;refresher=uas"),
            (("Supported: timer", "Min-SE: 3600"), "3600;refresher=uas"),
            (("Session-Expires: 600",), "600;refresher=uas"),
            (("Session-Expires: 600;refresher=uac",), "600;refresher=uas"),
            (("Session-Expires: 10",), None),
        ],
    )
    def test_interval_and_refresher(self, headers: Sequence[str], wanted: str | None) -> None:
        terms = answer_terms(parsed(*headers), CONFIG)
        assert (None if terms is None else str(terms.expires)) == wanted
        if terms is not None:
            assert terms.required is (wanted or "").endswith("uac")

    def test_roles_stay_where_a_refresh_names_none(self) -> None:
        terms = answer_terms(parsed("Supported: timer", "Session-Expires: 600"), CONFIG, peer_refreshes=True)
        assert terms is not None
        assert terms.expires.refresher == "uac"


class TestServer:
    def test_rfc_4028_9_too_short_an_interval_gets_422_with_ours(self) -> None:
        agent = Agent()
        answer = only_response(agent.answer_to(invite(headers=["Supported: timer", "Session-Expires: 89"])))
        assert (answer.status, answer.headers.get("Min-SE")) == (422, "90")
        assert agent.calls == []

    def test_rfc_4028_9_a_client_without_timers_is_not_told_422(self) -> None:
        assert inspect_session_expires(parsed("Session-Expires: 1"), 90) is None

    @pytest.mark.parametrize("header", ["Session-Expires: x", "Min-SE: soon"])
    def test_a_malformed_field_gets_400(self, header: str) -> None:
        agent = Agent()
        assert only_response(agent.answer_to(invite(headers=["Supported: timer", header]))).status == 400
        assert agent.core.calls == 0

    def test_rfc_4028_9_the_2xx_requires_the_timer_of_a_client_that_refreshes(self) -> None:
        ok = Called("Supported: timer", "Session-Expires: 600;refresher=uac").ok
        assert ok.headers.get("Session-Expires") == "600;refresher=uac"
        assert ok.require == ("timer",)

    def test_rfc_4028_9_a_client_without_timers_is_left_alone(self) -> None:
        called = Called()
        assert "Session-Expires" not in called.ok.headers
        assert called.ok.require == ()
        assert called.agent.core.next_timeout() is None or called.agent.sent_times(7200) == []

    def test_rfc_4028_10_without_a_refresh_the_call_ends_before_the_expiry(self) -> None:
        called = Called("Supported: timer", "Session-Expires: 600;refresher=uac")
        called.agent.pass_time(567.9)
        assert called.events == []
        called.agent.pass_time(0.2)
        assert called.events == [Failed("session_expired")]
        bye = only_request(called.agent.sent())
        assert (bye.method, bye.headers.get("Reason")) == ("BYE", EXPIRED_REASON)
        assert called.agent.core.dialogs == 0

    def test_rfc_4028_10_the_margin_of_a_short_interval_is_a_third(self) -> None:
        called = Called("Supported: timer", "Session-Expires: 90;refresher=uac")
        called.agent.pass_time(59.9)
        assert called.events == []
        called.agent.pass_time(0.2)
        assert called.events == [Failed("session_expired")]

    def test_rfc_4028_9_a_refresh_of_the_peer_arms_it_again_and_is_not_an_offer(self) -> None:
        called = Called("Supported: timer", "Session-Expires: 600;refresher=uac")
        for cseq in (2, 3, 4):
            called.agent.pass_time(300)
            ok = called.reinvite(cseq, "Supported: timer", "Session-Expires: 600;refresher=uac")
            assert (ok.status, ok.body, ok.headers.get("Session-Expires")) == (200, ANSWER, "600;refresher=uac")
            called.agent.receive(called.ack(cseq))
        assert called.events == []
        assert called.call.state is CallState.CONFIRMED

    def test_a_refresh_that_changes_the_session_is_an_offer(self) -> None:
        called = Called("Supported: timer", "Session-Expires: 600;refresher=uac")
        changed = OFFER + b"a=sendonly\r\n"
        data = invite(
            branch="z9hG4bK2",
            to_tag=called.call.local_tag,
            cseq=2,
            headers=["Supported: timer", "Session-Expires: 600;refresher=uac"],
            body=changed,
        )
        assert called.agent.answer_to(data) == []
        (offer,) = called.events
        assert isinstance(offer, Offer)
        assert offer.body == changed

    def test_rfc_4028_9_a_refresh_with_too_short_an_interval_gets_422_and_the_call_lives(self) -> None:
        called = Called("Supported: timer", "Session-Expires: 600;refresher=uac")
        assert called.reinvite(2, "Supported: timer", "Session-Expires: 30").status == 422
        assert called.call.state is CallState.CONFIRMED

    def test_a_refresh_without_the_timer_ends_it(self) -> None:
        called = Called("Supported: timer", "Session-Expires: 600;refresher=uac")
        data = invite(branch="z9hG4bK2", to_tag=called.call.local_tag, cseq=2)
        assert called.agent.answer_to(data) == []
        (offer,) = called.events
        assert isinstance(offer, Offer)
        offer.respond.accept(ANSWER)
        assert "Session-Expires" not in only_response(called.agent.sent()).headers
        called.agent.receive(called.ack(2))
        called.agent.pass_time(7200)
        assert called.call.state is CallState.CONFIRMED

    def test_rfc_4028_10_we_refresh_at_half_the_interval(self) -> None:
        called = Called("Supported: timer", "Session-Expires: 600")
        called.agent.pass_time(299.9)
        assert called.agent.sent() == []
        called.agent.pass_time(0.2)
        refresh = only_request(called.agent.sent())
        assert (refresh.method, refresh.body) == ("INVITE", ANSWER)
        assert refresh.headers.get("Session-Expires") == "600;refresher=uac"


class TestClient:
    def test_rfc_4028_7_1_every_invite_offers_a_timer(self) -> None:
        """Contract §14.1."""
        agent = Agent()
        agent.place()
        made = only_request(agent.sent())
        assert made.headers.get("Session-Expires") == "1800"
        assert "Min-SE" not in made.headers
        assert "timer" in made.supported

    def test_rfc_4028_7_2_without_one_in_the_2xx_there_is_none(self) -> None:
        assert Calling().due(7200) == []

    def test_rfc_4028_7_2_a_server_that_refreshes_is_waited_for(self) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uas"))
        assert calling.due(567.9) == []
        assert [bye.method for bye in calling.due(0.2)] == ["BYE"]
        assert calling.events == [Failed("session_expired")]

    @pytest.mark.parametrize("said", ["600;refresher=uac", "600"])
    def test_rfc_4028_10_else_we_refresh_again_and_again_unseen(self, said: str) -> None:
        calling = Calling(("Session-Expires", said))
        for _ in range(3):
            (refresh,) = calling.due(300.1)
            assert (refresh.method, refresh.body) == ("INVITE", OFFER)
            calling.agent.receive(response(refresh, 200, body=ANSWER, headers=[("Session-Expires", said)]))
            assert only_request(calling.agent.sent()).method == "ACK"
        assert calling.events == []

    def test_rfc_4028_7_4_update_without_sdp_is_preferred_where_it_is_allowed(self) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uac"), ("Allow", "INVITE, ACK, BYE, UPDATE"))
        (refresh,) = calling.due(300.1)
        assert (refresh.method, refresh.body) == ("UPDATE", b"")
        assert refresh.headers.get("Session-Expires") == "600;refresher=uac"
        assert refresh.contacts
        calling.agent.receive(response(refresh, 200, headers=[("Session-Expires", "200;refresher=uac")]))
        assert [again.method for again in calling.due(100.1)] == ["UPDATE"]
        assert calling.events == []

    def test_a_peer_that_refuses_update_gets_invites(self) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uac"), ("Allow", "INVITE, UPDATE"))
        (refresh,) = calling.due(300.1)
        calling.agent.receive(response(refresh, 501))
        assert [again.method for again in calling.due(0.1)] == ["INVITE"]

    def test_rfc_4028_7_2_a_refresh_answered_without_a_timer_ends_it(self) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uac"))
        (refresh,) = calling.due(300.1)
        calling.agent.receive(response(refresh, 200, body=ANSWER))
        calling.agent.sent()
        assert calling.due(7200) == []
        assert calling.call.state is CallState.CONFIRMED

    def test_the_refresh_that_finds_another_session_tells_it(self) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uac"))
        (refresh,) = calling.due(300.1)
        moved = ANSWER.replace(b"6000", b"6002")
        calling.agent.receive(response(refresh, 200, body=moved, headers=[("Session-Expires", "600;refresher=uac")]))
        assert calling.events == [OfferAnswered(moved)]

    @pytest.mark.parametrize("status", [408, 481])
    def test_rfc_4028_10_a_refresh_that_finds_no_dialog_ends_the_call(self, status: int) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uac"))
        (refresh,) = calling.due(300.1)
        calling.agent.receive(response(refresh, status))
        assert [m.method for m in calling.agent.sent() if isinstance(m, Request)] == ["ACK", "BYE"]
        assert calling.events == [Failed("gone")]

    def test_rfc_4028_10_a_refresh_without_any_answer_ends_the_call(self) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uac"))
        methods = {made.method for made in calling.due(300 + 33)}
        assert methods == {"INVITE", "BYE"}
        assert calling.events == [Failed("gone")]

    @pytest.mark.parametrize("status", [491, 500, 503])
    def test_one_refused_for_the_moment_is_tried_again_until_the_end(self, status: int) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uac"))
        tries = 0
        for _ in range(600):
            for made in calling.due(1):
                if made.method == "INVITE":
                    tries += 1
                    calling.agent.receive(response(made, status))
        assert 3 <= tries <= 12
        assert calling.events == [Failed("session_expired")]

    def test_a_challenged_refresh_is_sent_with_credentials(self) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uac"), credentials=Credentials("alice", "secret"))
        (refresh,) = calling.due(300.1)
        digest = DigestAuthenticator("realm", b"k" * 32, 300)
        (value, *_) = digest.challenge("realm", "192.0.2.99", 0.0)
        calling.agent.receive(response(refresh, 401, headers=[("WWW-Authenticate", value)]))
        again = [m for m in calling.agent.sent() if isinstance(m, Request) and m.method == "INVITE"]
        assert len(again) == 1
        assert "Authorization" in again[0].headers
        assert again[0].headers.get("Session-Expires") == "600;refresher=uac"

    def test_an_offer_that_meets_a_refresh_waits_for_it(self) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uac"))
        (refresh,) = calling.due(300.1)
        held = OFFER + b"a=sendonly\r\n"
        calling.call.reinvite(held)
        assert calling.agent.sent() == []
        calling.agent.receive(response(refresh, 200, body=ANSWER, headers=[("Session-Expires", "600;refresher=uac")]))
        ack, offer = calling.agent.sent()
        assert isinstance(ack, Request)
        assert isinstance(offer, Request)
        assert (ack.method, offer.method, offer.body) == ("ACK", "INVITE", held)
        assert offer.headers.get("Session-Expires") == "600;refresher=uac"

    def test_rfc_4028_7_4_an_offer_of_ours_keeps_the_roles(self) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uas"))
        calling.call.reinvite(OFFER)
        assert only_request(calling.agent.sent()).headers.get("Session-Expires") == "600;refresher=uas"


class TestIntervalTooSmall:
    def test_rfc_4028_7_3_a_422_is_followed_with_its_minimum(self) -> None:
        agent = Agent()
        call = agent.place()
        first = only_request(agent.sent())
        agent.receive(response(first, 422, headers=[("Min-SE", "3600")]))
        ack, again = agent.sent()
        assert isinstance(ack, Request)
        assert isinstance(again, Request)
        assert ack.method == "ACK"
        assert (again.call_id, again.cseq.number) == (first.call_id, first.cseq.number + 1)
        assert again.from_.tag == first.from_.tag
        assert (again.headers.get("Session-Expires"), again.headers.get("Min-SE")) == ("3600", "3600")
        assert again.body == OFFER
        agent.receive(response(again, 200, body=ANSWER, headers=[("Session-Expires", "3600;refresher=uac")]))
        agent.sent()
        agent.pass_time(1800.1)
        refresh = only_request(agent.sent())
        assert refresh.headers.get("Min-SE") == "3600"
        assert call.state is CallState.CONFIRMED

    def test_a_server_that_is_never_content_is_left(self) -> None:
        agent = Agent()
        call = agent.place()
        for number in range(10):
            invites = [m for m in agent.sent() if isinstance(m, Request) and m.method == "INVITE"]
            if not invites:
                break
            agent.receive(response(invites[0], 422, headers=[("Min-SE", str(2000 + number))]))
        assert number == 4
        assert isinstance(agent.events[call][-1], Rejected)

    @pytest.mark.parametrize("minimum", [None, "90", "1800", "x", "99999999999999"])
    def test_one_that_asks_for_nothing_more_is_final(self, minimum: str | None) -> None:
        agent = Agent()
        call = agent.place()
        headers = [] if minimum is None else [("Min-SE", minimum)]
        agent.receive(response(only_request(agent.sent()), 422, headers=headers))
        (rejected,) = agent.events[call]
        assert isinstance(rejected, Rejected)
        assert rejected.status == 422

    def test_a_refresh_follows_one_too(self) -> None:
        calling = Calling(("Session-Expires", "600;refresher=uac"))
        (refresh,) = calling.due(300.1)
        calling.agent.receive(response(refresh, 422, headers=[("Min-SE", "900")]))
        again = [m for m in calling.agent.sent() if isinstance(m, Request) and m.method == "INVITE"]
        assert again[0].headers.get("Session-Expires") == "900;refresher=uac"


class Talk:
    """Two of us over a wire; the callee refreshes each half of 1800 s."""

    def __init__(self) -> None:
        self.caller, self.callee, self.wire = pair(None, self.on_call)
        self.ours = self.caller.place()
        self.wire.run(1)

    def on_call(self, call: IncomingCall) -> None:
        self.callee.attend(call)
        call.answer(ANSWER)

    @property
    def theirs(self) -> IncomingCall:
        return self.callee.calls[0]

    def refreshes(self) -> int:
        return sum(label in REFRESHES for label in self.wire.methods(self.callee))


class TestBothSides:
    def test_a_call_of_three_hours_is_refreshed_by_one_side_and_nobody_notices(self) -> None:
        talk = Talk()
        talk.wire.run(3 * 3600)
        assert talk.refreshes() == 12
        assert sum(label in REFRESHES for label in talk.wire.methods(talk.caller)) == 1
        assert [type(event).__name__ for event in talk.caller.events[talk.ours]] == ["Answered"]
        assert [type(event).__name__ for event in talk.callee.events[talk.theirs]] == ["Confirmed"]
        talk.ours.hangup()
        talk.wire.run(40)
        for agent in talk.wire.agents:
            assert (agent.core.calls, agent.core.dialogs, len(agent.core.layer.timers)) == (0, 0, 0)

    @pytest.mark.parametrize("lost", [("INVITE",), ("200",), ("ACK",), ("200", "ACK"), ("200", "200", "ACK", "ACK")])
    def test_a_refresh_gets_through_whatever_is_lost(self, lost: Sequence[str]) -> None:
        talk = Talk()
        talk.wire.fate = losing(*lost)
        talk.wire.run(3600)
        assert talk.ours.state is CallState.CONFIRMED
        assert talk.theirs.state is CallState.CONFIRMED

    def test_refreshes_that_arrive_twice_and_late_change_nothing(self) -> None:
        talk = Talk()
        talk.wire.fate = lambda number, _data, _sender: (Wire.DELAY, 0.3 + (number % 3) * 0.2)
        talk.wire.run(3 * 3600)
        assert talk.ours.state is CallState.CONFIRMED
        assert len(talk.caller.events[talk.ours]) == len(talk.callee.events[talk.theirs]) == 1

    def test_a_line_that_is_cut_ends_the_call_on_both_sides(self) -> None:
        talk = Talk()
        talk.wire.fate = lambda _number, _data, _sender: ()
        talk.wire.run(1900)
        assert talk.callee.events[talk.theirs][-1] == Failed("gone")
        assert talk.caller.events[talk.ours][-1] == Failed("session_expired")
        for agent in talk.wire.agents:
            assert (agent.core.calls, agent.core.dialogs) == (0, 0)

    def test_an_offer_and_a_refresh_that_cross_leave_the_call_alive(self) -> None:
        """RFC 3261 §14.2."""
        talk = Talk()
        talk.wire.run(899 - Wire.DELAY)
        held = OFFER + b"a=sendonly\r\n"
        while not talk.refreshes():
            talk.wire.run(Wire.DELAY / 4)
        talk.ours.reinvite(held)
        talk.wire.run(600)
        assert talk.ours.state is CallState.CONFIRMED
        assert talk.theirs.state is CallState.CONFIRMED
        assert not any(isinstance(event, RemoteHangup) for event in talk.caller.events[talk.ours])
