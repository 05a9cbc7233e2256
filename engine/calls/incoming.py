"""Calls that arrive over SIP: which number, may this peer call it, what answers (contract §14.2).

The order of the checks is that of the contract: the number, the peer's right to call it, the number's state, its
destination, its channels. What is refused before the peer is known leaves no record.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from engine.calls import outcome
from engine.calls.call import Call, CallServices
from engine.calls.carriers import encrypted_as
from engine.calls.leg import InboundLeg, LegSettings
from engine.calls.outcome import End
from engine.calls.switchboard import Switchboard
from engine.directory import NumberDirectory
from engine.ids import new_call_id
from engine.model import Application, NewCall, Number
from engine.phone import PhoneNumberError, normalise
from engine.refusals import RefusalLog
from media import MediaPlane
from sip import Credentials, DigestOutcome, IncomingCall, NameAddr, SipParseError, SipUri, UserAgent
from sip.sdp import SdpRejected

OVERLOAD_RETRY_SECONDS = 4
"""The longest wait that a refused caller is asked for while calls begin too slowly; spread, so that not all return at
the same moment."""

logger = structlog.get_logger(__name__)

_CHALLENGED = frozenset({DigestOutcome.MISSING, DigestOutcome.STALE, DigestOutcome.REPLAYED, DigestOutcome.UNSUPPORTED})


@dataclass(frozen=True, slots=True)
class _Admitted:
    """What the checks found for a call from a known peer."""

    number: Number
    application: Application | None
    refusal: End | None


class IncomingCalls:
    """Takes each new INVITE from the SIP user agent and makes a call of it, or refuses it.

    Give `arrived` to the user agent as its `on_call`, and the user agent to `bind`.
    """

    def __init__(
        self,
        directory: NumberDirectory,
        switchboard: Switchboard,
        plane: MediaPlane,
        legs: LegSettings,
        services: CallServices,
        realm: Callable[[], str],
    ) -> None:
        self._directory = directory
        self._switchboard = switchboard
        self._plane = plane
        self._legs = legs
        self._services = services
        self._realm = realm
        self._refusals = RefusalLog(time.monotonic, directory.trusts)
        self._user_agent: UserAgent

    def bind(self, user_agent: UserAgent) -> None:
        """The user agent whose calls arrive here."""
        self._user_agent = user_agent

    def arrived(self, incoming: IncomingCall) -> None:
        """One new call; every path ends in a response or a running call."""
        number = self._number_called(incoming)
        if number is None:
            self._refusals.refused("call.unknown_number", incoming.source.host, to=str(incoming.request.uri)[:128])
            incoming.reject(404, stateless=True)
            return
        if not self._authenticated(incoming, number):
            return
        if self._switchboard.behind:
            self._refusals.refused("call.overloaded", incoming.source.host, hint="fewer calls, or a faster machine")
            retry_after = str(1 + secrets.randbelow(OVERLOAD_RETRY_SECONDS))
            incoming.reject(503, headers=(("Retry-After", retry_after),), stateless=True)
            return
        admitted = self._route(number)
        call_uuid, public_id = new_call_id()
        new = self._describe(incoming, admitted, call_uuid, public_id, self._services.now())
        known = {"call": public_id, "number": number.e164, "source": incoming.source.host}
        if admitted.refusal is not None or admitted.application is None:
            refusal = admitted.refusal or outcome.NO_APPLICATION
            logger.info("call.refused", **known, cause=refusal.cause, sip_code=refusal.sip_code)
            self._refuse(incoming, new, refusal)
            return
        call = Call(new, number, admitted.application, self._services)
        try:
            leg = InboundLeg(incoming, self._user_agent, self._plane, encrypted_as(number, self._legs), call.on_media)
        except SdpRejected as error:
            logger.info("call.refused", **known, cause="no_common_media", sip_code=error.status, reason=str(error))
            warning = error.warning_header(self._user_agent.local_address_for(incoming.source.host))
            self._refuse(incoming, new, outcome.NO_COMMON_MEDIA, (warning,))
            return
        except SipParseError as error:
            logger.info("call.bad_sdp", **known, reason=str(error))
            incoming.reject(error.status, error.reason)
            return
        logger.info("call.received", **known, caller=new.from_, application=admitted.application.id)
        call.attach(leg)
        self._switchboard.connect(call)

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
            incoming, realm, lambda username: credentials if username == auth.username else None
        )
        if result.ok:
            return True
        if result.outcome in _CHALLENGED:
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
            return _Admitted(number, None, outcome.NUMBER_INACTIVE)
        destination = number.destination
        application = None
        if destination is not None and destination.kind == "application":
            application = self._directory.application(destination.id)
        if application is None:
            return _Admitted(number, None, outcome.NO_APPLICATION)
        if number.channels is not None and self._switchboard.channels_of(number.e164) >= number.channels:
            return _Admitted(number, application, outcome.CHANNELS_IN_USE)
        return _Admitted(number, application, None)

    def _refuse(
        self, incoming: IncomingCall, new: NewCall, end: End, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        incoming.reject(end.sip_code, headers=headers)
        self._services.records.refused(new, end.outcome, end.by, end.cause, end.sip_code)

    def _describe(
        self, incoming: IncomingCall, admitted: _Admitted, call_uuid: str, public_id: str, now: datetime
    ) -> NewCall:
        number, destination = admitted.number, admitted.number.destination
        return NewCall(
            id=call_uuid,
            public_id=public_id,
            workspace_id=number.workspace_id,
            direction="inbound",
            from_=caller_of(incoming.request.from_),
            to=number.e164,
            number_id=number.id,
            application_id=destination.id if destination is not None and destination.kind == "application" else None,
            destination_kind=destination.kind if destination is not None else "none",
            destination_id=destination.id if destination is not None else None,
            status="ringing",
            created_at=now,
        )


def normalise_called(user: str) -> str:
    """The E.164 form of a Request-URI user part; `+` optional, a leading `00` is `+`. Raises PhoneNumberError."""
    number = user.partition(";")[0]
    if number.startswith("00"):
        number = "+" + number[2:]
    return normalise(number)


def caller_of(from_: NameAddr) -> str:
    """The caller as records show it: a normalised number when the user part is one, else the SIP URI."""
    uri = from_.uri
    if not isinstance(uri, SipUri):
        return str(uri)[:255]
    if uri.user:
        try:
            return normalise_called(uri.user)
        except PhoneNumberError:
            pass
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    return f"sip:{uri.user}@{host}"[:255] if uri.user else f"sip:{host}"[:255]
