"""Carries out a Dial for a call: whom to ring by which way and as whom, what the caller hears, the bridge (contract
§10.6, §14.3, §14.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from engine.billing.metering import Telephone
from engine.calls.audio_leg import LegSettings
from engine.calls.carriers import legs_of, merged, through_number, to_destination, to_uri, voylo_headers
from engine.calls.leg import InboundLeg
from engine.calls.outbound_leg import Destination, OutboundLeg, header_lines
from engine.calls.party import UNREACHABLE, DialledParty
from engine.calls.queues import CallQueues, QueuedParty
from engine.calls.recording import CallRecordings, KeptRecording
from engine.calls.telephone_party import TelephoneParty
from engine.calls.trunk_party import TrunkParty
from engine.directory import NumberDirectory
from engine.ids import new_call_id
from engine.model import InboundTrunk, Number
from engine.phone import PhoneNumberError, normalise
from engine.sip_accounts import SipAccountDirectory
from media import MediaPlane, MediaSession, PortsExhausted, PromptAudio, ringback
from sip import Binding, Credentials, LocalProtocolError, NameAddr, SipParseError, SipUri, UserAgent
from sip.sdp import SdpRejected
from voyloml.capabilities import DialRefused, DialTarget, Recorded, Unreached

if TYPE_CHECKING:
    from engine.calls.call import Call
    from engine.calls.prompting import PromptSources

OWN_HEADERS = "x-voylo-"
UNALLOCATED = Unreached("failed", "unallocated_number")

_Way = tuple[Destination, LegSettings]


class CallingOut:
    """What every Dial needs of the engine. `bind` it once SIP is there; `is_down` tells by its id whether a trunk's
    destination is known to be unreachable."""

    def __init__(
        self,
        directory: NumberDirectory,
        accounts: SipAccountDirectory,
        plane: MediaPlane,
        legs: LegSettings,
        domain: Callable[[], str],
    ) -> None:
        self.directory = directory
        self.accounts = accounts
        self.plane = plane
        self.legs = legs
        self.domain = domain
        self.user_agent: UserAgent
        self.bindings: Callable[[str], Sequence[Binding]]
        self.service_route: Callable[[str], tuple[NameAddr, ...]]
        self.is_down: Callable[[str], bool] = lambda _destination_id: False
        self.tone = ringback()

    def bind(
        self,
        user_agent: UserAgent,
        bindings: Callable[[str], Sequence[Binding]],
        service_route: Callable[[str], tuple[NameAddr, ...]],
    ) -> None:
        """The user agent that places the calls; by its id, an account's registered contacts, and the Route of calls
        through a number that is registered with its carrier."""
        self.user_agent = user_agent
        self.bindings = bindings
        self.service_route = service_route


class NoSound:
    """voyloml's `Prompting` where nothing is played."""

    interrupted = False

    async def wait(self) -> None:
        """Returns at once."""

    async def played(self, _count: int) -> None:
        """Returns at once."""

    def stop(self) -> None:
        """Nothing to stop."""


class Ringback:
    """The tone that tells the caller that it rings, until stopped."""

    interrupted = False

    def __init__(self, session: MediaSession, tone: PromptAudio) -> None:
        self._session = session
        self._group = session.new_group()
        self._playing = session.play(tone, loops=0, group=self._group)

    async def wait(self) -> None:
        """Returns when it was stopped."""
        await self._playing.wait()

    def stop(self) -> None:
        """Silence with the next tick."""
        self._session.stop(self._group)


AnyParty = DialledParty | QueuedParty


