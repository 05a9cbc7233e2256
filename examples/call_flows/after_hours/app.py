"""Routes calls by the hour: the front desk by day, a choice between a message and the doctor on duty by night.

A WSGI application without dependencies; `python app.py` serves it at http://127.0.0.1:8000/route.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import make_server

OPENS, CLOSES = time(9), time(17)

DAY = """<Response>
  <Dial timeout="20" action="/dialled"><Number>+20223456789</Number></Dial>
</Response>"""
NIGHT = """<Response>
  <Gather numDigits="1" validDigits="12" action="/night">
    <Say>We are closed. To leave a message press 1, in an emergency press 2.</Say>
  </Gather>
</Response>"""
MESSAGE = """<Response>
  <Say>Please speak after the tone.</Say>
  <Record maxLength="60" timeout="3"/>
</Response>"""
EMERGENCY = """<Response>
  <Dial timeout="15" strategy="sequential" action="/dialled">
    <Number>+201001234567</Number>
    <Number>+201007654321</Number>
  </Dial>
</Response>"""
NOBODY = "<Response><Say>Nobody can be reached. Please call again, or dial 123.</Say></Response>"
DONE = "<Response><Hangup/></Response>"


def now() -> datetime:
    """The time that counts."""
    return datetime.now(UTC)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers each request of a call with the next document."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    parameters = parse_qs(environ["wsgi.input"].read(length).decode())
    if environ["PATH_INFO"] == "/night":
        document = EMERGENCY if parameters.get("Digits") == ["2"] else MESSAGE
    elif environ["PATH_INFO"] == "/dialled":
        document = DONE if parameters.get("DialStatus") == ["completed"] else NOBODY
    else:
        document = DAY if OPENS <= now().time() < CLOSES else NIGHT
    start_response("200 OK", [("Content-Type", "application/xml")])
    return [document.encode()]


if __name__ == "__main__":
    make_server("127.0.0.1", 8000, application).serve_forever()
