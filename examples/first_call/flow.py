"""The call flow of docs/first-call.md: an action URL with nothing but Python's standard library.

It plays a tone of 440 Hz until a key is pressed, prints what was asked, answers the key with 880 Hz and hangs up.
Run it with `python examples/first_call/flow.py [PORT]`; it listens on 127.0.0.1:8800 unless told otherwise.
"""

from __future__ import annotations

import contextlib
import io
import math
import struct
import sys
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

MENU = """\
<Response>
  <Gather numDigits="1" timeout="10" action="/pressed">
    <Play loop="20">/tone-440.wav</Play>
  </Gather>
  <Hangup/>
</Response>
"""

PRESSED = """\
<Response>
  <Play loop="2">/tone-880.wav</Play>
  <Hangup/>
</Response>
"""


def tone(hertz: int, seconds: float = 1.0, rate: int = 8000) -> bytes:
    """A WAV file with a sine of this frequency, a fifth of full scale."""
    samples = (round(6500 * math.sin(2 * math.pi * hertz * n / rate)) for n in range(int(rate * seconds)))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()


class Flow(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """The engine asks for a document; the state of the call is a form in the body."""
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        asked = {name: form[name][0] for name in ("CallSid", "From", "To", "Step", "Digits") if name in form}
        print(self.path, asked, flush=True)
        self.send(PRESSED.encode() if self.path == "/pressed" else MENU.encode(), "application/xml")

    def do_GET(self) -> None:
        """The engine fetches a prompt."""
        name = self.path.removeprefix("/tone-").removesuffix(".wav")
        if not name.isdecimal() or not 20 <= int(name) <= 3400:
            self.send_error(404)
            return
        self.send(tone(int(name)), "audio/wav")

    def send(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Only what the engine asked is printed."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8800
    server = ThreadingHTTPServer(("127.0.0.1", port), Flow)
    print(f"flow on http://127.0.0.1:{server.server_port}/flow", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
