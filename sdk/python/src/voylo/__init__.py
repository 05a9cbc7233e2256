"""Client of the Voylo telephony API, with a builder for VoyloML.

`VoyloClient` and `AsyncVoyloClient` have a method for each operation; `VoyloResponse` builds call flows;
`verify_signature` checks webhooks. `voylo.models` has the bodies of requests and answers.
"""

from voylo.client import AsyncVoyloClient, VoyloClient
from voylo.errors import (
    BadRequestError,
    ConflictError,
    FieldError,
    ForbiddenError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    PaymentRequiredError,
    ServerError,
    TooManyRequestsError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
    VoyloAnswerError,
    VoyloApiError,
    VoyloConfigurationError,
    VoyloError,
    VoyloNetworkError,
    VoyloReceivedError,
    VoyloSignatureError,
    VoyloTimeoutError,
)
from voylo.generated import events, models
from voylo.generated.actions import ActionRequest
from voylo.generated.builders import VoyloResponse
from voylo.pagination import AsyncItems, Items, Page, Pagination
from voylo.received import Event, UnknownEvent, parse_action, parse_event, receive_action, receive_event
from voylo.requests import SESSION, RequestOptions
from voylo.unset import UNSET
from voylo.voyloml.escapes import VoyloMLError
from voylo.voyloml.speech import Speech
from voylo.webhooks import SIGNATURE_HEADER, verify_signature

Voylo = VoyloClient
AsyncVoylo = AsyncVoyloClient

__all__ = [
    "SESSION",
    "SIGNATURE_HEADER",
    "UNSET",
    "ActionRequest",
    "AsyncItems",
    "AsyncVoylo",
    "AsyncVoyloClient",
    "BadRequestError",
    "ConflictError",
    "Event",
    "FieldError",
    "ForbiddenError",
    "Items",
    "MethodNotAllowedError",
    "NotFoundError",
    "Page",
    "Pagination",
    "PayloadTooLargeError",
    "PaymentRequiredError",
    "RequestOptions",
    "ServerError",
    "Speech",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnknownEvent",
    "UnsupportedMediaTypeError",
    "Voylo",
    "VoyloAnswerError",
    "VoyloApiError",
    "VoyloClient",
    "VoyloConfigurationError",
    "VoyloError",
    "VoyloMLError",
    "VoyloNetworkError",
    "VoyloReceivedError",
    "VoyloResponse",
    "VoyloSignatureError",
    "VoyloTimeoutError",
    "events",
    "models",
    "parse_action",
    "parse_event",
    "receive_action",
    "receive_event",
    "verify_signature",
]
