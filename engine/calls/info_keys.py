"""Keys that phones send in the body of a SIP INFO (contract §14.1), in the three forms that are about."""

from __future__ import annotations

import re
from typing import Final

BODY_TYPES: Final = frozenset({"application/dtmf-relay", "application/dtmf", "application/vnd.nortelnetworks.digits"})

_KEYS: Final = {key: key for key in "0123456789*#ABCD"} | {
    str(number): key for number, key in enumerate("*#ABCD", start=10)
}
# "Signal=5" and "Duration=160" of dtmf-relay, "d=5" of Nortel's; application/dtmf may be the bare key.
_LINE: Final = re.compile(r"^[ \t]*(?:signal|d)[ \t]*=[ \t]*(\S+)[ \t]*$", re.IGNORECASE | re.MULTILINE)
_BODY_LIMIT: Final = 1024


def key_of_info(content_type: str | None, body: bytes) -> str | None:
    """The key (`0`-`9`, `*`, `#`, `A`-`D`) that the body of an INFO stands for; None where it is something else."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind not in BODY_TYPES or len(body) > _BODY_LIMIT:
        return None
    text = body.decode("ascii", "replace").replace("\r\n", "\n")
    found = _LINE.search(text)
    if found is not None:
        return _KEYS.get(found[1].upper())
    return _KEYS.get(text.strip().upper()) if kind == "application/dtmf" else None
