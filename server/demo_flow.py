"""The call flow of the demo: an action URL as a customer would write it, in forty lines of Starlette."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.embedded_http import EmbeddedHttpServer

MENU = """\
<Response>
  <Gather numDigits="1" timeout="6" action="choice">
    <Say>Welcome. You have reached the demo menu of your own telephone engine.
    Press 1 for the time. Press 2 to hear the number you are calling from.
    Press 3 to hear this menu again. Press 9 to hang up.</Say>
  </Gather>
  <Say>I did not hear a key. Good bye.</Say>
</Response>
"""


def spoken_digits(number: str) -> str:
    """A number read digit by digit."""
    return " ".join(character for character in number if character.isalnum())


def answer_to(key: str, caller: str, now: datetime) -> str:
    """The document for one key of the menu."""
    if key == "1":
        said = f"It is {now:%H} hours and {now.minute} minutes, universal time."
    elif key == "2":
        said = f"You are calling from {escape(spoken_digits(caller))}."
    elif key == "3":
        return '<Response><Redirect method="POST">menu</Redirect></Response>'
    elif key == "9":
        return "<Response><Say>Good bye.</Say><Hangup/></Response>"
    else:
        said = f"There is nothing behind key {escape(key)}."
    return f'<Response><Say>{said}</Say><Redirect method="POST">menu</Redirect></Response>'


async def menu(_: Request) -> Response:
    """The first document."""
    return Response(MENU, media_type="application/xml")


async def choice(request: Request) -> Response:
    """What the pressed key leads to; the digits come as a form."""
    form = parse_qs((await request.body()).decode())
    key, caller = form.get("Digits", [""])[0], form.get("From", [""])[0]
    return Response(answer_to(key, caller, datetime.now(UTC)), media_type="application/xml")


class DemoFlow:
    """Serves the demo's documents on a free loopback port."""

    def __init__(self) -> None:
        self._app = Starlette(
            routes=[Route("/menu", menu, methods=["POST"]), Route("/choice", choice, methods=["POST"])]
        )
        self._server: EmbeddedHttpServer | None = None

    async def start(self) -> str:
        """Starts serving; returns the action URL."""
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        self._server = EmbeddedHttpServer(self._app, sock)
        return f"http://127.0.0.1:{self._server.port}/menu"

    async def stop(self) -> None:
        """Stops serving."""
        if self._server is not None:
            await self._server.stop()
