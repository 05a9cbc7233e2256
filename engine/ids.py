"""Identifiers and secrets in the formats of contract §1, from the system's random source.

Checks of identifiers that come from outside are here as well, so that the formats stand in one place.
"""

from __future__ import annotations

import re
import secrets
import string
import uuid
from typing import Final

KEY_PREFIX: Final = "vlx_live_"
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - a format, not a secret
WIDGET_PREFIX: Final = "voywt_"
SECRET_LENGTH: Final = 40
KEY_DISPLAY_LENGTH: Final = 13
"""Characters of an API key that are kept readable (contract §2)."""

_ALPHANUMERIC: Final = string.ascii_letters + string.digits
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_WORKSPACE: Final = re.compile(r"ws_[0-9a-f]{12}")
_PUBLIC_CALL: Final = re.compile(r"cl_[0-9a-f]{12}")
_API_KEY: Final = re.compile(r"vlx_live_[A-Za-z0-9]{40}")
_WIDGET_TOKEN: Final = re.compile(r"voywt_[A-Za-z0-9]{40}")


def new_uuid() -> str:
    """A random UUID (version 4), lower case with hyphens."""
    return str(uuid.uuid4())


def instance_urn(number_id: str) -> str:
    """As what a number is known to its carrier's registrar (RFC 5626 §4.1), always the same for the same number."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"voylo:number:{number_id}").urn


def new_call_id() -> tuple[str, str]:
    """Both identifiers of a call: the internal UUID and the public id `cl_` + 12 hex."""
    return str(uuid.uuid4()), "cl_" + secrets.token_hex(6)


def new_conference_id() -> str:
    """The id of a conference, `cf_` + 12 hex."""
    return "cf_" + secrets.token_hex(6)


def new_event_id() -> str:
    """The id of a domain event, `evt_` + 12 hex."""
    return "evt_" + secrets.token_hex(6)


def new_account_id() -> str:
    """The id of an account, `acc_` + 12 hex."""
    return "acc_" + secrets.token_hex(6)


def new_workspace_id() -> str:
    """The id of a workspace, `ws_` + 12 hex."""
    return "ws_" + secrets.token_hex(6)


def new_stream_id() -> str:
    """The id of a stream of a call's audio, `st_` + 12 hex."""
    return "st_" + secrets.token_hex(6)


def new_trunk_username() -> str:
    """The SIP username of an outbound trunk, `t_` + 12 hex."""
    return "t_" + secrets.token_hex(6)


def new_carrier_username() -> str:
    """The SIP username that a number's carrier is challenged for, `n_` + 12 hex."""
    return "n_" + secrets.token_hex(6)


def new_api_key() -> str:
    """A raw API key, `vlx_live_` + 40 letters and digits (238 random bits)."""
    return KEY_PREFIX + _random_text(SECRET_LENGTH)


def new_signing_secret() -> str:
    """A signing secret, `whsec_` + 40 letters and digits (238 random bits)."""
    return SECRET_PREFIX + _random_text(SECRET_LENGTH)


def new_session_token() -> str:
    """The token of a console session, 40 letters and digits (238 random bits)."""
    return _random_text(SECRET_LENGTH)


def new_widget_token() -> str:
    """The token of a widget session, `voywt_` + 40 letters and digits (238 random bits)."""
    return WIDGET_PREFIX + _random_text(SECRET_LENGTH)


def new_invitation_token() -> str:
    """The token that accepts an invitation, 40 letters and digits (238 random bits)."""
    return _random_text(SECRET_LENGTH)


def new_password(length: int = 20) -> str:
    """A generated password of `length` letters and digits; 20 of them are 119 random bits."""
    return _random_text(length)


def parse_uuid(text: str) -> str | None:
    """The UUID in its stored form (lower case), or None when `text` is not one. Any version is accepted."""
    return text.lower() if _UUID.fullmatch(text) else None


def is_workspace_id(text: str) -> bool:
    """Whether `text` has the form `ws_` + 12 lower-case hex."""
    return _WORKSPACE.fullmatch(text) is not None


def is_public_call_id(text: str) -> bool:
    """Whether `text` has the form `cl_` + 12 lower-case hex."""
    return _PUBLIC_CALL.fullmatch(text) is not None


def is_api_key(text: str) -> bool:
    """Whether `text` has the form `vlx_live_` + 40 letters and digits."""
    return _API_KEY.fullmatch(text) is not None


def is_widget_token(text: str) -> bool:
    """Whether `text` has the form `voywt_` + 40 letters and digits."""
    return _WIDGET_TOKEN.fullmatch(text) is not None


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length))
