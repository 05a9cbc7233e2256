"""What a registrar knows of one contact: where it said to be reached, and where it really spoke from (RFC 3261 §10.3,
RFC 3327, RFC 5626 §6)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sip.endpoint import Endpoint
from sip.errors import SipParseError
from sip.fields import NameAddr
from sip.uri import SipUri

UnboundReason: TypeAlias = Literal["expired", "removed", "replaced", "connection lost"]


@dataclass(frozen=True, slots=True)
class BindingTarget:
    """How to send a request to a binding: its Request-URI, the routes before it, and the flow to use.

    `remote` None: no flow is known to lead there, the next hop (first route, else URI) is resolved like any other.
    """

    uri: SipUri
    route_set: tuple[NameAddr, ...] = ()
    remote: Endpoint | None = None
    local: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """One contact of an address of record. `expires_at` is on the registrar's clock; `q` in thousandths."""

    aor: str
    contact: SipUri
    expires_at: float
    call_id: str
    cseq: int
    source: Endpoint
    local: Endpoint
    q: int = 1000
    path: tuple[NameAddr, ...] = ()
    instance: str | None = None
    reg_id: int | None = None
    outbound: bool = False  # the client keeps its flow alive and expects requests on it (RFC 5626)
    user_agent: str | None = None

    @property
    def behind_nat(self) -> bool:
        """Whether the contact's host is not the address that the registration came from.

        A name counts as another address: what it leads to is not known here, and phones that name themselves are
        behind a NAT more often than in the DNS.
        """
        return not self.path and not _same_host(self.contact.host, self.source.host)

    def target(self) -> BindingTarget:
        """Where requests for this contact go.

        With a Path along it (RFC 3327 §5.3). Else by the flow that the registration came by, where that is a connection
        (RFC 5626 §5.3: the contact's port need not be listening) or where a NAT is in between; else to the contact.
        """
        if self.path:
            return BindingTarget(self.contact, self.path)
        if self.outbound or self.source.reliable or self.behind_nat:
            return BindingTarget(self.contact, (), self.source, self.local)
        return BindingTarget(self.contact)

    def header_value(self, now: float) -> str:
        """The Contact value that tells this binding, with the whole seconds it has left (§10.3 step 8)."""
        left = max(1, round(self.expires_at - now))
        params: list[tuple[str, str | None]] = []
        if self.q != 1000:
            params.append(("q", write_q(self.q)))
        if self.instance is not None:
            params.append(("+sip.instance", f'"{self.instance}"'))
        if self.reg_id is not None:
            params.append(("reg-id", str(self.reg_id)))
        params.append(("expires", str(left)))
        return str(NameAddr(None, self.contact, tuple(params)))

    def to_record(self, now: float) -> dict[str, Any]:
        """Plain data for a store; `expires_in` counts the seconds from `now`, since clocks do not outlive a process."""
        return {
            "aor": self.aor,
            "contact": str(self.contact),
            "expires_in": self.expires_at - now,
            "call_id": self.call_id,
            "cseq": self.cseq,
            "source": [self.source.transport, self.source.host, self.source.port],
            "local": [self.local.transport, self.local.host, self.local.port],
            "q": self.q,
            "path": [str(hop) for hop in self.path],
            "instance": self.instance,
            "reg_id": self.reg_id,
            "outbound": self.outbound,
            "user_agent": self.user_agent,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], now: float) -> Binding:
        """The inverse of `to_record`. Raises ValueError for what is no such record."""
        try:
            return cls(
                aor=str(record["aor"]),
                contact=SipUri.parse(record["contact"]),
                expires_at=now + float(record["expires_in"]),
                call_id=str(record["call_id"]),
                cseq=int(record["cseq"]),
                source=_endpoint(record["source"]),
                local=_endpoint(record["local"]),
                q=int(record["q"]),
                path=tuple(NameAddr.parse(hop, "Path") for hop in record["path"]),
                instance=record["instance"],
                reg_id=record["reg_id"],
                outbound=bool(record["outbound"]),
                user_agent=record["user_agent"],
            )
        except (KeyError, TypeError, AttributeError, SipParseError) as error:
            raise ValueError("not the record of a binding") from error


@dataclass(frozen=True, slots=True)
class BindingChange:
    """What happened to a binding. `reason` is set when it is gone: "replaced" by a new flow of the same instance.

    `previous` is what a refreshed binding was before; its flow may have been another one.
    """

    kind: Literal["bound", "refreshed", "unbound"]
    binding: Binding
    reason: UnboundReason | None = None
    previous: Binding | None = None


def parse_q(text: str | None) -> int:
    """A q value in thousandths (RFC 3261 §20.10); 1000 when it is absent or no q value, as deployed phones write it."""
    if text is None:
        return 1000
    whole, _, fraction = text.partition(".")
    if whole not in {"0", "1", ""} or len(fraction) > 3 or not (whole or fraction):
        return 1000
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        return 1000
    return min(1000, int(whole or "0") * 1000 + int(fraction.ljust(3, "0") if fraction else 0))


def write_q(q: int) -> str:
    """The inverse of `parse_q`."""
    return "1" if q >= 1000 else f"0.{q:03d}".rstrip("0").rstrip(".") or "0"


def _endpoint(value: Sequence[Any]) -> Endpoint:
    transport, host, port = value
    return Endpoint(str(transport), str(host), int(port))


def _same_host(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        return False
