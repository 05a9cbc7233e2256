"""MESSAGE (RFC 3428): handed to the application where it wants such messages, refused where it does not."""

from __future__ import annotations

from dataclasses import dataclass

from sip.core.call import Call
from sip.endpoint import Endpoint
from sip.message import Request


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A MESSAGE, answered 200 already. `call` is the call in whose dialog it came, if any.

    Nobody has authenticated the sender of one that comes outside a call; `request` has what there is to judge by.
    """

    request: Request
    source: Endpoint
    call: Call | None = None

    @property
    def content_type(self) -> str | None:
        """The media type of the body, in lower case and without parameters."""
        return self.request.content_type

    @property
    def body(self) -> bytes:
        """What was said."""
        return self.request.body
