"""`a=crypto` (RFC 4568): read, judged, written, and never shown."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import SipParseError
from sip.sdp.crypto import (
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES_256_CM_HMAC_SHA1_80,
    AES_CM_128_HMAC_SHA1_32,
    AES_CM_128_HMAC_SHA1_80,
    MAX_CRYPTO_CHARS,
    MAX_LIFETIME,
    SUITES,
    CryptoAttribute,
    CryptoSuite,
    MasterKey,
    Mki,
)

KEY_30 = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR"  # of the example in RFC 4568 §4.1
OCTETS_30 = base64.b64decode(KEY_30)


def line(rest: str = "", key: str = KEY_30, suite: str = "AES_CM_128_HMAC_SHA1_80") -> str:
    return f"1 {suite} inline:{key}{rest}"


class TestReading:
    def test_the_example_of_the_rfc(self) -> None:
        found = CryptoAttribute.parse(line("|2^20|1:4"))
        assert found == CryptoAttribute(1, "AES_CM_128_HMAC_SHA1_80", (MasterKey(OCTETS_30, 1 << 20, Mki(1, 4)),), ())
        assert found.suite == AES_CM_128_HMAC_SHA1_80
        assert found.usable

    @pytest.mark.parametrize(
        ("rest", "lifetime", "mki"),
        [
            ("", None, None),
            ("|2^48", MAX_LIFETIME, None),
            ("|2^0", 1, None),
            ("|1000", 1000, None),
            (f"|{MAX_LIFETIME}", MAX_LIFETIME, None),
            ("|1:1", None, Mki(1, 1)),
            ("|255:1", None, Mki(255, 1)),
            ("|2^31|66051:128", 1 << 31, Mki(66051, 128)),
        ],
    )
    def test_lifetime_and_mki(self, rest: str, lifetime: int | None, mki: Mki | None) -> None:
        (key,) = CryptoAttribute.parse(line(rest)).keys
        assert (key.lifetime, key.mki) == (lifetime, mki)

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "1",
            "1 AES_CM_128_HMAC_SHA1_80",
            "x AES_CM_128_HMAC_SHA1_80 inline:" + KEY_30,
            "1234567890 AES_CM_128_HMAC_SHA1_80 inline:" + KEY_30,
            "1 AES-CM inline:" + KEY_30,
            "1 AES_CM_128_HMAC_SHA1_80 uri:" + KEY_30,
            "1 AES_CM_128_HMAC_SHA1_80 inline:",
            "1 AES_CM_128_HMAC_SHA1_80 " + KEY_30,
            line(key="no*base64"),
            line(key="A"),
            line("|"),
            line("|2^49"),
            line("|2^99"),
            line("|0"),
            line(f"|{MAX_LIFETIME + 1}"),
            line("|2^20|1:0"),
            line("|2^20|1:129"),
            line("|2^20|256:1"),
            line("|1:4|2^20"),
            line("|2^20|1:4|x"),
            line(";"),
            line(" \u00e9"),
            line(" " + "x" * MAX_CRYPTO_CHARS),
        ],
    )
    def test_broken_grammar_is_an_error_of_its_line(self, value: str) -> None:
        with pytest.raises(SipParseError) as caught:
            CryptoAttribute.parse(value)
        assert (caught.value.field, caught.value.status) == ("a=crypto", 488)
        assert KEY_30 not in str(caught.value)

    def test_padding_may_be_missing(self) -> None:
        octets = bytes(range(46))
        bare = base64.b64encode(octets).decode().rstrip("=")
        (key,) = CryptoAttribute.parse(line(key=bare, suite="AES_256_CM_HMAC_SHA1_80")).keys
        assert key.key_salt == octets

    @given(st.text(max_size=120) | st.builds(line, st.text("|;2^:0159 inleWSHKDR=-", max_size=20)))
    def test_no_text_raises_anything_else(self, text: str) -> None:
        try:
            found = CryptoAttribute.parse(text)
        except SipParseError:
            return
        assert CryptoAttribute.parse(str(found)) == found


class TestUsable:
    @pytest.mark.parametrize(
        ("suite", "octets"),
        [
            (AES_CM_128_HMAC_SHA1_80, 30),
            (AES_CM_128_HMAC_SHA1_32, 30),
            (AES_256_CM_HMAC_SHA1_80, 46),
            (AEAD_AES_128_GCM, 28),
            (AEAD_AES_256_GCM, 44),
        ],
    )
    def test_a_key_has_the_length_of_its_suite(self, suite: CryptoSuite, octets: int) -> None:
        assert suite in SUITES
        assert suite.octets == octets
        for length, usable in ((octets - 1, False), (octets, True), (octets + 1, False)):
            key = base64.b64encode(bytes(length)).decode()
            assert CryptoAttribute.parse(line(key=key, suite=suite.name)).usable is usable

    def test_the_name_of_the_drafts_means_the_same_and_is_written_as_it_came(self) -> None:
        key = base64.b64encode(bytes(46)).decode()
        found = CryptoAttribute.parse(line(key=key, suite="AES_CM_256_HMAC_SHA1_80"))
        assert found.suite == AES_256_CM_HMAC_SHA1_80
        assert "AES_CM_256_HMAC_SHA1_80" in str(found)

    @pytest.mark.parametrize("suite", ["F8_128_HMAC_SHA1_80", "NULL_CIPHER", "aes_cm_128_hmac_sha1_80"])
    def test_other_suites_are_not_ours(self, suite: str) -> None:
        found = CryptoAttribute.parse(line(suite=suite))
        assert found.suite is None
        assert not found.usable

    @pytest.mark.parametrize(
        ("parameters", "usable"),
        [
            (" WSH=64", True),
            (" WSH=63", False),
            (" -FUTURE=1", True),
            (" FUTURE=1", False),
            (" KDR=1", False),
            (" UNENCRYPTED_SRTP", False),
            (" UNENCRYPTED_SRTCP", False),
            (" UNAUTHENTICATED_SRTP", False),
            (" FEC_ORDER=FEC_SRTP", False),
            (" WSH=128 UNENCRYPTED_SRTCP", False),
        ],
    )
    def test_session_parameters_that_are_not_met_make_it_unusable(self, parameters: str, usable: bool) -> None:
        assert CryptoAttribute.parse(line(parameters)).usable is usable

    def test_several_keys_are_read_and_not_used(self) -> None:
        found = CryptoAttribute.parse(line(f"|1:1;inline:{KEY_30}|2:1"))
        assert len(found.keys) == 2
        assert not found.usable


class TestWriting:
    @pytest.mark.parametrize("rest", ["", "|2^20", "|1000", "|1:4", "|2^48|66051:128", "|2^20 WSH=128"])
    def test_what_was_read_is_written_again(self, rest: str) -> None:
        assert str(CryptoAttribute.parse(line(rest))) == line(rest)

    def test_no_repr_shows_a_key(self) -> None:
        shown = repr(CryptoAttribute.parse(line("|2^20|1:4")))
        assert KEY_30 not in shown
        assert repr(OCTETS_30) not in shown
        assert "key_salt" not in shown
