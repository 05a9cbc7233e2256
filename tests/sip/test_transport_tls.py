"""A certificate that is renewed while the user agent runs."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest

from sip import Answered, OfferAnswered, RemoteHangup, SipUri, TlsConfig
from sip.endpoint import Endpoint
from tests.sip.parties import ME, party
from tests.sip.support import OFFER
from tests.support.certificates import Certificates, make_certificates


async def shown(address: tuple[str, int]) -> bytes:
    """The certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _reader, writer = await asyncio.open_connection(*address, ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    assert isinstance(certificate, bytes)
    return certificate


def renew(old: Certificates, new: Certificates) -> None:
    """Put new files in the place of old ones, as a renewal does."""
    for before, after in ((old.certificate, new.certificate), (old.key, new.key), (old.authority, new.authority)):
        shutil.copy(after, before)


@pytest.mark.parametrize("transport", ["tls", "wss"])
async def test_new_connections_are_shown_the_new_certificate(transport: str, tmp_path: Path) -> None:
    used, renewed = (make_certificates(tmp_path / name, "localhost") for name in ("used", "renewed"))
    async with party(**{transport: (("127.0.0.1", 0),)}, tls_files=TlsConfig(used.certificate, used.key)) as served:
        before = await shown(served.address(transport))
        renew(used, renewed)
        assert await shown(served.address(transport)) == before
        served.agent.reload_certificates()
        assert await shown(served.address(transport)) != before


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_the_name_that_is_called_is_said_before_the_certificate_is_shown(host: str, tmp_path: Path) -> None:
    files = make_certificates(tmp_path, "localhost", "carrier.example")
    asked: list[str | None] = []
    async with (
        party(tls=((host, 0),), tls_files=TlsConfig(files.certificate, files.key)) as callee,
        party(udp=((host, 0),), tls_files=TlsConfig(authorities=files.authority)) as caller,
    ):
        assert callee.agent._sockets is not None
        (listener,) = callee.agent._sockets._streams
        assert listener.context is not None
        listener.context.sni_callback = lambda _connection, name, _context: asked.append(name)
        for name in ("localhost", "carrier.example", None):  # RFC 6066 §3: an address is no name
            caller.agent.place_call(
                SipUri("sips", "+15550100", host=name or host, port=callee.address("tls")[1]),
                from_=ME,
                body=OFFER,
                next_hop=Endpoint("tls", *callee.address("tls"), name),
                on_event=caller.events.put_nowait,
            )
            await caller.wait(Answered)
        assert asked == ["localhost", "carrier.example", None]


async def test_calls_go_on_and_new_ones_trust_the_new_authority(tmp_path: Path) -> None:
    used, renewed = (make_certificates(tmp_path / name, "localhost") for name in ("used", "renewed"))
    files = TlsConfig(used.certificate, used.key, used.authority)
    async with (
        party(tls=(("127.0.0.1", 0),), tls_files=files) as callee,
        party(tls=(("127.0.0.1", 0),), tls_files=files) as caller,
    ):
        call = caller.place(callee.uri("tls"))
        await caller.wait(Answered)
        renew(used, renewed)
        for one in (callee, caller):
            one.agent.reload_certificates()
        call.reinvite(OFFER)
        await caller.wait(OfferAnswered)
        call.hangup()
        await callee.wait(RemoteHangup)
        assert (caller.agent.connections, callee.agent.connections) == (1, 1)
        assert caller.agent._sockets is not None
        caller.agent._sockets.connections.close()
        caller.place(callee.uri("tls"))
        await caller.wait(Answered)


async def test_files_that_cannot_be_used_change_nothing(tmp_path: Path) -> None:
    used, other = (make_certificates(tmp_path / name, "localhost") for name in ("used", "other"))
    files = TlsConfig(used.certificate, used.key)
    async with party(tls=(("127.0.0.1", 0),), tls_files=files) as served:
        before = await shown(served.address("tls"))
        shutil.copy(other.certificate, used.certificate)  # not yet the key that belongs to it
        with pytest.raises(OSError, match=r"sip\.tls_cert"):
            served.agent.reload_certificates()
        assert await shown(served.address("tls")) == before


async def test_without_tls_there_is_nothing_to_reload() -> None:
    async with party(udp=(("127.0.0.1", 0),)) as served:
        served.agent.reload_certificates()
