"""sipp registers with a user agent of ours, and is the registrar that ours registers with (RFC 3261 §10, §22)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sip import (
    BindingChange,
    Credentials,
    DigestOutcome,
    Registered,
    Registering,
    RegisterRequest,
    RegistrationFailed,
    RegistrationSettings,
    RegistrationState,
    SipUri,
    Unregistered,
)
from tests.interop.sipp_party import MovableClock, Party
from tests.interop.sipp_run import Sipp

pytestmark = pytest.mark.interop

Parties = Callable[..., Awaitable[Party]]
ALICE = Credentials("alice", "secret")


def accept(asking: RegisterRequest) -> None:
    """Ask nobody for a password."""
    asking.accept("alice")


class TestSippRegisters:
    @pytest.mark.parametrize(
        ("scenario", "outcomes"),
        [
            ("uac-registers", "MISSING OK"),
            ("uac-registers-with-old-nonce", "MISSING OK STALE OK"),
            ("uac-registers-wrongly", "MISSING BAD"),
        ],
    )
    async def test_with_a_password(
        self, sipp: Sipp, party: Parties, clock: MovableClock, scenario: str, outcomes: str
    ) -> None:
        told: list[DigestOutcome] = []
        changes: list[BindingChange] = []

        def decide(asking: RegisterRequest) -> None:
            result = ours.agent.check_credentials(asking, "sipp", ALICE)
            told.append(result.outcome)
            if result.ok:
                asking.accept("alice")
                clock.move(301)  # a nonce lives for five minutes
            elif result.outcome is DigestOutcome.BAD:
                asking.reject(403)
            else:
                asking.challenge("sipp", stale=result.stale)

        ours = await party()
        registrar = ours.agent.serve_registrations(decide, changes.append)
        await sipp.calls(scenario, ours.address)
        assert [outcome.name for outcome in told] == outcomes.split()
        assert [change.kind for change in changes] == ["bound", "refreshed"][: told.count(DigestOutcome.OK)]
        assert len(registrar) == min(1, len(changes))

    async def test_for_too_short_a_time(self, sipp: Sipp, party: Parties) -> None:
        changes: list[BindingChange] = []
        ours = await party()
        ours.agent.serve_registrations(accept, changes.append)
        await sipp.calls("uac-registers-shortly", ours.address)
        assert [change.kind for change in changes] == ["bound"]

    async def test_several_contacts_and_removes_them(self, sipp: Sipp, party: Parties) -> None:
        changes: list[BindingChange] = []
        ours = await party()
        ours.parse_errors = 1  # the wildcard beside another contact
        registrar = ours.agent.serve_registrations(accept, changes.append)
        await sipp.calls("uac-registers-twice", ours.address)
        assert [change.kind for change in changes] == ["bound", "bound", "unbound", "unbound"]
        assert [change.binding.contact.user for change in changes] == ["one", "two", "two", "one"]
        assert len(registrar) == 0

    async def test_until_its_time_is_over(self, sipp: Sipp, party: Parties, clock: MovableClock) -> None:
        changes: asyncio.Queue[BindingChange] = asyncio.Queue()
        ours = await party()
        ours.agent.serve_registrations(accept, changes.put_nowait)
        await sipp.calls("uac-registers-shortly", ours.address)
        assert (await changes.get()).kind == "bound"
        clock.move(61)
        change = await changes.get()
        assert (change.kind, change.reason) == ("unbound", "expired")

    async def test_twice_as_the_answer_is_lost(self, sipp: Sipp, party: Parties) -> None:
        changes: list[BindingChange] = []
        ours = await party()
        ours.agent.serve_registrations(accept, changes.append)
        await sipp.calls("uac-registers-again", ours.address, "-nr")
        assert [change.kind for change in changes] == ["bound"]
        assert ours.agent.transaction_counters.retransmissions_received == 1

    async def test_until_its_connection_is_gone(self, sipp: Sipp, party: Parties) -> None:
        changes: asyncio.Queue[BindingChange] = asyncio.Queue()
        ours = await party(tcp=(("127.0.0.1", 0),))
        ours.agent.serve_registrations(accept, changes.put_nowait)
        await sipp.calls("uac-registers-shortly", ours.agent.bound["tcp"][0], "-t", "t1")
        assert (await changes.get()).kind == "bound"
        change = await changes.get()
        assert (change.kind, change.reason) == ("unbound", "connection lost")

    async def test_where_nobody_keeps_registrations(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        await sipp.calls("uac-registers-nowhere", ours.address)
        assert ours.agent.statistics.refused == 1


class States:
    """What a registration of ours has told."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[RegistrationState] = asyncio.Queue()

    async def next(self, kind: type[RegistrationState]) -> RegistrationState:
        """The next state, which has to be of a kind."""
        async with asyncio.timeout(10):
            state = await self.queue.get()
        assert isinstance(state, kind), state
        return state


