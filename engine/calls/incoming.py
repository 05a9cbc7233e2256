"""Calls that arrive over SIP: which number, may this peer call it, what answers (contract §14.2).

The order of the checks is that of the contract: the number, the peer's right to call it, the number's state, its
destination, its channels. What is refused before the peer is known leaves no record.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engine.calls import outcome
from engine.calls.account_calls import CHALLENGED, AccountCalls
from engine.calls.addresses import caller_of, forwarded_from, normalise_called
from engine.calls.arrivals import Arrivals
from engine.calls.call import Call, CallServices
from engine.calls.carriers import encrypted_as
from engine.calls.connected import ConnectedCall
from engine.calls.leg import LegSettings
from engine.calls.outcome import End
from engine.calls.switchboard import Switchboard
from engine.directory import NumberDirectory
from engine.ids import new_call_id
from engine.model import Application, DestinationKind, InboundTrunk, NewCall, Number
from engine.phone import PhoneNumberError
from engine.refusals import RefusalLog
from engine.sip_accounts import SipAccountDirectory
from media import MediaPlane
from sip import Credentials, DigestOutcome, IncomingCall, SipUri, UserAgent
from voyloml.capabilities import DialTarget


@dataclass(frozen=True, slots=True)
class _Admitted:
    """What the checks found for a call from a known peer: where its number points, and why it may not go there."""

    number: Number
    application: Application | None = None
    trunk: InboundTrunk | None = None
    refusal: End | None = None


class IncomingCalls:
    """Takes each new INVITE from the SIP user agent and makes a call of it, or refuses it.

    Give `arrived` to the user agent as its `on_call`, and the user agent to `bind`.
    """

    def __init__(
        self,
        directory: NumberDirectory,
        accounts: SipAccountDirectory,
        switchboard: Switchboard,
        plane: MediaPlane,
        legs: LegSettings,
        services: CallServices,
        realm: Callable[[], str],
    ) -> None:
        self._directory = directory
        self._switchboard = switchboard
        self._legs = legs
        self._services = services
        self._realm = realm
        self._refusals = RefusalLog(time.monotonic, directory.trusts)
        self._arrivals = Arrivals(switchboard, plane, services, self._refusals)
        self._accounts = AccountCalls(accounts, directory, self._arrivals, legs, realm)
        self._user_agent: UserAgent

    def bind(self, user_agent: UserAgent) -> None:
        """The user agent whose calls arrive here."""
        self._user_agent = user_agent
        self._arrivals.bind(user_agent)

    def arrived(self, incoming: IncomingCall) -> None:
        """One new call; every path ends in a response or a running call.

        A call to nobody's number, or from an address that may not call the number, may be that of an outbound trunk
        or an agent which has not proven it yet: where it looks like that, it is asked for credentials instead of
        refused.
        """
        if self._accounts.takes(incoming):
            return
        source = incoming.source.host
        number = self._number_called(incoming)
        if number is None and self._accounts.may_be(incoming):
            self._accounts.challenge(incoming)
            return
        if number is None:
            self._refusals.refused("call.unknown_number", source, to=str(incoming.request.uri)[:128])
            incoming.reject(404, stateless=True)
            return
        if not self._may_call(source, number) and self._accounts.may_be(incoming):
            self._accounts.challenge(incoming)
            return
        if not self._authenticated(incoming, number) or self._arrivals.overloaded(incoming):
            return
        admitted = self._route(number)
        call_uuid, public_id = new_call_id()
        new = self._describe(incoming, admitted, call_uuid, public_id, self._services.now())
        known = {"call": public_id, "number": number.e164, "source": source}
        call = self._call(new, admitted)
        if call is not None:
            call.forwarded_from = forwarded_from(incoming.request.headers)
        if admitted.refusal is not None or call is None:
            self._arrivals.refuse(incoming, new, admitted.refusal or outcome.NO_APPLICATION, known)
            return
        self._arrivals.connect(incoming, call, encrypted_as(number, self._legs), known)

    def _call(self, new: NewCall, admitted: _Admitted) -> Call | None:
        if admitted.application is not None:
            return Call(new, admitted.number, admitted.application, self._services)
        if admitted.trunk is not None:
            target = DialTarget("trunk", admitted.trunk.id)
            return ConnectedCall(new, admitted.number, self._services, target, record=admitted.trunk.record)
        return None

    def _number_called(self, incoming: IncomingCall) -> Number | None:
        for uri in (incoming.request.uri, incoming.request.to.uri):
            if not isinstance(uri, SipUri) or not uri.user:
                continue
            try:
                e164 = normalise_called(uri.user)
            except PhoneNumberError:
                continue
            number = self._directory.lookup(e164)
            if number is not None:
                return number
        return None

    def _may_call(self, source: str, number: Number) -> bool:
        """Whether anybody at this address may call the number, with credentials or without."""
        sip = number.sip
        if sip is None or not (sip.allowed_source_ips or sip.auth is not None):
            return False
        return not sip.allowed_source_ips or sip.allows_source(source)

    def _authenticated(self, incoming: IncomingCall, number: Number) -> bool:
        sources = number.sip.allowed_source_ips if number.sip is not None else ()
        auth = number.sip.auth if number.sip is not None else None
        source = incoming.source
        if not sources and auth is None:
            self._refusals.refused("call.number_open_to_nobody", source.host, number=number.e164)
            incoming.reject(403, stateless=True)
            return False
        if number.sip is not None and sources and not number.sip.allows_source(source.host):
            self._refusals.refused("call.foreign_address", source.host, number=number.e164)
            incoming.reject(403, stateless=True)
            return False
        if auth is None:
            return True
        realm = self._realm()
        credentials = Credentials(auth.username, auth.password)
        result = self._user_agent.check_credentials(
            incoming,
            realm,
            lambda username: credentials if username == auth.username else self._accounts.credentials(username),
        )
        if result.ok and result.username != auth.username:
            # A trunk or an agent that calls this number, asked for the carrier's credentials
            self._accounts.admit(incoming, result.username or "")
            return False
        if result.ok:
            return True
        if result.outcome in CHALLENGED:
            incoming.challenge(realm, stale=result.stale)
            return False
        if result.outcome is DigestOutcome.MALFORMED:
            # No nonce of ours was looked at, so the address may be forged: nothing is kept or repeated for it
            self._refusals.refused("call.malformed_credentials", source.host, number=number.e164)
            incoming.reject(400, stateless=True)
            return False
        self._refusals.refused("call.bad_credentials", source.host, number=number.e164, result=result.outcome.value)
        incoming.reject(403)
        return False

    def _route(self, number: Number) -> _Admitted:
        if number.status != "active" or not number.inbound_enabled:
            return _Admitted(number, refusal=outcome.NUMBER_INACTIVE)
        destination, application, trunk = number.destination, None, None
        if destination is not None and destination.kind == "application":
            application = self._directory.application(destination.id)
        elif destination is not None:
            trunk = self._directory.inbound_trunks.get(destination.id)
        if trunk is not None and trunk.enabled:
            application = self._directory.application_on(trunk.id)
        refusal = None if application is not None or trunk is not None else outcome.NO_APPLICATION
        if (
            refusal is None
            and number.channels is not None
            and self._switchboard.channels_of(number.e164) >= number.channels
        ):
            refusal = outcome.CHANNELS_IN_USE
        return _Admitted(number, application, trunk, refusal)

    def _describe(
        self, incoming: IncomingCall, admitted: _Admitted, call_uuid: str, public_id: str, now: datetime
    ) -> NewCall:
        number, destination = admitted.number, admitted.number.destination
        kind: DestinationKind = "none" if destination is None else destination.kind
        destination_id = application_id = None if destination is None else destination.id
        if admitted.application is not None:
            kind, destination_id, application_id = "application", admitted.application.id, admitted.application.id
        return NewCall(
            id=call_uuid,
            public_id=public_id,
            workspace_id=number.workspace_id,
            direction="inbound",
            from_=caller_of(incoming.request.from_),
            to=number.e164,
            number_id=number.id,
            application_id=application_id if kind == "application" else None,
            trunk_id=destination.id if destination is not None and destination.kind == "trunk" else None,
            destination_kind=kind,
            destination_id=destination_id,
            status="ringing",
            created_at=now,
        )
