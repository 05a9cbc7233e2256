"""The registrar: what REGISTER does to the bindings of an account (RFC 3261 §10.3, RFC 3327, RFC 5626 §6)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.binding import Binding, BindingChange
from sip.endpoint import Endpoint
from sip.message import Request, parse_message
from sip.registrar import MAX_PATH, Registrar, RegistrarAnswer, RegistrarConfig
from tests.sip.support import request

SOURCE = Endpoint("udp", "192.0.2.99", 5070)
LOCAL = Endpoint("udp", "192.0.2.1", 5060)
TCP = Endpoint("tcp", "192.0.2.99", 40000)
TCP_LOCAL = Endpoint("tcp", "192.0.2.1", 5060)
A, B, C = "<sip:a@192.0.2.99>", "<sip:b@192.0.2.99>", "<sip:c@192.0.2.99>"
NOW = 1000.0


def register(
    *contacts: str, expires: int | str | None = None, cseq: int = 1, call_id: str = "r", headers: Sequence[str] = ()
) -> Request:
    lines = [f"Contact: {contact}" for contact in contacts]
    if expires is not None:
        lines.append(f"Expires: {expires}")
    made = parse_message(request("REGISTER", branch="z9hG4bKr", call_id=call_id, cseq=cseq, headers=[*lines, *headers]))
    assert isinstance(made, Request)
    return made


class Server:
    """A registrar with one account, asked at NOW unless a test says otherwise."""

    def __init__(self, **config: object) -> None:
        self.registrar = Registrar(RegistrarConfig(**config))  # type: ignore[arg-type]

    def ask(
        self, *contacts: str, now: float = NOW, aor: str = "bob", source: Endpoint = SOURCE, **more: object
    ) -> RegistrarAnswer:
        local = LOCAL if source.transport == "udp" else TCP_LOCAL
        return self.registrar.register(aor, register(*contacts, **more), source, local, now)  # type: ignore[arg-type]

    def contacts(self, now: float = NOW, aor: str = "bob") -> list[str]:
        return [f"<{binding.contact}>" for binding in self.registrar.bindings(aor, now)]

    def binding(self) -> Binding:
        (binding,) = self.registrar.bindings("bob", NOW)
        return binding


def listed(answer: RegistrarAnswer) -> list[str]:
    return [value for name, value in answer.headers if name == "Contact"]


def header(answer: RegistrarAnswer, name: str) -> str | None:
    return dict(answer.headers).get(name)


def kinds(answer: RegistrarAnswer) -> list[tuple[str, str, str | None]]:
    return [(change.kind, f"<{change.binding.contact}>", change.reason) for change in answer.changes]


class TestBinding:
    def test_a_contact_is_bound_and_told(self) -> None:
        server = Server()
        answer = server.ask(A)
        assert answer.status == 200
        assert listed(answer) == [f"{A};expires=3600"]
        assert kinds(answer) == [("bound", A, None)]

    def test_several_contacts_are_told_by_preference(self) -> None:
        server = Server()
        answer = server.ask(f"{A};q=0.1", f"{B};q=0.9;expires=120", f"{C};q=0.5")
        assert listed(answer) == [f"{B};q=0.9;expires=120", f"{C};q=0.5;expires=3600", f"{A};q=0.1;expires=3600"]

    def test_of_equals_the_one_heard_of_last_is_first(self) -> None:
        server = Server()
        server.ask(A, cseq=1)
        server.ask(B, cseq=2)
        assert server.contacts() == [B, A]
        server.ask(A, cseq=3)
        assert server.contacts() == [A, B]

    def test_without_contact_it_is_a_question(self) -> None:
        server = Server()
        server.ask(A)
        answer = server.ask(now=NOW + 600, cseq=2, expires=0)
        assert (answer.status, listed(answer), answer.changes) == (200, [f"{A};expires=3000"], ())

    def test_an_equivalent_uri_is_the_same_contact(self) -> None:
        """RFC 3261 §19.1.4."""
        server = Server()
        server.ask("<sip:a@EXAMPLE.net;x=1>")
        answer = server.ask("<sip:a@example.NET;y=2>", cseq=2)
        assert [change.kind for change in answer.changes] == ["refreshed"]
        assert len(server.registrar) == 1

    def test_accounts_do_not_see_each_other(self) -> None:
        server = Server()
        server.ask(A, aor="alice")
        assert listed(server.ask(B, aor="bob")) == [f"{B};expires=3600"]
        server.ask("*", aor="bob", expires=0, cseq=2)
        assert server.contacts(aor="alice") == [A]

    @pytest.mark.parametrize("contact", ["<mailto:bob@example.net>", "<tel:+15550100>", "<sip:a@192.0.2.99", ""])
    def test_what_cannot_be_called_is_not_bound(self, contact: str) -> None:
        server = Server()
        try:
            answer = server.ask(contact)
        except ValueError:  # the parser of messages has refused it already
            return
        assert answer.status == 400
        assert len(server.registrar) == 0


class TestExpiry:
    @pytest.mark.parametrize(
        ("contact", "expires", "granted"),
        [
            (A, None, 3600),
            (A, 600, 600),
            (f"{A};expires=120", 600, 120),
            (f"{A};expires=60", None, 60),
            (f"{A};expires=99999999999999", None, 3600),
            (A, 4294967295, 3600),
            (f"{A};expires=x", 600, 3600),
            (A, "soon", 3600),
        ],
    )
    def test_what_is_granted(self, contact: str, expires: int | str | None, granted: int) -> None:
        answer = Server().ask(contact, expires=expires)
        assert listed(answer) == [f"{A};expires={granted}"]

    @pytest.mark.parametrize("seconds", [1, 59])
    def test_too_brief_an_interval_is_423(self, seconds: int) -> None:
        server = Server()
        answer = server.ask(f"{A};expires={seconds}")
        assert (answer.status, header(answer, "Min-Expires")) == (423, "60")
        assert server.contacts() == []

    def test_a_binding_is_gone_at_its_time(self) -> None:
        server = Server()
        server.ask(f"{A};expires=60", f"{B};expires=90")
        assert server.registrar.next_expiry() == NOW + 60
        assert server.registrar.expire(NOW + 59.9) == []
        (change,) = server.registrar.expire(NOW + 60)
        assert (change.kind, f"<{change.binding.contact}>", change.reason) == ("unbound", A, "expired")
        assert server.registrar.next_expiry() == NOW + 90
        assert len(server.registrar) == 1

    def test_a_refresh_moves_the_end(self) -> None:
        server = Server()
        server.ask(f"{A};expires=60")
        server.ask(f"{A};expires=60", cseq=2, now=NOW + 50)
        assert server.registrar.expire(NOW + 100) == []
        assert server.registrar.next_expiry() == NOW + 110

    def test_what_has_run_out_is_told_as_gone_though_no_timer_ran(self) -> None:
        server = Server()
        server.ask(f"{A};expires=60")
        assert server.contacts(NOW + 61) == []
        answer = server.ask(f"{A};expires=60", now=NOW + 61, cseq=2)
        assert kinds(answer) == [("unbound", A, "expired"), ("bound", A, None)]

    def test_many_refreshes_do_not_grow_memory(self) -> None:
        server = Server()
        for number in range(5000):
            server.ask(A, cseq=number + 1)
        assert len(server.registrar) == 1
        assert len(server.registrar._expiries) < 1100


class TestRemoval:
    def test_expires_0_removes_one(self) -> None:
        server = Server()
        server.ask(A, B)
        answer = server.ask(f"{A};expires=0", cseq=2)
        assert (kinds(answer), listed(answer)) == ([("unbound", A, "removed")], [f"{B};expires=3600"])

    def test_removing_what_is_not_there_is_no_fault(self) -> None:
        assert Server().ask(A, expires=0) == RegistrarAnswer(200)

    def test_one_request_binds_and_removes(self) -> None:
        server = Server()
        server.ask(A)
        answer = server.ask(f"{A};expires=0", B, cseq=2)
        assert kinds(answer) == [("unbound", A, "removed"), ("bound", B, None)]

    def test_the_wildcard_removes_all(self) -> None:
        server = Server()
        server.ask(A, B)
        answer = server.ask("*", expires=0, cseq=2)
        assert (answer.status, listed(answer)) == (200, [])
        assert {change.reason for change in answer.changes} == {"removed"}
        assert (len(server.registrar), server.registrar.next_expiry()) == (0, None)

    @pytest.mark.parametrize("expires", [None, 60, 3600])
    def test_the_wildcard_needs_expires_0(self, expires: int | None) -> None:
        server = Server()
        server.ask(A)
        assert server.ask("*", expires=expires, cseq=2).status == 400
        assert server.contacts() == [A]

    def test_the_wildcard_stands_alone(self) -> None:
        server = Server()
        server.ask(A)
        with suppress(ValueError):  # the parser of messages may refuse it already
            assert server.ask("*", B, expires=0, cseq=2).status == 400
        assert server.contacts() == [A]

    def test_an_account_can_be_removed_whole(self) -> None:
        server = Server()
        server.ask(A, B)
        assert len(server.registrar.remove_all("bob")) == 2
        assert server.registrar.remove_all("bob") == []


class TestOrder:
    """RFC 3261 §10.3 steps 6 and 7."""

    @pytest.mark.parametrize("cseq", [4, 5])
    @pytest.mark.parametrize("contacts", [(A,), (f"{A};expires=0",), (B, A), ("*",)])
    def test_an_overtaken_request_changes_nothing(self, cseq: int, contacts: tuple[str, ...]) -> None:
        server = Server()
        server.ask(A, cseq=5)
        expires = 0 if contacts == ("*",) else None
        answer = server.ask(*contacts, cseq=cseq, expires=expires)
        assert (answer.status, answer.changes) == (500, ())
        assert server.contacts() == [A]

    def test_another_call_id_is_another_client(self) -> None:
        server = Server()
        server.ask(A, cseq=5)
        assert server.ask(A, cseq=1, call_id="rebooted").status == 200
        assert server.binding().call_id == "rebooted"

    def test_all_or_nothing(self) -> None:
        server = Server()
        server.ask(A)
        for bad in (f"{B};expires=30", "<tel:1>", f'{B};+sip.instance="<urn:x>";reg-id=0'):
            answer = server.ask(f"{A};expires=0", C, bad, cseq=2)
            assert answer.status in {400, 423}
            assert server.contacts() == [A]

    def test_a_contact_given_twice_ends_as_said_last(self) -> None:
        server = Server()
        answer = server.ask(f"{A};expires=120", f"{A};expires=240")
        assert listed(answer) == [f"{A};expires=240"]
        assert len(server.registrar) == 1


class TestLimits:
    def test_of_an_account(self) -> None:
        server = Server(max_contacts=2)
        assert server.ask(A, B).status == 200
        assert server.ask(C, cseq=2).status == 403
        assert server.ask(f"{A};expires=0", C, cseq=3).status == 200
        assert sorted(server.contacts()) == [B, C]

    def test_of_all(self) -> None:
        server = Server(max_bindings=1)
        server.ask(A)
        answer = server.ask(A, aor="alice")
        assert (answer.status, header(answer, "Retry-After")) == (503, "60")
        assert server.ask(A, cseq=2).status == 200

    def test_of_a_contact_and_its_path(self) -> None:
        server = Server()
        assert server.ask(f"<sip:{'a' * 2048}@192.0.2.99>").status == 400
        assert server.ask(A, headers=["Path: <sip:p.example;lr>"] * (MAX_PATH + 1)).status == 400
        assert server.ask(f'{A};+sip.instance="{"x" * 300}";reg-id=1').status == 400
        assert len(server.registrar) == 0


class TestPath:
    def test_it_is_kept_and_answered_to_those_who_know_it(self) -> None:
        server = Server()
        path = ["Path: <sip:p1.example;lr>, <sip:p2.example;lr>"]
        answer = server.ask(A, headers=[*path, "Supported: path"])
        assert header(answer, "Path") == "<sip:p1.example;lr>, <sip:p2.example;lr>"
        assert header(answer, "Supported") == "path"
        assert [str(hop) for hop in server.binding().target().route_set] == [
            "<sip:p1.example;lr>",
            "<sip:p2.example;lr>",
        ]

    def test_it_is_kept_but_not_shown_to_others(self) -> None:
        server = Server()
        answer = server.ask(A, headers=["Path: <sip:p1.example;lr>"])
        assert header(answer, "Path") is None
        assert len(server.binding().path) == 1

    @pytest.mark.parametrize("value", ["<tel:1>", "<sip:p.example", "x"])
    def test_one_that_leads_nowhere_is_400(self, value: str) -> None:
        assert Server().ask(A, headers=[f"Path: {value}"]).status == 400

    def test_a_service_route_is_given(self) -> None:
        answer = Server(service_route=("<sip:home.example;lr>",)).ask(A)
        assert header(answer, "Service-Route") == "<sip:home.example;lr>"


FLOW = '<sip:a@{host}>;+sip.instance="<urn:uuid:1>";reg-id={reg_id}'
OUTBOUND = ["Supported: path, outbound"]
EDGE = ["Path: <sip:home-side.example;lr>, <sip:edge.example;lr;ob>", "Via: SIP/2.0/TCP 198.51.100.1;branch=z9hG4bKup"]


class TestOutbound:
    def test_the_same_flow_of_the_same_device_is_replaced(self) -> None:
        """RFC 5626 §6: after a reboot behind another address."""
        server = Server()
        server.ask(FLOW.format(host="192.0.2.7", reg_id=1), headers=OUTBOUND)
        answer = server.ask(FLOW.format(host="192.0.2.8", reg_id=1), headers=OUTBOUND, call_id="rebooted")
        assert kinds(answer) == [("unbound", "<sip:a@192.0.2.7>", "replaced"), ("bound", "<sip:a@192.0.2.8>", None)]
        assert server.contacts() == ["<sip:a@192.0.2.8>"]

    def test_another_reg_id_is_another_flow(self) -> None:
        server = Server()
        server.ask(FLOW.format(host="192.0.2.7", reg_id=1), headers=OUTBOUND)
        server.ask(FLOW.format(host="192.0.2.8", reg_id=2), headers=OUTBOUND, cseq=2)
        assert len(server.registrar) == 2

    def test_over_a_connection_it_is_promised(self) -> None:
        server = Server(flow_timer=90)
        answer = server.ask(FLOW.format(host="x.invalid", reg_id=1), headers=OUTBOUND, source=TCP)
        assert (header(answer, "Require"), header(answer, "Flow-Timer")) == ("outbound", "90")
        assert server.binding().outbound

    def test_over_udp_or_unasked_it_is_not(self) -> None:
        contact = FLOW.format(host="192.0.2.7", reg_id=1)
        assert header(Server().ask(contact, headers=OUTBOUND), "Require") is None
        assert header(Server().ask(contact, source=TCP), "Require") is None
        assert header(Server().ask(A, headers=OUTBOUND, source=TCP), "Require") is None

    def test_behind_an_edge_proxy_the_flow_is_the_proxys(self) -> None:
        server = Server()
        answer = server.ask(FLOW.format(host="x.invalid", reg_id=1), headers=[*OUTBOUND, *EDGE], source=TCP)
        assert (answer.status, header(answer, "Require"), header(answer, "Flow-Timer")) == (200, "outbound", None)
        assert server.binding().target().remote is None

    def test_a_first_hop_that_knows_nothing_of_it_is_439(self) -> None:
        headers = [*OUTBOUND, EDGE[0].replace(";ob", ""), EDGE[1]]
        assert Server().ask(FLOW.format(host="x.invalid", reg_id=1), headers=headers).status == 439

    def test_a_request_registers_one_flow(self) -> None:
        server = Server()
        one, other = FLOW.format(host="192.0.2.7", reg_id=1), FLOW.format(host="192.0.2.8", reg_id=2)
        assert server.ask(one, other, headers=OUTBOUND).status == 400
        assert server.ask(f"{one};expires=0", f"{other};expires=0", headers=OUTBOUND).status == 200

    @pytest.mark.parametrize("reg_id", ["0", "x", "2147483648", "99999999999", '""'])
    def test_a_malformed_reg_id_is_400(self, reg_id: str) -> None:
        assert Server().ask(FLOW.format(host="192.0.2.7", reg_id=reg_id), headers=OUTBOUND).status == 400

    def test_a_reg_id_without_instance_says_nothing(self) -> None:
        server = Server()
        assert server.ask(f"{A};reg-id=1", f"{B};reg-id=1").status == 200
        assert len(server.registrar) == 2


class TestConnectionLost:
    def test_its_bindings_are_gone(self) -> None:
        server = Server()
        server.ask(A, source=TCP)
        server.ask(B, aor="alice", source=TCP)
        server.ask(C, cseq=2)
        changes = server.registrar.connection_lost(TCP, TCP_LOCAL)
        assert [(change.binding.aor, change.reason) for change in changes] == [
            ("alice", "connection lost"),
            ("bob", "connection lost"),
        ]
        assert server.contacts() == [C]
        assert server.registrar.connection_lost(TCP, TCP_LOCAL) == []
        assert not server.registrar._flows

    def test_a_binding_that_has_moved_to_another_connection_stays(self) -> None:
        server = Server()
        server.ask(A, source=TCP)
        moved = Endpoint("tcp", "192.0.2.99", 40001)
        server.ask(A, source=moved, cseq=2)
        assert server.registrar.connection_lost(TCP, TCP_LOCAL) == []
        assert server.contacts() == [A]
        assert len(server.registrar.connection_lost(moved, TCP_LOCAL)) == 1

    def test_bindings_by_way_of_a_proxy_stay(self) -> None:
        server = Server()
        server.ask(A, source=TCP, headers=["Path: <sip:p.example;lr>"])
        assert server.registrar.connection_lost(TCP, TCP_LOCAL) == []


class TestSnapshot:
    def test_what_was_bound_is_bound_again_for_what_it_has_left(self) -> None:
        server, other = Server(), Server()
        server.ask(A, f"{B};expires=100", f"{C};q=0.1")
        records = server.registrar.snapshot(NOW + 50)
        assert other.registrar.restore(records, 7.0, elapsed=60.0) == 2
        assert [(str(it.contact), it.expires_at) for it in other.registrar.bindings("bob", 7.0)] == [
            ("sip:a@192.0.2.99", 7.0 + 3600 - 110),
            ("sip:c@192.0.2.99", 7.0 + 3600 - 110),
        ]
        assert other.ask(A, now=8.0, cseq=1).status == 500  # order survives
        assert other.ask(A, now=8.0, cseq=2).status == 200

    def test_connections_do_not_come_back(self) -> None:
        server = Server()
        server.ask(A, source=TCP)
        assert Server().registrar.restore(server.registrar.snapshot(NOW), NOW) == 0


CONTACTS = [A, B, C, "<sip:a@192.0.2.99:5090>", "<sips:a@192.0.2.99>"]


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["one", "two"]),  # Call-ID
            st.integers(1, 30),  # CSeq
            st.lists(st.tuples(st.sampled_from(CONTACTS), st.sampled_from([0, 30, 60, 600, 3600])), max_size=3),
            st.booleans(),  # the wildcard instead
            st.integers(0, 400),  # seconds since the last
        ),
        max_size=25,
    )
)
def test_any_history_leaves_what_a_plain_table_would(
    history: list[tuple[str, int, list[tuple[str, int]], bool, int]],
) -> None:
    """The model: contact → (end, Call-ID, CSeq). The changes told add up to the same."""
    server = Server(max_contacts=4)
    model: dict[str, tuple[float, str, int]] = {}
    followed: set[str] = set()
    now = NOW
    for call_id, cseq, wishes, wildcard, pause in history:
        now += pause
        model = {contact: entry for contact, entry in model.items() if entry[0] > now}
        new = dict(model)
        expected = 200
        if wildcard:
            overtaken = any(entry[1] == call_id and cseq <= entry[2] for entry in model.values())
            new, expected = ({}, 200) if not overtaken else (model, 500)
            answer = server.ask("*", expires=0, call_id=call_id, cseq=cseq, now=now)
        else:
            for contact, expires in wishes:
                entry = model.get(contact)
                if entry is not None and entry[1] == call_id and cseq <= entry[2]:
                    expected = 500
                if expires:
                    new[contact] = (now + expires, call_id, cseq)
                else:
                    new.pop(contact, None)
            if any(0 < expires < 60 for _, expires in wishes):
                expected = 423
            elif expected == 200 and len(new) > 4:
                expected = 403
            answer = server.ask(
                *(f"{contact};expires={expires}" for contact, expires in wishes), call_id=call_id, cseq=cseq, now=now
            )
        if expected == 200:
            model = new
        assert _class_of(answer.status) == _class_of(expected)
        assert sorted(server.contacts(now)) == sorted(model)
        _follow(followed, answer.changes)
        assert followed == set(model)
        assert len(server.registrar) == len(model)
        ends = [entry[0] for entry in model.values()]
        assert server.registrar.next_expiry() == (min(ends) if ends else None)
        assert [it.expires_at for it in server.registrar.bindings("bob", now)] == [
            model[f"<{it.contact}>"][0] for it in server.registrar.bindings("bob", now)
        ]


def _class_of(status: int) -> int:
    """A removal that was overtaken may also name too brief an interval: which fault is told first is up to us."""
    return 200 if status == 200 else 400


def _follow(followed: set[str], changes: Sequence[BindingChange]) -> None:
    for change in changes:
        contact = f"<{change.binding.contact}>"
        if change.kind == "unbound":
            followed.remove(contact)
        elif change.kind == "bound":
            assert contact not in followed
            followed.add(contact)
        else:
            assert contact in followed
