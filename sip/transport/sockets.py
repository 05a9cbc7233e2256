"""Every socket of one user agent: its listeners, the connections that came or were made, and the sending over them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from sip.core.config import UserAgentConfig
from sip.endpoint import Endpoint
from sip.transaction.layer import Datagram
from sip.transport.connection import Connection, Connections, Receiver, StreamConnection
from sip.transport.listener import Listener
from sip.transport.streams import Connector
from sip.transport.tls import client_context, server_context
from sip.transport.udp import Gather, UdpCounters, UdpListener
from sip.transport.websocket import WebSocketConnection


class Sockets:
    """Create it inside a running event loop, `open` it, `close` it in the end.

    `receive` takes each message, `gather` calls what gives it several datagrams at once, `on_lost` the two ends of a
    connection that has ended, `on_failure` a datagram that waited for a connection which cannot be had.
    """

    def __init__(
        self,
        config: UserAgentConfig,
        receive: Receiver,
        gather: Gather,
        on_lost: Callable[[Endpoint, Endpoint], None],
        on_failure: Callable[[Datagram, str], None],
    ) -> None:
        self.listening: list[Endpoint] = []
        self.connections = Connections(asyncio.get_running_loop(), on_lost)
        self._config = config
        self._receive = receive
        self._gather = gather
        self._udp: dict[Endpoint, UdpListener] = {}
        self._streams: list[Listener] = []
        self._connector = Connector(self.connections, config.limits, receive, self._outgoing_context, on_failure)
        self._client_context: ssl.SSLContext | None = None

    @property
    def udp_counters(self) -> tuple[UdpCounters, ...]:
        """Counters of the UDP sockets, in the order of the listeners."""
        return tuple(listener.counters for listener in self._udp.values())

    async def open(self) -> None:
        """Bind every listener; raises OSError that names the address when one cannot be bound, with none left open."""
        try:
            for host, port in self._config.udp:
                listener = UdpListener(self.connections.loop, host, port, self._receive, self._gather)
                self._udp[listener.local] = listener
                self.listening.append(listener.local)
            self._open_streams()
        except OSError:
            await self.close()
            raise

    def _open_streams(self) -> None:
        config = self._config
        context = server_context(config.tls_files) if config.tls or config.wss else None
        for transport, addresses in (("tcp", config.tcp), ("tls", config.tls), ("ws", config.ws), ("wss", config.wss)):
            make = self._make_stream if transport in {"tcp", "tls"} else self._make_websocket
            secure = context if transport in {"tls", "wss"} else None
            for address in addresses:
                listener = Listener(self.connections, transport, address, make, secure)
                self._streams.append(listener)
                self.listening.append(listener.local)

    def _make_stream(self, local: Endpoint, source: str) -> Connection:
        return StreamConnection(self.connections, local, self._config.limits, self._receive, source=source)

    def _make_websocket(self, local: Endpoint, source: str) -> Connection:
        return WebSocketConnection(self.connections, local, self._config.limits, self._receive, source=source)

    def reload_certificates(self) -> None:
        """Read the files of TLS again, for the connections to come; those that are there keep what they have.

        Raises OSError that names the file, with nothing changed, when one cannot be used.
        """
        secure = [listener for listener in self._streams if listener.context is not None]
        ours = server_context(self._config.tls_files) if secure else None
        theirs = client_context(self._config.tls_files) if self._client_context is not None else None
        for listener in secure:
            listener.context = ours
        self._client_context = theirs

    def is_connected(self, remote: Endpoint) -> bool:
        """Whether there is a connection to this end."""
        return self.connections.find(remote) is not None

    def send(self, datagram: Datagram) -> None:
        """Send to a numeric address. Raises OSError or OverflowError when that is impossible at once."""
        if datagram.remote.reliable:
            self._connector.send(datagram)
            return
        listener = self._udp.get(datagram.local)
        if listener is None:
            raise OSError("the listener is closed")
        listener.send(datagram.data, datagram.remote)

    def _outgoing_context(self) -> ssl.SSLContext:
        if self._client_context is None:
            self._client_context = client_context(self._config.tls_files)
        return self._client_context

    async def close(self) -> None:
        """Give the ports back and end every connection."""
        await self._connector.close()
        for stream in self._streams:
            await stream.close()
        self.connections.close()
        for listener in self._udp.values():
            listener.close()
        self._streams.clear()
        self._udp.clear()
        self.listening.clear()
