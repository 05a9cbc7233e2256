"""The text of credentials and challenges (RFC 3261 §25.1 `credentials`, `challenge`): a scheme and its parameters."""

from __future__ import annotations

import re
from typing import Final

from sip.errors import LocalProtocolError, SipParseError

MAX_CREDENTIAL_CHARS: Final = 4096
MAX_AUTH_PARAMS: Final = 32

_NAME: Final = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+"  # token of RFC 3261 §25.1
_INNER: Final = r'[^"\\\x00-\x08\x0a-\x1f\x7f]*'
_SCHEME: Final = re.compile(rf"({_NAME})[ \t]+")
# An unquoted value may be more than a token: phones write uri, qop and response as they please.
_PARAM: Final = re.compile(
    rf'({_NAME})[ \t]*=[ \t]*(?:"({_INNER}(?:\\[^\x00-\x1f\x7f]{_INNER})*)"|([^\x00-\x20",\x7f]+))[ \t]*(?:,[ \t,]*|$)'
)
_ESCAPED: Final = re.compile(r"\\(.)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def parse_auth_params(value: str) -> tuple[str, dict[str, str]]:
    """Split an Authorization or WWW-Authenticate value into its scheme and its parameters.

    Parameter names come in lower case, quoted values without quotes and escapes. Raises `SipParseError` (400) for
    anything that is not a scheme followed by a comma-separated list of distinct parameters.
    """
    text = value.strip(" \t")
    if len(text) > MAX_CREDENTIAL_CHARS:
        raise SipParseError("overlong credentials", field="Authorization")
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise SipParseError("no authentication scheme", field="Authorization")
    params: dict[str, str] = {}
    position = scheme.end()
    while position < len(text):
        match = _PARAM.match(text, position)
        if match is None:
            raise SipParseError("malformed authentication parameter", field="Authorization")
        name, quoted, bare = match.groups()
        name = name.lower()
        if name in params or len(params) == MAX_AUTH_PARAMS:
            raise SipParseError("repeated or too many authentication parameters", field="Authorization")
        if bare is None:
            params[name] = _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted
        else:
            params[name] = bare
        position = match.end()
    return scheme.group(1), params


def quoted(text: str) -> str:
    """`text` as a quoted-string. Raises `LocalProtocolError` for control characters, which could forge a header."""
    if _CONTROL.search(text):
        raise LocalProtocolError("a control character in an authentication parameter")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
