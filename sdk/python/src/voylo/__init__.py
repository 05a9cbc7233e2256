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
    VoyloTimeoutError,
)
from voylo.generated import models
from voylo.generated.builders import VoyloResponse
from voylo.pagination import AsyncItems, Items, Page, Pagination
from voylo.requests import SESSION, RequestOptions
from voylo.unset import UNSET
from voylo.voyloml.element import VoyloMLError
from voylo.webhooks import SIGNATURE_HEADER, verify_signature

Voylo = VoyloClient
AsyncVoylo = AsyncVoyloClient

__all__ = [
    "SESSION",
    "SIGNATURE_HEADER",
    "UNSET",
    "AsyncItems",
    "AsyncVoylo",
    "AsyncVoyloClient",
    "BadRequestError",
    "ConflictError",
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
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnsupportedMediaTypeError",
    "Voylo",
    "VoyloAnswerError",
    "VoyloApiError",
    "VoyloClient",
    "VoyloConfigurationError",
    "VoyloError",
    "VoyloMLError",
    "VoyloNetworkError",
    "VoyloResponse",
    "VoyloTimeoutError",
    "models",
    "verify_signature",
]
