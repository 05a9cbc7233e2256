"""Asks for a PIN, three times at most. A WSGI application without dependencies; `python app.py` serves it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import make_server

PIN = "4711"
TRIES = 3

ASK = """<Response>
  <Gather numDigits="4" timeout="6" finishOnKey="#" actionOnEmptyResult="true" action="/check?try={number}">
    <Say>{words}</Say>
  </Gather>
</Response>"""
WELCOME = "<Response><Say>Your balance is ninety pounds.</Say></Response>"
LOCKED = "<Response><Say>That was wrong too often. Good bye.</Say><Hangup/></Response>"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers each request of a call with the next document."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    parameters = parse_qs(environ["wsgi.input"].read(length).decode())
    number = int(parse_qs(environ["QUERY_STRING"]).get("try", ["1"])[0])
    document = ASK.format(number=number, words="Please enter your PIN.")
    if environ["PATH_INFO"] == "/check":
        if hmac.compare_digest(parameters.get("Digits", [""])[0], PIN):
            document = WELCOME
        elif number >= TRIES:
            document = LOCKED
        else:
            document = ASK.format(number=number + 1, words="That was not right. Please try again.")
    start_response("200 OK", [("Content-Type", "application/xml")])
    return [document.encode()]


if __name__ == "__main__":
    make_server("127.0.0.1", 8000, application).serve_forever()
