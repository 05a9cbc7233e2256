"""Handshakes of two associations without a network: keys that fit, loss, and who is not who its SDP said."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from media import SrtpParameters
from media.webrtc import dtls
from media.webrtc.certificate import DtlsCertificate, our_certificate
from media.webrtc.dtls import DtlsAssociation, DtlsError, PeerFingerprint

OURS, THEIRS = DtlsCertificate.new(), DtlsCertificate.new()
NOBODYS = PeerFingerprint("sha-256", bytes(32))


def of(certificate: DtlsCertificate) -> PeerFingerprint:
    return PeerFingerprint("sha-256", certificate.fingerprint)


def pair(
    client_expects: Sequence[PeerFingerprint] = (of(THEIRS),), server_expects: Sequence[PeerFingerprint] = (of(OURS),)
) -> tuple[DtlsAssociation, DtlsAssociation]:
    client = DtlsAssociation(OURS, client_expects, active=True)
    return client, DtlsAssociation(THEIRS, server_expects, active=False)


def shake_hands(
    client: DtlsAssociation, server: DtlsAssociation, lost: Callable[[int], bool] = lambda _number: False
) -> tuple[SrtpParameters | None, SrtpParameters | None]:
    """The keys of both after a whole handshake, of which the datagrams with these numbers do not arrive."""
    return exchange(client, server, [(server, datagram) for datagram in client.start()], lost)


def exchange(
    client: DtlsAssociation,
    server: DtlsAssociation,
    waiting: list[tuple[DtlsAssociation, bytes]],
    lost: Callable[[int], bool] = lambda _number: False,
) -> tuple[SrtpParameters | None, SrtpParameters | None]:
    """The keys that came about when these datagrams and all that follow of them have gone to and fro."""
    keys: dict[DtlsAssociation, SrtpParameters | None] = {client: None, server: None}
    number = 0
    while waiting:
        to, datagram = waiting.pop(0)
        number += 1
        assert len(datagram) <= 1200
        if lost(number):
            continue
        sent, made = to.receive(datagram)
        keys[to] = keys[to] or made
        back = client if to is server else server
        waiting += [(back, one) for one in sent]
    return keys[client], keys[server]


def test_both_sides_have_the_keys_of_the_other() -> None:
    client, server = shake_hands(*pair())
    assert client is not None
    assert server is not None
    assert client.suite == server.suite == "AEAD_AES_128_GCM"
    assert (client.send_key, client.receive_key) == (server.receive_key, server.send_key)
    assert client.send_key != client.receive_key


@pytest.mark.parametrize("left", [[b"SRTP_AES128_CM_SHA1_80"], [b"SRTP_AEAD_AES_256_GCM"]])
def test_the_suite_is_one_that_both_have(monkeypatch: pytest.MonkeyPatch, left: list[bytes]) -> None:
    server = pair()[1]
    monkeypatch.setattr(dtls, "_PROFILES", {name: dtls._PROFILES[name] for name in left})
    client, served = shake_hands(pair()[0], server)
    assert client is not None
    assert served is not None
    assert client.suite == dtls._PROFILES[left[0]].suite
    assert client.send_key == served.receive_key


def test_what_was_lost_is_sent_again() -> None:
    made = [(number, *pair()) for number in range(1, 5)]
    for number, client, server in made:
        client_keys, _ = shake_hands(client, server, lambda place, lost=number: place == lost)
        assert client_keys is None, "one of the four flights is missing"
    time.sleep(max(side.timeout or 0 for _, *sides in made for side in sides))
    for _, client, server in made:
        again = [(server, datagram) for datagram in client.expired()]
        again += [(client, datagram) for datagram in server.expired()]
        assert again
        keys, _ = exchange(client, server, again)
        assert keys is not None


@pytest.mark.parametrize("liar", ["client", "server"])
def test_another_certificate_than_announced_ends_the_handshake(liar: str) -> None:
    client, server = pair(*(((NOBODYS,), (of(OURS),)) if liar == "server" else ((of(THEIRS),), (NOBODYS,))))
    with pytest.raises(DtlsError, match="not the one of its SDP"):
        shake_hands(client, server)
    deceived, other = (client, server) if liar == "server" else (server, client)
    (alert,) = deceived.last_words()
    with pytest.raises(DtlsError, match="DTLS: "):
        other.receive(alert)


def test_the_strongest_hash_counts() -> None:
    octets = THEIRS.certificate.public_bytes(Encoding.DER)
    weak, strong = (
        PeerFingerprint(name, hashlib.new(name.replace("-", ""), octets).digest()) for name in ("sha-1", "sha-512")
    )
    assert all(shake_hands(*pair(client_expects=(weak, strong))))
    assert all(shake_hands(*pair(client_expects=(NOBODYS, of(THEIRS)))))
    for wrong in ((weak, NOBODYS), (PeerFingerprint("md5", bytes(16)),), ()):
        with pytest.raises(DtlsError, match="not the one of its SDP"):
            shake_hands(*pair(client_expects=wrong))


def test_garbage_is_no_handshake_and_ends_none() -> None:
    client, server = pair()
    for data in (b"\x16", b"\x16\xfe\xfd" + bytes(10), b"\x14" * 64, b"\x16\xfe\xfd" + b"\xff" * 100):
        assert server.receive(data) == ([], None)
    assert all(shake_hands(client, server))
    assert client.receive(b"\x17" * 40) == ([], None)


def test_the_end_is_told_once_there_were_keys() -> None:
    client, server = pair()
    assert client.close() == []
    client, server = pair()
    assert all(shake_hands(client, server))
    (farewell,) = client.close()
    assert server.receive(farewell)[1] is None


def test_the_certificate_of_the_process_stays() -> None:
    assert our_certificate() is our_certificate()
    assert len(our_certificate().fingerprint) == 32
