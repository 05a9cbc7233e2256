"""REGISTER at the core: shown to the application, challenged, carried out, answered (RFC 3261 §10.3, §22)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.core.config import UserAgentConfig
from sip.core.keepalive import KEEP_ALIVE
from sip.core.registering import PENDING_REGISTERS, RegisterRequest
from sip.digest import DigestOutcome, answer_challenge
from sip.endpoint import Endpoint
from sip.message import Response
from sip.registrar import Registrar
from tests.sip.registration_support import Carrier
from tests.sip.support import PEER, Agent, Clock, only_response, request

URI = "sip:192.0.2.1"
NAT = Endpoint("udp", "198.51.100.7", 40000)


def register(
    branch: str = "r1",
    *,
    contact: str | None = "<sip:alice@192.0.2.99:5070>",
    cseq: int = 1,
    headers: Sequence[str] = (),
    to_tag: str | None = None,
    uri: str = URI,
) -> bytes:
    lines = [*headers] if contact is None else [f"Contact: {contact}", *headers]
    return request(
        "REGISTER", branch=f"z9hG4bK{branch}", call_id="reg", cseq=cseq, headers=lines, to_tag=to_tag, uri=uri
    )


def authorization(challenge: Response, *, password: str = "secret", count: int = 1, user: str = "alice") -> str:
    values = challenge.headers.get_all("WWW-Authenticate")
    value = answer_challenge(values, user, password, "REGISTER", URI, nonce_count=count)
    assert value is not None
    return f"Authorization: {value}"


def registered(carrier: Carrier, source: Endpoint = PEER, **more: object) -> Response:
    """Let alice register, and return the 200."""
    asked = only_response(carrier.answer_to(register("c", **more), source))  # type: ignore[arg-type]
    headers = [authorization(asked)]
    answer = only_response(carrier.answer_to(register("a", cseq=2, headers=headers, **more), source))  # type: ignore[arg-type]
    assert answer.status == 200
    return answer


class Undecided(Agent):
    """A core whose application has yet to decide on what it was shown."""

    def __init__(self, config: UserAgentConfig | None = None) -> None:
        super().__init__(config)
        self.asked: list[RegisterRequest] = []
        self.registrar: Registrar = self.core.serve_registrations(self.asked.append)


class TestAuthentication:
    def test_a_challenge_then_the_binding(self) -> None:
        carrier = Carrier(Clock())
        answer = registered(carrier)
        assert answer.headers.get_all("Contact") == ["<sip:alice@192.0.2.99:5070>;expires=3600"]
        assert carrier.contacts() == ["sip:alice@192.0.2.99:5070"]
        assert carrier.outcomes == [DigestOutcome.MISSING, DigestOutcome.OK]
        assert carrier.kinds() == ["bound"]

    def test_who_has_not_shown_who_he_is_leaves_nothing_behind(self) -> None:
        carrier = Carrier(Clock())
        for number in range(100):
            asked = carrier.answer_to(register(f"f{number}"))
            assert only_response(asked).status == 401
        assert carrier.core.layer.server_count == 0
        assert carrier.core.registering is not None
        assert carrier.core.registering.pending == 0
        assert carrier.core.next_timeout() is None

    def test_a_challenge_is_not_much_larger_than_what_asked_for_it(self) -> None:
        carrier = Carrier(Clock())
        message = register()
        carrier.receive(message)
        (datagram,) = carrier.core.data_to_send()
        assert len(datagram.data) <= 1.5 * len(message)

    def test_a_wrong_password_counts_against_its_source(self) -> None:
        carrier = Carrier(Clock(), config=UserAgentConfig(auth_failures=3))
        for number in range(3):
            asked = only_response(carrier.answer_to(register(f"c{number}")))
            headers = [authorization(asked, password=f"guess{number}")]
            assert only_response(carrier.answer_to(register(f"a{number}", headers=headers))).status == 403
        assert carrier.bans == ["192.0.2.99"]
        assert carrier.answer_to(register("last")) == []

    def test_a_nonce_count_used_twice_is_stale(self) -> None:
        """Contract §14.1."""
        carrier = Carrier(Clock())
        asked = only_response(carrier.answer_to(register("c")))
        headers = [authorization(asked)]
        assert only_response(carrier.answer_to(register("a", headers=headers))).status == 200
        again = only_response(carrier.answer_to(register("b", cseq=2, headers=headers)))
        assert again.status == 401
        assert all("stale=true" in value for value in again.headers.get_all("WWW-Authenticate"))
        assert carrier.contacts() == ["sip:alice@192.0.2.99:5070"]

    @pytest.mark.parametrize("change", [("qop=auth,", "qop=auth-int,"), ("algorithm=MD5,", "algorithm=MD5-sess,")])
    def test_what_was_not_offered_is_challenged_again(self, change: tuple[str, str]) -> None:
        carrier = Carrier(Clock())
        value = authorization(only_response(carrier.answer_to(register("c"))))
        assert change[0] in value
        again = only_response(carrier.answer_to(register("a", headers=[value.replace(*change)])))
        assert again.status == 401
        assert carrier.bans == []

    def test_the_order_of_algorithms_is_configured(self) -> None:
        carrier = Carrier(Clock(), config=UserAgentConfig(digest_algorithms=("SHA-512-256", "MD5")))
        asked = only_response(carrier.answer_to(register()))
        assert "algorithm=SHA-512-256" in asked.headers.get_all("WWW-Authenticate")[0]
        headers = [authorization(asked)]
        assert "SHA-512-256" in headers[0]
        assert only_response(carrier.answer_to(register("a", headers=headers))).status == 200

    def test_only_to_says_who_is_registered(self) -> None:
        agent = Undecided()
        agent.receive(register())
        assert str(agent.asked[0].aor) == "sip:+15550100@192.0.2.1"
        agent.asked[0].accept("the account of that name")
        assert len(agent.registrar.bindings("the account of that name", agent.clock.now)) == 1


class TestAnswers:
    def test_a_retransmission_gets_the_same_answer_and_changes_nothing(self) -> None:
        carrier = Carrier(Clock())
        asked = only_response(carrier.answer_to(register("c")))
        message = register("a", cseq=2, headers=[authorization(asked)])
        answer = only_response(carrier.answer_to(message))
        assert bytes(only_response(carrier.answer_to(message))) == bytes(answer)
        assert carrier.kinds() == ["bound"]

    def test_a_retransmission_is_shown_once_while_it_waits(self) -> None:
        agent = Undecided()
        for _ in range(3):
            assert agent.answer_to(register()) == []
        (asked,) = agent.asked
        asked.accept("bob")
        assert only_response(agent.sent()).status == 200

    def test_the_first_word_counts(self) -> None:
        agent = Undecided()
        agent.receive(register())
        (asked,) = agent.asked
        asked.challenge("r")
        asked.accept("bob")
        asked.reject(403)
        assert agent.statuses() == [401]
        assert len(agent.registrar) == 0

    def test_what_waits_is_bounded(self) -> None:
        agent = Undecided()
        for number in range(PENDING_REGISTERS + 10):
            agent.receive(register(f"w{number}"))
        assert agent.core.registering is not None
        assert agent.core.registering.pending == PENDING_REGISTERS
        for asked in agent.asked:
            asked.reject(403)
        assert agent.core.registering.pending == 0

    def test_one_forgotten_and_shown_again_is_carried_out_once(self) -> None:
        agent = Undecided()
        agent.receive(register())
        for number in range(PENDING_REGISTERS):
            agent.receive(register(f"w{number}"))
        agent.receive(register())
        agent.asked[0].accept("bob")
        agent.asked[-1].accept("bob")
        assert agent.statuses() == [200, 200]

    def test_a_proxy_challenge_is_407(self) -> None:
        carrier = Carrier(Clock(), proxy=True)
        asked = only_response(carrier.answer_to(register()))
        assert asked.status == 407
        assert "Proxy-Authenticate" in asked.headers

    def test_faults_are_told(self) -> None:
        carrier = Carrier(Clock())
        registered(carrier)
        asked = only_response(carrier.answer_to(register("c2", cseq=3)))
        for number, (contact, status) in enumerate([("<tel:1>", 400), ("<sip:x@y>;expires=5", 423), ("*", 400)], 1):
            headers = [authorization(asked, count=number)]
            message = register(f"f{number}", cseq=3 + number, contact=contact, headers=headers)
            assert only_response(carrier.answer_to(message)).status == status
        assert carrier.contacts() == ["sip:alice@192.0.2.99:5070"]


class TestInspection:
    def test_without_a_registrar_it_is_405(self) -> None:
        assert only_response(Agent().answer_to(register())).status == 405

    def test_in_a_dialog_it_is_none_of_ours(self) -> None:
        agent = Undecided()
        assert only_response(agent.answer_to(register(to_tag="x"))).status == 405
        assert agent.asked == []

    @pytest.mark.parametrize(
        ("headers", "status"),
        [(["Require: path, outbound"], None), (["Require: gruu"], 420), (["Require: 100rel"], 420)],
    )
    def test_require(self, headers: list[str], status: int | None) -> None:
        agent = Undecided()
        answer = agent.answer_to(register(headers=headers))
        assert [it.status for it in answer if isinstance(it, Response)] == ([] if status is None else [status])

    def test_silence_meets_scanners_but_not_phones(self) -> None:
        carrier = Carrier(Clock(), config=UserAgentConfig(silent=True))
        assert carrier.answer_to(register(headers=["User-Agent: friendly-scanner"])) == []
        assert (carrier.core.statistics.silenced, carrier.asked) == (1, [])
        assert only_response(carrier.answer_to(register("r2", headers=["User-Agent: Grandstream"]))).status == 401

    def test_a_foreign_scheme_is_416(self) -> None:
        assert only_response(Undecided().answer_to(register(uri="tel:+1"))).status == 416

    def test_while_draining_it_is_503(self) -> None:
        agent = Undecided()
        agent.core.draining = True
        answer = only_response(agent.answer_to(register()))
        assert (answer.status, answer.headers.get("Retry-After")) == (503, "30")

    def test_the_capabilities_name_it(self) -> None:
        options = request("OPTIONS", branch="z9hG4bKo", headers=["X-Long: " + "x" * 400])
        assert "REGISTER" in only_response(Undecided().answer_to(options)).allow
        assert "REGISTER" not in only_response(Agent().answer_to(options)).allow


class TestTime:
    def test_a_binding_ends_at_its_time(self) -> None:
        carrier = Carrier(Clock())
        registered(carrier, contact="<sip:alice@192.0.2.99>;expires=60")
        carrier.pass_time(59)
        assert carrier.kinds() == ["bound"]
        carrier.pass_time(1.1)
        assert carrier.kinds() == ["bound", "expired"]
        assert len(carrier.registrar) == 0

    def test_an_earlier_end_is_not_missed(self) -> None:
        carrier = Carrier(Clock())
        registered(carrier, contact="<sip:alice@192.0.2.99>;expires=600")
        asked = only_response(carrier.answer_to(register("c2", cseq=3)))
        brief = register("a2", cseq=4, contact="<sip:b@192.0.2.99>;expires=60", headers=[authorization(asked)])
        assert only_response(carrier.answer_to(brief)).status == 200
        carrier.pass_time(60.1)
        assert carrier.kinds() == ["bound", "bound", "expired"]
        assert carrier.contacts() == ["sip:alice@192.0.2.99"]
        carrier.pass_time(600)
        assert carrier.contacts() == []
        assert carrier.core.next_timeout() is None

    def test_a_lost_connection_takes_its_bindings_along(self) -> None:
        carrier = Carrier(Clock())
        source = Endpoint("tcp", "198.51.100.7", 40000)
        registered(carrier, source)
        carrier.core.connection_lost(source, carrier.local)
        carrier.deliver()
        assert carrier.kinds() == ["bound", "connection lost"]

    def test_an_account_that_is_removed_loses_its_bindings(self) -> None:
        carrier = Carrier(Clock())
        registered(carrier)
        assert carrier.core.registering is not None
        carrier.core.registering.remove_all("alice")
        carrier.deliver()
        assert carrier.kinds() == ["bound", "removed"]


class TestKeepAlive:
    def test_a_binding_behind_a_nat_is_kept_open_until_it_ends(self) -> None:
        carrier = Carrier(Clock())
        registered(carrier, NAT, contact="<sip:alice@10.0.0.5>;expires=100")
        carrier.pass_time(32.1)
        sent = carrier.core.data_to_send()
        assert [(it.data, it.remote) for it in sent] == [(KEEP_ALIVE, NAT)]
        carrier.pass_time(60)
        assert len(carrier.core.data_to_send()) == 2
        carrier.pass_time(100)
        assert carrier.core.data_to_send() == []
        assert len(carrier.core.keep_alive) == 0

    def test_a_reachable_one_is_left_alone(self) -> None:
        carrier = Carrier(Clock())
        registered(carrier)
        carrier.pass_time(100)
        assert carrier.core.data_to_send() == []

    def test_it_follows_a_binding_whose_nat_gave_it_another_port(self) -> None:
        carrier = Carrier(Clock())
        contact = "<sip:alice@10.0.0.5>"
        registered(carrier, NAT, contact=contact)
        moved = Endpoint("udp", NAT.host, 41000)
        asked = only_response(carrier.answer_to(register("c2", cseq=3, contact=contact), moved))
        carrier.receive(register("a2", cseq=4, contact=contact, headers=[authorization(asked)]), moved)
        assert carrier.kinds() == ["bound", "refreshed"]
        carrier.sent()
        carrier.pass_time(51)
        assert {it.remote for it in carrier.core.data_to_send()} == {moved}
        assert len(carrier.core.keep_alive) == 1


class TestRegistrar:
    def test_one_given_empty_is_the_one_used(self) -> None:
        registrar = Registrar()
        carrier = Carrier(Clock(), registrar=registrar)
        registered(carrier)
        assert len(registrar) == 1

    def test_bindings_from_before_a_restart_end_and_are_kept_open(self) -> None:
        before = Carrier(Clock())
        registered(before, NAT, contact="<sip:alice@10.0.0.5>;expires=100")
        registrar = Registrar()
        clock = Clock()
        clock.now = 5.0
        assert registrar.restore(before.registrar.snapshot(before.clock.now), clock.now, elapsed=30.0) == 1
        after = Carrier(clock, registrar=registrar)
        assert len(after.core.keep_alive) == 1
        after.pass_time(69)
        assert after.contacts() == ["sip:alice@10.0.0.5"]
        after.pass_time(2)
        assert after.kinds() == ["expired"]
        assert len(after.core.keep_alive) == 0


class TestHostile:
    @given(
        st.lists(st.text(st.characters(max_codepoint=0x2FF, exclude_characters="\r\n"), max_size=60), max_size=3),
        st.none() | st.text(st.characters(max_codepoint=0x7F, exclude_characters="\r\n"), max_size=12),
        st.none() | st.text(st.characters(max_codepoint=0x7F, exclude_characters="\r\n"), max_size=60),
    )
    def test_nothing_in_a_register_raises(self, contacts: list[str], expires: str | None, path: str | None) -> None:
        agent = Agent()
        agent.core.serve_registrations(lambda asking: asking.accept("bob") and None)
        lines = [f"Contact: <sip:a@b>;{contact}" for contact in contacts] + [f"Contact: {it}" for it in contacts[:1]]
        lines += [] if expires is None else [f"Expires: {expires}"]
        lines += [] if path is None else [f"Path: {path}"]
        agent.receive(register(contact=None, headers=lines))
        (status,) = agent.statuses()
        assert status in {200, 400, 423}
