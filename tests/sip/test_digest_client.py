"""The client's side of digest authentication: which challenge is answered, and how."""

from __future__ import annotations

import pytest

from sip.digest.client import Challenge, answer_challenge, choose_challenge
from sip.digest.hashing import hash_hex
from sip.digest.params import parse_auth_params
from sip.errors import LocalProtocolError, SipParseError

NONCE = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
URI = "sip:bob@biloxi.com"


def challenge(rest: str = "") -> str:
    return f'Digest realm="biloxi.com", nonce="{NONCE}"{rest}'


def params(*challenges: str, body: bytes = b"", count: int = 1) -> dict[str, str]:
    value = answer_challenge(
        challenges, "bob", "zanzibar", "INVITE", URI, nonce_count=count, cnonce="0a4f113b", body=body
    )
    assert value is not None
    scheme, found = parse_auth_params(value)
    assert scheme == "Digest"
    return found


class TestAnswer:
    def test_word_for_word(self) -> None:
        value = answer_challenge(
            [challenge(', qop="auth,auth-int", algorithm=MD5, opaque="5ccc"')],
            "bob",
            "zanzibar",
            "INVITE",
            URI,
            cnonce="0a4f113b",
        )
        assert value == (
            f'Digest username="bob", realm="biloxi.com", nonce="{NONCE}", uri="{URI}", '
            'response="89eb0059246c02b2f6ee02c7961d5ea3", algorithm=MD5, '
            'cnonce="0a4f113b", qop=auth, nc=00000001, opaque="5ccc"'
        )

    def test_a_server_without_qop_gets_the_old_form(self) -> None:
        found = params(challenge())
        assert found["response"] == "bf57e4e0d0bffc0fbaedce64d59add5e"
        assert not found.keys() & {"qop", "nc", "cnonce", "algorithm", "opaque"}

    def test_session_algorithm(self) -> None:
        # draft-smith-sipping-auth-examples-01 §3.4
        assert params(challenge(', qop="auth", algorithm=MD5-sess'))["response"] == "e4e4ea61d186d07a92c9e1f6919902e9"

    # Computed step by step with `openssl dgst`.
    @pytest.mark.parametrize(
        ("algorithm", "expected"),
        [
            ("MD5", "bef6c26ce562c084baeb1c500569a239"),
            ("MD5-sess", "ba0da55136e50a1d07109569ec2e6ca3"),
            ("SHA-256", "6d8910383082438752bfbbb8f3f9ace79e6ce9fd28cea260f74fafb41ae53931"),
            ("SHA-256-sess", "40fb4705be6765fa1ee8278d3169ce959b91e88a04b2608b9fa273fda27eba9e"),
            ("SHA-512-256", "de21270dfb2d9596656449967c261c7ab7b637cf862615555e957d0b0ba8413a"),
            ("SHA-512-256-sess", "88f0b46a9bcc6e29f8262f01cba67173279a526bd4a1508c5bd41866e1d67e2f"),
        ],
    )
    def test_a_register_under_each_algorithm(self, algorithm: str, expected: str) -> None:
        """RFC 8760 §2.1: the names and hashes; RFC 7616 §3.4: what is hashed."""
        value = answer_challenge(
            [challenge(f', qop="auth", algorithm={algorithm}')],
            "bob",
            "zanzibar",
            "REGISTER",
            "sip:biloxi.com",
            nonce_count=2,
            cnonce="0a4f113b",
        )
        assert value is not None
        assert parse_auth_params(value)[1]["response"] == expected

    def test_a_session_algorithm_without_qop_still_names_its_cnonce(self) -> None:
        assert params(challenge(", algorithm=MD5-sess"))["cnonce"] == "0a4f113b"

    def test_auth_int_is_used_when_nothing_else_is_offered(self) -> None:
        found = params(challenge(', qop="auth-int"'), body=b"v=0")
        a1 = hash_hex("MD5", "bob:biloxi.com:zanzibar")
        a2 = hash_hex("MD5", f"INVITE:{URI}:{hash_hex('MD5', b'v=0')}")
        assert found["qop"] == "auth-int"
        assert found["response"] == hash_hex("MD5", f"{a1}:{NONCE}:00000001:0a4f113b:auth-int:{a2}")

    def test_the_count_is_written_in_hex(self) -> None:
        assert params(challenge(', qop="auth"'), count=255)["nc"] == "000000ff"

    def test_client_nonces_differ(self) -> None:
        values = {answer_challenge([challenge(', qop="auth"')], "bob", "zanzibar", "INVITE", URI) for _ in range(10)}
        assert len(values) == 10

    def test_names_with_quotes_are_escaped_and_control_characters_refused(self) -> None:
        value = answer_challenge([challenge()], 'b"o\\b', "x", "INVITE", URI)
        assert value is not None
        assert parse_auth_params(value)[1]["username"] == 'b"o\\b'
        for username, uri in (("bob\r\nEvil: 1", URI), ("bob", "sip:x\r\n")):
            with pytest.raises(LocalProtocolError):
                answer_challenge([challenge()], username, "x", "INVITE", uri)

    def test_what_the_server_sent_comes_back_unchanged(self) -> None:
        odd = 'Digest realm="a \\"b\\"", nonce="n,=\\\\", opaque="", qop="auth"'
        found = params(odd)
        assert (found["realm"], found["nonce"], found["opaque"]) == ('a "b"', "n,=\\", "")


class TestChoice:
    def test_the_servers_order_decides(self) -> None:
        md5, sha = challenge(', qop="auth", algorithm=MD5'), challenge(', qop="auth", algorithm=SHA-256')
        assert params(md5, sha)["algorithm"] == "MD5"
        assert params(sha, md5)["algorithm"] == "SHA-256"

    @pytest.mark.parametrize(
        "first",
        [
            challenge(", algorithm=AKAv1-MD5"),
            challenge(', qop="token"'),
            'Digest realm="x"',
            "Basic realm=x",
            "Bearer abc",
            "Digest x",
            "",
        ],
    )
    def test_what_cannot_be_answered_is_passed_over(self, first: str) -> None:
        assert params(first, challenge(', qop="auth", algorithm=SHA-512-256'))["algorithm"] == "SHA-512-256"
        assert answer_challenge([first], "bob", "zanzibar", "INVITE", URI) is None

    def test_none_at_all(self) -> None:
        assert choose_challenge([]) is None
        assert answer_challenge([], "bob", "zanzibar", "INVITE", URI) is None


class TestChallenge:
    def test_its_parts(self) -> None:
        parsed = Challenge.parse(
            challenge(', qop="auth-int, AUTH", algorithm="sha-256", opaque=o, stale=TRUE, domain="sip:x"')
        )
        assert parsed == Challenge("biloxi.com", NONCE, "sha-256", ("auth-int", "auth"), "o", True)
        assert parsed.chosen_qop == "auth"
        assert parsed.answerable

    @pytest.mark.parametrize("value", ["Basic realm=x", 'Digest realm="x"', 'Digest nonce="x"', "Digest"])
    def test_what_is_none(self, value: str) -> None:
        with pytest.raises(SipParseError):
            Challenge.parse(value)
