"""linphonec as a phone: configured in a folder of its own, driven over its standard input, its ears in a WAV file."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

CONFIG = """\
[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
default_proxy={proxy}
guess_hostname=0
root_ca={authority}
verify_server_certs=1
verify_server_cn=1
media_encryption=none
keepalive_period=0
use_ipv6=0
[net]
firewall_policy=0
auto_net_state_mon=0
[rtp]
bind_address=127.0.0.1
audio_rtp_port={rtp}
audio_adaptive_jitt_comp_enabled=0
audio_jitt_comp=60
[sound]
ec=0
[video]
enabled=0
capture=0
display=0
automatically_initiate=0
"""
ACCOUNT = """\
[proxy_0]
reg_proxy=<sip:{registrar};transport={transport}>
reg_identity=sip:{user}@{domain}
reg_expires=600
reg_sendregister=1
publish=0
[auth_info_0]
username={user}
passwd={password}
"""


# Payload types by name, rate and channels; those that a file does not name are switched on.
CODECS = ("opus/48000/2", "speex/16000/1", "speex/8000/1", "PCMU/8000/1", "PCMA/8000/1", "G722/8000/1", "GSM/8000/1")


class LinphonePhone:
    """A running linphonec. `text` is what it printed so far."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, sip: tuple[str, int]) -> None:
        self.text = ""
        self.sip = sip
        self.folder = folder
        self._process = process
        self._changed = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    async def command(self, command: str) -> None:
        """One line as somebody would type it: `call sip:…`, `pause 1`, a key alone."""
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        await self._process.stdin.drain()

    async def wait_for(self, words: str, seconds: float = 15.0, *, count: int = 1) -> None:
        """Waits until these words were printed so many times."""
        try:
            async with asyncio.timeout(seconds):
                while self.text.count(words) < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not said by linphonec: {words}\n{self.text}") from None

    async def dial(self, target: str) -> None:
        """Calls a SIP URI."""
        await self.command(f"call {target}")

    async def hang_up(self) -> None:
        """Ends the call."""
        await self.command("terminate")

    async def press(self, key: str) -> None:
        """Presses a key, which is sent by RFC 4733."""
        await self.command(key)

    async def hold(self) -> None:
        """Puts the other side on hold."""
        await self.command("pause")

    async def resume(self) -> None:
        """Takes it back."""
        await self.command("resume")

    async def transfer(self, target: str) -> None:
        """Asks the other side to call `target` instead (blind transfer)."""
        await self.command(f"transfer {target}")

    async def gets_key(self, key: str) -> None:
        """Waits for a key that the other side presses."""
        await self.wait_for(f"Receiving tone {key} ")

    def heard(self) -> Path:
        """The WAV file with what the phone heard; complete once it has quit."""
        return self.folder / "heard.wav"

    async def quit(self) -> None:
        """Ends it, which completes the recording of what it heard."""
        if self._process.returncode is None:
            with contextlib.suppress(ConnectionError):
                await self.command("quit")
        await self._listening
        await self._process.wait()

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while chunk := await self._process.stdout.read(4096):
            self.text += chunk.decode(errors="replace")
            self._changed.set()


@contextlib.asynccontextmanager
async def linphone(
    program: str,
    folder: Path,
    port: Callable[[], int],
    tone: Path,
    *,
    user: str = "carol",
    password: str = "none",
    registrar: str | None = None,
    transport: str = "udp",
    domain: str = "127.0.0.1",
    authority: Path | None = None,
    answers: bool = False,
    codec: str | None = None,
) -> AsyncIterator[LinphonePhone]:
    """A linphonec that sends the sound of `tone` (8 kHz mono WAV) in its calls, and registers with `registrar`, host
    and port, where there is one. It trusts the certificates of `authority`. With `answers` it picks up by itself;
    `codec` is one of CODECS, which it speaks alone."""
    home = folder / "home"
    (home / ".local/share/linphone").mkdir(parents=True)
    sip, rtp = port(), port()
    text = CONFIG.format(
        udp=sip,
        tcp=-2 if transport == "tcp" else 0,
        tls=-2 if transport == "tls" else 0,
        proxy=0 if registrar else -1,
        authority=authority or "",
        rtp=rtp,
    )
    if registrar is not None:
        text += ACCOUNT.format(registrar=registrar, transport=transport, user=user, domain=domain, password=password)
    for place, known in enumerate(CODECS if codec is not None else ()):
        mime, rate, channels = known.split("/")
        enabled = int(known == codec)
        text += f"[audio_codec_{place}]\nmime={mime}\nrate={rate}\nchannels={channels}\nenabled={enabled}\n"
    config = folder / "linphonerc"
    config.write_text(text)
    process = await asyncio.create_subprocess_exec(
        program, "-c", str(config), *(["-a"] if answers else []),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "HOME": str(home)},
    )  # fmt: skip
    phone = LinphonePhone(process, folder, ("127.0.0.1", sip))
    try:
        await phone.wait_for("linphonec>")
        for line in ("soundcard use files", f"play {tone}", f"record {phone.heard()}"):
            await phone.command(line)
        yield phone
    finally:
        try:
            async with asyncio.timeout(8):
                await phone.quit()
        except TimeoutError:
            process.kill()
            await process.wait()
            await phone.quit()
