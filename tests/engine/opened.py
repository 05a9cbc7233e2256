"""The engine's resources over a database of their own in a temporary folder, as the server would build them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from argon2 import PasswordHasher

from engine.accounts import Accounts, BootstrapResult
from engine.agents import Agents
from engine.applications import Applications
from engine.billing.accounts import Billing
from engine.billing.charging import CallCharges
from engine.billing.invoices import Invoices, InvoiceTerms
from engine.billing.kyc import DocumentFiles
from engine.billing.rental_desk import RentalDesk
from engine.billing.rental_review import RentalReview
from engine.billing.rental_terms import RentalTerms
from engine.billing.rentals import Rentals
from engine.deliveries import Deliveries
from engine.directory import NumberDirectory
from engine.idempotency import IdempotentRequests
from engine.ids import new_call_id
from engine.inbound_trunks import InboundTrunks
from engine.limits import Limits
from engine.members import Members
from engine.model import Direction, NewCall
from engine.monitor import Monitor
from engine.numbers import Numbers
from engine.outbound_trunks import OutboundTrunks
from engine.outbox import Outbox
from engine.recordings import Recordings
from engine.records import CallRecords
from engine.secrets import SecretBox
from engine.sessions import Sessions
from engine.sip_accounts import SipAccountDirectory
from engine.store import Store
from engine.webhook_directory import WebhookDirectory
from engine.webhooks import Webhooks
from engine.widget_sessions import WidgetSessions
from engine.workspaces import Workspaces
from tests.support.database import empty_database

REALM = "voylo.test"
QUICK_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
START = datetime(2026, 6, 23, 10, 31, tzinfo=UTC)


class Clock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@dataclass
class Opened:
    """An open engine and what its first start created."""

    path: Path
    clock: Clock
    store: Store
    secrets: SecretBox
    directory: NumberDirectory
    accounts: Accounts
    sessions: Sessions
    members: Members
    workspaces: Workspaces
    applications: Applications
    numbers: Numbers
    sip_accounts: SipAccountDirectory
    agents: Agents
    widget_sessions: WidgetSessions
    inbound_trunks: InboundTrunks
    outbound_trunks: OutboundTrunks
    records: CallRecords
    recordings: Recordings
    outbox: Outbox
    webhook_directory: WebhookDirectory
    webhooks: Webhooks
    deliveries: Deliveries
    monitor: Monitor
    billing: Billing
    idempotent: IdempotentRequests
    rentals: Rentals
    rental_review: RentalReview
    rental_terms: RentalTerms
    invoices: Invoices
    first: BootstrapResult

    @property
    def workspace_id(self) -> str:
        return self.first.workspace_id

    async def other_workspace(self) -> tuple[str, str]:
        """Another workspace and the raw key of its owner."""
        workspace = await self.accounts.create_workspace("Other")
        return workspace.id, (await self.accounts.create_key(workspace.id, "other", "owner")).raw


def database_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path / 'voylo.db'}"


@asynccontextmanager
async def opened(
    path: Path, limits: Limits | None = None, *, charging: bool = False, terms: InvoiceTerms | None = None
) -> AsyncIterator[Opened]:
    """An engine in `path`, closed at the end; with `charging` it takes money."""
    clock = Clock()
    await empty_database(path)
    store = await Store.open(database_url(path))
    secrets = SecretBox.open(path)
    accounts = Accounts(store, clock, QUICK_HASHER)
    first = await accounts.bootstrap()
    sessions = Sessions(store, accounts, clock)
    directory = NumberDirectory(store, secrets)
    await directory.start()
    sip_accounts = SipAccountDirectory(store, secrets, lambda: clock().timestamp())
    await sip_accounts.start()
    agents = Agents(store, secrets, sip_accounts, clock)
    webhook_directory = WebhookDirectory(store, secrets, directory.application, clock)
    await webhook_directory.start()
    outbox = Outbox(webhook_directory.told_of)
    charges = CallCharges(store, enabled=True) if charging else None
    records = CallRecords(store, outbox, charges)
    billing = Billing(store, clock, outbox=outbox, enabled=charging)
    desk, documents = RentalDesk(store, outbox, directory, enabled=charging), DocumentFiles(path)
    recordings = Recordings(store, path, lambda: "http://api.test", clock)
    assert first is not None, "the database of a test is empty at first"
    try:
        yield Opened(
            path=path,
            clock=clock,
            store=store,
            secrets=secrets,
            directory=directory,
            accounts=accounts,
            sessions=sessions,
            members=Members(store, accounts, sessions, clock),
            workspaces=Workspaces(store, accounts, clock, recordings, billing.plans),
            applications=Applications(store, secrets, directory, limits or Limits(), clock),
            numbers=Numbers(store, secrets, directory, realm=lambda: REALM, clock=clock),
            sip_accounts=sip_accounts,
            agents=agents,
            widget_sessions=WidgetSessions(store, agents, sip_accounts, directory, clock),
            inbound_trunks=InboundTrunks(store, secrets, directory, clock),
            outbound_trunks=OutboundTrunks(store, secrets, sip_accounts, clock),
            records=records,
            recordings=recordings,
            outbox=outbox,
            webhook_directory=webhook_directory,
            webhooks=Webhooks(store, secrets, webhook_directory, outbox, (limits or Limits()).webhooks, clock),
            monitor=Monitor(store, outbox, clock),
            billing=billing,
            idempotent=IdempotentRequests(store, secrets, (limits or Limits()).idempotency_hours, clock),
            rentals=Rentals(desk, documents, clock),
            rental_review=RentalReview(desk, documents, clock),
            rental_terms=RentalTerms(desk),
            invoices=Invoices(store, terms, clock),
            deliveries=Deliveries(store, webhook_directory, outbox, clock),
            first=first,
        )
    finally:
        await records.close()
        await webhook_directory.close()
        await sip_accounts.close()
        await directory.close()
        await store.close()


def a_call(workspace_id: str, at: datetime = START, direction: Direction = "inbound", **values: object) -> NewCall:
    """A new call between two numbers; `values` are further members."""
    call_id, public_id = new_call_id()
    members: dict[str, object] = {
        "id": call_id,
        "public_id": public_id,
        "workspace_id": workspace_id,
        "direction": direction,
        "from_": "+2004446",
        "to": "+97142345678",
        "status": "ringing" if direction == "inbound" else "dialing",
        "created_at": at,
    }
    return NewCall(**(members | values))  # type: ignore[arg-type]
