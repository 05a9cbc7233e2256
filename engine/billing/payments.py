"""How the money of a top-up comes in: a payment is begun by an adapter, and settled by whoever has the money.

Settling is `Billing.settle`, `voylo admin topups settle`, or `POST /v1/admin/topups/{id}/settle`, which the webhook of
a payment provider can be turned into (docs/billing.md).
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote

from engine.model import money
from engine.store.billing import TopUp


class PaymentAdapter(Protocol):
    """What begins payments. It asks nobody: a top-up and its answer are stored together."""

    def begin(self, topup: TopUp) -> str | None:
        """Where the customer pays a top-up; None when nobody but the operator sees to it."""


class ManualSettlement:
    """The operator watches the bank account and settles."""

    def begin(self, topup: TopUp) -> str | None:
        """Nowhere."""
        return None


class PaymentPage:
    """A page of the operator's or of a provider; `template` is its URL with {id}, {amount} and {currency}."""

    def __init__(self, template: str) -> None:
        self._template = template

    def begin(self, topup: TopUp) -> str | None:
        """The page for this top-up."""
        values = {"{id}": topup.id, "{amount}": money(topup.amount), "{currency}": topup.currency}
        url = self._template
        for name, value in values.items():
            url = url.replace(name, quote(value, safe=""))
        return url
