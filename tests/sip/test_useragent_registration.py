"""Registration and probes between two user agents over real loopback sockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from sip import (
    BindingChange,
    Credentials,
    DigestOutcome,
    Health,
    HealthChange,
    IncomingCall,
    LocalProtocolError,
    Registered,
    Registering,
    RegisterRequest,
    RegistrationFailed,
    RegistrationSettings,
    RegistrationState,
    SipUri,
    TimerConfig,
    Unregistered,
    UserAgent,
    UserAgentConfig,
)

ALICE = Credentials("alice", "secret")
AOR = SipUri.parse("sip:alice@carrier.example")


def no_calls(call: IncomingCall) -> None:
    call.reject(480)


def user_agent(host: str = "127.0.0.1") -> UserAgent:
    return UserAgent(UserAgentConfig(udp=((host, 0),), timers=TimerConfig(t1=0.01)), no_calls)


class Carrier:
    """A user agent that registers alice, and looks the password up in a task of its own as a store would."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.agent = user_agent(host)
        self.changes: asyncio.Queue[BindingChange] = asyncio.Queue()
        self.registrar = self.agent.serve_registrations(self.on_register, self.changes.put_nowait)
        self.tasks: set[asyncio.Task[None]] = set()

    def on_register(self, asking: RegisterRequest) -> None:
        task = asyncio.get_running_loop().create_task(self.decide(asking))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def decide(self, asking: RegisterRequest) -> None:
        await asyncio.sleep(0)
        result = self.agent.check_credentials(asking, "carrier", ALICE)
        if result.ok:
            asking.accept("alice")
        elif result.outcome is DigestOutcome.BAD:
            asking.reject(403)
        else:
            asking.challenge("carrier", stale=result.stale)

    @property
    def uri(self) -> SipUri:
        return SipUri("sip", None, host=self.host, port=self.agent.bound["udp"][0][1])


@pytest.fixture(params=["127.0.0.1", "::1"])
async def parties(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Carrier, UserAgent]]:
    carrier, client = Carrier(request.param), user_agent(request.param)
    await carrier.agent.start()
    await client.start()
    yield carrier, client
    await client.close()
    await carrier.agent.close()


async def until(states: asyncio.Queue[RegistrationState], kind: type) -> RegistrationState:
    while True:
        state = await states.get()
        if isinstance(state, kind):
            return state


async def test_a_number_registers_is_found_and_leaves(parties: tuple[Carrier, UserAgent]) -> None:
    carrier, client = parties
    states: asyncio.Queue[RegistrationState] = asyncio.Queue()
    registration = client.register(RegistrationSettings(carrier.uri, AOR, ALICE, expires=120), states.put_nowait)
    assert await states.get() == Registering()
    registered = await states.get()
    assert isinstance(registered, Registered)
    assert registered.expires == 120
    change = await carrier.changes.get()
    assert change.kind == "bound"
    target = change.binding.target()
    assert (target.uri.host, target.uri.port) == (client.bound["udp"][0][0], client.bound["udp"][0][1])
    registration.refresh()
    assert (await carrier.changes.get()).kind == "refreshed"
    registration.stop()
    assert await until(states, Unregistered) == Unregistered(confirmed=True)
    assert (await carrier.changes.get()).reason == "removed"
    assert len(carrier.registrar) == 0


async def test_a_wrong_password_is_reported(parties: tuple[Carrier, UserAgent]) -> None:
    carrier, client = parties
    states: asyncio.Queue[RegistrationState] = asyncio.Queue()
    settings = RegistrationSettings(carrier.uri, AOR, Credentials("alice", "wrong"))
    registration = client.register(settings, states.put_nowait)
    failed = await until(states, RegistrationFailed)
    assert isinstance(failed, RegistrationFailed)
    assert failed.status == 403
    registration.stop()
    assert await until(states, Unregistered) == Unregistered(confirmed=True)


async def test_a_name_without_address_is_reported(
    parties: tuple[Carrier, UserAgent], monkeypatch: pytest.MonkeyPatch
) -> None:
    _carrier, client = parties

    async def none(*_args: object, **_more: object) -> list[object]:
        raise OSError("no such name")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", none)
    states: asyncio.Queue[RegistrationState] = asyncio.Queue()
    nowhere = SipUri.parse("sip:nowhere.invalid")
    registration = client.register(RegistrationSettings(nowhere, AOR, ALICE), states.put_nowait)
    failed = await until(states, RegistrationFailed)
    assert isinstance(failed, RegistrationFailed)
    assert failed.status is None
    registration.stop()


async def test_a_peer_is_probed(parties: tuple[Carrier, UserAgent]) -> None:
    carrier, client = parties
    changes: asyncio.Queue[HealthChange] = asyncio.Queue()
    probe = client.probe(carrier.uri, changes.put_nowait, at_once=True)
    change = await changes.get()
    assert change.state is Health.UP
    assert change.latency is not None
    assert change.latency < 4
    probe.stop()


async def test_a_failing_application_answers_500_and_goes_on(
    parties: tuple[Carrier, UserAgent], caplog: pytest.LogCaptureFixture
) -> None:
    carrier, client = parties

    def broken(_asking: RegisterRequest) -> None:
        raise RuntimeError("the store is away")

    carrier.agent.serve_registrations(broken)
    states: asyncio.Queue[RegistrationState] = asyncio.Queue()
    with caplog.at_level(logging.ERROR):
        registration = client.register(RegistrationSettings(carrier.uri, AOR, ALICE), states.put_nowait)
        failed = await until(states, RegistrationFailed)
    assert isinstance(failed, RegistrationFailed)
    assert failed.status == 500
    assert carrier.agent.statistics.failures == 1
    assert "the store is away" in caplog.text
    registration.stop()


async def test_nothing_is_begun_before_the_start() -> None:
    agent = user_agent()
    with pytest.raises(LocalProtocolError):
        agent.register(RegistrationSettings(AOR, AOR), lambda _state: None)
    with pytest.raises(LocalProtocolError):
        agent.probe(AOR, lambda _change: None)
