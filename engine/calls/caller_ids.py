"""As whom a call goes out: on which number of the workspace one from an outbound trunk does, by the four steps of
contract §9.2, and what an agent's presents (§17)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.calls.addresses import caller_of, number_in
from engine.directory import NumberDirectory
from engine.egress import CallerIdNotAllowed, Numbers, agent_number, usable
from engine.model import Agent, Number, OutboundTrunk
from sip import Request, SipUri, asserted_identities
from voyloml.capabilities import DialTarget


@dataclass(frozen=True, slots=True)
class CallerId:
    """What a call presents: a number, or `shown` with a `name` between agents. `shown` is what the record has as
    `from`, also of a call that is not `allowed`."""

    number: Number | None
    shown: str
    allowed: bool
    name: str | None = None


def trunk_caller(
    trunk: OutboundTrunk, target: DialTarget | None, called: str, request: Request, directory: NumberDirectory
) -> CallerId:
    """As whom the trunk calls `called`; `target` None is nobody."""
    number = None if target is None else number_for(trunk, called, request, directory)
    return CallerId(number, caller_of(request.from_) if number is None else number.e164, number is not None)


def agent_caller(agent: Agent, target: DialTarget | None, directory: NumberDirectory, domain: str) -> CallerId:
    """As whom the agent calls: another agent under its own name, a telephone as its outbound number."""
    own = str(SipUri("sip", agent.username, host=domain))
    if target is None or target.kind != "number":
        name = "".join(letter for letter in agent.label or "" if letter.isprintable()).strip()
        return CallerId(None, own, allowed=True, name=name or agent.username)
    try:
        number = agent_number(agent, directory)
    except CallerIdNotAllowed:
        return CallerId(None, own, allowed=False)
    return CallerId(number, number.e164, allowed=True)


def number_for(trunk: OutboundTrunk, called: str, request: Request, numbers: Numbers) -> Number | None:
    """The number that the call presents; None where no step finds one, and the call is not allowed.

    `called` is an E.164 number, or another callee, for which no routing rule counts. A number that may not call out is
    passed over at each step.
    """
    rules = [rule for rule in trunk.routing_rules if called.startswith(rule.prefix)]
    for rule in sorted(rules, key=lambda it: len(it.prefix), reverse=True):
        number = usable(numbers.number(rule.number_id), trunk.workspace_id)
        if number is not None:
            return number
    for e164 in presented_numbers(request):
        number = usable(numbers.lookup(e164), trunk.workspace_id)
        if number is not None and (not trunk.allowed_number_ids or number.id in trunk.allowed_number_ids):
            return number
    if trunk.default_number_id is None:
        return None
    return usable(numbers.number(trunk.default_number_id), trunk.workspace_id)


def presented_numbers(request: Request) -> Iterator[str]:
    """The numbers that the caller of an INVITE says it is, P-Asserted-Identity before From."""
    for address in (*asserted_identities(request.headers), request.from_):
        number = number_in(address)
        if number is not None:
            yield number
