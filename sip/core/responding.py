"""Composes and sends responses: final ones that are remembered, refusals that are not, and short ones to strangers (RFC
3261 §8.2.6, §8.2.7)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence

from sip.core.config import UserAgentConfig
from sip.core.inspection import ALLOW, SUPPORTED
from sip.core.routing import response_endpoint
from sip.core.statistics import Statistics
from sip.endpoint import Endpoint
from sip.headers import Headers
from sip.message import Request, Response, response_to
from sip.model import has_tag
from sip.transaction.layer import TransactionLayer
from sip.transaction.transaction import ServerTransaction, ServerUser

AMPLIFICATION = 1.5
"""Bytes of an answer that nobody authenticated for, by bytes of the request: above it, what is not vital is left
out."""

# What such an answer can do without, in the order in which it goes.
_DISPENSABLE = ("Server", "Accept-Encoding", "Allow-Events", "Supported", "Accept", "Allow")


class Responses:
    """What a user agent core answers with."""

    def __init__(self, config: UserAgentConfig, layer: TransactionLayer, statistics: Statistics) -> None:
        self.config = config
        self.layer = layer
        self.statistics = statistics
        self.allow = ALLOW
        self._in_all = Headers((("Server", config.user_agent),))
        self.may_answer: Callable[[Response, str], bool] = lambda _response, _host: True
        self._tag_key = secrets.token_bytes(32)

    @property
    def allow(self) -> str:
        """The methods that we say we know, as Allow has them."""
        return self._allow

    @allow.setter
    def allow(self, methods: str) -> None:
        self._allow = methods
        supported = (("Supported", SUPPORTED),) if SUPPORTED else ()
        self._in_dialogs = Headers((("Allow", methods), *supported))

    def stateless_tag(self, request: Request) -> str:
        """A To tag that is the same for each copy of a request, and that nobody else can compute (§8.2.7)."""
        values = (request.headers.get(name) or "" for name in ("Call-ID", "From", "CSeq", "Via"))
        return hashlib.blake2b("\n".join(values).encode(), digest_size=8, key=self._tag_key).hexdigest()

    def response(
        self,
        request: Request,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        contact: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> Response:
        """A response with what §8.2.6 asks for. With `contact`, what makes or keeps a dialog is added (§12.1.1,
        §13.3.1.4)."""
        if to_tag is None and not has_tag(request):
            to_tag = self.stateless_tag(request)
        response = response_to(request, status, reason, to_tag=to_tag)
        fields = response.headers
        if contact is not None:
            fields.add("Contact", contact)
            fields.extend(self._in_dialogs)
        for name, value in headers:
            fields.add(name, value)
        fields.extend(self._in_all)
        return response

    def serve(
        self, request: Request, source: Endpoint, local: Endpoint, user: ServerUser | None = None
    ) -> ServerTransaction:
        """Start the server transaction of a request."""
        return self.layer.serve_request(request, response_endpoint(request.top_via, source), local, user)

    def reply(
        self,
        request: Request,
        source: Endpoint,
        local: Endpoint,
        status: int,
        *,
        to_tag: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer a request finally, and remember the answer for its retransmissions."""
        self.serve(request, source, local).respond(self.response(request, status, to_tag=to_tag, headers=headers))

    def refuse(
        self,
        request: Request,
        source: Endpoint,
        local: Endpoint,
        status: int,
        reason: str | None = None,
        *,
        size: int,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer with an error and forget (§8.2.7): a retransmission is refused again in the same words."""
        self.statistics.refused += 1
        self.answer_unasked(request, source, local, status, reason, size=size, headers=headers)

    def answer_unasked(
        self,
        request: Request,
        source: Endpoint,
        local: Endpoint,
        status: int,
        reason: str | None = None,
        *,
        size: int,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer a request of `size` bytes without a transaction, to where its top Via says."""
        response = self.response(request, status, reason, headers=headers)
        self.send_unasked(response, size, response_endpoint(request.top_via, source), local)

    def send_unasked(self, response: Response, size: int, remote: Endpoint, local: Endpoint) -> None:
        """Send a response without a transaction, shortened to stay near the `size` of its request in bytes.

        The source of a datagram may be forged: whoever it names must not be sent much more than we were. What cannot
        be made short enough is not sent.
        """
        if not self.may_answer(response, remote.host):
            return
        data = bytes(response)
        for name in _DISPENSABLE:
            if remote.reliable or len(data) <= AMPLIFICATION * size:
                break
            if name in response.headers and not (name == "Allow" and response.status == 405):
                response.headers.remove(name)
                data = bytes(response)
        if not remote.reliable and len(data) > AMPLIFICATION * size:
            for name in ("WWW-Authenticate", "Proxy-Authenticate"):
                challenges = response.headers.get_all(name)
                if len(challenges) > 1:
                    response.headers.set(name, challenges[0])
                    data = bytes(response)
            if len(data) > AMPLIFICATION * size:
                self.statistics.withheld += 1
                return
        self.layer.transmit_stateless(data, remote, local)
