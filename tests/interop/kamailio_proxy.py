"""kamailio as the registrar and proxy in front: configured by a text, without a database; what it saw is in its log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "correct-horse"

CONFIG = """\
#!KAMAILIO
debug=2
log_stderror=yes
children=1
tcp_children=1
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
alias="lab.test"
mpath="{modules}/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("auth", "algorithm", "{algorithm}")
modparam("auth", "qop", "auth")
modparam("auth", "nonce_count", 1)

request_route {{
  xlog("L_NOTICE", "seen $rm $rU $proto:$sp $(hdr(Route)[*])\\n");
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{ t_relay(); exit; }}
    if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
    sl_send_reply("404", "Not here");
    exit;
  }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (is_method("REGISTER")) {{
    if (!pv_www_authenticate("lab.test", "{password}", "0")) {{ www_challenge("lab.test", "1"); exit; }}
    if (save("location")) xlog("L_NOTICE", "bound $tU\\n");
    exit;
  }}
  if (is_method("INVITE") && {challenges}) {{
    if (!pv_proxy_authenticate("lab.test", "{password}", "0")) {{ proxy_challenge("lab.test", "1"); exit; }}
    consume_credentials();
  }}
  record_route();
  if ($rU =~ "^[+0-9]+$") {{
    $du = "{engine}";
  }} else if (!lookup("location")) {{
    sl_send_reply("404", "Not Found");
    exit;
  }}
  t_relay();
}}
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that reached the proxy; `source` is transport and port, `routes` counts its Route values."""

    method: str
    user: str
    source: str
    routes: int


class Kamailio:
    """A running kamailio; digits are sent on to the engine, names to where they are registered."""

    def __init__(self, port: int, process: asyncio.subprocess.Process, log: Path) -> None:
        self.sip = ("127.0.0.1", port)
        self._process = process
        self._log = log

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.sip[0]}:{self.sip[1]}"

    def seen(self, method: str) -> list[Seen]:
        """The requests with this method, in the order in which they came; ACKs for refusals are among them."""
        lines = re.findall(r"seen (\S+) (\S+) (\S+) (.*)", self._log.read_text())
        return [
            Seen(found, user, source, routes.count("<sip:")) for found, user, source, routes in lines if found == method
        ]

    async def bound(self, user: str, count: int = 1, seconds: float = 10.0) -> None:
        """Waits until REGISTERs of this user were accepted so many times: phones report theirs only to whoever is
        there already."""
        async with asyncio.timeout(seconds):
            while self._log.read_text().count(f"bound {user}\n") < count:
                await asyncio.sleep(0.02)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Halts the proxy with all its processes, so that what is sent meanwhile arrives together."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)


def _modules() -> Path:
    """Where Debian puts them, which depends on the processor."""
    (folder,) = [*Path("/usr/lib").glob("*/kamailio/modules"), *Path("/usr/lib").glob("kamailio/modules")][:1]
    return folder


@contextlib.asynccontextmanager
async def kamailio(
    program: str,
    folder: Path,
    port: Callable[[], int],
    *,
    engine: tuple[str, int] | None = None,
    algorithm: str = "MD5",
    challenges_calls: bool = False,
) -> AsyncIterator[Kamailio]:
    """A kamailio whose every user has PASSWORD; it asks for it in REGISTER, and in calls where `challenges_calls`."""
    folder.mkdir()
    listening = port()
    host, engine_port = engine or ("127.0.0.1", 9)
    (folder / "kamailio.cfg").write_text(
        CONFIG.format(
            port=listening,
            modules=_modules(),
            algorithm=algorithm,
            password=PASSWORD,
            challenges="true" if challenges_calls else "false",
            engine=f"sip:{host}:{engine_port}",
        )
    )
    log = folder / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            program, "-DD", "-E", "-f", str(folder / "kamailio.cfg"), "-Y", str(folder), "-m", "32", "-M", "4",
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        await _listens(process, log, listening)
        yield Kamailio(listening, process, log)
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _listens(process: asyncio.subprocess.Process, log: Path, port: int) -> None:
    """Waits until kamailio takes connections, which it does after its UDP socket is open."""
    async with asyncio.timeout(15):
        while True:
            assert process.returncode is None, log.read_text()[-3000:]
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