def settings(registrar: SipUri, credentials: Credentials | None = ALICE) -> RegistrationSettings:
    return RegistrationSettings(registrar, SipUri("sip", "alice", host="example.org"), credentials)


class TestWeRegisterWithSipp:
    async def test_for_as_long_as_it_wants_until_we_leave(
        self, sipp: Sipp, party: Parties, clock: MovableClock
    ) -> None:
        ours, states = await party(), States()
        async with sipp.waits("uas-registrar") as uri:
            registration = ours.agent.register(settings(uri), states.queue.put_nowait)
            await states.next(Registering)
            registered = await states.next(Registered)
            assert isinstance(registered, Registered)
            assert registered.expires == 7200
            assert [str(route) for route in registered.service_route] == ["<sip:192.0.2.8;lr>"]
            clock.move(3599)
            await asyncio.sleep(0.02)
            assert ours.agent.transaction_counters.client_transactions == 3
            clock.move(2)
            await states.next(Registered)
            registration.stop()
            assert await states.next(Unregistered) == Unregistered(confirmed=True)
        assert ours.agent.transaction_counters.client_transactions == 6

    async def test_through_a_proxy_that_has_a_password_of_its_own(self, sipp: Sipp, party: Parties) -> None:
        ours, states = await party(), States()
        async with sipp.waits("uas-registrar-behind-proxy") as uri:
            registration = ours.agent.register(settings(uri), states.queue.put_nowait)
            await states.next(Registering)
            await states.next(Registered)
            registration.stop()
            assert await states.next(Unregistered) == Unregistered(confirmed=True)

    async def test_in_vain(self, sipp: Sipp, party: Parties, clock: MovableClock) -> None:
        ours, states = await party(), States()
        async with sipp.waits("uas-registrar-refuses") as uri:
            registration = ours.agent.register(settings(uri), states.queue.put_nowait)
            await states.next(Registering)
            failed = await states.next(RegistrationFailed)
            assert isinstance(failed, RegistrationFailed)
            assert failed.status == 403
            clock.move(1000)
            await asyncio.sleep(0.02)
        registration.stop()
        assert await states.next(Unregistered) == Unregistered(confirmed=True)
        assert ours.agent.transaction_counters.client_transactions == 1

    async def test_later_where_it_is_busy(self, sipp: Sipp, party: Parties, clock: MovableClock) -> None:
        ours, states = await party(), States()
        async with sipp.waits("uas-registrar-is-busy") as uri:
            registration = ours.agent.register(settings(uri, None), states.queue.put_nowait)
            await states.next(Registering)
            failed = await states.next(RegistrationFailed)
            assert isinstance(failed, RegistrationFailed)
            assert failed.status == 503
            clock.move(44)
            await asyncio.sleep(0.02)
            assert ours.agent.transaction_counters.client_transactions == 1
            clock.move(20)
            await states.next(Registering)
            await states.next(Registered)
            registration.stop()
            assert await states.next(Unregistered) == Unregistered(confirmed=True)

    async def test_twice_as_the_request_is_lost(self, sipp: Sipp, party: Parties) -> None:
        ours, states = await party(), States()
        async with sipp.waits("uas-registrar-loses-request", "-nr") as uri:
            registration = ours.agent.register(settings(uri, None), states.queue.put_nowait)
            await states.next(Registering)
            await states.next(Registered)
            registration.stop()
            assert await states.next(Unregistered) == Unregistered(confirmed=True)
        assert ours.agent.transaction_counters.retransmissions_sent == 1
