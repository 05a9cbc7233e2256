"""Who is calling, on whose behalf and why a call ended: the header fields beside From that say so.

P-Asserted-Identity and P-Preferred-Identity (RFC 3325), Remote-Party-ID (the draft that deployed equipment still
sends), Privacy (RFC 3323), Diversion (RFC 5806), History-Info (RFC 7044), Reason (RFC 3326). Reading never raises: a
value that does not parse is left out, and so is what comes beyond a limit. Whether a peer is to be believed is decided
above.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sip.errors import LocalProtocolError, SipParseError
from sip.fields import NameAddr, parse_number
from sip.grammar import find_control, get_param, is_token, parse_params, quote, split_list
from sip.headers import Headers
from sip.uri import SipUri

IDENTITIES: Final = 8
"""Values of one identity field that are read; RFC 3325 §9.1 allows two."""

DIVERSIONS: Final = 16
"""Diversion and History-Info values that are read."""

REASONS: Final = 8
"""Reason values that are read."""

TEXT_CHARS: Final = 256
"""Longest text of a reason that is kept."""

_NUMBER_LIMIT: Final = 999


@dataclass(frozen=True, slots=True)
class RemoteParty:
    """One Remote-Party-ID value: an address, and whether the caller wants it hidden. `party` is `calling` or
    `called`."""

    address: NameAddr
    party: str = "calling"
    private: bool = False
    screened: bool = False


@dataclass(frozen=True, slots=True)
class Diversion:
    """One Diversion value (RFC 5806 §4): who sent the call on, why, and how often so far."""

    address: NameAddr
    reason: str | None = None  # `unknown`, `user-busy`, `no-answer`, `unavailable`, `unconditional` …, lower case
    counter: int = 1
    private: bool = False


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One History-Info value (RFC 7044 §5): an address that the call was for at some time.

    `index` are its numbers, `1.2` as (1, 2). `cause` is the `cause` parameter of the URI (RFC 4458), else that of the
    Reason embedded in it.
    """

    address: NameAddr
    index: tuple[int, ...]
    cause: int | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """One Reason value (RFC 3326 §2): `protocol` such as `SIP` or `Q.850`, its cause, and a text for people."""

    protocol: str
    cause: int | None = None
    text: str | None = None

    @classmethod
    def parse(cls, value: str) -> Reason:
        """Parse one value; raises SipParseError."""
        protocol, semicolon, rest = value.partition(";")
        protocol = protocol.strip(" \t")
        if not is_token(protocol):
            raise SipParseError("Malformed reason", field="Reason")
        params = parse_params(semicolon + rest, "Reason")
        cause = get_param(params, "cause")
        text = get_param(params, "text")
        return cls(
            protocol,
            None if cause is None else parse_number(cause, "Reason", _NUMBER_LIMIT),
            None if text is None else text[:TEXT_CHARS],
        )

    def __str__(self) -> str:
        """The header value; raises LocalProtocolError for what cannot be one."""
        if not is_token(self.protocol):
            raise LocalProtocolError(f"not a protocol: {self.protocol!r}")
        if self.text is not None and find_control(self.text):
            raise LocalProtocolError("control character in the text of a reason")
        cause = "" if self.cause is None else f";cause={self.cause}"
        return f"{self.protocol}{cause}" + ("" if self.text is None else f";text={quote(self.text)}")


def asserted_identities(headers: Headers) -> tuple[NameAddr, ...]:
    """The P-Asserted-Identity values (RFC 3325 §9.1): SIP, SIPS and tel URIs."""
    return tuple(_identities(headers, "P-Asserted-Identity"))


def preferred_identities(headers: Headers) -> tuple[NameAddr, ...]:
    """The P-Preferred-Identity values (RFC 3325 §9.2)."""
    return tuple(_identities(headers, "P-Preferred-Identity"))


