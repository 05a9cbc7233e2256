"""Calls that arrive from outbound trunks: who proves to be one, whom it calls, as which number (contract §9.2, §14.4).

A trunk need not be registered: its credentials alone are what counts, and where it speaks from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.calls import outcome
from engine.calls.addresses import caller_of, normalise_called
from engine.calls.arrivals import Arrivals
from engine.calls.caller_ids import number_for, presented_numbers
from engine.calls.connected import ConnectedCall
from engine.calls.leg import LegSettings
from engine.calls.outcome import End
from engine.directory import NumberDirectory
from engine.ids import new_call_id
from engine.model import DestinationKind, NewCall, Number, OutboundTrunk
from engine.phone import PhoneNumberError
from engine.sip_accounts import SipAccountDirectory
from sip import Credentials, DigestOutcome, IncomingCall, SipUri
from voyloml.capabilities import DialTarget

CHALLENGED: Final = frozenset(
    {DigestOutcome.MISSING, DigestOutcome.STALE, DigestOutcome.REPLAYED, DigestOutcome.UNSUPPORTED}
)
"""What is answered with a challenge, not with a refusal."""


class TrunkCalls:
    """Takes the INVITEs of outbound trunks: `takes` those that show credentials or name a trunk, `challenge` any."""

    def __init__(
        self,
        accounts: SipAccountDirectory,
        directory: NumberDirectory,
        arrivals: Arrivals,
        legs: LegSettings,
        realm: Callable[[], str],
    ) -> None:
        self._accounts = accounts
        self._directory = directory
        self._arrivals = arrivals
        self._legs = legs
        self._realm = realm

    def takes(self, incoming: IncomingCall) -> bool:
        """Handles a call that shows to be a trunk's, and tells whether it did: by Proxy-Authorization for our realm, or
        by the trunk's username in From."""
        if incoming.request.headers.get("Proxy-Authorization") is None:
            uri = incoming.request.from_.uri
            account = self._accounts.lookup(uri.user or "") if isinstance(uri, SipUri) else None
            if account is None or account.kind != "trunk":
                return False
            self.challenge(incoming)
            return True
        return self._authenticate(incoming)

    def may_be(self, incoming: IncomingCall) -> bool:
        """Whether a call without credentials may be a trunk's: one may speak from that address, or the caller presents
        a number of ours, which somebody else would hardly do."""
        if self._accounts.has_trunk_at(incoming.source.host):
            return True
        return any(self._directory.lookup(e164) is not None for e164 in presented_numbers(incoming.request))

    def challenge(self, incoming: IncomingCall, *, stale: bool = False) -> None:
        """Asks for the credentials of a trunk: 407."""
        incoming.proxy_challenge = True
        incoming.challenge(self._realm(), stale=stale)

    def _authenticate(self, incoming: IncomingCall) -> bool:
        """False where the credentials are for somebody else's realm."""
        refusals, source = self._arrivals.refusals, incoming.source.host
        result = self._arrivals.user_agent.check_credentials(
            incoming, self._realm(), self.credentials, proxy=True
        )  # fmt: skip
        if result.outcome is DigestOutcome.MISSING:
            return False
        if result.outcome in CHALLENGED:
            self.challenge(incoming, stale=result.stale)
        elif result.outcome is DigestOutcome.MALFORMED:
            refusals.refused("call.malformed_credentials", source)
            incoming.reject(400, stateless=True)
        elif not result.ok:
            refusals.refused("call.bad_credentials", source, user=(result.username or "")[:64])
            incoming.reject(403)
        else:
            self.admit(incoming, result.username or "")
        return True

    def credentials(self, username: str) -> Credentials | None:
        """The credentials of the trunk with this username."""
        account = self._accounts.lookup(username)
        if account is None or account.kind != "trunk":
            return None
        return Credentials(account.username, account.password)

    def admit(self, incoming: IncomingCall, username: str) -> None:
        """Takes the call of a trunk that has proven to be this one; every path ends in a response or a running call."""
        account = self._accounts.lookup(username)
        trunk = None if account is None else self._accounts.trunk(account.id)
        source = incoming.source.host
        if account is None or trunk is None or not trunk.enabled or not account.allows_source(source):
            self._arrivals.refusals.refused("call.foreign_address", source, user=username[:64])
            incoming.reject(403)
            return
        if self._arrivals.overloaded(incoming):
            return
        target, to, kind = self._called(incoming, trunk)
        number = None if target is None else number_for(trunk, to, incoming.request, self._directory)
        new = self._describe(trunk, number, caller_of(incoming.request.from_), to, kind)
        known = {"call": new.public_id, "trunk": trunk.id, "source": source}
        refusal = self._refusal(trunk, number, target)
        if number is None or target is None or refusal is not None:
            self._arrivals.refuse(incoming, new, refusal or outcome.NO_SUCH_CALLEE, known)
            return
        call = ConnectedCall(new, number, self._arrivals.services, target, record=trunk.record)
        self._arrivals.connect(incoming, call, self._legs, {**known, "number": number.e164})

    def _called(self, incoming: IncomingCall, trunk: OutboundTrunk) -> tuple[DialTarget | None, str, DestinationKind]:
        """Whom the Request-URI names: a number, or an agent of the workspace; else nobody."""
        uri = incoming.request.uri
        user = (uri.user or "") if isinstance(uri, SipUri) else ""
        try:
            called = normalise_called(user)
        except PhoneNumberError:
            account = self._accounts.lookup(user)
            if account is None or account.kind != "agent" or account.workspace_id != trunk.workspace_id:
                return None, user[:255], "none"
            return DialTarget("agent", user), user, "agent"
        return DialTarget("number", called), called, "pstn"

    def _refusal(self, trunk: OutboundTrunk, number: Number | None, target: DialTarget | None) -> End | None:
        if target is None:
            return outcome.NO_SUCH_CALLEE
        if number is None:
            return outcome.CALLER_ID_NOT_ALLOWED
        channels_of = self._arrivals.switchboard.channels_of
        if channels_of(trunk.id) >= trunk.max_channels:
            return outcome.TRUNK_CHANNELS_IN_USE
        if number.channels is not None and channels_of(number.e164) >= number.channels:
            return outcome.TRUNK_CHANNELS_IN_USE
        return None

    def _describe(
        self, trunk: OutboundTrunk, number: Number | None, claimed: str, to: str, kind: DestinationKind
    ) -> NewCall:
        """What the record starts from; `claimed` is the caller of a call that gets no number to present."""
        call_uuid, public_id = new_call_id()
        agent = self._accounts.lookup(to) if kind == "agent" else None
        return NewCall(
            id=call_uuid,
            public_id=public_id,
            workspace_id=trunk.workspace_id,
            direction="outbound",
            from_=claimed if number is None else number.e164,
            to=to,
            number_id=None if number is None else number.id,
            trunk_id=trunk.id,
            destination_kind=kind,
            destination_id=None if agent is None else agent.id,
            status="dialing",
            created_at=self._arrivals.services.now(),
        )
