"""What the api room is given by the server: the engine's resources and the settings it answers by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from engine.accounts import Accounts
from engine.agents import Agents
from engine.applications import Applications
from engine.billing.accounts import Billing
from engine.billing.invoices import Invoices
from engine.billing.rental_review import RentalReview
from engine.billing.rentals import Rentals
from engine.calls.placing import OutgoingCalls
from engine.deliveries import Deliveries
from engine.errors import Unavailable
from engine.idempotency import IdempotentRequests
from engine.inbound_trunks import DestinationHealthLookup, InboundTrunks, never_probed
from engine.limits import Limits
from engine.members import Members
from engine.metrics import Metric
from engine.monitor import CallLoad, Monitor, no_calls
from engine.numbers import Numbers
from engine.outbound_trunks import OutboundTrunks
from engine.recordings import Recordings
from engine.records import CallRecords
from engine.sessions import Sessions
from engine.sip_accounts import (
    CarrierRegistrationLookup,
    RegistrationLookup,
    SipDomain,
    no_carrier,
    nobody_registered,
)
from engine.webhooks import Webhooks
from engine.widget_sessions import WidgetSessions
from engine.workspaces import Workspaces


@dataclass(frozen=True, slots=True)
class ApiServices:
    """`ready` tells whether database and SIP are up, `draining` whether the engine is stopping (contract §18, §22.4).

    `public_url` is the base of links given to others, without a slash at the end. `sip_domain` is where agents and
    trunks register, `registration` tells which of them are, `carrier_registration` which numbers are with their
    carriers, `destination_health` what is known of inbound trunks, `call_load` what runs in a workspace, and `outgoing`
    makes calls. Without an `admin_token` nobody may call what the operator may.
    """

    accounts: Accounts
    sessions: Sessions
    members: Members
    workspaces: Workspaces
    applications: Applications
    numbers: Numbers
    agents: Agents
    widget_sessions: WidgetSessions
    inbound_trunks: InboundTrunks
    outbound_trunks: OutboundTrunks
    records: CallRecords
    recordings: Recordings
    webhooks: Webhooks
    deliveries: Deliveries
    monitor: Monitor
    billing: Billing
    idempotent: IdempotentRequests
    rentals: Rentals
    rental_review: RentalReview
    invoices: Invoices
    sip_domain: SipDomain
    ready: Callable[[], Awaitable[bool]]
    draining: Callable[[], bool]
    public_url: str
    limits: Limits = field(default_factory=Limits)
    require_workspace_header: bool = False
    admin_token: str | None = None
    tts_available: bool = True
    registration: RegistrationLookup = nobody_registered
    carrier_registration: CarrierRegistrationLookup = no_carrier
    destination_health: DestinationHealthLookup = never_probed
    call_load: Callable[[str], CallLoad] = no_calls
    metrics: Callable[[], Iterable[Metric]] = tuple
    outgoing: OutgoingCalls | None = None

    @property
    def calls_out(self) -> OutgoingCalls:
        """What makes and changes calls. Raises Unavailable in a process without SIP."""
        if self.outgoing is None:
            raise Unavailable("This process makes no calls")
        return self.outgoing
