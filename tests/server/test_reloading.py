"""SIGHUP to a running `voylo serve`."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from pathlib import Path

from tests.sip.test_transport_tls import shown
from tests.support.certificates import make_certificates
from tests.support.process import voylo_serve


async def test_sighup_shows_a_renewed_certificate_and_a_broken_one_is_logged(tmp_path: Path) -> None:
    used, renewed = (make_certificates(tmp_path / name, "localhost") for name in ("used", "renewed"))
    changes = {
        "VOYLO_SIP__TLS": "127.0.0.1:0",
        "VOYLO_SIP__TLS_CERT": str(used.certificate),
        "VOYLO_SIP__TLS_KEY": str(used.key),
    }
    async with voylo_serve(tmp_path / "data", **changes) as engine:
        host, _, port = json.loads(engine.lines[-1])["sip"]["tls"].rpartition(":")
        address = host, int(port)
        before = await shown(address)
        for after, name in ((renewed.certificate, used.certificate), (renewed.key, used.key)):
            shutil.copy(after, name)
        engine.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            while (latest := await shown(address)) == before:
                await asyncio.sleep(0.02)
        used.key.write_text("no key")
        engine.process.send_signal(signal.SIGHUP)
        log = tmp_path / "data.log"
        async with asyncio.timeout(10):
            while "tls.not_reloaded" not in log.read_text() + "".join(engine.lines):
                await asyncio.sleep(0.02)
        assert await shown(address) == latest
        assert engine.process.returncode is None
