"""Responses whose connection is gone, and addresses that could not be reached (RFC 3261 §18.2.2, §18.1.1)."""

from __future__ import annotations

import asyncio

from sip import Answered, IncomingCall, RemoteHangup, UserAgent, UserAgentConfig
from tests.sip.parties import Addresses, party, read_response, until
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


class TestRequestsOfADialog:
    async def test_each_address_of_the_name_in_contact_is_tried(self) -> None:
        """RFC 3263 §4.3."""
        dns = Addresses(peer=["127.0.0.9", "127.0.0.1"])  # nobody listens on the first
        listening = {"tcp": (("127.0.0.1", 0),)}
        async with (
            party(advertised_address="peer", **listening) as callee,
            party(dns=dns, **listening) as caller,
        ):
            call = caller.place(callee.uri("tcp"))
            assert (await caller.wait(Answered)).response.contacts[0].uri.host == "peer"
            await until(lambda: callee.calls[0].state.value == "confirmed")
            assert caller.agent._sockets is not None
            caller.agent._sockets.connections.close()
            await until(lambda: callee.agent.connections == 0)
            call.hangup()
            await callee.wait(RemoteHangup)
            assert caller.agent.statistics.send_errors == 1
