"""The user agent over real loopback sockets: whole calls, barriers, start and close."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sip import (
    Answered,
    CallEvent,
    Cancelled,
    Confirmed,
    Credentials,
    DigestOutcome,
    Headers,
    HungUp,
    IncomingCall,
    LocalProtocolError,
    MessageReceived,
    NameAddr,
    Offer,
    OfferAnswered,
    OfferRejected,
    OutgoingCall,
    Progress,
    Redirected,
    Rejected,
    RemoteHangup,
    SipUri,
    TimerConfig,
    UserAgent,
    UserAgentConfig,
)
from sip.core.agent import UserAgentCore
from tests.sip.support import ANSWER, OFFER, invite, request

ME = NameAddr(None, SipUri("sip", "me", host="example.net"))
IMPATIENT = TimerConfig(t1=0.005)


class Events:
    """Collects events and lets a test wait for one of a kind."""

    def __init__(self) -> None:
        self.items: list[CallEvent] = []
        self._changed = asyncio.Event()

    def __call__(self, event: CallEvent) -> None:
        self.items.append(event)
        self._changed.set()

    async def wait(self, kind: type) -> CallEvent:
        while True:
            for event in self.items:
                if isinstance(event, kind):
                    return event
            self._changed.clear()
            await self._changed.wait()


class Party:
    """A user agent whose incoming calls are attended; `take` decides what becomes of them."""

    def __init__(self, take: Callable[[IncomingCall], None], **config: object) -> None:
        self.calls: list[tuple[IncomingCall, Events]] = []
        self.take = take
        self.called = asyncio.Event()
        settings = {"udp": (("127.0.0.1", 0),), **config}
        self.agent = UserAgent(UserAgentConfig(**settings), self._on_call)  # type: ignore[arg-type]

    def _on_call(self, call: IncomingCall) -> None:
        events = Events()
        call.on_event = events
        self.calls.append((call, events))
        self.called.set()
        self.take(call)

    def uri(self, user: str = "+15550100") -> SipUri:
        host, port = self.agent.bound["udp"][0]
        return SipUri("sip", user, host=host, port=port)

    def place(self, to: SipUri, **more: object) -> tuple[OutgoingCall, Events]:
        events = Events()
        call = self.agent.place_call(to, from_=ME, body=OFFER, on_event=events, **more)  # type: ignore[arg-type]
        return call, events


def answer(call: IncomingCall) -> None:
    call.ring()
    call.answer(ANSWER)


def ignore(_call: IncomingCall) -> None:
    return


Parties = Callable[..., Awaitable[Party]]


@pytest.fixture
async def party() -> AsyncIterator[Parties]:
    made: list[Party] = []

    async def make(take: Callable[[IncomingCall], None] = ignore, **config: object) -> Party:
        one = Party(take, **config)
        await one.agent.start()
        made.append(one)
        return one

    yield make
    for one in made:
        await one.agent.close()


async def exchange(address: tuple[str, int], *messages: bytes) -> bytes:
    """Send datagrams from a socket of our own and return the first answer."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.setblocking(False)
        peer.bind(("127.0.0.1", 0))
        for message in messages:
            await loop.sock_sendto(peer, message, address)
        return await loop.sock_recv(peer, 65535)


OPTIONS = request("OPTIONS", branch="z9hG4bKo", via="127.0.0.1;rport")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_call_is_made_and_ended_by_the_caller(party: Parties, host: str) -> None:
    callee = await party(answer, udp=((host, 0),))
    caller = await party(udp=((host, 0),))
    call, events = caller.place(callee.uri())
    answered = await events.wait(Answered)
    assert isinstance(answered, Answered)
    assert answered.body == ANSWER
    theirs, heard = callee.calls[0]
    assert theirs.offer == OFFER
    await heard.wait(Confirmed)
    call.hangup(reason="Q.850;cause=16")
    assert await heard.wait(RemoteHangup) == RemoteHangup("Q.850;cause=16")
    assert await events.wait(HungUp) == HungUp(200)
    assert (caller.agent.calls, callee.agent.calls) == (0, 0)


