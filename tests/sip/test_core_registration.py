"""A registration of ours against a registrar of ours: made, refreshed, lost, made again, removed (RFC 3261 §10.2)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.core.config import UserAgentConfig
from sip.core.keepalive import KEEP_ALIVE
from sip.core.registration import RegistrationSettings
from sip.core.registration_state import (
    Registered,
    Registering,
    RegistrationFailed,
    RegistrationState,
    Unregistered,
)
from sip.digest import Credentials, DigestOutcome, parse_auth_params
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.message import Request, parse_message
from sip.uri import SipUri
from tests.sip.registration_support import AOR, CREDENTIALS, REGISTRAR, SETTINGS, at, client, joined
from tests.sip.support import LOCAL, PEER, Agent, Wire, losing, only_request, response

INSTANCE = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
TCP_PEER = Endpoint("tcp", "192.0.2.99", 5070)


def names(states: Sequence[RegistrationState]) -> list[str]:
    return [type(state).__name__ for state in states]


def last_failure(states: Sequence[RegistrationState]) -> RegistrationFailed:
    state = states[-1]
    assert isinstance(state, RegistrationFailed)
    return state


def requests(wire: Wire, agent: Agent) -> list[Request]:
    made = [parse_message(data) for _, sender, data in wire.log if sender is agent and data.strip()]
    return [message for message in made if isinstance(message, Request)]


class Alone:
    """A registration whose registrar is the test itself."""

    def __init__(
        self, settings: RegistrationSettings = SETTINGS, *remotes: Endpoint, jitter: float = 0.0, tcp: bool = False
    ) -> None:
        self.agent = Agent()
        if tcp:
            self.agent.core.sender.add_listener(replace(LOCAL, transport="tcp"))
        self.registration, self.states = client(self.agent, settings, locate=at(*(remotes or (PEER,))), jitter=jitter)
        self.registration.start()

    def asked(self) -> Request:
        return only_request(self.agent.sent())

    def answer(self, status: int, *headers: tuple[str, str], source: Endpoint = PEER) -> Request:
        request = self.asked()
        self.agent.receive(response(request, status, headers=headers), source)
        return request

    def bind(self, expires: int = 3600, *headers: tuple[str, str], source: Endpoint = PEER) -> Request:
        request = self.asked()
        contact = request.contacts[0].with_params(expires=str(expires))
        self.agent.receive(response(request, 200, headers=[("Contact", str(contact)), *headers]), source)
        return request

    def wait_for_next(self, at_least: float, at_most: float) -> None:
        self.agent.pass_time(at_least - 0.01)
        assert self.agent.sent() == []
        self.agent.pass_time(at_most - at_least + 0.02)


class TestRequest:
    """RFC 3261 §10.2."""

    def test_its_fields(self) -> None:
        request = Alone(replace(SETTINGS, contact_user="line1", display="Alice")).asked()
        assert (request.method, str(request.uri)) == ("REGISTER", "sip:192.0.2.99:5070")
        assert str(request.to) == '"Alice" <sip:alice@carrier.example>'
        assert request.from_.uri == request.to.uri
        assert request.from_.tag
        assert str(request.contacts[0]) == "<sip:line1@192.0.2.1:5060>;expires=3600"
        assert request.expires == 3600
        assert request.supported == {"path"}
        assert request.max_forwards == 70

    def test_the_request_uri_has_no_user(self) -> None:
        settings = replace(SETTINGS, registrar=SipUri.parse("sip:alice:pw@carrier.example;transport=udp?X=y"))
        assert str(Alone(settings).asked().uri) == "sip:carrier.example;transport=udp"

    def test_outbound_proxies_come_first(self) -> None:
        proxies = (SipUri.parse("sip:p1.example"), SipUri.parse("sip:p2.example;lr"))
        looked: list[SipUri] = []
        agent = Agent()
        registration, _ = client(
            agent,
            replace(SETTINGS, outbound_proxies=proxies),
            locate=lambda uri, found: (looked.append(uri), found([PEER])),  # type: ignore[func-returns-value]
        )
        registration.start()
        request = only_request(agent.sent())
        assert [str(route) for route in request.route] == ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]
        assert looked == [proxies[0]]

    @pytest.mark.parametrize(
        "change",
        [
            {"credentials": Credentials("a\r\nb", "x")},
            {"instance": "urn:x\r\nVia: y"},
            {"display": "a\x00b", "aor": SipUri("http", "x", host="y")},
            {"aor": SipUri("sip", "a", host="x y")},
            {"expires": 0},
            {"outbound_proxies": (SipUri("sip", None, host="a\nb"),)},
        ],
    )
    def test_what_cannot_be_written_is_told_at_once(self, change: dict[str, object]) -> None:
        with pytest.raises(LocalProtocolError):
            client(Agent(), replace(SETTINGS, **change))  # type: ignore[arg-type]


class TestRefresh:
    def test_registered_with_a_password_then_refreshed_at_half(self) -> None:
        agent, carrier, wire = joined()
        registration, states = client(agent)
        registration.start()
        wire.run(1)
        assert names(states) == ["Registering", "Registered"]
        state = registration.state
        assert isinstance(state, Registered)
        assert (state.expires, state.registrar) == (3600, PEER)
        assert state.expires_at == pytest.approx(1000 + 3600, abs=0.1)
        wire.run(1790)
        assert len(carrier.outcomes) == 2
        wire.run(3600 * 24)
        assert carrier.contacts() == ["sip:alice@192.0.2.1:5060"]
        assert set(names(states)) == {"Registering", "Registered"}
        assert names(states).count("Registering") == 1
        assert "expired" not in carrier.kinds()

    def test_one_call_id_and_a_rising_cseq(self) -> None:
        agent, _carrier, wire = joined()
        client(agent)[0].start()
        wire.run(10000)
        made = requests(wire, agent)
        assert len({it.call_id for it in made}) == 1
        assert len({it.from_.tag for it in made}) == 1
        numbers = [it.cseq.number for it in made]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    def test_the_nonce_serves_again_and_its_end_is_no_failure(self) -> None:
        """Nonces live 5 minutes; a binding of 400 s is refreshed after 200, under the same nonce once."""
        agent, carrier, wire = joined(max_expires=400)
        registration, states = client(agent)
        registration.start()
        wire.run(1000)
        assert carrier.outcomes[:3] == [DigestOutcome.MISSING, DigestOutcome.OK, DigestOutcome.OK]
        assert set(carrier.outcomes) == {DigestOutcome.MISSING, DigestOutcome.OK, DigestOutcome.STALE}
        assert "RegistrationFailed" not in names(states)

    def test_what_the_registrar_grants_counts(self) -> None:
        alone = Alone()
        alone.bind(120)
        alone.wait_for_next(60, 60)
        alone.bind(1)
        alone.wait_for_next(5, 5)

    def test_a_contact_that_is_not_bound_is_a_failure(self) -> None:
        alone = Alone()
        alone.bind(0)
        assert last_failure(alone.states).reason == "Not Bound"

    def test_too_brief_is_made_longer(self) -> None:
        agent, carrier, wire = joined(min_expires=900, max_expires=7200)
        registration, states = client(agent, replace(SETTINGS, expires=300))
        registration.start()
        wire.run(1)
        assert isinstance(registration.state, Registered)
        assert registration.state.expires == 900
        assert names(states) == ["Registering", "Registered"]
        wire.run(2000)
        assert "expired" not in carrier.kinds()

    @pytest.mark.parametrize("value", ["100", "99999999", "x", None])
    def test_423_that_asks_for_nothing_longer_is_a_failure(self, value: str | None) -> None:
        alone = Alone()
        alone.answer(423, *([("Min-Expires", value)] if value else []))
        assert last_failure(alone.states).status == 423

    def test_refresh_can_be_asked_for(self) -> None:
        alone = Alone()
        alone.registration.refresh()  # one is on its way
        alone.bind()
        alone.registration.refresh()
        alone.bind(200)
        alone.wait_for_next(100, 100)


class TestFailure:
    def test_back_off_doubles_and_ends_with_success(self) -> None:
        alone = Alone()
        for delay in (60, 120, 240):
            alone.answer(500)
            state = last_failure(alone.states)
            assert (state.status, state.retry_at) == (500, alone.agent.clock.now + delay)
            alone.wait_for_next(delay, delay)
        alone.bind(600)
        alone.wait_for_next(300, 300)
        alone.answer(500)
        alone.wait_for_next(60, 60)
        assert names(alone.states)[-3:] == ["Registered", "RegistrationFailed", "Registering"]

    def test_silence(self) -> None:
        alone = Alone()
        alone.agent.pass_time(33)
        state = last_failure(alone.states)
        assert (state.status, state.reason) == (None, "No response")

    def test_retry_after(self) -> None:
        alone = Alone()
        alone.answer(503, ("Retry-After", "7 (soon)"))
        alone.wait_for_next(7, 7)

    def test_a_wrong_password_is_tried_again_seldom(self) -> None:
        agent, carrier, wire = joined()
        carrier.password = "another"
        registration, states = client(agent)
        registration.start()
        wire.run(1700)
        assert last_failure(states).status == 403
        assert carrier.outcomes == [DigestOutcome.MISSING, DigestOutcome.BAD]
        carrier.password = "secret"
        wire.run(200)
        assert isinstance(registration.state, Registered)

    def test_a_password_changed_while_registered(self) -> None:
        agent, carrier, wire = joined()
        registration, _ = client(agent)
        registration.start()
        wire.run(1)
        carrier.password = "another"
        wire.run(1810)
        assert isinstance(registration.state, RegistrationFailed)
        assert carrier.bans == []

    def test_other_addresses_are_tried(self) -> None:
        other = Endpoint("udp", "192.0.2.98", 5060)
        alone = Alone(SETTINGS, other, PEER)
        alone.agent.pass_time(32.1)
        *_, (request, remote) = alone.agent.take()
        assert remote == PEER
        assert isinstance(request, Request)
        alone.agent.receive(response(request, 200))
        assert isinstance(alone.registration.state, Registered)
        assert alone.registration.state.registrar == PEER

    def test_no_address_at_all(self) -> None:
        agent = Agent()
        registration, states = client(agent, locate=at())
        registration.start()
        agent.deliver()
        assert last_failure(states).reason == "Cannot be reached"
        agent.pass_time(10000)
        assert agent.sent() == []

    def test_a_lost_connection_is_followed_by_a_new_registration(self) -> None:
        alone = Alone(SETTINGS, TCP_PEER, jitter=0.5, tcp=True)
        alone.bind(source=TCP_PEER)
        local = replace(LOCAL, transport="tcp")
        alone.agent.core.connection_lost(PEER, LOCAL)
        alone.agent.pass_time(10)
        assert alone.agent.sent() == []
        alone.agent.core.connection_lost(TCP_PEER, local)
        alone.agent.core.connection_lost(TCP_PEER, local)
        alone.wait_for_next(1, 1)
        alone.bind(source=TCP_PEER)
        assert names(alone.states) == ["Registering", "Registered", "Registering", "Registered"]


class TestExtensions:
    def test_routes_and_path_are_told(self) -> None:
        """RFC 3608, RFC 3327."""
        alone = Alone()
        alone.bind(60, ("Service-Route", "<sip:s1.example;lr>, <sip:s2.example;lr>"), ("Path", "<sip:p.example;lr>"))
        state = alone.registration.state
        assert isinstance(state, Registered)
        assert [str(route) for route in state.service_route] == ["<sip:s1.example;lr>", "<sip:s2.example;lr>"]
        assert [str(route) for route in state.path] == ["<sip:p.example;lr>"]

    def test_malformed_routes_do_not_undo_the_registration(self) -> None:
        alone = Alone()
        alone.bind(60, ("Service-Route", "<sip:s1.example"))
        state = alone.registration.state
        assert isinstance(state, Registered)
        assert state.service_route == ()

    def test_outbound_where_the_registrar_takes_part(self) -> None:
        """RFC 5626 §4.2."""
        alone = Alone(replace(SETTINGS, instance=INSTANCE, reg_id=3), TCP_PEER, tcp=True)
        request = alone.bind(3600, ("Require", "outbound"), source=TCP_PEER)
        contact = request.contacts[0]
        assert (contact.param("+sip.instance"), contact.param("reg-id")) == (f"<{INSTANCE}>", "3")
        assert request.supported == {"path", "outbound"}
        state = alone.registration.state
        assert isinstance(state, Registered)
        assert state.outbound

    def test_439_goes_on_without(self) -> None:
        alone = Alone(replace(SETTINGS, instance=INSTANCE))
        alone.answer(439)
        request = alone.bind()
        contact = request.contacts[0]
        assert (contact.has_param("reg-id"), contact.has_param("+sip.instance")) == (False, True)
        assert request.supported == {"path"}
        assert isinstance(alone.registration.state, Registered)

    def test_our_instance_is_known_again_from_another_address(self) -> None:
        agent, carrier, wire = joined()
        settings = replace(SETTINGS, instance=INSTANCE)
        client(agent, settings)[0].start()
        wire.run(1)
        client(agent, replace(settings, contact_user="moved"))[0].start()
        wire.run(1)
        assert carrier.contacts() == ["sip:moved@192.0.2.1:5060"]


class TestAddress:
    def moved(self, settings: RegistrationSettings, *headers: tuple[str, str]) -> tuple[Alone, Request]:
        """A registration whose address has changed since it was bound, and its next request."""
        alone = Alone(settings)
        alone.bind(3600, *headers)
        agent = alone.agent
        agent.core.sender.listeners = ()
        agent.core.sender.add_listener(Endpoint("udp", "192.0.2.2", 5060))
        alone.registration.refresh()
        return alone, alone.asked()

    def test_the_contact_of_before_is_removed_with_the_new_one_bound(self) -> None:
        alone, request = self.moved(SETTINGS)
        assert [str(contact) for contact in request.contacts] == [
            "<sip:alice@192.0.2.2:5060>;expires=3600",
            "<sip:alice@192.0.2.1:5060>;expires=0",
        ]
        bound = [("Contact", str(request.contacts[0].with_params(expires="200")))]
        alone.agent.receive(response(request, 200, headers=bound))
        alone.wait_for_next(100, 100)
        assert [str(contact.uri) for contact in alone.bind().contacts] == ["sip:alice@192.0.2.2:5060"]

    def test_an_instance_is_known_again_without_that(self) -> None:
        _alone, request = self.moved(replace(SETTINGS, instance=INSTANCE), ("Require", "outbound"))
        assert len(request.contacts) == 1

    def test_but_not_by_a_registrar_without_outbound(self) -> None:
        _alone, request = self.moved(replace(SETTINGS, instance=INSTANCE))
        assert [contact.param("expires") for contact in request.contacts] == ["3600", "0"]


class TestNat:
    def test_a_flow_that_the_registrar_relies_on_is_kept_open(self) -> None:
        alone = Alone(replace(SETTINGS, instance=INSTANCE))
        alone.bind(3600, ("Require", "outbound"))
        assert len(alone.agent.core.keep_alive) == 1
        alone.registration.stop()
        assert len(alone.agent.core.keep_alive) == 0

    def test_the_way_back_is_kept_open(self) -> None:
        alone = Alone()
        request = alone.asked()
        request.set_top_via(request.top_via.with_params(received="198.51.100.7", rport="40000"))
        alone.agent.receive(response(request, 200))
        alone.agent.pass_time(51)
        sent = alone.agent.core.data_to_send()
        assert [(it.data, it.remote) for it in sent] == [(KEEP_ALIVE, PEER)] * 2
        alone.registration.stop()
        alone.agent.sent()
        assert len(alone.agent.core.keep_alive) == 0

    def test_without_a_nat_nothing_is_sent(self) -> None:
        agent, _carrier, wire = joined()
        client(agent)[0].start()
        wire.run(1000)
        assert len(agent.core.keep_alive) == 0


class TestStop:
    def test_the_binding_is_removed(self) -> None:
        agent, carrier, wire = joined()
        registration, states = client(agent)
        registration.start()
        wire.run(1)
        registration.stop()
        registration.stop()
        wire.run(1)
        assert states[-1] == Unregistered(confirmed=True)
        assert carrier.kinds() == ["bound", "removed"]
        wire.run(10000)
        assert states[-1] == Unregistered(confirmed=True)
        assert len(carrier.registrar) == 0
        assert agent.core.next_timeout() is None
        assert not agent.core.connection_users

    def test_a_silent_registrar_is_waited_for_4_s(self) -> None:
        alone = Alone()
        alone.bind()
        alone.registration.stop()
        alone.agent.pass_time(3.9)
        assert isinstance(alone.states[-1], Registered)
        alone.agent.pass_time(0.2)
        assert alone.states[-1] == Unregistered(confirmed=False)
        alone.agent.sent()
        alone.agent.pass_time(10000)
        assert alone.agent.sent() == []
        assert len(alone.states) == 3

    def test_before_anything_was_bound_there_is_nothing_to_remove(self) -> None:
        alone = Alone()
        alone.answer(403)
        alone.registration.stop()
        alone.agent.deliver()
        assert alone.states[-1] == Unregistered(confirmed=True)
        assert alone.agent.sent() == []

    def test_while_a_refresh_is_on_its_way(self) -> None:
        agent, carrier, wire = joined(losing("401", "401"))
        registration, states = client(agent)
        registration.start()
        wire.run(10)
        registration.refresh()
        registration.stop()
        wire.run(5)
        assert states[-1] == Unregistered(confirmed=True)
        assert len(carrier.registrar) == 0

    def test_a_first_request_that_was_never_answered_may_have_bound_us(self) -> None:
        alone = Alone()
        alone.agent.pass_time(33)
        alone.agent.sent()
        alone.registration.stop()
        request = alone.asked()
        assert (request.expires, request.contacts[0].param("expires")) == (0, "0")


class TestLoss:
    @pytest.mark.parametrize("seed", range(20))
    def test_a_bad_network_delays_and_no_more(self, seed: int) -> None:
        """Three of ten datagrams are lost, one of five arrives twice, all late and out of order."""
        dice = random.Random(seed)

        def fate(_number: int, _data: bytes, _sender: Agent) -> Sequence[float]:
            if dice.random() < 0.3:
                return ()
            return [dice.uniform(0.01, 0.8) for _ in range(2 if dice.random() < 0.2 else 1)]

        agent, carrier, wire = joined(fate, config=UserAgentConfig(nonce_seconds=200))
        registration, states = client(agent, replace(SETTINGS, expires=600), jitter=0.5)
        registration.start()
        wire.run(6 * 3600)
        assert isinstance(states[-1], Registered)
        assert carrier.contacts() == ["sip:alice@192.0.2.1:5060"]
        assert DigestOutcome.BAD not in carrier.outcomes
        assert carrier.bans == []
        registration.stop()
        wire.run(600)
        assert isinstance(states[-1], Unregistered)

    def test_a_registrar_that_is_away_for_hours_is_found_again(self) -> None:
        away = [False]
        agent, carrier, wire = joined(lambda _number, _data, _sender: () if away[0] else (Wire.DELAY,))
        registration, states = client(agent)
        registration.start()
        wire.run(10)
        away[0] = True
        wire.run(4 * 3600)
        assert isinstance(states[-1], RegistrationFailed | Registering)
        assert carrier.contacts() == []
        away[0] = False
        wire.run(1900)
        assert isinstance(registration.state, Registered)
        assert carrier.kinds() == ["bound", "expired", "bound"]

    def test_a_registrar_that_lost_its_memory_is_told_again(self) -> None:
        agent, carrier, wire = joined()
        registration, _ = client(agent)
        registration.start()
        wire.run(10)
        carrier.registrar.remove_all("alice")
        wire.run(1800)
        assert carrier.contacts() == ["sip:alice@192.0.2.1:5060"]


HEARD = ("Contact", "Expires", "Min-Expires", "Retry-After", "WWW-Authenticate", "Proxy-Authenticate")
HEARD += ("Path", "Service-Route", "Require")
NOISE = st.text(st.characters(max_codepoint=0x17F, exclude_characters="\r\n"), max_size=40)


class TestHostile:
    @settings(max_examples=200)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from([200, 202, 302, 401, 407, 423, 439, 500, 503]),
                st.sampled_from(HEARD),
                NOISE | NOISE.map('Digest realm="r", nonce="n", {}'.format) | st.integers(0, 2**40).map(str),
            ),
            max_size=6,
        )
    )
    def test_no_answer_of_a_registrar_raises_or_is_answered_for_ever(self, answers: list[tuple[int, str, str]]) -> None:
        alone = Alone(replace(SETTINGS, instance=INSTANCE), jitter=1.0)
        for status, name, value in answers:
            asked = [message for message in alone.agent.sent() if isinstance(message, Request)]
            assert len(asked) <= 1
            for message in asked:
                data = bytes(response(message, status, headers=[("X-Here", "#")]))
                alone.agent.receive(data.replace(b"X-Here: #", f"{name}: {value}".encode()))
        alone.agent.pass_time(40)
        alone.agent.sent()
        alone.registration.stop()
        alone.agent.pass_time(60)
        assert isinstance(alone.registration.state, Unregistered)
        assert alone.agent.core.next_timeout() is None


def test_algorithms_are_chosen_in_the_registrars_order() -> None:
    """RFC 8760 §2.4, all three with both sides ours."""
    for algorithm in ("MD5", "SHA-256", "SHA-512-256"):
        agent, _carrier, wire = joined(config=UserAgentConfig(digest_algorithms=(algorithm,)))
        registration, _ = client(agent)
        registration.start()
        wire.run(1)
        assert isinstance(registration.state, Registered)
        value = requests(wire, agent)[-1].headers.get("Authorization") or ""
        assert parse_auth_params(value)[1]["algorithm"] == algorithm


def test_a_proxy_that_asks_is_answered() -> None:
    agent, carrier, wire = joined(proxy=True)
    registration, _ = client(agent, RegistrationSettings(REGISTRAR, AOR, CREDENTIALS))
    registration.start()
    wire.run(1)
    assert isinstance(registration.state, Registered)
    assert "Proxy-Authorization" in requests(wire, agent)[-1].headers
    assert carrier.outcomes == [DigestOutcome.MISSING, DigestOutcome.OK]
