"""The client's memory of challenges: which realms are answered, with which nonce and count, and when it gives up."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.digest import MD5, SHA_256, SHA_512_256, Credentials, DigestAuthenticator, DigestSession, parse_auth_params
from sip.digest.hashing import hash_hex, sha512_256_without_hashlib
from sip.digest.session import MAX_REALMS
from sip.errors import LocalProtocolError

BOB = Credentials("bob", "zanzibar")
URI = "sip:registrar.example"


def challenge(realm: str = "a", nonce: str = "n1", rest: str = ', qop="auth"') -> str:
    return f'Digest realm="{realm}", nonce="{nonce}"{rest}'


def answers(session: DigestSession, method: str = "REGISTER") -> list[tuple[str, dict[str, str]]]:
    return [(name, parse_auth_params(value)[1]) for name, value in session.authorize(method, URI)]


class TestNonces:
    def test_nothing_is_said_before_a_challenge(self) -> None:
        assert DigestSession(BOB).authorize("REGISTER", URI) == []

    def test_a_nonce_serves_again_with_the_next_count(self) -> None:
        session = DigestSession(BOB)
        assert session.learn([challenge()], proxy=False)
        counts = [params["nc"] for _ in range(3) for _, params in answers(session)]
        assert counts == ["00000001", "00000002", "00000003"]

    def test_a_new_nonce_begins_at_one(self) -> None:
        session = DigestSession(BOB)
        session.learn([challenge()], proxy=False)
        answers(session)
        answers(session)
        assert session.learn([challenge(nonce="n2", rest=', qop="auth", stale=true')], proxy=False)
        ((_, params),) = answers(session)
        assert (params["nonce"], params["nc"]) == ("n2", "00000001")

    def test_the_server_of_ours_takes_what_the_session_says(self) -> None:
        for algorithm in (MD5, SHA_256, SHA_512_256):
            server = DigestAuthenticator("r", bytes(16), algorithms=[algorithm])
            session = DigestSession(BOB)
            assert session.learn(server.challenge(None, "192.0.2.1", 0.0), proxy=False)
            for _ in range(3):
                values = [value for _, value in session.authorize("REGISTER", URI)]
                assert server.verify(values, "REGISTER", None, "192.0.2.1", 1.0, BOB).ok


class TestAuthenticationInfo:
    """RFC 7616 §3.5: the server passes on the nonce for the next request."""

    def known(self, *realms: str) -> DigestSession:
        session = DigestSession(BOB)
        session.learn([challenge(realm) for realm in realms], proxy=False)
        answers(session)
        return session

    def test_the_next_nonce_is_answered_from_one_on(self) -> None:
        session = self.known("a")
        session.take_next_nonce(['nextnonce="n2", qop=auth, rspauth="0", cnonce="x", nc=00000001'], proxy=False)
        given = [(params["nonce"], params["nc"]) for _ in range(2) for _, params in answers(session)]
        assert given == [("n2", "00000001"), ("n2", "00000002")]

    def test_the_nonce_in_use_keeps_its_count(self) -> None:
        session = self.known("a")
        session.take_next_nonce(['nextnonce="n1"'], proxy=False)
        ((_, params),) = answers(session)
        assert params["nc"] == "00000002"

    def test_one_that_has_expired_since_is_no_wrong_password(self) -> None:
        session = self.known("a")
        session.take_next_nonce(['nextnonce="n2"'], proxy=False)
        answers(session)
        assert session.learn([challenge("a", "n3")], proxy=False)
        answers(session)
        assert not session.learn([challenge("a", "n4")], proxy=False)

    @pytest.mark.parametrize("value", ["", "nextnonce", 'nextnonce=""', "\x00", 'nextnonce="n2', "x" * 5000])
    def test_what_cannot_be_read_changes_nothing(self, value: str) -> None:
        session = self.known("a")
        session.take_next_nonce([value], proxy=False)
        ((_, params),) = answers(session)
        assert (params["nonce"], params["nc"]) == ("n1", "00000002")

    def test_without_one_realm_it_says_nothing(self) -> None:
        for session in (DigestSession(BOB), self.known("a", "b")):
            session.take_next_nonce(['nextnonce="n2"'], proxy=False)
            session.take_next_nonce(['nextnonce="n2"'], proxy=True)
            assert {params["nonce"] for _, params in answers(session)} <= {"n1"}


class TestRefusal:
    def test_a_fresh_nonce_answered_and_asked_for_again_is_a_wrong_password(self) -> None:
        session = DigestSession(BOB)
        session.learn([challenge()], proxy=False)
        answers(session)
        assert not session.learn([challenge(nonce="n2")], proxy=False)
        assert session.authorize("REGISTER", URI) == []

    def test_stale_asks_for_the_same_again(self) -> None:
        session = DigestSession(BOB)
        session.learn([challenge()], proxy=False)
        answers(session)
        assert session.learn([challenge(nonce="n2", rest=', qop="auth", stale=TRUE')], proxy=False)

    def test_a_nonce_that_has_served_may_run_out_without_being_called_stale(self) -> None:
        session = DigestSession(BOB)
        session.learn([challenge()], proxy=False)
        answers(session)
        answers(session)
        assert session.learn([challenge(nonce="n2")], proxy=False)
        answers(session)
        assert not session.learn([challenge(nonce="n3")], proxy=False)

    def test_the_same_nonce_again_is_a_refusal_however_often_it_served(self) -> None:
        session = DigestSession(BOB)
        session.learn([challenge()], proxy=False)
        answers(session)
        answers(session)
        assert not session.learn([challenge()], proxy=False)

    @pytest.mark.parametrize("value", ["Basic realm=x", challenge(rest=", algorithm=AKAv1-MD5"), "Digest", ""])
    def test_what_cannot_be_answered_is_no_reason_to_try_again(self, value: str) -> None:
        assert not DigestSession(BOB).learn([value], proxy=False)

    def test_control_characters_in_a_name_never_reach_a_header(self) -> None:
        session = DigestSession(Credentials("bob\r\nVia: x", "secret"))
        session.learn([challenge()], proxy=False)
        with pytest.raises(LocalProtocolError):
            session.authorize("REGISTER", URI)


class TestRealms:
    def test_a_registrar_and_two_proxies_are_answered_together(self) -> None:
        """RFC 3261 §22.3."""
        session = DigestSession(BOB)
        session.learn([challenge("p1", "1"), challenge("p2", "2")], proxy=True)
        session.learn([challenge("home", "3")], proxy=False)
        assert [(name, params["realm"], params["nonce"]) for name, params in answers(session)] == [
            ("Proxy-Authorization", "p1", "1"),
            ("Proxy-Authorization", "p2", "2"),
            ("Authorization", "home", "3"),
        ]

    def test_one_refusal_ends_the_try_though_another_realm_is_new(self) -> None:
        session = DigestSession(BOB)
        session.learn([challenge("p1", "1")], proxy=True)
        answers(session)
        assert not session.learn([challenge("p1", "2"), challenge("p2", "3")], proxy=True)

    def test_of_each_realm_the_topmost_that_can_be_answered(self) -> None:
        """RFC 8760 §2.4."""
        session = DigestSession(BOB)
        session.learn(
            [
                challenge(nonce="0", rest=", algorithm=TOKEN"),
                challenge(nonce="1", rest=', qop="auth", algorithm=SHA-512-256'),
                challenge(nonce="2", rest=', qop="auth", algorithm=MD5'),
            ],
            proxy=False,
        )
        ((_, params),) = answers(session)
        assert (params["algorithm"], params["nonce"]) == ("SHA-512-256", "1")

    def test_a_stored_hash_answers_its_algorithm_and_its_session_variant(self) -> None:
        secret = hash_hex("SHA-256", "bob:a:zanzibar")
        values = [
            challenge(nonce="1", rest=', qop="auth", algorithm=MD5'),
            challenge(nonce="2", rest=', qop="auth", algorithm=SHA-256-sess'),
        ]
        session = DigestSession(Credentials("bob", hashed={SHA_256: secret}))
        assert session.learn(values, proxy=False)
        ((_, params),) = answers(session)
        a1 = hash_hex("SHA-256", f"{secret}:2:{params['cnonce']}")
        a2 = hash_hex("SHA-256", f"REGISTER:{URI}")
        assert params["response"] == hash_hex("SHA-256", f"{a1}:2:00000001:{params['cnonce']}:auth:{a2}")

    def test_realms_are_bounded(self) -> None:
        session = DigestSession(BOB)
        for number in range(3 * MAX_REALMS):
            session.learn([challenge(f"r{number}")], proxy=True)
        realms = [params["realm"] for _, params in answers(session)]
        assert realms == [f"r{number}" for number in range(2 * MAX_REALMS, 3 * MAX_REALMS)]

    @given(st.lists(st.tuples(st.text(max_size=80), st.booleans()), max_size=6))
    def test_nothing_a_server_writes_raises(self, responses: list[tuple[str, bool]]) -> None:
        session = DigestSession(BOB)
        for text, proxy in responses:
            session.learn([text, f"Digest {text}", challenge(rest=f",{text}")], proxy=proxy)
            session.authorize("REGISTER", URI)


class TestHash:
    # FIPS 180-4 examples: the empty message, and "abc".
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a"),
            (b"abc", "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
        ],
    )
    def test_sha_512_256_does_not_depend_on_hashlib(self, data: bytes, expected: str) -> None:
        assert sha512_256_without_hashlib(data) == expected
        assert hash_hex("SHA-512-256", data) == expected
        if "sha512_256" in hashlib.algorithms_available:
            assert hashlib.new("sha512_256", data).hexdigest() == expected
