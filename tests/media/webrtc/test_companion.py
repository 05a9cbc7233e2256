"""What arrives at a port with a companion goes to the one that it is for (RFC 7983)."""

from __future__ import annotations

import select
import socket

import pytest

from media.webrtc.companion import open_companion


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_stun_and_dtls_go_to_the_companion_and_all_else_stays(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as rtp, socket.socket(family, socket.SOCK_DGRAM) as far:
        rtp.bind((host, 0))
        far.bind((host, 0))
        with open_companion(rtp) as companion:
            assert companion.getsockname() == rtp.getsockname()
            for octet in (*range(256), None):
                far.sendto(b"" if octet is None else bytes([octet, 1, 2]), rtp.getsockname())
            assert [data[0] for data in everything(companion)] == list(range(64))
            assert [data[:1] for data in everything(rtp)] == [*(bytes([octet]) for octet in range(64, 256)), b""]
            companion.sendto(b"from the same port", far.getsockname())
            assert far.recvfrom(100)[1][:2] == rtp.getsockname()[:2]
        # the port is the RTP socket's alone again
        far.sendto(b"\x16", rtp.getsockname())
        assert everything(rtp) == [b"\x16"]


def everything(sock: socket.socket) -> list[bytes]:
    """All that has arrived."""
    found = []
    while select.select([sock], [], [], 0.2)[0]:
        found.append(sock.recv(100))
    return found


def test_a_port_that_has_gone_has_no_companion() -> None:
    rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rtp.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        open_companion(rtp)
