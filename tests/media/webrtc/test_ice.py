"""The lite agent's answers to connectivity checks, built and read by aioice."""

from __future__ import annotations

import pytest
from aioice.stun import Class, Message, Method, parse_message

from media.webrtc.ice import Checked, IceCredentials, IceLite, parse_check, user_of

OURS = IceCredentials("ourfrag1", "p" * 32)
SOURCE = ("192.0.2.7", 40000)


def check(username: str = "ourfrag1:theirs", password: str = OURS.password, **attributes: object) -> bytes:
    message = Message(Method.BINDING, Class.REQUEST)
    message.attributes = {"USERNAME": username, "PRIORITY": 1, "ICE-CONTROLLING": 5, **attributes}
    message.add_message_integrity(password.encode())
    return bytes(message)


def agent(remote_ufrag: str | None = "theirs") -> IceLite:
    made = IceLite(OURS)
    made.remote_ufrag = remote_ufrag
    return made


def answer(ice: IceLite, data: bytes, source: tuple[str, int] = SOURCE) -> Checked:
    request = parse_check(data)
    assert request is not None
    return ice.answer(request, source)


@pytest.mark.parametrize(("attributes", "nominated"), [({}, False), ({"USE-CANDIDATE": None}, True)])
@pytest.mark.parametrize("source", [SOURCE, ("2001:db8::7", 9)])
def test_a_check_is_answered_with_where_it_came_from(
    attributes: dict[str, object], nominated: bool, source: tuple[str, int]
) -> None:
    request = check(**attributes)
    checked = answer(agent(), request, source)
    assert (checked.proven, checked.nominated) == (True, nominated)
    response = parse_message(checked.response)
    assert (response.message_class, response.transaction_id) == (Class.RESPONSE, request[8:20])
    assert response.attributes["XOR-MAPPED-ADDRESS"] == source
    assert response.check_message_integrity(OURS.password.encode())


def test_a_check_says_whom_it_is_for() -> None:
    for data, user in ((check(), "ourfrag1"), (check("alone"), "alone"), (check("x" * 600 + ":y"), "")):
        request = parse_check(data)
        assert request is not None
        assert user_of(request) == user


def test_before_the_far_ends_sdp_our_half_of_the_user_name_is_enough() -> None:
    assert answer(agent(None), check("ourfrag1:anybody")).proven
    assert not answer(agent("theirs"), check("ourfrag1:anybody")).proven


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (check(password="q" * 32), 401),
        (check("another1:theirs"), 401),
        (check("ourfrag1"), 401),
        (check("ourfrag1:" + "x" * 600), 401),
        (check(**{"ICE-CONTROLLED": 5}), 487),
        (bytes(Message(Method.BINDING, Class.REQUEST)), 400),
    ],
    ids=["password", "our fragment", "their fragment", "too long", "role", "nothing"],
)
def test_what_proves_nothing_gets_an_error(request_: bytes, code: int) -> None:
    checked = answer(agent(), request_)
    assert not checked.proven
    assert not checked.nominated
    assert parse_message(checked.response).error_code == code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0" * 20,
        check()[:-1],
        check()[:21],
        bytes(Message(Method.BINDING, Class.INDICATION)),
        bytes(Message(Method.BINDING, Class.RESPONSE)),
        bytes(Message(Method.ALLOCATE, Class.REQUEST)),
        bytes(20) + b"\x20" * 40,
    ],
)
def test_what_is_no_check_gets_no_answer(data: bytes) -> None:
    assert parse_check(data) is None


def test_any_octets_are_survived() -> None:
    whole = check()
    for place in range(len(whole) - 8):  # behind the integrity, the fingerprint may be left out
        for value in (0, 0x7F, 0xFF):
            changed = parse_check(whole[:place] + bytes([value]) + whole[place + 1 :])
            if changed is not None and whole[place] != value:
                assert not agent().answer(changed, SOURCE).proven


def test_credentials_are_random_and_not_shown() -> None:
    one, other = IceCredentials.new(), IceCredentials.new()
    assert one != other
    assert one.password not in repr(one)
    assert len(one.ufrag) >= 4
    assert len(one.password) >= 22
