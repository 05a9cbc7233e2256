"""SIP over WebSocket as a script in a page speaks it (RFC 7118), written by hand: registers, calls, and is called."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

DOMAIN = "127.0.0.1"


@dataclass(frozen=True)
class Message:
    """One SIP message: the first line, the header lines in order, the body."""

    first: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @classmethod
    def parse(cls, text: str) -> Message:
        head, _, body = text.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return cls(first, tuple((name.strip().lower(), value.strip()) for name, _, value in pairs), body)

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.headers if found == name]

    def one(self, name: str) -> str:
        return self.all(name)[0]

    @property
    def status(self) -> int:
        """The status of a response, 0 for a request."""
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        return self.one("cseq").split()[1]


@dataclass
class Dialog:
    """One call: what goes into every request of it, and what came in it."""

    call_id: str
    local: str
    remote: str
    target: str
    routes: list[str] = field(default_factory=list)
    sequence: int = 1
    invite: Message | None = None
    messages: list[Message] = field(default_factory=list)


class WebSocketPhone:
    """A registered user agent on one connection."""

    def __init__(self, connection: ClientConnection, user: str, password: str) -> None:
        self._connection = connection
        self._user = user
        self._password = password
        self._host = f"{secrets.token_hex(6)}.invalid"
        self._dialogs: dict[str, Dialog] = {}
        self.invites: list[Dialog] = []
        self._changed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @property
    def contact(self) -> str:
        return f"sip:{self._user}@{self._host};transport=ws"

    async def _read(self) -> None:
        try:
            async for text in self._connection:
                await self._take(Message.parse(text if isinstance(text, str) else text.decode()))
        except ConnectionClosed:
            return

    async def _take(self, message: Message) -> None:
        call_id = message.one("call-id")
        if not message.status and message.method == "INVITE" and call_id not in self._dialogs:
            routes = message.all("record-route")
            target = re.search(r"<([^>]+)>", message.one("contact"))
            assert target is not None
            dialog = Dialog(
                call_id,
                f"{message.one('to')};tag={secrets.token_hex(4)}",
                message.one("from"),
                target[1],
                routes,
                invite=message,
            )
            self._dialogs[call_id] = dialog
            self.invites.append(dialog)
        elif not message.status and message.method in {"BYE", "CANCEL"}:
            await self.respond(message, 200, "OK")
        if call_id in self._dialogs:
            self._dialogs[call_id].messages.append(message)
        self._changed.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def _request(self, dialog: Dialog, method: str, lines: Sequence[str] = (), body: str = "") -> None:
        head = [
            f"{method} {dialog.target} SIP/2.0",
            f"Via: SIP/2.0/WSS {self._host};branch=z9hG4bK{secrets.token_hex(6)}",
            "Max-Forwards: 70",
            *(f"Route: {route}" for route in dialog.routes),
            f"From: {dialog.local}",
            f"To: {dialog.remote}",
            f"Call-ID: {dialog.call_id}",
            f"CSeq: {dialog.sequence} {method}",
            f"Contact: <{self.contact}>",
            *lines,
        ]
        await self._write(head, body)

    async def respond(self, request: Message, status: int, reason: str, body: str = "") -> None:
        """A response to a request of the engine, in its dialog where it has one."""
        dialog = self._dialogs.get(request.one("call-id"))
        to = dialog.local if dialog is not None and ";tag=" not in request.one("to") else request.one("to")
        head = [
            f"SIP/2.0 {status} {reason}",
            *(f"Via: {via}" for via in request.all("via")),
            *(f"Record-Route: {route}" for route in request.all("record-route")),
            f"From: {request.one('from')}",
            f"To: {to}",
            f"Call-ID: {request.one('call-id')}",
            f"CSeq: {request.one('cseq')}",
            f"Contact: <{self.contact}>",
        ]
        await self._write(head, body)

    async def _write(self, head: list[str], body: str) -> None:
        if body:
            head.append("Content-Type: application/sdp")
        head.append(f"Content-Length: {len(body.encode())}")
        await self._connection.send("\r\n".join(head) + "\r\n\r\n" + body)

    def _dialog(self, target: str, remote: str) -> Dialog:
        local = f"<sip:{self._user}@{DOMAIN}>;tag={secrets.token_hex(4)}"
        dialog = Dialog(secrets.token_hex(8), local, f"<{remote}>", target)
        self._dialogs[dialog.call_id] = dialog
        return dialog

    async def _final(self, dialog: Dialog, method: str, seconds: float = 10.0) -> Message:
        def found() -> Message | None:
            of_this = [m for m in dialog.messages if m.status >= 200 and m.one("cseq") == f"{dialog.sequence} {method}"]
            return of_this[0] if of_this else None

        await self.until(lambda: found() is not None, seconds)
        message = found()
        assert message is not None
        return message

    def _authorization(self, challenge: Message, method: str, uri: str) -> str:
        name = {401: "authorization", 407: "proxy-authorization"}[challenge.status]
        offered = challenge.all("www-authenticate") + challenge.all("proxy-authenticate")
        text = next(one for one in offered if "algorithm=MD5" in one or "algorithm" not in one)
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', text))

        def digest(value: str) -> str:
            return hashlib.md5(value.encode()).hexdigest()

        nonce, cnonce = fields["nonce"], secrets.token_hex(4)
        secret = digest(f"{self._user}:{fields['realm']}:{self._password}")
        response = digest(f"{secret}:{nonce}:00000001:{cnonce}:auth:{digest(f'{method}:{uri}')}")
        return (
            f'{name}: Digest username="{self._user}", realm="{fields["realm"]}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="{cnonce}"'
        )

    async def _authenticated(self, dialog: Dialog, method: str, lines: Sequence[str] = (), body: str = "") -> Message:
        await self._request(dialog, method, lines, body)
        final = await self._final(dialog, method)
        if final.status in {401, 407}:
            if method == "INVITE":
                await self._acknowledge(dialog, final)
            dialog.sequence += 1
            await self._request(dialog, method, [*lines, self._authorization(final, method, dialog.target)], body)
            final = await self._final(dialog, method)
        return final

    async def register(self) -> None:
        """Registers; asserts that it is taken."""
        dialog = self._dialog(f"sip:{DOMAIN}", f"sip:{self._user}@{DOMAIN}")
        final = await self._authenticated(dialog, "REGISTER", ["Expires: 600", "Supported: path, outbound"])
        assert final.status == 200, final

    async def call(self, to: str, offer: str) -> tuple[Dialog, Message]:
        """Calls a user of the engine; returns when it has answered or refused, acknowledged either way."""
        dialog = self._dialog(f"sip:{to}@{DOMAIN}", f"sip:{to}@{DOMAIN}")
        final = await self._authenticated(dialog, "INVITE", body=offer)
        await self._acknowledge(dialog, final)
        return dialog, final

    async def reinvite(self, dialog: Dialog, offer: str) -> Message:
        """A re-INVITE with this offer; what came of it."""
        dialog.sequence += 1
        await self._request(dialog, "INVITE", body=offer)
        final = await self._final(dialog, "INVITE")
        await self._acknowledge(dialog, final)
        return final

    async def _acknowledge(self, dialog: Dialog, final: Message) -> None:
        if final.status < 300:
            dialog.remote = final.one("to")
            target = re.search(r"<([^>]+)>", final.one("contact"))
            assert target is not None
            dialog.target, dialog.routes = target[1], final.all("record-route")[::-1]
            await self._request(dialog, "ACK")
            return
        refused = Dialog(dialog.call_id, dialog.local, final.one("to"), dialog.target, sequence=dialog.sequence)
        await self._request(refused, "ACK")

    async def hang_up(self, dialog: Dialog) -> None:
        """Sends BYE and waits for its answer."""
        dialog.sequence += 1
        await self._request(dialog, "BYE")
        await self._final(dialog, "BYE")

    async def called(self, seconds: float = 10.0) -> Dialog:
        """The newest call of the engine to this phone."""
        await self.until(lambda: bool(self.invites), seconds)
        return self.invites[-1]

    async def hung_up(self, dialog: Dialog, seconds: float = 10.0) -> None:
        """Waits for the engine's BYE."""
        await self.until(lambda: any(not m.status and m.method == "BYE" for m in dialog.messages), seconds)

    async def close(self) -> None:
        self._reading.cancel()
        await self._connection.close()


@asynccontextmanager
async def websocket_phone(port: int, user: str, password: str, authority: Path) -> AsyncIterator[WebSocketPhone]:
    """A phone on a connection to the engine's secure WebSocket listener, whose certificate `authority` has signed."""
    trust = ssl.create_default_context(cafile=authority)
    async with connect(f"wss://localhost:{port}/", ssl=trust, subprotocols=[Subprotocol("sip")]) as connection:
        phone = WebSocketPhone(connection, user, password)
        try:
            yield phone
        finally:
            await phone.close()
