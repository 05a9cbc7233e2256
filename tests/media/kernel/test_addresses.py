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


def test_the_words_are_those_the_system_uses_whatever_came_before(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    for host in ("127.0.0.1", "::1", "127.0.0.1"):
        near, other = PortPool(41_000, 41_400).bind(host)
        far = socket.socket(near.family, socket.SOCK_DGRAM)
        far.bind((host, 0))
        far.sendto(b"x", near.getsockname())
        desk.sock["rtp_fd"] = near.fileno()
        kernel.receive.receive_tick(desk.sessions, desk.row, desk.sock, desk.core)
        words = desk.core["names"][0].tolist()
        expected = address_words(host, far.getsockname()[1])
        if near.family == socket.AF_INET6:
            # The flow label is no part of the address.
            words[0] &= 0xFFFFFFFF
            assert tuple(words[:3]) == expected
        else:
            assert words[0] == expected[0]
        for sock in (near, other, far):
            sock.close()
    desk.close()
