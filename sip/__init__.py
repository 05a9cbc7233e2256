"""SIP: messages, SDP, digest, transactions, dialogs and the user agent over them. Knows nothing of what is above it.

Two floors. The protocol floor (everything but `useragent`, `driver` and `transport`) has no sockets, no clock of its
own and no asyncio, so that each timer and race of RFC 3261 is a plain unit test. The I/O floor moves bytes and runs
timers. What other rooms need is here; `UserAgent` is where to begin.
"""

from __future__ import annotations

from sip.binding import Binding, BindingChange, BindingTarget
from sip.core.call import Call
from sip.core.call_state import CallState
from sip.core.config import TlsConfig, UserAgentConfig
from sip.core.events import (
    Answered,
    AsideAnswered,
    CallEvent,
    Cancelled,
    Confirmed,
    Failed,
    HungUp,
    Info,
    Offer,
    OfferAnswered,
    OfferRejected,
    OfferResponder,
    Progress,
    Redirected,
    ReferAccepted,
    ReferEnded,
    ReferFailed,
    ReferProgress,
    Referred,
    ReferResponder,
    Rejected,
    RemoteHangup,
    Replaced,
)
from sip.core.incoming import IncomingCall
from sip.core.messaging import MessageReceived
from sip.core.outgoing import OutgoingCall
from sip.core.probe import Health, HealthChange, HealthProbe
from sip.core.redirect import FOLLOWED_REDIRECTS
from sip.core.registering import RegisterRequest
from sip.core.registration import Registration, RegistrationSettings
from sip.core.registration_state import (
    Registered,
    Registering,
    RegistrationFailed,
    RegistrationState,
    Unregistered,
)
from sip.core.statistics import Statistics
from sip.digest import Credentials, DigestAuthenticator, DigestOutcome, DigestResult
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError, SipError, SipParseError
from sip.fields import NameAddr
from sip.headers import Headers
from sip.identity import Diversion, HistoryEntry, Reason, asserted_identities, diversions, history
from sip.limits import MessageLimits
from sip.message import Request, Response
from sip.registrar import Registrar, RegistrarAnswer, RegistrarConfig
from sip.replaces import Replaces
from sip.transaction.timers import TimerConfig
from sip.uri import OtherUri, SipUri, parse_uri
from sip.useragent import UserAgent

__all__ = [
    "FOLLOWED_REDIRECTS",
    "Answered",
    "AsideAnswered",
    "Binding",
    "BindingChange",
    "BindingTarget",
    "Call",
    "CallEvent",
    "CallState",
    "Cancelled",
    "Confirmed",
    "Credentials",
    "DigestAuthenticator",
    "DigestOutcome",
    "DigestResult",
    "Diversion",
    "Endpoint",
    "Failed",
    "Headers",
    "Health",
    "HealthChange",
    "HealthProbe",
    "HistoryEntry",
    "HungUp",
    "IncomingCall",
    "Info",
    "LocalProtocolError",
    "MessageLimits",
    "MessageReceived",
    "NameAddr",
    "Offer",
    "OfferAnswered",
    "OfferRejected",
    "OfferResponder",
    "OtherUri",
    "OutgoingCall",
    "Progress",
    "Reason",
    "Redirected",
    "ReferAccepted",
    "ReferEnded",
    "ReferFailed",
    "ReferProgress",
    "ReferResponder",
    "Referred",
    "RegisterRequest",
    "Registered",
    "Registering",
    "Registrar",
    "RegistrarAnswer",
    "RegistrarConfig",
    "Registration",
    "RegistrationFailed",
    "RegistrationSettings",
    "RegistrationState",
    "Rejected",
    "RemoteHangup",
    "Replaced",
    "Replaces",
    "Request",
    "Response",
    "SipError",
    "SipParseError",
    "SipUri",
    "Statistics",
    "TimerConfig",
    "TlsConfig",
    "Unregistered",
    "UserAgent",
    "UserAgentConfig",
    "asserted_identities",
    "diversions",
    "history",
    "parse_uri",
]
