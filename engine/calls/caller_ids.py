"""Which number of the workspace a call from an outbound trunk goes out on: the four steps of contract §9.2."""

from __future__ import annotations

from collections.abc import Iterator

from engine.calls.addresses import number_in
from engine.directory import NumberDirectory
from engine.model import Number, OutboundTrunk
from sip import Request, asserted_identities


def number_for(trunk: OutboundTrunk, called: str, request: Request, directory: NumberDirectory) -> Number | None:
    """The number that the call presents; None where no step finds one, and the call is not allowed.

    `called` is an E.164 number, or another callee, for which no routing rule counts. A number that may not call out is
    passed over at each step.
    """
    rules = [rule for rule in trunk.routing_rules if called.startswith(rule.prefix)]
    for rule in sorted(rules, key=lambda it: len(it.prefix), reverse=True):
        number = _usable(trunk, directory.number(rule.number_id))
        if number is not None:
            return number
    for e164 in presented_numbers(request):
        number = _usable(trunk, directory.lookup(e164))
        if number is not None and (not trunk.allowed_number_ids or number.id in trunk.allowed_number_ids):
            return number
    return None if trunk.default_number_id is None else _usable(trunk, directory.number(trunk.default_number_id))


def _usable(trunk: OutboundTrunk, number: Number | None) -> Number | None:
    if number is None or number.workspace_id != trunk.workspace_id:
        return None
    return number if number.status == "active" and number.outbound_enabled else None


def presented_numbers(request: Request) -> Iterator[str]:
    """The numbers that the caller of an INVITE says it is, P-Asserted-Identity before From."""
    for address in (*asserted_identities(request.headers), request.from_):
        number = number_in(address)
        if number is not None:
            yield number
