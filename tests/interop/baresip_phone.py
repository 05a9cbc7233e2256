"""baresip as a phone: configured in a folder of its own, driven over its control port, its ears in a WAV file."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:{sip}
audio_player aubridge,{name}
audio_source aufile,{tone}
audio_alert aubridge,{name}alert
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_telev_pt 101
rtp_ports {rtp}-{rtp_end}
jitter_buffer_delay 1-5
net_interface 127.0.0.1
snd_path {folder}
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""
REGISTERING = (
    "<sip:{user}@{registrar};transport={transport}>;auth_user={user};auth_pass={password};regint=600;"
    "audio_codecs={codec}/8000/1;ptime=20\n"
)
ACCOUNT = "<sip:{user}@127.0.0.1>;auth_user={user};auth_pass={password};regint=0;audio_codecs={codec}/8000/1;ptime=20\n"


class BaresipPhone:
    """A running baresip. `events` collects what it reports, newest last."""

    def __init__(self, folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self._reader = reader
        self._writer = writer
        self._changed = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    async def command(self, command: str, params: str = "") -> None:
        """One command, such as `dial`, `sndcode` or `hangup`."""
        text = json.dumps({"command": command, "params": params}).encode()
        self._writer.write(b"%d:%b," % (len(text), text))
        await self._writer.drain()

    async def wait_for(self, kind: str, seconds: float = 15.0) -> dict[str, Any]:
        """The first event of this type."""
        async with asyncio.timeout(seconds):
            while True:
                for event in self.events:
                    if event.get("type") == kind:
                        return event
                self._changed.clear()
                await self._changed.wait()

    def heard(self) -> Path:
        """The WAV file with what the phone heard; complete once the call is closed."""
        files = sorted(self.folder.glob("dump-*-dec.wav"))
        assert files, "baresip recorded nothing"
        return files[-1]

    async def _listen(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int((await self._reader.readuntil(b":"))[:-1])
                message = json.loads(await self._reader.readexactly(length))
                await self._reader.readexactly(1)
                self.events.append(message)
                self._changed.set()

    async def close(self) -> None:
        self._listening.cancel()
        self._writer.close()


@contextlib.asynccontextmanager
async def baresip(
    program: str,
    folder: Path,
    port: Callable[[], int],
    tone: Path,
    *,
    user: str = "anna",
    password: str = "none",
    codec: str = "PCMU",
    registrar: str | None = None,
    transport: str = "udp",
    media_encryption: str | None = None,
) -> AsyncIterator[BaresipPhone]:
    """A baresip that sends the sound of `tone` (8 kHz mono WAV) in its calls, and registers with `registrar`, host and
    port, where there is one. `media_encryption` is a mode of its srtp module, such as `srtp-mand`."""
    folder.mkdir()
    control, rtp = port(), port()
    (folder / "config").write_text(
        CONFIG.format(sip=port(), control=control, rtp=rtp, rtp_end=rtp + 40, name=user, tone=tone, folder=folder)
    )
    account = ACCOUNT if registrar is None else REGISTERING
    if media_encryption is not None:
        with (folder / "config").open("a") as config:
            config.write("module srtp.so\n")
        account = account.replace("\n", f";mediaenc={media_encryption}\n")
    (folder / "accounts").write_text(
        account.format(user=user, password=password, codec=codec, registrar=registrar, transport=transport)
    )
    (folder / "contacts").write_text("")
    process = await asyncio.create_subprocess_exec(
        program,
        "-f",
        str(folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    phone = None
    try:
        phone = BaresipPhone(folder, *await _connect(control))
        yield phone
    finally:
        if phone is not None:
            await phone.command("quit")
            await phone.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(15):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
