"""SRTP contexts on asyncio's side: made once for each key, freed once, and keys that nobody gets to see."""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from media.kernel import keys as under_test
from media.kernel.keys import SRTP_SUITES, SUITES, Keyring, SrtpError, SrtpParameters, binding_address
from tests.media.srtp_support import count_contexts


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    return count_contexts(monkeypatch)


def parameters(suite: str = SRTP_SUITES[0], mki: int = 0) -> SrtpParameters:
    octets = SUITES[suite].key_octets
    return SrtpParameters(suite, os.urandom(octets), os.urandom(octets), mki)


def test_keys_are_in_no_repr() -> None:
    keys = SrtpParameters(SRTP_SUITES[0], b"s" * 30, b"r" * 30)
    assert repr(keys) == "SrtpParameters(suite='AES_CM_128_HMAC_SHA1_80', receive_mki_octets=0)"


def test_plain_rtp_needs_no_context(alive: set[int]) -> None:
    ring = Keyring()
    assert ring.use(None) == (0, 0, 0, 0)
    assert (len(ring), alive) == (0, set())


def test_the_same_keys_keep_their_contexts(alive: set[int]) -> None:
    ring = Keyring()
    keys = parameters(mki=4)
    number, send, receive, trailer = ring.use(keys)
    assert (number, alive, trailer) == (1, {send, receive}, 4 | 10 << 8 | 10 << 16)
    assert ring.use(replace(keys)) == (number, send, receive, trailer)
    ring.close()
    assert alive == set()


def test_a_direction_with_a_new_key_or_suite_gets_a_new_context(alive: set[int]) -> None:
    ring = Keyring()
    keys = parameters()
    _, send, receive, _ = ring.use(keys)
    _, kept, other, _ = ring.use(replace(keys, receive_key=bytes(30)))
    assert kept == send
    assert other != receive
    number, again, same, trailer = ring.use(replace(keys, receive_key=bytes(30), suite=SRTP_SUITES[1]))
    assert (number, trailer) == (3, 4 << 8 | 10 << 16)
    assert (again in {send}, same in {receive, other}) == (False, False)
    assert len(ring) == len(alive) == 5
    ring.close()


def test_what_is_older_than_the_numbers_is_freed(alive: set[int]) -> None:
    ring = Keyring()
    words = [ring.use(parameters()) for _ in range(4)]
    ring.drop(3, 2)
    assert alive == {words[2][1], words[3][1], words[1][2], words[2][2], words[3][2]}
    ring.use(None)
    ring.drop(5, 5)
    assert alive == set()
    ring.close()


def test_half_a_failure_leaves_nothing_behind(alive: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    ring = Keyring()
    before = ring.use(keys := parameters())
    create = under_test.create_context

    def failing(suite: under_test.SrtpSuite, key: bytes, *, sending: bool) -> int:
        if not sending:
            raise SrtpError("no memory")
        return create(suite, key, sending=sending)

    monkeypatch.setattr(under_test, "create_context", failing)
    with pytest.raises(SrtpError):
        ring.use(parameters())
    assert len(ring) == len(alive) == 2
    assert ring.use(keys) == before
    ring.close()


def test_what_libsrtp_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "lib", SimpleNamespace(srtp_create=lambda *_: 3, srtp_err_status_ok=0))
    with pytest.raises(SrtpError, match="error 3"):
        under_test.create_context(SUITES[SRTP_SUITES[0]], bytes(30), sending=True)


def test_another_binding_is_noticed() -> None:
    assert binding_address("srtp_protect") > 0
    with pytest.raises(RuntimeError, match="this pylibsrtp has another srtp_add_stream"):
        binding_address("srtp_add_stream")
