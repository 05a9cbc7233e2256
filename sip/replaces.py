"""The dialog that a new call takes the place of (RFC 3891), and the header fields that a URI may put into the call made
to it (RFC 3261 §19.1.5): Replaces and Referred-By (RFC 3892) as a transfer writes them, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sip.errors import LocalProtocolError, SipParseError
from sip.fields import NameAddr, parse_call_id
from sip.grammar import get_param, has_param, is_token, parse_params
from sip.headers import Headers
from sip.names import canonical_name
from sip.uri import SipUri

URI_HEADERS: Final = frozenset({"Replaces", "Referred-By"})
"""Header fields taken over from a URI. Whoever wrote the URI may not choose any other: RFC 3261 §19.1.5."""


@dataclass(frozen=True, slots=True)
class Replaces:
    """A Replaces value (RFC 3891 §6.1). `to_tag` is the tag of the side that gets the INVITE, `from_tag` that of its
    peer."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, value: str) -> Replaces:
        """Parse a value; raises SipParseError unless it has one tag of each kind."""
        call_id, semicolon, rest = value.partition(";")
        params = parse_params(semicolon + rest, "Replaces")
        for name in ("to-tag", "from-tag"):
            if sum(key.lower() == name for key, _ in params) != 1:
                raise SipParseError("Malformed tag", field="Replaces")
        to_tag, from_tag = get_param(params, "to-tag"), get_param(params, "from-tag")
        if not to_tag or not from_tag:
            raise SipParseError("Malformed tag", field="Replaces")
        return cls(parse_call_id(call_id.strip(" \t")), to_tag, from_tag, has_param(params, "early-only"))

    def __str__(self) -> str:
        if not is_token(self.to_tag) or not is_token(self.from_tag):
            raise LocalProtocolError("not a tag in a Replaces value")
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}" + (
            ";early-only" if self.early_only else ""
        )


def headers_from_uri(uri: SipUri) -> tuple[tuple[str, str], ...]:
    """The header fields that a call to this URI takes over from it, each at most once; those that do not parse are left
    out."""
    found: dict[str, str] = {}
    for raw_name, value in uri.headers:
        name = canonical_name(raw_name)
        if name not in URI_HEADERS or name in found:
            continue
        try:
            if name == "Replaces":
                Replaces.parse(value)
            else:
                NameAddr.parse(value, name)
            Headers(((name, value),))
        except (SipParseError, LocalProtocolError):
            continue
        found[name] = value
    return tuple(found.items())
