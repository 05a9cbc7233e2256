"""Contract §13.4."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voyloml.scripted import UNHURRIED
from voyloml import sign, verify_signature

SECRET = "whsec_" + "a" * 40
BODY = b'{"event":"call.completed"}'
NOW = 1_782_210_600


class TestSigning:
    def test_is_the_hmac_of_time_dot_body_under_the_whole_secret(self) -> None:
        # Made with: printf '1782210600.{"event":"call.completed"}' | openssl dgst -sha256 -hmac "whsec_aaaa…"
        assert sign(SECRET, BODY, NOW) == f"t={NOW},v1=f59d8c385168cbcb12117d8a25092de8797f6a0df2ffe7532ef4265f97c0dbc0"

    def test_the_empty_body_of_a_get(self) -> None:
        assert sign(SECRET, b"", NOW) == f"t={NOW},v1=1bd1350564df5d59e66550e726931be60979680f3f59cfe41adca6a9c5a4f4af"

    def test_each_secret_signs_while_one_replaces_the_other(self) -> None:
        header = sign([SECRET, "whsec_old"], BODY, NOW)
        one, other = sign(SECRET, BODY, NOW), sign("whsec_old", BODY, NOW)
        assert header == f"{one},{other.partition(',')[2]}"


class TestVerifying:
    def test_what_was_signed(self) -> None:
        assert verify_signature(SECRET, BODY, sign(SECRET, BODY, NOW), now=NOW)

    def test_either_secret_of_either_side_will_do(self) -> None:
        both = ["whsec_old", SECRET]
        assert verify_signature(SECRET, BODY, sign(both, BODY, NOW), now=NOW)
        assert verify_signature(both, BODY, sign(SECRET, BODY, NOW), now=NOW)
        assert not verify_signature("whsec_other", BODY, sign(both, BODY, NOW), now=NOW)
        assert not verify_signature([], BODY, sign(both, BODY, NOW), now=NOW)

    @pytest.mark.parametrize(("age", "valid"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
    def test_its_age(self, age: int, valid: bool) -> None:
        assert verify_signature(SECRET, BODY, sign(SECRET, BODY, NOW), now=NOW + age) is valid

    def test_the_age_counts_from_the_present(self) -> None:
        assert not verify_signature(SECRET, BODY, sign(SECRET, BODY, 1_000_000), tolerance=300)

    def test_a_changed_body_or_time(self) -> None:
        header = sign(SECRET, BODY, NOW)
        assert not verify_signature(SECRET, BODY + b" ", header, now=NOW)
        assert not verify_signature(SECRET, BODY, header.replace(f"t={NOW}", f"t={NOW + 1}"), now=NOW)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "t=",
            "v1=",
            "t=x,v1=y",
            f"t={NOW}",
            f"t={NOW},v1=",
            f"t={NOW},v1=é",
            "t=" + "9" * 5000 + ",v1=a",
            "," * 9999,
        ],
    )
    def test_headers_that_are_none(self, header: str) -> None:
        assert not verify_signature(SECRET, BODY, header, now=NOW)

    def test_members_of_other_schemes_are_passed_over(self) -> None:
        header = sign(SECRET, BODY, NOW)
        assert verify_signature(SECRET, BODY, f"v0=abc, {header.replace(',', ', ')} , v2=x", now=NOW)

    def test_only_so_many_signatures_are_looked_at(self) -> None:
        header = sign(SECRET, BODY, NOW)
        many = f"t={NOW}," + "v1=00," * 8 + header.partition(",")[2]
        assert not verify_signature(SECRET, BODY, many, now=NOW)

    @UNHURRIED
    @given(st.text())
    def test_never_raises(self, header: str) -> None:
        assert not verify_signature(SECRET, BODY, header, now=NOW)
