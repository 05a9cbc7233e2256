"""Listening on the loopback wire: what the engine sent to one RTP port, as the program that owns it received it."""

from __future__ import annotations

import asyncio
import socket
import struct
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from tests.support.tones import decode_ulaw

PACKET_OUTGOING = 4
ETH_P_IP = 0x0800


class WireEar:
    """Collects the RTP packets sent to a UDP port of 127.0.0.1, by a raw socket on the loopback device."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.packets: dict[int, bytes] = {}

    def __enter__(self) -> WireEar:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("lo", ETH_P_IP))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        while True:
            try:
                packet, address = self._socket.recvfrom(4096)
            except BlockingIOError:
                return
            if address[2] == PACKET_OUTGOING or packet[9] != socket.IPPROTO_UDP:
                continue
            header = (packet[0] & 0x0F) * 4
            if struct.unpack_from("!H", packet, header + 2)[0] != self.port:
                continue
            rtp = packet[header + 8 :]
            if len(rtp) > 12 and rtp[0] == 0x80 and rtp[1] & 0x7F == 0:
                self.packets[struct.unpack_from("!I", rtp, 4)[0]] = rtp[12:]

    def heard(self) -> NDArray[np.int16]:
        """The µ-law audio in the order of its timestamps, as int16 at 8 kHz."""
        stamps = sorted(self.packets)
        return decode_ulaw(b"".join(self.packets[stamp] for stamp in stamps))
