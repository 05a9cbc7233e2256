"""The early dialogs of one INVITE of ours: its branches that have answered with a tag of their own (RFC 3261 §12.1.2,
§13.2.2.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sip.core.offering import close_offers
from sip.core.reliable import Fork
from sip.dialog import Dialog, DialogState
from sip.message import Response
from sip.transaction.transaction import ClientTransaction

if TYPE_CHECKING:
    from sip.core.outgoing import OutgoingCall

FORKS = 16
"""Branches of one INVITE that are told apart; responses of more are ignored."""


class Forks:
    """The forks of one call by their tag, and the tags of those that have ended before the answer."""

    __slots__ = ("_call", "_early", "_over")

    def __init__(self, call: OutgoingCall) -> None:
        self._call = call
        self._early: dict[str, Fork] = {}
        self._over: set[str] = set()

    def __len__(self) -> int:
        return len(self._early)

    def __iter__(self) -> Iterator[Fork]:
        return iter(self._early.values())

    def get(self, tag: str) -> Fork | None:
        """The fork with this tag, as long as it is early."""
        return self._early.get(tag)

    def has_ended(self, tag: str | None) -> bool:
        """Whether a fork with this tag was there and has ended."""
        return tag in self._over

    def of(self, transaction: ClientTransaction, response: Response) -> Fork | None:
        """The early dialog that a provisional response belongs to; None without a tag, and for one fork too many."""
        tag = response.to.tag
        if tag is None:
            return None
        fork = self._early.get(tag)
        if fork is None and len(self._early) < FORKS:
            fork = Fork(Dialog.from_response(transaction.request, response), offered=bool(transaction.request.body))
            self._early[tag] = fork
            self._call._core.remember_dialog(fork.dialog, self._call)
        return fork

    def take(self, tag: str) -> Fork | None:
        """Take out the fork that was answered; its dialog lives on."""
        return self._early.pop(tag, None)

    def end(self, fork: Fork) -> None:
        """One fork is over, the others are not."""
        tag = fork.dialog.remote_tag or ""
        if len(self._over) < FORKS:
            self._over.add(tag)
        self._early.pop(tag, None)
        self._forget(fork)

    def clear(self) -> None:
        """A final response ends all early dialogs (§12.3)."""
        forks = list(self._early.values())
        self._early.clear()
        for fork in forks:
            self._forget(fork)

    def restart(self) -> None:
        """Another address is tried, whose forks have nothing to do with those before."""
        self.clear()
        self._over.clear()

    def _forget(self, fork: Fork) -> None:
        self._call._core.forget_dialog(fork.dialog)
        fork.dialog.state = DialogState.TERMINATED
        close_offers(self._call, fork.offers)
