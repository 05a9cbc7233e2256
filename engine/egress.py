"""Which number a call goes out on: that of a trunk's call in the four steps of contract §9.2, that of an agent's.

A function of its arguments alone. A number that cannot be used, because it was deleted, is not active or may not call
out, is passed over as if it were not named, so that the steps after it decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from engine.errors import Forbidden
from engine.model import Agent, Number, OutboundTrunk
from engine.phone import PhoneNumberError, normalise


class Numbers(Protocol):
    """Where numbers are looked up: `engine.directory.NumberDirectory` is one."""

    def lookup(self, e164: str) -> Number | None:
        """The number in its stored form."""

    def number(self, number_id: str) -> Number | None:
        """The number with this id."""


class CallerIdNotAllowed(Forbidden):
    """No number of the workspace may be presented for this call: 403, outcome `rejected` (contract §9.2 step 4)."""

    hangup_cause = "caller_id_not_allowed"


def trunk_number(
    trunk: OutboundTrunk, destination: str, asserted: Iterable[str], from_: str | None, numbers: Numbers
) -> Number:
    """The number that a call of `trunk` to `destination` (`+` and digits) presents.

    `asserted` are the user parts of P-Asserted-Identity in their order, `from_` is that of From; those that are no
    telephone numbers count as absent. Raises CallerIdNotAllowed.
    """
    matching = [rule for rule in trunk.routing_rules if destination.startswith(rule.prefix)]
    for rule in sorted(matching, key=lambda rule: len(rule.prefix), reverse=True):
        ruled = _usable(numbers.number(rule.number_id), trunk.workspace_id)
        if ruled is not None:
            return ruled
    for identity in (*asserted, *(() if from_ is None else (from_,))):
        presented = _presented(trunk, identity, numbers)
        if presented is not None:
            return presented
    if trunk.default_number_id is not None:
        default = _usable(numbers.number(trunk.default_number_id), trunk.workspace_id)
        if default is not None:
            return default
    raise CallerIdNotAllowed("No number of the trunk may be presented for this call")


def agent_number(agent: Agent, numbers: Numbers) -> Number:
    """The number that a call of `agent` presents (contract §17). Raises CallerIdNotAllowed when there is none."""
    number = None if agent.outbound_number_id is None else numbers.number(agent.outbound_number_id)
    usable = _usable(number, agent.workspace_id)
    if usable is None:
        raise CallerIdNotAllowed("The agent has no number to call out with")
    return usable


def _presented(trunk: OutboundTrunk, identity: str, numbers: Numbers) -> Number | None:
    # As with numbers that are called (contract §14.2): parameters apart, and a leading 00 is a +.
    user = identity.partition(";")[0]
    try:
        e164 = normalise("+" + user[2:] if user.startswith("00") else user)
    except PhoneNumberError:
        return None
    number = _usable(numbers.lookup(e164), trunk.workspace_id)
    if number is None or (trunk.allowed_number_ids and number.id not in trunk.allowed_number_ids):
        return None
    return number


def _usable(number: Number | None, workspace_id: str) -> Number | None:
    if number is None or number.workspace_id != workspace_id:
        return None
    return number if number.status == "active" and number.outbound_enabled else None
