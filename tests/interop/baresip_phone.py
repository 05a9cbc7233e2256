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
    "audio_codecs={codec};ptime=20;answermode={answers}\n"
)
ACCOUNT = (
    "<sip:{user}@127.0.0.1>;auth_user={user};auth_pass={password};regint=0;"
    "audio_codecs={codec};ptime=20;answermode={answers}\n"
)
# What an account calls a codec, and the module that has it.
CODECS = {
    "PCMU": ("PCMU/8000/1", "g711"),
    "PCMA": ("PCMA/8000/1", "g711"),
    "G722": ("G722/16000/1", "g722"),
    "opus": ("opus/48000/2", "opus"),
}
# The module of each way to have keys.
ENCRYPTION = {"srtp": "srtp", "srtp-mand": "srtp", "dtls_srtp": "dtls_srtp"}
RTP_PORTS = 40
QUIT_SECONDS = 2.0  # it unregisters in that time; a bridge player that was made twice keeps it from ending at all


class BaresipPhone:
    """A running baresip. `events` collects what it reports, newest last."""

    def __init__(self, folder: Path, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.folder = folder
        self.sip = ("127.0.0.1", port)
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

    async def wait_for(self, kind: str, seconds: float = 15.0, *, count: int = 1) -> dict[str, Any]:
        """The `count`-th event of this type."""
        try:
            async with asyncio.timeout(seconds):
                while len(found := self.all(kind)) < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"no {kind}: {self.events}") from None
        return found[count - 1]

    async def dial(self, target: str) -> None:
        """Calls a SIP URI."""
        await self.command("dial", target)

    async def hang_up(self) -> None:
        """Ends the call."""
        await self.command("hangup")

    async def press(self, key: str) -> None:
        """Presses a key, which is sent by RFC 4733."""
        await self.command("sndcode", key)

    async def hold(self) -> None:
        """Puts the other side on hold."""
        await self.command("hold")

    async def resume(self) -> None:
        """Takes it back."""
        await self.command("resume")

    async def transfer(self, target: str) -> None:
        """Asks the other side to call `target` instead (blind transfer)."""
        await self.command("transfer", target)

    async def gets_key(self, key: str) -> None:
        """Waits for a key that the other side presses."""
        assert (await self.wait_for("CALL_DTMF_START"))["param"] == key

    def all(self, kind: str) -> list[dict[str, Any]]:
        """The events of this type so far."""
        return [event for event in self.events if event.get("type") == kind]

    def heard(self) -> Path:
        """The WAV file with what the phone heard, up to the first re-INVITE: the bridge player that is made anew then
        writes no more. Complete once the call is closed."""
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
    answers: str = "manual",
    media_encryption: str | None = None,
) -> AsyncIterator[BaresipPhone]:
    """A baresip that sends the sound of `tone` (8 kHz mono WAV) in its calls, and registers with `registrar`, host and
    port, where there is one. `answers` is `auto` for one that picks up by itself, `media_encryption` one of
    ENCRYPTION."""
    folder.mkdir()
    control, sip, rtp = port(), port(), port()
    for _ in range(
        RTP_PORTS // 4
    ):  # ports are given in ascending order, every fourth: no other phone gets one of these
        port()
    (folder / "config").write_text(
        CONFIG.format(sip=sip, control=control, rtp=rtp, rtp_end=rtp + RTP_PORTS, name=user, tone=tone, folder=folder)
    )
    account = ACCOUNT if registrar is None else REGISTERING
    named, module = CODECS[codec]
    with (folder / "config").open("a") as config:
        config.write(f"module {module}.so\n")
        if media_encryption is not None:
            config.write(f"module {ENCRYPTION[media_encryption]}.so\n")
            config.write("rtcp_mux yes\n" if media_encryption == "dtls_srtp" else "")
            account = account.replace("\n", f";mediaenc={media_encryption}\n")
    (folder / "accounts").write_text(
        account.format(
            user=user, password=password, codec=named, registrar=registrar, transport=transport, answers=answers
        )
    )
    (folder / "contacts").write_text("")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, "-f", str(folder), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
    phone = None
    try:
        phone = BaresipPhone(folder, sip, *await _connect(control))
        yield phone
    finally:
        if phone is not None:
            await phone.command("quit")
            await phone.close()
        try:
            async with asyncio.timeout(QUIT_SECONDS):
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