async def test_a_call_is_ended_by_the_callee(party: Parties) -> None:
    callee, caller = await party(answer), await party()
    _call, events = caller.place(callee.uri())
    await events.wait(Answered)
    theirs, heard = callee.calls[0]
    await heard.wait(Confirmed)
    theirs.hangup()
    await events.wait(RemoteHangup)
    assert await heard.wait(HungUp) == HungUp(200)


async def test_an_offer_may_be_answered_later(party: Parties) -> None:
    callee, caller = await party(answer), await party()
    call, events = caller.place(callee.uri())
    await events.wait(Answered)
    heard = callee.calls[0][1]
    await heard.wait(Confirmed)
    call.reinvite(OFFER)
    offer = await heard.wait(Offer)
    assert isinstance(offer, Offer)
    assert offer.body == OFFER
    offer.respond.accept(ANSWER)
    assert await events.wait(OfferAnswered) == OfferAnswered(ANSWER)


async def test_an_offer_may_be_rejected_later(party: Parties) -> None:
    callee, caller = await party(answer), await party()
    _call, events = caller.place(callee.uri())
    await events.wait(Answered)
    theirs, heard = callee.calls[0]
    await heard.wait(Confirmed)
    theirs.reinvite(OFFER)
    offer = await events.wait(Offer)
    assert isinstance(offer, Offer)
    offer.respond.reject(488)
    assert await heard.wait(OfferRejected) == OfferRejected(488, "Not Acceptable Here")


async def test_an_application_may_answer_later(party: Parties) -> None:
    callee, caller = await party(ignore), await party()
    _call, events = caller.place(callee.uri())
    await callee.called.wait()
    callee.calls[0][0].answer(ANSWER)
    await events.wait(Answered)


async def test_events_are_kept_for_who_listens_later(party: Parties) -> None:
    def take(call: IncomingCall) -> None:
        call.on_event = None
        call.answer(ANSWER)

    callee, caller = await party(take), await party()
    call, events = caller.place(callee.uri())
    await events.wait(Answered)
    call.hangup()
    await events.wait(HungUp)
    late = Events()
    callee.calls[0][0].on_event = late
    assert late.items == []
    await late.wait(RemoteHangup)
    assert late.items == [Confirmed(None), RemoteHangup(None)]


async def test_an_application_may_reject_later(party: Parties) -> None:
    callee, caller = await party(ignore), await party()
    _call, events = caller.place(callee.uri())
    await callee.called.wait()
    callee.calls[0][0].reject(486)
    await events.wait(Rejected)


async def test_an_application_may_ring_later(party: Parties) -> None:
    callee, caller = await party(ignore), await party()
    _call, events = caller.place(callee.uri())
    await callee.called.wait()
    callee.calls[0][0].ring()
    await events.wait(Progress)


async def test_a_call_is_cancelled(party: Parties) -> None:
    callee, caller = await party(lambda call: call.ring()), await party()
    call, events = caller.place(callee.uri())
    await events.wait(Progress)
    call.cancel()
    rejected = await events.wait(Rejected)
    assert isinstance(rejected, Rejected)
    assert rejected.status == 487
    await callee.calls[0][1].wait(Cancelled)


async def test_a_call_is_rejected(party: Parties) -> None:
    callee, caller = await party(lambda call: call.reject(486)), await party()
    _call, events = caller.place(callee.uri())
    rejected = await events.wait(Rejected)
    assert isinstance(rejected, Rejected)
    assert (rejected.status, rejected.cause) == (486, "response")


async def test_a_caller_authenticates(party: Parties) -> None:
    outcomes: list[DigestOutcome] = []
    credentials = Credentials("alice", "secret")

    def take(call: IncomingCall) -> None:
        result = callee.agent.check_credentials(call, "realm", credentials)
        outcomes.append(result.outcome)
        if result.ok:
            call.answer(ANSWER)
        elif result.outcome is DigestOutcome.BAD:
            call.reject(403)
        else:
            call.challenge("realm", stale=result.stale)

    callee, caller = await party(take), await party()
    _, events = caller.place(callee.uri(), credentials=credentials)
    await events.wait(Answered)
    assert outcomes == [DigestOutcome.MISSING, DigestOutcome.OK]
    _, events = caller.place(callee.uri(), credentials=Credentials("alice", "wrong"))
    rejected = await events.wait(Rejected)
    assert isinstance(rejected, Rejected)
    assert rejected.status == 403


