"""Asks the application for its next document: request, signature, redirects, retry, fallbacks (contract §11.2–11.5).

What a document says is the interpreter's business; how bytes travel is the `HttpExchange`'s, which also keeps
requests off addresses that must not be called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urljoin, urlsplit

from voyloml import signature
from voyloml.attribute_types import is_absolute
from voyloml.control import ApplicationScript, CallFacts
from voyloml.document import Document
from voyloml.errors import Code, DocumentError
from voyloml.exchange import HttpExchange, HttpFailure, HttpReply, HttpRequest
from voyloml.form import encode_form
from voyloml.limits import LanguageLimits
from voyloml.parser import parse_document
from voyloml.variables import as_text, substitute

USER_AGENT: Final = "Voylo/1.0"
HTTP_REDIRECTS: Final = 3
RETRY_SECONDS: Final = 0.25
LOGGED_BODY_BYTES: Final = 2048
LOCATION_CHARS: Final = 8192
MISSING_KEYS_LOGGED: Final = 50
REMEMBERED_TEMPLATES: Final = 256
REMEMBERED_CHARS: Final = 16_384
"""A fixed template up to this length is parsed once and its document shared by the calls; documents never change."""

_EMPTY_DOCUMENT = b"<Response/>"
_ACCEPT = "application/xml, text/xml;q=0.9, */*;q=0.5"
_RETRIED_FAILURES = frozenset({"connect", "dns", "timeout", "protocol"})
_PORTS = {"http": 80, "https": 443}

_parse_once = lru_cache(REMEMBERED_TEMPLATES)(parse_document)

Log = Callable[[str, Mapping[str, object]], None]
Parameters = Iterable[tuple[str, str]]


class DocumentUnavailable(Exception):
    """No usable document could be had (contract §11.5); the message says why."""


@dataclass(frozen=True, slots=True)
class Page:
    """A document and where it came from.

    `url` is its own, after redirects; None for a template and for XML given directly. `base_url` is what relative
    URLs in it resolve against, if there is anything.
    """

    document: Document
    url: str | None
    base_url: str | None

    def resolve(self, reference: str) -> str:
        """The absolute URL of `reference`. Raises DocumentUnavailable when it is relative and there is no base."""
        if is_absolute(reference):
            return reference
        if self.base_url is None:
            raise DocumentUnavailable(f"{reference!r} is relative, and the document has no URL it could be relative to")
        try:
            return urljoin(self.base_url, reference)
        except ValueError:
            raise DocumentUnavailable(f"{reference!r} is not a URL") from None


class _AttemptFailed(Exception):
    """One attempt gave no document."""

    def __init__(self, message: str, *, again: bool, reply: HttpReply | None = None) -> None:
        super().__init__(message)
        self.again = again
        self.reply = reply


class Documents:
    """The documents of one call. Remembers which origins refuse POST; keeps nothing else between requests.

    `clock` gives unix seconds, for signatures.
    """

    def __init__(
        self,
        facts: CallFacts,
        script: ApplicationScript,
        exchange: HttpExchange,
        log: Log,
        limits: LanguageLimits,
        clock: Callable[[], float],
    ) -> None:
        self._facts = facts
        self._script = script
        self._exchange = exchange
        self._log = log
        self._limits = limits
        self._clock = clock
        self._own_origin = _origin(script.action_url) if script.action_url is not None else None
        self._refusing_post: set[tuple[str, str, int]] = set()

    async def first(self) -> Page:
        """The document a call starts with: from the action URL, else from the template. Raises DocumentUnavailable."""
        script = self._script
        if script.action_url is None:
            if script.xml_template is None:
                raise DocumentUnavailable("the application has neither an action URL nor a template")
            return self._template(script.xml_template)
        try:
            return await self.fetch(script.action_url, "POST", "start")
        except DocumentUnavailable as error:
            if script.xml_template is None:
                raise
            self._log("template_fallback", {"reason": str(error)})
            return self._template(script.xml_template)

    def given(self, xml: str) -> Page:
        """A document handed over directly, such as by live call control. Raises DocumentError."""
        return Page(parse_document(xml, self._limits), None, self._script.action_url)

    async def fetch(self, url: str, method: str, step: str, parameters: Parameters = ()) -> Page:
        """Requests the absolute `url` and parses what comes back; one retry as contract §11.4 has it.

        `parameters` are those of the verb. Raises DocumentUnavailable.
        """
        form = encode_form(self.form(step, parameters))
        attempts = 1 + self._limits.action_retries
        for attempt in range(1, attempts + 1):
            began = asyncio.get_running_loop().time()
            try:
                reply, final_url = await self._attempt(url, method, form)
                document = self._document(reply)
            except _AttemptFailed as error:
                retrying = error.again and attempt < attempts
                self._log("document_failed", self._failure(url, method, step, began, error, retrying=retrying))
                if not retrying:
                    raise DocumentUnavailable(f"{url}: {error}") from None
                await asyncio.sleep(RETRY_SECONDS)
                continue
            entry = {"url": url, "method": method, "step": step, "status": reply.status, "ms": _since(began)}
            if final_url != url:
                entry["finalUrl"] = final_url
            self._log("document", entry)
            return Page(document, final_url, final_url)
        raise AssertionError("the last attempt returns or raises")

    def _template(self, template: str) -> Page:
        facts = self._facts
        built_in = {"CallSid": facts.call_sid, "From": facts.from_, "To": facts.to, "Direction": facts.direction}
        try:
            filled = substitute(template, {**built_in, **facts.variables}, self._limits)
            # A template without placeholders is the same document for every call.
            fixed = filled.text is template and len(template) <= REMEMBERED_CHARS
            document = (_parse_once if fixed else parse_document)(filled.text, self._limits)
        except DocumentError as error:
            raise DocumentUnavailable(f"template: {error}") from None
        for key in filled.missing[:MISSING_KEYS_LOGGED]:
            message = f"no variable is named {key!r}: it becomes the empty string"
            self._log("warning", {"code": Code.UNKNOWN_VARIABLE.value, "message": message})
        return Page(document, None, self._script.action_url)

    def form(self, step: str, parameters: Parameters = ()) -> list[tuple[str, str]]:
        """What a request tells about the call as it is (contract §11.2)."""
        facts = self._facts
        form = [
            ("CallSid", facts.call_sid),
            ("From", facts.from_),
            ("To", facts.to),
            ("Direction", facts.direction),
            ("CallStatus", facts.status()),
            ("CallUuid", facts.call_uuid),
            ("ApplicationId", facts.application_id),
            ("WorkspaceId", facts.workspace_id),
            ("Step", step),
        ]
        if facts.forwarded_from is not None:
            form.append(("ForwardedFrom", facts.forwarded_from))
        parameters = tuple(parameters)
        if facts.answered_by is not None and all(name != "AnsweredBy" for name, _ in parameters):
            form.append(("AnsweredBy", facts.answered_by))
        form.extend(parameters)
        form.extend((f"var_{key}", as_text(value) or "") for key, value in facts.variables.items())
        return form

    async def _attempt(self, url: str, method: str, form: str) -> tuple[HttpReply, str]:
        """The first response that is neither a redirect nor a refusal of POST, and the URL it came from."""
        deadline = asyncio.get_running_loop().time() + self._limits.action_seconds
        if method == "POST" and _origin(url) in self._refusing_post:
            method = "GET"
        redirects = 0
        while True:
            reply = await self._hop(url, method, form, deadline)
            if method == "POST" and reply.status in {405, 501}:
                self._refusing_post.add(_origin(url))
                method = "GET"
                continue
            if reply.status not in {301, 302, 303, 307, 308}:
                return reply, url
            redirects += 1
            if redirects > HTTP_REDIRECTS:
                raise _AttemptFailed(f"more than {HTTP_REDIRECTS} redirects", again=False, reply=reply)
            url = _location(url, reply)
            if method == "GET" or reply.status in {301, 302, 303}:
                method, form = "GET", ""

    async def _hop(self, url: str, method: str, form: str, deadline: float) -> HttpReply:
        remaining = deadline - asyncio.get_running_loop().time()
        if remaining <= 0:
            raise _AttemptFailed(f"no document within {self._limits.action_seconds:g} s", again=True)
        body = form.encode() if method == "POST" else b""
        request = HttpRequest(
            method=method,
            url=url if method == "POST" else with_query(url, form),
            headers=self._headers(url, method, body),
            body=body,
            connect_timeout=min(self._limits.action_connect_seconds, remaining),
            total_timeout=remaining,
            max_bytes=self._limits.document_bytes,
        )
        try:
            async with asyncio.timeout_at(deadline):
                return await self._exchange(request)
        except HttpFailure as error:
            raise _AttemptFailed(error.message, again=error.kind in _RETRIED_FAILURES) from None
        except TimeoutError:
            raise _AttemptFailed(f"no document within {self._limits.action_seconds:g} s", again=True) from None

    def _headers(self, url: str, method: str, body: bytes) -> dict[str, str]:
        headers = {"User-Agent": USER_AGENT, "Accept": _ACCEPT}
        if _origin(url) == self._own_origin:
            own = self._script.action_url_headers
            replaced = {name.lower() for name in own}
            headers = {name: value for name, value in headers.items() if name.lower() not in replaced} | dict(own)
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        secret = self._script.signing_secret
        if secret is not None:
            headers[signature.HEADER] = signature.sign(secret, body, int(self._clock()))
        return headers

    def _document(self, reply: HttpReply) -> Document:
        if not 200 <= reply.status < 300:
            raise _AttemptFailed(f"answered with status {reply.status}", again=reply.status >= 500, reply=reply)
        try:
            return parse_document(reply.body if reply.body.strip() else _EMPTY_DOCUMENT, self._limits)
        except DocumentError as error:
            raise _AttemptFailed(str(error), again=False, reply=reply) from None

    @staticmethod
    def _failure(
        url: str, method: str, step: str, began: float, error: _AttemptFailed, *, retrying: bool
    ) -> dict[str, object]:
        reply = error.reply
        return {
            "url": url,
            "method": method,
            "step": step,
            "status": None if reply is None else reply.status,
            "ms": _since(began),
            "error": str(error),
            "retrying": retrying,
            "body": "" if reply is None else reply.body[:LOGGED_BODY_BYTES].decode(errors="replace"),
        }


def _since(began: float) -> int:
    return round((asyncio.get_running_loop().time() - began) * 1000)


def _origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port; equal for URLs of the same origin."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        # No host can be made of it, so it shares its origin with nothing but itself.
        return "", url, 0


def with_query(url: str, form: str) -> str:
    """The URL with an encoded form added to its query, without its fragment."""
    url = url.partition("#")[0]
    if not form:
        return url
    return f"{url}{'&' if '?' in url else '?'}{form}"


def _location(url: str, reply: HttpReply) -> str:
    location = reply.headers.get("location", "").strip()
    if not location:
        raise _AttemptFailed(f"status {reply.status} without a Location", again=False, reply=reply)
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        valid = parts.scheme in _PORTS and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        valid = False
    if not valid or len(target) > LOCATION_CHARS:
        raise _AttemptFailed("redirected to something that is no http or https URL", again=False, reply=reply)
    return target
