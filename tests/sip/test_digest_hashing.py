"""The computed values, against the published examples."""

from __future__ import annotations

import pytest

from sip.digest.hashing import Credentials, hash_hex, is_known, request_digest

HTTP_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
HTTP_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
SIP_NONCE = "dcd98b7102dd2f0e8b11d0f600bfb0c093"


def ha1(algorithm: str, username: str, realm: str, password: str) -> str:
    value = Credentials(username, password).ha1(algorithm, realm)
    assert value is not None
    return value


class TestPublishedExamples:
    def test_rfc2617_section_3_5(self) -> None:
        secret = ha1("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life")
        digest = request_digest(
            "MD5", secret, "GET", "/dir/index.html", SIP_NONCE, qop="auth", nc="00000001", cnonce="0a4f113b"
        )
        assert digest == "6629fae49393a05397450978507c4ef1"

    @pytest.mark.parametrize(
        ("algorithm", "expected"),
        [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ],
    )
    def test_rfc7616_section_3_9_1(self, algorithm: str, expected: str) -> None:
        secret = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
        digest = request_digest(
            algorithm, secret, "GET", "/dir/index.html", HTTP_NONCE, qop="auth", nc="00000001", cnonce=HTTP_CNONCE
        )
        assert digest == expected

    def test_rfc7616_section_3_9_2_as_corrected_by_erratum_4897(self) -> None:
        secret = ha1("SHA-512-256", "J\u00e4s\u00f8n Doe", "api@example.org", "Secret, or not?")
        digest = request_digest(
            "SHA-512-256",
            secret,
            "GET",
            "/doe.json",
            "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            qop="auth",
            nc="00000001",
            cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        )
        assert digest == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"

    def test_sip_without_and_with_qop(self) -> None:
        # draft-smith-sipping-auth-examples-01 §3.1, §3.2, with the numbers of RFC 2617
        secret = ha1("MD5", "bob", "biloxi.com", "zanzibar")
        uri = "sip:bob@biloxi.com"
        assert request_digest("MD5", secret, "INVITE", uri, SIP_NONCE) == "bf57e4e0d0bffc0fbaedce64d59add5e"
        with_qop = request_digest("MD5", secret, "INVITE", uri, SIP_NONCE, qop="auth", nc="00000001", cnonce="0a4f113b")
        assert with_qop == "89eb0059246c02b2f6ee02c7961d5ea3"

    def test_auth_int_covers_the_body(self) -> None:
        one, other = (
            request_digest("MD5", "0" * 32, "INVITE", "sip:x", "n", qop="auth-int", nc="1", cnonce="c", body=b)
            for b in (b"", b"v=0")
        )
        a2 = hash_hex("MD5", f"INVITE:sip:x:{hash_hex('MD5', b'v=0')}")
        assert other == hash_hex("MD5", f"{'0' * 32}:n:1:c:auth-int:{a2}")
        assert one != other


class TestCredentials:
    def test_a_stored_hash_serves_its_algorithm_alone(self) -> None:
        stored = Credentials("bob", hashed={"MD5": "abc"})
        assert stored.ha1("md5", "any") == "abc"
        assert stored.ha1("SHA-256", "any") is None

    def test_secrets_do_not_show(self) -> None:
        assert "zanzibar" not in repr(Credentials("bob", "zanzibar", {"MD5": "zanzibar"}))

    @pytest.mark.parametrize(
        ("name", "known"),
        [("md5", True), ("SHA-256-sess", True), ("SHA-512-256", True), ("AKAv1-MD5", False), ("", False)],
    )
    def test_known_algorithms(self, name: str, known: bool) -> None:
        assert is_known(name) is known
