"""Calls that arrive from SIP accounts, outbound trunks and agents: who proves to be one, whom it calls, as whom
(contract §9.2, §14.4, §17).

An account need not be registered: its credentials alone are what counts, and where a trunk speaks from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.calls import outcome
from engine.calls.addresses import normalise_called
from engine.calls.arrivals import Arrivals
from engine.calls.caller_ids import CallerId, agent_caller, presented_numbers, trunk_caller
from engine.calls.connected import ConnectedCall
from engine.calls.leg import LegSettings
from engine.calls.outcome import End
from engine.directory import NumberDirectory
from engine.ids import new_call_id
from engine.model import DestinationKind, NewCall, OutboundTrunk
from engine.phone import PhoneNumberError
from engine.sip_accounts import SipAccount, SipAccountDirectory
from sip import Credentials, DigestOutcome, IncomingCall, SipUri
from voyloml.capabilities import DialTarget

CHALLENGED: Final = frozenset(
    {DigestOutcome.MISSING, DigestOutcome.STALE, DigestOutcome.REPLAYED, DigestOutcome.UNSUPPORTED}
)
"""What is answered with a challenge, not with a refusal."""


class AccountCalls:
    """Takes the INVITEs of outbound trunks and agents: `takes` those that show credentials or name a trunk, `challenge`
    any."""

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
        """Handles a call that shows to be an account's, and tells whether it did: by Proxy-Authorization for our realm,
        or by a trunk's username in From, which nobody else has."""
        if incoming.request.headers.get("Proxy-Authorization") is None:
            account = self._named(incoming)
            if account is None or account.kind != "trunk":
                return False
            self.challenge(incoming)
            return True
        return self._authenticate(incoming)

    def may_be(self, incoming: IncomingCall) -> bool:
        """Whether a call without credentials may be an account's: a trunk may speak from that address, From is the
        address of an agent, or the caller presents a number of ours, which somebody else would hardly do."""
        if self._accounts.has_trunk_at(incoming.source.host) or self._names_agent(incoming):
            return True
        return any(self._directory.lookup(e164) is not None for e164 in presented_numbers(incoming.request))

    def _named(self, incoming: IncomingCall) -> SipAccount | None:
        uri = incoming.request.from_.uri
        return self._accounts.authenticating(uri.user or "") if isinstance(uri, SipUri) else None

    def _names_agent(self, incoming: IncomingCall) -> bool:
        """An agent's username may be anybody's elsewhere: its host must be ours, or the one by which we are called."""
        account, uri, called = self._named(incoming), incoming.request.from_.uri, incoming.request.uri
        if account is None or account.kind != "agent" or not isinstance(uri, SipUri):
            return False
        ours = {self._realm().lower(), called.host.lower() if isinstance(called, SipUri) else ""}
        return uri.host.lower() in ours

    def challenge(self, incoming: IncomingCall, *, stale: bool = False) -> None:
        """Asks for the credentials of an account: 407."""
        incoming.proxy_challenge = True
        incoming.challenge(self._realm(), stale=stale)

    def _authenticate(self, incoming: IncomingCall) -> bool:
        """False where the credentials are for somebody else's realm."""
        refusals, source = self._arrivals.refusals, incoming.source.host
        user_agent = self._arrivals.user_agent
        result = user_agent.check_credentials(incoming, self._realm(), self.credentials, proxy=True)
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
        """The credentials of the trunk or agent with this username."""
        account = self._accounts.authenticating(username)
        return None if account is None else Credentials(username, account.password)

    def admit(self, incoming: IncomingCall, username: str) -> None:
        """Takes the call of an account that has proven to be this one; every path ends in a response or a running
        call."""
        account = self._accounts.authenticating(username)
        trunk = None if account is None else self._accounts.trunk(account.id)
        agent = None if account is None else self._accounts.agent(account.id)
        source = incoming.source.host
        if account is None or not account.enabled or not account.allows_source(source):
            self._arrivals.refusals.refused("call.foreign_address", source, user=username[:64])
            incoming.reject(403)
            return
        if self._arrivals.overloaded(incoming):
            return
        target, to, kind = self._called(incoming, account)
        if trunk is not None:
            caller = trunk_caller(trunk, target, to, incoming.request, self._directory)
        else:
            assert agent is not None
            caller = agent_caller(agent, target, self._directory, self._realm())
        new = self._describe(account, caller, to, kind)
        known = {"call": new.public_id, account.kind: account.id, "source": source}
        refusal = self._refusal(trunk, caller, target)
        if target is None or refusal is not None:
            self._arrivals.refuse(incoming, new, refusal or outcome.NO_SUCH_CALLEE, known)
            return
        record = trunk is not None and trunk.record
        services = self._arrivals.services
        call = ConnectedCall(new, caller.number, services, target, record=record, name=caller.name)
        if caller.number is not None:
            known["number"] = caller.number.e164
        self._arrivals.connect(incoming, call, self._legs, known)

    def _called(self, incoming: IncomingCall, by: SipAccount) -> tuple[DialTarget | None, str, DestinationKind]:
        """Whom the Request-URI names: a number, or an agent of the workspace; else nobody."""
        uri = incoming.request.uri
        user = (uri.user or "") if isinstance(uri, SipUri) else ""
        try:
            called = normalise_called(user)
        except PhoneNumberError:
            account = self._accounts.lookup(user)
            if account is None or account.kind != "agent" or account.workspace_id != by.workspace_id:
                return None, user[:255], "none"
            return DialTarget("agent", user), user, "agent"
        return DialTarget("number", called), called, "pstn"

    def _refusal(self, trunk: OutboundTrunk | None, caller: CallerId, target: DialTarget | None) -> End | None:
        if target is None:
            return outcome.NO_SUCH_CALLEE
        if not caller.allowed:
            return outcome.CALLER_ID_NOT_ALLOWED
        channels_of, number = self._arrivals.switchboard.channels_of, caller.number
        if trunk is not None and channels_of(trunk.id) >= trunk.max_channels:
            return outcome.TRUNK_CHANNELS_IN_USE
        if number is not None and number.channels is not None and channels_of(number.e164) >= number.channels:
            return outcome.TRUNK_CHANNELS_IN_USE
        return None

    def _describe(self, account: SipAccount, caller: CallerId, to: str, kind: DestinationKind) -> NewCall:
        """What the record starts from."""
        call_uuid, public_id = new_call_id()
        agent = self._accounts.lookup(to) if kind == "agent" else None
        return NewCall(
            id=call_uuid,
            public_id=public_id,
            workspace_id=account.workspace_id,
            direction="outbound",
            from_=caller.shown,
            to=to,
            number_id=None if caller.number is None else caller.number.id,
            trunk_id=account.id if account.kind == "trunk" else None,
            destination_kind=kind,
            destination_id=None if agent is None else agent.id,
            status="dialing",
            created_at=self._arrivals.services.now(),
        )
