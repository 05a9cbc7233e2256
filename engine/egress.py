"""Which number an agent's call goes out on (contract §17); that of an outbound trunk is in `engine.calls.caller_ids`.

A number that cannot be used, because it was deleted, is not active or may not call out, is as good as none.
"""

from __future__ import annotations

from typing import Protocol

from engine.errors import Forbidden
from engine.model import Agent, Number


class Numbers(Protocol):
    """Where numbers are looked up: `engine.directory.NumberDirectory` is one."""

    def lookup(self, e164: str) -> Number | None:
        """The number in its stored form."""

    def number(self, number_id: str) -> Number | None:
        """The number with this id."""


class CallerIdNotAllowed(Forbidden):
    """No number of the workspace may be presented for this call: 403, outcome `rejected`."""

    hangup_cause = "caller_id_not_allowed"


def agent_number(agent: Agent, numbers: Numbers) -> Number:
    """The number that a call of `agent` presents (contract §17). Raises CallerIdNotAllowed when there is none."""
    number = None if agent.outbound_number_id is None else numbers.number(agent.outbound_number_id)
    found = usable(number, agent.workspace_id)
    if found is None:
        raise CallerIdNotAllowed("The agent has no number to call out with")
    return found


def usable(number: Number | None, workspace_id: str) -> Number | None:
    """The number, where a call of this workspace may be made from it."""
    if number is None or number.workspace_id != workspace_id:
        return None
    return number if number.status == "active" and number.outbound_enabled else None
