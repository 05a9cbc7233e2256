"""The webhook of a payment provider, turned into the settling of a top-up: between the provider and the engine.

The provider is told the top-up's id by `billing.payment_page`, and names it when it has the money. What it sends is
signed, as with most providers: `X-Signature` is the HMAC-SHA256 of the body under a secret that both know. A provider
repeats what gets no 2xx; the engine settles a top-up once, however often it is asked.

    PAYMENT_SECRET=… VOYLO_ADMIN_TOKEN=… VOYLO_API_URL=http://127.0.0.1:8080 python examples/payments/webhook.py
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ENGINE = os.environ.get("VOYLO_API_URL", "http://127.0.0.1:8080")
ADMIN_TOKEN = os.environ.get("VOYLO_ADMIN_TOKEN", "")
SECRET = os.environ.get("PAYMENT_SECRET", "").encode()
PORT = int(os.environ.get("PORT", "8090"))
BODY_BYTES = 65_536


def settle(topup: str, reference: str) -> int:
    """Tell the engine that the money is there; the status of its answer."""
    request = urllib.request.Request(
        f"{ENGINE}/v1/admin/topups/{topup}/settle",
        json.dumps({"reference": reference}).encode(),
        {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 503


class Webhook(BaseHTTPRequestHandler):
    """`POST` with `{"event": "payment.succeeded", "payment": "pay_1", "topup": "<id>"}`."""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= BODY_BYTES:
            self.answer(413)
            return
        body = self.rfile.read(length)
        expected = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), (self.headers.get("X-Signature") or "").encode()):
            self.answer(401)
            return
        told = json.loads(body)
        # Anything else that the provider tells is taken note of, or it would be told again.
        self.answer(settle(told["topup"], told["payment"]) if told["event"] == "payment.succeeded" else 200)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    if not (SECRET and ADMIN_TOKEN):
        sys.exit("PAYMENT_SECRET and VOYLO_ADMIN_TOKEN are not set")
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Webhook)
    sys.stdout.write(f"ready http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
