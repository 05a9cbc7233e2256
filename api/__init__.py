"""The HTTP API under `/v1`: it checks what comes in, calls the engine, and shapes what goes out.

Each resource is one file of operations; the same table routes requests, validates them and makes the OpenAPI document.
"""

from api.app import create_app
from api.services import ApiServices

__all__ = ["ApiServices", "create_app"]