def remote_parties(headers: Headers) -> tuple[RemoteParty, ...]:
    """The Remote-Party-ID values; they count only where there is no P-Asserted-Identity."""
    found = []
    for address in _addresses(headers, "Remote-Party-ID", IDENTITIES):
        privacy = (address.param("privacy") or "off").lower()
        party = (address.param("party") or "calling").lower()
        screened = (address.param("screen") or "no").lower() == "yes"
        found.append(RemoteParty(_bare(address), party, privacy not in {"off", "none"}, screened))
    return tuple(found)


def privacy(headers: Headers) -> frozenset[str]:
    """The values of Privacy in lower case (RFC 3323 §4.2): `id`, `header`, `session`, `user`, `none`, `critical`."""
    values = (
        part.strip(" \t").lower()
        for line in headers.get_all("Privacy")[:IDENTITIES]
        for part in line.replace(",", ";").split(";")[:IDENTITIES]
    )
    return frozenset(value for value in values if is_token(value))


def diversions(headers: Headers) -> tuple[Diversion, ...]:
    """The Diversion values, the most recent first (RFC 5806 §5.1)."""
    found = []
    for address in _addresses(headers, "Diversion", DIVERSIONS):
        reason = address.param("reason")
        counter = _number(address.param("counter"))
        private = (address.param("privacy") or "off").lower() not in {"off", "no"}
        reason = reason.lower() if reason else None
        found.append(Diversion(_bare(address), reason, 1 if counter is None else counter, private))
    return tuple(found)


def history(headers: Headers) -> tuple[HistoryEntry, ...]:
    """The History-Info values, the oldest first; those without a well-formed index are left out (RFC 7044 §5)."""
    found = []
    for address in _addresses(headers, "History-Info", DIVERSIONS):
        index = _index(address.param("index"))
        if index is None:
            continue
        cause, private = None, False
        if isinstance(address.uri, SipUri):
            cause = _number(address.uri.param("cause"))
            for name, value in address.uri.headers:
                if name.lower() == "reason" and cause is None:
                    cause = next((reason.cause for reason in _parse_reasons(value)), None)
                elif name.lower() == "privacy":
                    private = value.lower() not in {"none", ""}
        found.append(HistoryEntry(_bare(address), index, cause, private))
    return tuple(found)


def reasons(headers: Headers) -> tuple[Reason, ...]:
    """The Reason values of a request or response."""
    return parse_reasons(", ".join(headers.get_all("Reason")))


def parse_reasons(value: str | None) -> tuple[Reason, ...]:
    """The values in one Reason header value; of each protocol the first (RFC 3326 §2)."""
    if not value:
        return ()
    found: dict[str, Reason] = {}
    for reason in _parse_reasons(value):
        found.setdefault(reason.protocol.lower(), reason)
    return tuple(found.values())


def _parse_reasons(value: str) -> Iterator[Reason]:
    try:
        parts = split_list(value, "Reason")[:REASONS]
    except SipParseError:
        return
    for part in parts:
        try:
            yield Reason.parse(part)
        except SipParseError:
            continue


def _identities(headers: Headers, name: str) -> Iterator[NameAddr]:
    for address in _addresses(headers, name, IDENTITIES):
        if address.uri.scheme in {"sip", "sips", "tel"}:
            yield address


def _addresses(headers: Headers, name: str, limit: int) -> Iterator[NameAddr]:
    """The first values of a list of addresses, without those that do not parse."""
    left = limit
    for line in headers.get_all(name):
        try:
            values = split_list(line, name)
        except SipParseError:
            continue
        for value in values:
            if left <= 0:
                return
            left -= 1
            try:
                yield NameAddr.parse(value, name)
            except SipParseError:
                continue


def _bare(address: NameAddr) -> NameAddr:
    """The address without header parameters, which stand in the typed value; and without headers in its URI, so that
    it may be called."""
    uri = address.uri
    if isinstance(uri, SipUri) and uri.headers:
        uri = uri.replace(headers=())
    return NameAddr(address.display, uri)


def _index(value: str | None) -> tuple[int, ...] | None:
    if not value or len(value) > TEXT_CHARS:
        return None
    parts = value.split(".")
    if not all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts):
        return None
    return tuple(int(part) for part in parts)


def _number(value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return parse_number(value, "number", _NUMBER_LIMIT)
    except SipParseError:
        return None
