"""The server's side of digest authentication: who gets in, who does not, and what is said to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.digest import (
    MD5,
    SHA_256,
    SHA_512_256,
    Challenge,
    Credentials,
    DigestAuthenticator,
    DigestOutcome,
    DigestResult,
    answer_challenge,
    parse_auth_params,
)
from sip.digest.authenticator import MAX_AUTH_VALUES
from sip.errors import LocalProtocolError

SECRET = b"0123456789abcdef"
REALM = "voylo.test"
SOURCE = "192.0.2.1"
BOB = Credentials("bob", "zanzibar")
URI = "sip:100@voylo.test"
NOW = 1000.0


def authenticator(**options: Any) -> DigestAuthenticator:
    return DigestAuthenticator(REALM, SECRET, **options)


def answer(
    challenges: list[str], *, password: str = "zanzibar", username: str = "bob", method: str = "INVITE", count: int = 1
) -> str:
    value = answer_challenge(challenges, username, password, method, URI, nonce_count=count)
    assert value is not None
    return value


def check(
    server: DigestAuthenticator,
    *values: str,
    method: str = "INVITE",
    realm: str | None = None,
    source: str = SOURCE,
    now: float = NOW,
    credentials: Credentials | Callable[[str], Credentials | None] = BOB,
    request_uri: str | None = None,
) -> DigestOutcome:
    return server.verify(values, method, realm, source, now, credentials, request_uri).outcome


def edited(value: str, **changes: str | None) -> str:
    """The credentials with parameters replaced, added, or with None left out."""
    _, params = parse_auth_params(value)
    for name, text in changes.items():
        if text is None:
            params.pop(name)
        else:
            params[name] = text
    return "Digest " + ", ".join(f'{name}="{text}"' for name, text in params.items())


class TestChallenge:
    def test_one_for_each_algorithm_md5_first_with_the_same_nonce(self) -> None:
        first, second = (Challenge.parse(value) for value in authenticator().challenge(None, SOURCE, NOW))
        assert (first.algorithm, second.algorithm) == (MD5, SHA_256)
        assert first.nonce == second.nonce
        assert (first.realm, first.qop, first.stale) == (REALM, ("auth",), False)

    def test_the_words_phones_have_been_seen_to_take(self) -> None:
        (value,) = authenticator(algorithms=[MD5]).challenge("r", SOURCE, NOW)
        assert re.fullmatch(r'Digest realm="r", nonce="[A-Za-z0-9_-]{32}", qop="auth", algorithm=MD5', value)

    def test_stale_is_said(self) -> None:
        assert all(value.endswith(", stale=true") for value in authenticator().challenge(None, SOURCE, NOW, stale=True))

    def test_both_fit_an_answer_to_a_small_request(self) -> None:
        assert sum(len("WWW-Authenticate: \r\n") + len(c) for c in authenticator().challenge(None, SOURCE, NOW)) < 260

    @pytest.mark.parametrize(
        ("user_agent", "challenges"),
        [
            ("baresip v1.0.0 (x86_64/linux)", 1),
            ("baresip v0.6.2 (arm6/linux)", 1),
            ("baresip v3.1.0 (x86_64/Linux)", 1),
            ("baresip v3.10.1 (x86_64/Linux)", 1),
            ("baresip v3.11.0 (x86_64/Linux)", 2),
            ("baresip v4.0.0", 2),
            ("SIP.js/0.21.1", 1),
            ("JsSIP 3.13.8", 1),
            ("Linphone/5.1", 2),
            ("not baresip v1.0.0", 2),
            ("", 2),
            (None, 2),
        ],
    )
    def test_phones_that_fail_on_two_get_md5_alone(self, user_agent: str | None, challenges: int) -> None:
        values = authenticator().challenge(None, SOURCE, NOW, user_agent=user_agent)
        assert len(values) == challenges
        assert Challenge.parse(values[0]).algorithm == MD5

    def test_a_browser_gets_md5_alone_whatever_it_calls_itself(self) -> None:
        (value,) = authenticator().challenge(None, SOURCE, NOW, user_agent="Our Phone/1.0", browser=True)
        assert Challenge.parse(value).algorithm == MD5

    def test_a_server_without_md5_makes_no_exception(self) -> None:
        (value,) = authenticator(algorithms=[SHA_256]).challenge(None, SOURCE, NOW, user_agent="baresip v1.0.0")
        assert Challenge.parse(value).algorithm == SHA_256

    def test_a_realm_cannot_break_out_of_its_quotes(self) -> None:
        value = authenticator().challenge('a"b\\c', SOURCE, NOW)[0]
        assert Challenge.parse(value).realm == 'a"b\\c'
        with pytest.raises(LocalProtocolError):
            authenticator().challenge("a\r\nEvil: x", SOURCE, NOW)

    @pytest.mark.parametrize("algorithms", [[], ["MD4"], ["MD5-sess"], ["MD5", ""]])
    def test_what_cannot_be_offered_is_refused_at_construction(self, algorithms: list[str]) -> None:
        with pytest.raises(ValueError, match="algorithms"):
            authenticator(algorithms=algorithms)

    def test_algorithm_names_are_written_as_registered(self) -> None:
        assert authenticator(algorithms=["md5", "sha-256"]).algorithms == (MD5, SHA_256)


class TestGettingIn:
    @pytest.mark.parametrize("algorithm", [MD5, SHA_256, SHA_512_256])
    def test_the_right_password_does(self, algorithm: str) -> None:
        server = authenticator(algorithms=[algorithm])
        value = answer(server.challenge(None, SOURCE, NOW))
        assert server.verify([value], "INVITE", None, SOURCE, NOW, BOB) == DigestResult(DigestOutcome.OK, "bob")

    def test_a_phone_may_choose_the_second_challenge(self) -> None:
        server = authenticator()
        value = answer(server.challenge(None, SOURCE, NOW)[1:])
        assert "algorithm=SHA-256" in value
        assert check(server, value) is DigestOutcome.OK

    def test_credentials_may_be_looked_up_by_name(self) -> None:
        server = authenticator()
        asked: list[str] = []

        def look_up(name: str) -> Credentials | None:
            asked.append(name)
            return BOB

        assert check(server, answer(server.challenge(None, SOURCE, NOW)), credentials=look_up) is DigestOutcome.OK
        assert asked == ["bob"]

    def test_a_stored_hash_is_as_good_as_the_password(self) -> None:
        server = authenticator()
        secret = BOB.ha1(MD5, REALM)
        assert secret is not None
        stored = Credentials("bob", hashed={MD5: secret})
        md5, sha = server.challenge(None, SOURCE, NOW)
        assert check(server, answer([md5]), credentials=stored) is DigestOutcome.OK
        assert check(server, answer([sha]), credentials=stored) is DigestOutcome.BAD

    def test_the_nonce_serves_again_with_the_next_count(self) -> None:
        server = authenticator()
        challenges = server.challenge(None, SOURCE, NOW)
        assert check(server, answer(challenges, count=1)) is DigestOutcome.OK
        assert check(server, answer(challenges, method="BYE", count=2), method="BYE") is DigestOutcome.OK

    def test_values_for_other_realms_and_schemes_do_not_disturb(self) -> None:
        server = authenticator()
        value = answer(server.challenge(None, SOURCE, NOW))
        others = ('Digest realm="other", nonce="x"', "Basic Zm9vOmJhcg==", "Bearer x", "Digest broken")
        assert check(server, *others, value) is DigestOutcome.OK

    def test_of_two_algorithms_the_one_offered_is_checked(self) -> None:
        server = authenticator()
        value = answer(server.challenge(None, SOURCE, NOW))
        assert check(server, edited(value, algorithm="AKAv1-MD5"), value) is DigestOutcome.OK

    def test_a_node_that_shares_the_secret_accepts_the_nonce(self) -> None:
        value = answer(authenticator().challenge(None, SOURCE, NOW))
        assert check(authenticator(), value) is DigestOutcome.OK

    def test_phones_without_algorithm_parameter_mean_md5(self) -> None:
        server = authenticator()
        value = answer(server.challenge(None, SOURCE, NOW)[:1])
        assert check(server, edited(value, algorithm=None)) is DigestOutcome.OK

    def test_the_response_may_be_in_capitals(self) -> None:
        server = authenticator()
        value = answer(server.challenge(None, SOURCE, NOW))
        assert (
            check(server, edited(value, response=parse_auth_params(value)[1]["response"].upper())) is DigestOutcome.OK
        )


class TestStayingOut:
    def test_a_wrong_password_an_unknown_user_and_a_user_not_meant_are_alike(self) -> None:
        server = authenticator()
        challenges = server.challenge(None, SOURCE, NOW)
        right = answer(challenges)
        assert check(server, answer(challenges, password="x")) is DigestOutcome.BAD
        assert check(server, right, credentials=lambda _: None) is DigestOutcome.BAD
        assert check(server, answer(challenges, username="eve")) is DigestOutcome.BAD
        assert check(server, right, credentials=Credentials("alice", "zanzibar")) is DigestOutcome.BAD
        assert (
            check(server, answer(challenges, username="", password=""), credentials=lambda _: None) is DigestOutcome.BAD
        )

    def test_a_failure_costs_no_memory(self) -> None:
        server = authenticator()
        for _ in range(100):
            check(server, answer(server.challenge(None, SOURCE, NOW), password="x"))
        assert server.tracked_nonces == 0

    @pytest.mark.parametrize(
        "changes",
        [
            {"username": "bOb"},
            {"uri": "sip:900@voylo.test"},
            {"response": "0" * 32},
            {"response": ""},
            {"response": "\u00e9" * 32},
            {"cnonce": "other"},
            {"nc": "00000002"},
        ],
    )
    def test_tampering_shows(self, changes: dict[str, str]) -> None:
        server = authenticator()
        assert check(server, edited(answer(server.challenge(None, SOURCE, NOW)), **changes)) is DigestOutcome.BAD

    def test_the_method_is_covered(self) -> None:
        server = authenticator()
        assert check(server, answer(server.challenge(None, SOURCE, NOW)), method="BYE") is DigestOutcome.BAD

    def test_nothing_for_the_realm_is_missing(self) -> None:
        server = authenticator()
        value = answer(server.challenge("other", SOURCE, NOW))
        for values in ((), ("Basic Zm9vOmJhcg==",), (value,)):
            assert check(server, *values) is DigestOutcome.MISSING

    @pytest.mark.parametrize("name", ["username", "nonce", "uri", "response", "cnonce", "nc"])
    def test_a_parameter_left_out_is_malformed(self, name: str) -> None:
        server = authenticator()
        value = edited(answer(server.challenge(None, SOURCE, NOW)), **{name: None})
        assert check(server, value) is DigestOutcome.MALFORMED

    @pytest.mark.parametrize("nc", ["1", "00000000", "0000000g", "000000001", "-0000001", "0x000001", ""])
    def test_a_nonce_count_is_eight_hex_digits_from_one(self, nc: str) -> None:
        server = authenticator()
        assert check(server, edited(answer(server.challenge(None, SOURCE, NOW)), nc=nc)) is DigestOutcome.MALFORMED

    def test_broken_text_is_malformed(self) -> None:
        assert check(authenticator(), 'Digest realm="voylo.test') is DigestOutcome.MALFORMED

    @pytest.mark.parametrize(
        "changes",
        [
            {"algorithm": "MD5-sess"},
            {"algorithm": "SHA-512-256"},
            {"algorithm": "x"},
            {"qop": "auth-int"},
            {"qop": ""},
            {"userhash": "true"},
        ],
    )
    def test_what_was_not_offered_is_unsupported(self, changes: dict[str, str]) -> None:
        server = authenticator()
        assert (
            check(server, edited(answer(server.challenge(None, SOURCE, NOW)), **changes)) is DigestOutcome.UNSUPPORTED
        )

    def test_an_extended_user_name_is_unsupported(self) -> None:
        server = authenticator()
        value = edited(answer(server.challenge(None, SOURCE, NOW)), username=None) + ", username*=UTF-8''bob"
        assert check(server, value) is DigestOutcome.UNSUPPORTED

    def test_only_so_many_values_are_looked_at(self) -> None:
        server = authenticator()
        value = answer(server.challenge(None, SOURCE, NOW))
        assert check(server, *["Digest x"] * (MAX_AUTH_VALUES - 1), value) is DigestOutcome.OK
        again = answer(server.challenge(None, SOURCE, NOW))
        assert check(server, *["Digest x"] * MAX_AUTH_VALUES, again) is DigestOutcome.MALFORMED

    def test_one_request_is_one_guess(self) -> None:
        server = authenticator()
        challenges = server.challenge(None, SOURCE, NOW)
        assert check(server, answer(challenges, password="x"), answer(challenges)) is DigestOutcome.BAD


class TestStale:
    def test_a_nonce_lives_five_minutes(self) -> None:
        server = authenticator()
        value = answer(server.challenge(None, SOURCE, NOW))
        assert check(server, value, now=NOW + 300.5) is DigestOutcome.STALE
        assert check(server, value, now=NOW + 300) is DigestOutcome.OK

    def test_or_as_configured(self) -> None:
        server = authenticator(nonce_seconds=10)
        assert check(server, answer(server.challenge(None, SOURCE, NOW)), now=NOW + 11) is DigestOutcome.STALE

    def test_from_another_source_it_is_stale(self) -> None:
        server = authenticator()
        assert check(server, answer(server.challenge(None, SOURCE, NOW)), source="192.0.2.2") is DigestOutcome.STALE

    def test_under_a_foreign_nonce_nothing_can_be_guessed(self) -> None:
        server = authenticator()
        foreign = [f'Digest realm="{REALM}", nonce="mine", qop="auth"']
        assert check(server, answer(foreign)) is check(server, answer(foreign, password="x")) is DigestOutcome.STALE

    def test_a_count_used_twice_is_a_replay_and_asks_for_a_fresh_nonce(self) -> None:
        server = authenticator()
        value = answer(server.challenge(None, SOURCE, NOW))
        assert check(server, value) is DigestOutcome.OK
        result = server.verify([value], "INVITE", None, SOURCE, NOW, BOB)
        assert result.outcome is DigestOutcome.REPLAYED
        assert result.stale
        assert not result.ok

    def test_one_algorithm_does_not_replay_the_other(self) -> None:
        server = authenticator()
        md5, sha = server.challenge(None, SOURCE, NOW)
        assert check(server, answer([md5])) is DigestOutcome.OK
        assert check(server, answer([sha])) is DigestOutcome.REPLAYED

    def test_a_wrong_password_uses_no_count_up(self) -> None:
        server = authenticator()
        challenges = server.challenge(None, SOURCE, NOW)
        assert check(server, answer(challenges, password="x")) is DigestOutcome.BAD
        assert check(server, answer(challenges)) is DigestOutcome.OK

    def test_memory_is_bounded(self) -> None:
        server = authenticator(max_tracked_nonces=5)
        for n in range(50):
            assert check(server, answer(server.challenge(None, SOURCE, NOW + n)), now=NOW + n) is DigestOutcome.OK
        assert server.tracked_nonces == 5


class TestWithoutQop:
    def value(self, server: DigestAuthenticator) -> str:
        nonce = Challenge.parse(server.challenge(None, SOURCE, NOW)[0]).nonce
        return answer([f'Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5'])

    def test_such_an_answer_is_taken_once(self) -> None:
        server = authenticator()
        value = self.value(server)
        assert "qop=" not in value
        assert check(server, value) is DigestOutcome.OK
        assert check(server, value) is DigestOutcome.REPLAYED

    def test_a_wrong_one_is_bad(self) -> None:
        server = authenticator()
        assert check(server, edited(self.value(server), response="0" * 32)) is DigestOutcome.BAD

    def test_it_can_be_switched_off(self) -> None:
        server = authenticator(accept_without_qop=False)
        assert check(server, self.value(server)) is DigestOutcome.UNSUPPORTED


class TestDigestUri:
    def test_it_may_differ_from_the_request_uri(self) -> None:
        server = authenticator()
        assert (
            check(server, answer(server.challenge(None, SOURCE, NOW)), request_uri="sip:rewritten@x")
            is DigestOutcome.OK
        )

    def test_unless_it_must_not(self) -> None:
        server = authenticator(strict_uri=True)
        value = answer(server.challenge(None, SOURCE, NOW))
        assert check(server, value, request_uri="sip:rewritten@x") is DigestOutcome.MALFORMED
        assert check(server, value, request_uri=URI) is DigestOutcome.OK


class TestClaimedName:
    def test_it_is_the_one_that_verify_checks(self) -> None:
        server = authenticator()
        value = answer(server.challenge(None, SOURCE, NOW))
        other = edited(value, username="eve", algorithm="x")
        assert server.claimed_username([other, value]) == "bob"
        assert server.verify([other, value], "INVITE", None, SOURCE, NOW, BOB).username == "bob"

    def test_there_may_be_none(self) -> None:
        server = authenticator()
        assert server.claimed_username([]) is None
        assert server.claimed_username(['Digest realm="voylo.test"']) is None
        assert server.claimed_username(['Digest realm="other", username="x"']) is None


PARAMS = st.dictionaries(
    st.sampled_from(
        ["username", "realm", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce", "userhash", "username*"]
    ),
    st.one_of(
        st.sampled_from(["bob", REALM, "auth", "MD5", "SHA-256", "00000001", "0" * 32]),
        st.text(st.characters(exclude_characters='"\\'), max_size=20),
    ),
)


class TestProperties:
    @given(PARAMS)
    def test_nobody_gets_in_without_the_password_and_nothing_raises(self, params: dict[str, str]) -> None:
        value = "Digest " + ", ".join(f'{name}="{text}"' for name, text in params.items())
        assert check(authenticator(), value) is not DigestOutcome.OK

    @given(st.text(max_size=200))
    def test_no_text_raises(self, text: str) -> None:
        assert check(authenticator(), text, "Digest " + text) is not DigestOutcome.OK

    @given(PARAMS)
    def test_with_a_nonce_of_ours_neither(self, params: dict[str, str]) -> None:
        server = authenticator()
        right = answer(server.challenge(None, SOURCE, NOW))
        changed = {
            name: text
            for name, text in params.items()
            if parse_auth_params(right)[1].get(name) != text and name != "nonce"
        }
        relevant = changed.keys() & {"username", "realm", "uri", "response", "nc", "cnonce", "algorithm"}
        if relevant and changed.get("algorithm", MD5) == MD5:
            value = "Digest " + ", ".join(f'{k}="{v}"' for k, v in {**parse_auth_params(right)[1], **changed}.items())
            assert check(server, value) is not DigestOutcome.OK

    @given(
        st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20),
        st.text(max_size=20),
        st.sampled_from([MD5, SHA_256, SHA_512_256]),
    )
    def test_whoever_knows_the_password_gets_in(self, username: str, password: str, algorithm: str) -> None:
        server = authenticator(algorithms=[algorithm])
        value = answer(server.challenge(None, SOURCE, NOW), username=username, password=password)
        assert check(server, value, credentials=Credentials(username, password)) is DigestOutcome.OK
