"""Looks at what calls of browsers need beside SIP over WebSocket: a port that the system divides."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from server.config import Config
from server.doctor.finding import Finding, fail, ok, warn


def check_browsers(config: Config) -> Iterator[Finding]:
    """Divide a UDP port as a browser's call does; nothing where no WebSocket is to listen."""
    if config.sip.ws is None and config.sip.wss is None:
        return
    from media.webrtc.companion import open_companion

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
        rtp.bind(("127.0.0.1", 0))
        try:
            open_companion(rtp).close()
        except OSError as error:
            reason = f"browsers have no audio: a UDP port cannot be divided into RTP and DTLS: {error.strerror}"
            yield fail("browsers", reason, "run on a Linux kernel that has SO_ATTACH_REUSEPORT_CBPF (4.5 or newer)")
            return
    if config.sip.wss is None:
        change = "set sip.wss, sip.tls_cert and sip.tls_key"
        yield warn("browsers", "only pages on this machine may use sip.ws and a microphone", change)
        return
    yield ok("browsers", "SIP over secure WebSocket, RTP and DTLS on one port")
