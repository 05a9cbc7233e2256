"""The bodies and query parameters of the API as pydantic models, which validate, serialise and document them."""
