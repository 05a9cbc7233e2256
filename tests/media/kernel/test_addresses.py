"""Socket addresses as words and as text."""

from __future__ import annotations

import socket

import pytest

from media.kernel.addresses import address_text, address_words
from media.kernel.ports import PortPool
from tests.media.support import Desk, Kernel

EXAMPLES = [("127.0.0.1", 5004), ("255.255.255.254", 65_535), ("0.0.0.0", 0), ("2001:db8::ffff", 1), ("::1", 65_535)]


@pytest.mark.parametrize("address", EXAMPLES)
def test_text_reads_back(address: tuple[str, int]) -> None:
    assert address_text(*address_words(*address)) == address


@pytest.mark.parametrize(
    "address", [("example.com", 1), ("127.0.0.1", 65_536), ("127.0.0.1", -1), ("", 1), ("1.2.3", 1)]
)
def test_what_is_no_address_is_a_value_error(address: tuple[str, int]) -> None:
    with pytest.raises(ValueError):
        address_words(*address)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_words_are_those_the_system_uses(kernel: Kernel, host: str) -> None:
    desk = Desk(kernel)
    near, other = PortPool(41_000, 41_400).bind(host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    far = socket.socket(family, socket.SOCK_DGRAM)
    far.bind((host, 0))
    far.sendto(b"x", near.getsockname())
    assert kernel.receive.receive_batch(desk.core, near.fileno()) == 1
    words = desk.core["names"][0].tolist()
    expected = address_words(host, far.getsockname()[1])
    if family == socket.AF_INET6:
        words[0] &= 0xFFFFFFFF
        assert tuple(words[:3]) == expected
    else:
        assert words[0] == expected[0]
    for sock in (near, other, far):
        sock.close()
    desk.close()
