"""A small price book, and numbers to bill."""

from __future__ import annotations

from sqlalchemy import text

from engine.billing.prices import CountryPrices, Kyc, KycField, PlanPrice, PriceBook
from engine.ids import new_uuid
from tests.engine.opened import Opened

# Two minutes included, then 0.0120 a minute.
SMALL = PlanPrice("small", "Small", 190_000, 2, 120, 1)
LARGE = PlanPrice("large", "Large", 990_000, 5000, 60, None)
EMIRATES = CountryPrices(
    "AE",
    "United Arab Emirates",
    did_price=60_000,
    channel_price=120_000,
    local_rate=450,
    international_rate=1900,
    rates={"+97150": 700, "+44": 300, "+447": 800},
    kyc=Kyc(
        fields=(KycField("companyName", "Company"), KycField("website", "Website", required=False)),
        documents=(KycField("passport", "Passport"), KycField("lease", "Lease", required=False)),
    ),
)
BOOK = PriceBook("USD", 60, (LARGE, SMALL), (EMIRATES,))


async def a_number(engine: Opened, kind: str, e164: str = "+97142345678", workspace_id: str | None = None) -> str:
    """The id of a new number of this kind, as it stands in the store."""
    number_id = new_uuid()
    values = {"id": number_id, "ws": workspace_id or engine.workspace_id, "e164": e164, "kind": kind}
    await engine.store.write(
        lambda connection: connection.execute(
            text(
                "INSERT INTO numbers (id, workspace_id, e164, search_text, kind, country, status, inbound_enabled,"
                " outbound_enabled, channels, created_at, updated_at)"
                " VALUES (:id, :ws, :e164, '', :kind, 'AE', 'active', 1, 1, 2, 0, 0)"
            ),
            values,
        )
    )
    return number_id
