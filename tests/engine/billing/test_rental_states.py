"""The table of a rental's life (contract §15.2), held against the words of the contract."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from engine.billing.rental_states import TRANSITIONS, RentalAction, RentalStatus, after
from engine.errors import Conflict

STATUSES: tuple[RentalStatus, ...] = get_args(RentalStatus)
ACTIONS: tuple[RentalAction, ...] = get_args(RentalAction)


def test_the_statuses_are_those_of_the_contract() -> None:
    assert set(STATUSES) == {
        "draft", "pending_payment", "in_review", "changes_requested", "active", "rejected", "canceled",
    }  # fmt: skip
    assert {status for status, _ in TRANSITIONS} | set(TRANSITIONS.values()) == set(STATUSES)


@pytest.mark.parametrize(("status", "action"), list(product(STATUSES, ACTIONS)))
def test_what_is_not_in_the_table_is_refused(status: RentalStatus, action: RentalAction) -> None:
    if (status, action) in TRANSITIONS:
        assert after(status, action) == TRANSITIONS[status, action]
        return
    with pytest.raises(Conflict):
        after(status, action)


@pytest.mark.parametrize("status", STATUSES)
def test_only_what_is_rejected_is_over_for_good(status: RentalStatus) -> None:
    assert any(begun == status for begun, _ in TRANSITIONS) == (status != "rejected")
