"""The life of a rental as one table: what may happen to it in which status, and what it then is (contract §15.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from engine.errors import Conflict

RentalStatus = Literal["draft", "pending_payment", "in_review", "changes_requested", "active", "rejected", "canceled"]
RentalAction = Literal["pay", "submit", "approve", "request_changes", "reject", "cancel", "resume"]

# pay              the first month is paid
# submit           fields and documents are complete and go to review
# approve          the operator gives it a number, which is live at once
# request_changes  the operator wants other fields or documents
# reject           the operator refuses it; the first month is refunded
# cancel           the customer gives it up: at once and refunded before there is a number, else at the period's end
# resume           the customer takes a cancelling back before that end
TRANSITIONS: Final[Mapping[tuple[RentalStatus, RentalAction], RentalStatus]] = {
    ("pending_payment", "pay"): "draft",
    ("pending_payment", "cancel"): "canceled",
    ("draft", "submit"): "in_review",
    ("draft", "cancel"): "canceled",
    ("in_review", "approve"): "active",
    ("in_review", "request_changes"): "changes_requested",
    ("in_review", "reject"): "rejected",
    ("in_review", "cancel"): "canceled",
    ("changes_requested", "submit"): "in_review",
    ("changes_requested", "reject"): "rejected",
    ("changes_requested", "cancel"): "canceled",
    ("active", "cancel"): "canceled",
    ("canceled", "resume"): "active",
}

PAID_BEFORE_REVIEW: Final[frozenset[RentalStatus]] = frozenset({"draft", "in_review", "changes_requested"})
"""Statuses in which the first month is paid and no number is there yet."""

OPEN_KYC: Final[frozenset[RentalStatus]] = frozenset({"pending_payment", "draft", "changes_requested"})
"""Statuses in which the customer may change fields and documents."""


def after(status: RentalStatus, action: RentalAction) -> RentalStatus:
    """The status after an action. Raises Conflict when it is not possible in this one."""
    found = TRANSITIONS.get((status, action))
    if found is None:
        raise Conflict(f"This is not possible while the rental is {status}")
    return found
