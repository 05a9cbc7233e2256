"""Names of the API for names of Python: `application_id` is `applicationId`, `from_` is `from`."""

from __future__ import annotations


def camel(name: str) -> str:
    """The member of a Python name."""
    first, *others = name.removesuffix("_").split("_")
    return first + "".join(other[:1].upper() + other[1:] for other in others)


def pascal(name: str) -> str:
    """The name of a parameter of an action request: `call_sid` is `CallSid`."""
    lower = camel(name)
    return lower[:1].upper() + lower[1:]
