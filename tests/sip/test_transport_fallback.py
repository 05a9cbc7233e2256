"""Responses whose connection is gone, and addresses that could not be reached (RFC 3261 §18.2.2, §18.1.1)."""

from __future__ import annotations

import asyncio

from sip import IncomingCall, UserAgent, UserAgentConfig
from tests.sip.parties import read_response, until
from tests.sip.support import invite


class TestResponses:
    """§18.2.2."""

    async def test_one_whose_connection_is_gone_goes_to_the_port_of_sent_by(self) -> None:
        calls: list[IncomingCall] = []
        responses: asyncio.Queue[int] = asyncio.Queue()
        ended = asyncio.Event()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            responses.put_nowait((await read_response(reader)).status)
            await ended.wait()
            writer.close()

        agent = UserAgent(UserAgentConfig(udp=(), tcp=(("127.0.0.1", 0),)), calls.append)
        await agent.start()
        listener = await asyncio.start_server(listen, "127.0.0.1", 0)
        try:
            port = listener.sockets[0].getsockname()[1]
            _reader, writer = await asyncio.open_connection(*agent.bound["tcp"][0])
            # another host in sent-by is not believed: the address is that of the connection
            writer.write(invite(via=f"192.0.2.99:{port}").replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP"))
            await until(lambda: bool(calls))
            writer.close()
            await until(lambda: agent.connections == 0)
            calls[0].reject(486)
            async with asyncio.timeout(10):
                assert await responses.get() == 486
            assert agent.connections == 1
        finally:
            ended.set()
            listener.close()
            await agent.close()
