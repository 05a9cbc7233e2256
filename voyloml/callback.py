"""The request of a status callback: a URL of a document is told something, and nothing is made of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from voyloml.documents import USER_AGENT, with_query
from voyloml.exchange import HttpRequest
from voyloml.form import encode_form
from voyloml.signature import HEADER, sign

CALLBACK_SECONDS: Final = 10.0
CALLBACK_BYTES: Final = 4096
"""Bytes of the answer that are read."""


def callback_request(
    url: str, form: Mapping[str, str], signing_secret: str | None, now: int, method: str = "POST"
) -> HttpRequest:
    """The request that tells `form`, with GET in the query; signed over its body at `now` in unix seconds, as every
    request of ours is (contract §11.2)."""
    encoded = encode_form(form.items())
    body = encoded.encode() if method == "POST" else b""
    headers = {"User-Agent": USER_AGENT}
    if method == "POST":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    else:
        url = with_query(url, encoded)
    if signing_secret is not None:
        headers[HEADER] = sign(signing_secret, body, now)
    return HttpRequest(method, url, headers, body, CALLBACK_SECONDS, CALLBACK_SECONDS, CALLBACK_BYTES)