class RealRinging:
    """What the first party with early media lets hear, until stopped; the tone while there is none.

    A caller who is not answered hears it as early media too.
    """

    interrupted = False

    def __init__(self, call: Call, tone: PromptAudio, parties: Sequence[AnyParty]) -> None:
        self._call = call
        self._sound = tone
        self._tone = self._ring()
        self._heard: OutboundLeg | None = None
        self._stopped = asyncio.Event()
        for party in parties:
            if isinstance(party, DialledParty):
                party.on_progress = self._progressed

    async def wait(self) -> None:
        """Returns when it was stopped."""
        await self._stopped.wait()

    def stop(self) -> None:
        """Silence with the next tick."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._tone.stop()
        if self._heard is not None:
            self._call.leg.session.hear(None)

    def _ring(self) -> NoSound | Ringback:
        return Ringback(self._call.leg.session, self._sound) if self._call.leg.answered else NoSound()

    def _progressed(self, leg: OutboundLeg, _status: int) -> None:
        if self._stopped.is_set() or (self._heard is not None and not self._heard.over):
            return
        if leg.negotiated is not None and self._caller_hears():
            self._tone.stop()
            self._heard = leg
            self._call.leg.session.hear(leg.session)
        elif self._heard is not None:
            # It has ended, and the next party only rings.
            self._heard = None
            self._call.leg.session.hear(None)
            self._tone = self._ring()

    def _caller_hears(self) -> bool:
        caller = self._call.leg
        if isinstance(caller, InboundLeg) and not caller.has_audio:
            try:
                caller.open_early_media()
            except (PortsExhausted, SdpRejected) as error:
                self._call.log("early_media_unavailable", {"warning": str(error)})
        return caller.has_audio


class LegBridge:
    """voyloml's `Bridge`: the caller and a party hear each other, and each other's keys; `recording` is of both."""

    def __init__(
        self, dialling: Dialling, caller: MediaSession, party: AnyParty, recording: KeptRecording | None
    ) -> None:
        self._dialling = dialling
        self._caller = caller
        self._party = party
        self._session = party.session
        self._recording = recording
        self._caller.hear(self._session)
        self._session.hear(self._caller)
        dialling.on_caller_key = self._session.send_digits
        party.on_key = self._caller.send_digits
        self._parted = False
        if isinstance(party, QueuedParty):
            party.on_part = self.part

    async def stop(self) -> Recorded | None:
        """Parts them; their recording once it can be fetched, where there is one."""
        self.part()
        return None if self._recording is None else await self._recording.stop()

    def part(self) -> None:
        """Parts them once: a caller out of a queue may hear somebody else when the Dial comes to stop the bridge."""
        if self._parted:
            return
        self._parted = True
        self._dialling.on_caller_key = self._party.on_key = lambda _key: None
        self._caller.hear(None)
        self._session.hear(None)


class Dialling:
    """The Dials of one call; voyloml's `Dialler`, without the call's own prompts."""

    def __init__(
        self,
        call: Call,
        sources: PromptSources,
        calling: CallingOut,
        queues: CallQueues,
        recordings: CallRecordings,
    ) -> None:
        self.on_caller_key: Callable[[str], object] = lambda _key: None
        self._call = call
        self._sources = sources
        self._calling = calling
        self._queues = queues
        self._recordings = recordings
        self._parties: list[AnyParty] = []
        self._dialled: Sequence[AnyParty] = ()

    @property
    def has_parties(self) -> bool:
        """Whether the call has called anybody, or taken somebody out of a queue."""
        return bool(self._parties)

    def party(
        self, target: DialTarget, number: Number | None, *, shown: str | None = None, name: str | None = None
    ) -> DialledParty:
        """The party of a call that no application runs, not rung yet; telephones are called through `number`, agents
        see the caller's `name`."""
        party = self._party(target, number, shown, (), name)
        self._keep([party])
        return party

    def parties(
        self, targets: Sequence[DialTarget], *, caller_id: str | None, headers: Sequence[str]
    ) -> Sequence[AnyParty]:
        """A party for each target, none rung yet. Raises DialRefused for a caller ID that may not be shown."""
        number = self._presented(caller_id) if any(target.kind == "number" for target in targets) else None
        parties: list[AnyParty] = [
            self._queued(target)
            if target.kind == "queue"
            else self._party(target, number, caller_id, headers, metered=True)
            for target in targets
        ]
        self._keep(parties)
        self._dialled = parties
        return parties

    def _keep(self, parties: Sequence[AnyParty]) -> None:
        """Parties to be ended with the call, into whose record their audio comes."""
        self._parties += parties
        for party in parties:
            if isinstance(party, DialledParty):
                party.on_audio_over = partial(self._call.dialled_audio_over, party.sid)

    def ringback(self, *, real: bool) -> NoSound | Ringback | RealRinging:
        """A tone for a caller who is answered; the caller's phone makes its own before (180 has been sent). With `real`
        what the parties of the Dial let hear as early media."""
        if real:
            return RealRinging(self._call, self._calling.tone, self._dialled)
        if not self._call.leg.answered:
            return NoSound()
        return Ringback(self._call.leg.session, self._calling.tone)

    def bridge(self, party: AnyParty, *, record: bool) -> LegBridge:
        """Lets the caller and the party hear each other; `record` keeps what they say, unless the application forbids
        it."""
        self._call.log("dial_bridged", {"leg": party.sid, "to": party.address})
        recording = self._recordings.record_dialled() if record else None
        return LegBridge(self, self._call.leg.session, party, recording)

    async def close(self) -> None:
        """Ends every party's legs; the call is over."""
        for party in self._parties:
            await party.hangup()

    def _presented(self, caller_id: str | None) -> Number:
        """The number of ours that telephones are called from. Raises DialRefused."""
        number: Number | None = self._call.number
        if caller_id is not None:
            try:
                number = self._calling.directory.lookup(normalise(caller_id))
            except PhoneNumberError:
                number = None
        allowed = self._call.application.allowed_caller_ids
        if number is None or number.workspace_id != self._call.new.workspace_id:
            problem = "is no number of this workspace"
        elif number.status != "active" or not number.outbound_enabled:
            problem = "may not call out"
        elif allowed and number.e164 not in allowed:
            problem = "is not in the application's allowedCallerIds"
        else:
            return number
        shown = caller_id if caller_id is not None else self._call.number.e164
        raise DialRefused("caller_id_not_allowed", f"the caller ID {shown} {problem}")

    def _party(
        self,
        target: DialTarget,
        number: Number | None,
        caller_id: str | None,
        headers: Sequence[str],
        name: str | None = None,
        *,
        metered: bool = False,
    ) -> DialledParty:
        calling = self._calling
        sent = self._headers((*headers, *target.headers))
        ways: list[_Way] = []
        unreached = UNREACHABLE
        leg_id, sid = new_call_id()
        telephone: Telephone | None = None
        if target.kind == "number":
            assert number is not None
            try:
                called = normalise(target.address)
                ways = self._by_carrier(number, called, sent)
                telephone = Telephone(leg_id, self._call.new.id, number.workspace_id, number.id, called)
            except PhoneNumberError:
                unreached = UNALLOCATED
        elif target.kind == "sip":
            ways = self._by_uri(target, self._caller(caller_id), sent)
        elif target.kind == "agent":
            ways = self._to_contacts(target.address, self._caller(caller_id), sent, name)
        elif target.kind == "trunk" and (trunk := self._trunk(target.address)) is not None:
            return self._trunk_party(trunk, target.address, self._caller(caller_id), sent)
        elif target.kind == "trunk":
            self._call.log("dial_unknown_trunk", {"to": target.address})
        else:
            self._call.log("verb_unavailable", {"verb": target.kind.capitalize(), "to": target.address})
        write = self._call.log
        metering, timing = self._call.metering
        if metered and ways and telephone is not None and metering is not None:
            return TelephoneParty(
                self._call,
                telephone,
                metering,
                timing,
                *(sid, target.address, ways, calling.user_agent, calling.plane, self._sources, write),
            )
        return DialledParty(
            sid, target.address, ways, calling.user_agent, calling.plane, self._sources, write, unreached
        )

    def _queued(self, target: DialTarget) -> QueuedParty:
        workspace_id = self._call.new.workspace_id
        return QueuedParty(self._queues, workspace_id, target.address, self._sources, self._call.log)

    def _caller(self, caller_id: str | None) -> str:
        """The user part of From for SIP targets."""
        shown = caller_id or self._call.new.from_
        if shown.startswith(("sip:", "sips:")):
            try:
                return SipUri.parse(shown).user or "anonymous"
            except SipParseError:
                return "anonymous"
        return shown

    def _headers(self, lines: Sequence[str]) -> Mapping[str, str]:
        theirs = ({name: value} for name, value in header_lines(lines) if not name.lower().startswith(OWN_HEADERS))
        return merged(voylo_headers(self._call.new, self._calling.domain()), *theirs)

    def _trunk(self, id_or_name: str) -> InboundTrunk | None:
        return self._calling.directory.inbound_trunks.find(self._call.new.workspace_id, id_or_name)

    def _trunk_party(self, trunk: InboundTrunk, address: str, caller: str, headers: Mapping[str, str]) -> TrunkParty:
        calling = self._calling
        return TrunkParty(
            new_call_id()[1],
            address,
            trunk,
            lambda destination: (to_destination(destination, caller, headers, calling.domain()), calling.legs),
            calling.is_down,
            self._call.routing_attempts,
            calling.user_agent,
            calling.plane,
            self._sources,
            self._call.log,
            self._call.now,
        )

    def _by_carrier(self, number: Number, called: str, headers: Mapping[str, str]) -> list[_Way]:
        destination = through_number(number, called, headers, self._calling.service_route(number.id))
        if destination is None:
            self._call.log("dial_without_carrier", {"number": number.e164, "to": called})
            return []
        return [(destination, legs_of(number, self._calling.legs))]

    def _by_uri(self, target: DialTarget, caller: str, headers: Mapping[str, str]) -> list[_Way]:
        try:
            uri = SipUri.parse(target.address).replace(headers=())
        except (SipParseError, LocalProtocolError) as error:
            self._call.log("dial_bad_uri", {"to": target.address[:256], "warning": str(error)})
            return []
        credentials = None
        if target.username is not None and target.password is not None:
            credentials = Credentials(target.username, target.password)
        return [(to_uri(uri, caller, headers, self._calling.domain(), credentials), self._calling.legs)]

    def _to_contacts(self, username: str, caller: str, headers: Mapping[str, str], name: str | None) -> list[_Way]:
        calling = self._calling
        account = calling.accounts.lookup(username)
        if account is None or account.kind != "agent" or account.workspace_id != self._call.new.workspace_id:
            return []
        found: list[_Way] = []
        for binding in calling.bindings(account.id):
            target = binding.target()
            way = to_uri(target.uri, caller, headers, calling.domain(), name=name)
            found.append((replace(way, next_hop=target.remote, routes=target.route_set), calling.legs))
        return found