async def test_nobody_there_is_a_timeout(party: Parties) -> None:
    caller = await party(timers=IMPATIENT)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        _call, events = caller.place(SipUri("sip", "x", host="127.0.0.1", port=port))
        rejected = await events.wait(Rejected)
    assert isinstance(rejected, Rejected)
    assert (rejected.status, rejected.cause) == (None, "timeout")


async def test_a_name_is_looked_up(party: Parties) -> None:
    callee, caller = await party(answer), await party()
    call, events = caller.place(callee.uri().replace(host="localhost"))
    await events.wait(Answered)
    assert call.request.uri.host == "localhost"  # type: ignore[union-attr]


async def test_a_name_without_address_is_a_transport_failure(party: Parties, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(*_args: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", none)
    caller = await party()
    _call, events = caller.place(SipUri("sip", "x", host="nowhere.invalid"))
    rejected = await events.wait(Rejected)
    assert isinstance(rejected, Rejected)
    assert (rejected.status, rejected.cause) == (None, "transport")
    assert "nowhere.invalid" in rejected.reason


async def test_a_call_follows_a_redirection_to_a_name(party: Parties) -> None:
    """RFC 3261 §8.1.3.4."""
    callee = await party(answer)
    elsewhere = callee.uri("other").replace(host="localhost")
    sender = await party(lambda call: call.reject(302, headers=[("Contact", f"<{elsewhere}>")]))
    caller = await party()
    call, events = caller.place(sender.uri())
    assert await events.wait(Redirected) == Redirected(elsewhere)
    await events.wait(Answered)
    assert call.request.uri == elsewhere
    assert len(callee.calls) == len(sender.calls) == 1


async def test_a_redirection_to_a_name_without_address_is_a_transport_failure(
    party: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_args: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", none)
    sender = await party(lambda call: call.reject(302, headers=[("Contact", "<sip:x@nowhere.invalid:5060>")]))
    caller = await party()
    _call, events = caller.place(sender.uri())
    rejected = await events.wait(Rejected)
    assert isinstance(rejected, Rejected)
    assert (rejected.status, rejected.cause) == (None, "transport")


async def test_a_message_is_handed_over() -> None:
    heard: asyncio.Queue[MessageReceived] = asyncio.Queue()
    config = UserAgentConfig(udp=(("127.0.0.1", 0),))
    agent = UserAgent(config, lambda _call: None, on_message=heard.put_nowait)
    await agent.start()
    try:
        data = request("MESSAGE", branch="z9hG4bKm", via="127.0.0.1;rport", body=b"hello")
        assert (await exchange(agent.bound["udp"][0], data)).startswith(b"SIP/2.0 200 ")
        async with asyncio.timeout(5):
            assert (await heard.get()).body == b"hello"
    finally:
        await agent.close()


async def test_the_next_hop_is_where_the_invite_goes(party: Parties) -> None:
    callee, caller = await party(answer), await party()
    _, events = caller.place(SipUri("sip", "+1", host="carrier.example.com"), next_hop=callee.agent.bound["udp"][0])
    await events.wait(Answered)
    assert callee.calls[0][0].request.uri.host == "carrier.example.com"  # type: ignore[union-attr]


async def test_a_contact_that_is_a_name_is_looked_up(party: Parties, monkeypatch: pytest.MonkeyPatch) -> None:
    callee = await party(answer)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.setblocking(False)
        peer.bind(("127.0.0.1", 0))
        port = peer.getsockname()[1]
        via = f"127.0.0.1:{port};rport"
        await loop.sock_sendto(peer, invite(contact=f"<sip:c@localhost:{port}>", via=via), callee.agent.bound["udp"][0])
        await callee.called.wait()
        call, _ = callee.calls[0]
        ack = request("ACK", branch="z9hG4bKack", to_tag=call.local_tag, via=via)
        await loop.sock_sendto(peer, ack, callee.agent.bound["udp"][0])
        await callee.calls[0][1].wait(Confirmed)
        call.hangup()
        while not (await loop.sock_recv(peer, 65535)).startswith(b"BYE "):
            pass


class TestBarriers:
    async def test_a_handler_that_fails_costs_its_own_call_only(
        self, party: Parties, caplog: pytest.LogCaptureFixture
    ) -> None:
        def take(call: IncomingCall) -> None:
            if call.request.uri.user == "bad":  # type: ignore[union-attr]
                raise RuntimeError("a bug in the application")
            answer(call)

        callee, caller = await party(take), await party()
        _, good = caller.place(callee.uri("good"))
        _, bad = caller.place(callee.uri("bad"))
        await good.wait(Answered)
        rejected = await bad.wait(Rejected)
        assert isinstance(rejected, Rejected)
        assert rejected.status == 500
        assert callee.agent.statistics.failures == 1
        assert "a bug in the application" in caplog.text

    async def test_an_event_handler_that_fails_hangs_its_call_up(self, party: Parties) -> None:
        def fail(_event: CallEvent) -> None:
            raise RuntimeError("a bug in the application")

        def take(call: IncomingCall) -> None:
            call.on_event = fail
            call.answer(ANSWER)

        callee, caller = await party(take), await party()
        _, events = caller.place(callee.uri())
        await events.wait(RemoteHangup)
        assert callee.agent.statistics.failures >= 1

    async def test_a_datagram_that_breaks_us_is_dropped_and_logged(
        self, party: Parties, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        receive = UserAgentCore.receive_datagram

        def broken(core: UserAgentCore, data: bytes, *rest: object) -> bool:
            if data.startswith(b"BOMB"):
                raise RuntimeError("a bug of ours")
            return receive(core, data, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(UserAgentCore, "receive_datagram", broken)
        callee = await party()
        reply = await exchange(callee.agent.bound["udp"][0], b"BOMB", OPTIONS)
        assert reply.startswith(b"SIP/2.0 200 ")
        assert callee.agent.statistics.failures == 1
        assert "a bug of ours" in caplog.text

    async def test_a_timer_that_breaks_us_stops_no_other(
        self, party: Parties, caplog: pytest.LogCaptureFixture
    ) -> None:
        one = await party()
        ran = asyncio.Event()

        def fail(_argument: object) -> None:
            raise RuntimeError("a bug of ours")

        timers = one.agent._core.layer.timers
        timers.schedule(0.01, fail)
        timers.schedule(0.01, lambda _argument: ran.set())
        one.agent._driver.wake()
        await ran.wait()
        assert one.agent.statistics.failures == 1
        assert "a bug of ours" in caplog.text

    async def test_rubbish_is_logged_once_for_each_source(
        self, party: Parties, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        one = await party()
        reply = await exchange(one.agent.bound["udp"][0], *([b"rubbish\r\n\r\n"] * 20), OPTIONS)
        assert reply.startswith(b"SIP/2.0 200 ")
        assert one.agent.statistics.parse_errors == 20
        assert caplog.text.count("malformed message") == 1


class TestLifeCycle:
    async def test_the_bound_port_is_shown(self, party: Parties) -> None:
        one = await party(udp=(("127.0.0.1", 0), ("127.0.0.1", 0)))
        ports = [port for _host, port in one.agent.bound["udp"]]
        assert len(set(ports)) == 2
        assert 0 not in ports

    async def test_a_port_in_use_is_named_and_nothing_stays_open(self, party: Parties) -> None:
        one = await party()
        port = one.agent.bound["udp"][0][1]
        other = UserAgent(UserAgentConfig(udp=(("127.0.0.1", 0), ("127.0.0.1", port))), ignore)
        with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port}"):
            await other.start()
        assert other.bound == {}

    async def test_closing_gives_the_port_back(self, party: Parties) -> None:
        one = await party()
        address = one.agent.bound["udp"][0]
        await one.agent.close()
        await one.agent.close()
        again = await party(udp=(address,))
        assert again.agent.bound["udp"] == [address]

    async def test_what_was_said_last_is_still_sent(self, party: Parties) -> None:
        callee, caller = await party(answer), await party()
        call, events = caller.place(callee.uri())
        await events.wait(Answered)
        await callee.calls[0][1].wait(Confirmed)
        call.hangup()
        await caller.agent.close()
        await callee.calls[0][1].wait(RemoteHangup)

    async def test_draining_refuses_new_calls(self, party: Parties) -> None:
        callee, caller = await party(answer), await party()
        callee.agent.draining = True
        assert callee.agent.draining
        _, events = caller.place(callee.uri())
        rejected = await events.wait(Rejected)
        assert isinstance(rejected, Rejected)
        assert rejected.status == 503
        assert rejected.headers.get("Retry-After")
        assert callee.calls == []

    async def test_acting_after_close_is_harmless(self, party: Parties) -> None:
        callee, caller = await party(answer), await party()
        call, events = caller.place(callee.uri())
        await events.wait(Answered)
        await caller.agent.close()
        call.hangup()
        with pytest.raises(LocalProtocolError):
            caller.place(callee.uri())

    async def test_no_call_without_sockets(self) -> None:
        with pytest.raises(LocalProtocolError):
            UserAgent(UserAgentConfig(), ignore).place_call(SipUri("sip", "x", host="127.0.0.1"), from_=ME)


class TestAddresses:
    async def test_the_routing_table_or_the_advertised_address(self, party: Parties) -> None:
        one = await party()
        assert one.agent.local_address_for("127.0.0.1") == "127.0.0.1"
        other = await party(advertised_address="203.0.113.1")
        assert other.agent.local_address_for("127.0.0.1") == "203.0.113.1"

    async def test_a_wildcard_listener_tells_each_peer_what_it_can_reach(self, party: Parties) -> None:
        callee, caller = await party(answer, udp=(("0.0.0.0", 0),)), await party(udp=(("0.0.0.0", 0),))
        _, events = caller.place(callee.uri().replace(host="127.0.0.1"))
        answered = await events.wait(Answered)
        assert isinstance(answered, Answered)
        assert answered.response.contacts[0].uri.host == "127.0.0.1"  # type: ignore[union-attr]


async def test_an_application_that_never_gives_up_does_not_stop_the_loop(party: Parties) -> None:
    """Each call to a port of the other family fails at once, and each failure places the next one."""
    caller = await party()
    placed: list[OutgoingCall] = []

    def again(_event: CallEvent) -> None:
        placed.append(caller.agent.place_call(SipUri("sip", "x", host="::1"), from_=ME, on_event=again))

    again(Rejected(None, "", "transport", Headers()))
    reply = await exchange(caller.agent.bound["udp"][0], OPTIONS)
    assert reply.startswith(b"SIP/2.0 200 ")
    assert len(placed) > 1


def test_it_runs_on_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        callee, caller = Party(answer), Party(ignore)
        await callee.agent.start()
        await caller.agent.start()
        call, events = caller.place(callee.uri())
        await events.wait(Answered)
        call.hangup()
        await events.wait(HungUp)
        await callee.calls[0][1].wait(RemoteHangup)
        await caller.agent.close()
        await callee.agent.close()

    uvloop.run(main())


async def test_the_sockets_are_counted(party: Parties) -> None:
    one = await party()
    (counters,) = one.agent.udp_counters
    assert (counters.receive_errors, counters.send_blocked) == (0, 0)


async def test_events_come_after_place_call_has_returned(party: Parties) -> None:
    caller = await party(udp=(("127.0.0.1", 0),))
    call, events = caller.place(SipUri("sip", "x", host="::1"))
    assert events.items == []
    await events.wait(Rejected)
    assert call.ended


async def test_five_wrong_passwords_silence_the_address(party: Parties, caplog: pytest.LogCaptureFixture) -> None:
    def take(call: IncomingCall) -> None:
        callee.agent.report_authentication_failure(call.source)
        call.reject(403)

    callee, caller = await party(take), await party()
    for _ in range(5):
        _, events = caller.place(callee.uri())
        rejected = await events.wait(Rejected)
        assert isinstance(rejected, Rejected)
        assert rejected.status == 403
    impatient = await party(timers=IMPATIENT)
    _, events = impatient.place(callee.uri())
    rejected = await events.wait(Rejected)
    assert isinstance(rejected, Rejected)
    assert rejected.cause == "timeout"
    assert "source=127.0.0.1" in caplog.text
    assert caplog.text.count("ignored for 600 s") == 1
