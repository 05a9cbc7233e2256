"""A carrier with a registrar, and a number that registers there, on one virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sip.binding import BindingChange
from sip.core.config import UserAgentConfig
from sip.core.probe import Locate
from sip.core.registering import RegisterRequest
from sip.core.registration import Registration, RegistrationSettings
from sip.core.registration_state import RegistrationState
from sip.digest import Credentials, DigestOutcome
from sip.endpoint import Endpoint
from sip.registrar import Registrar, RegistrarConfig
from sip.uri import SipUri
from tests.sip.support import PEER, Agent, Clock, Wire

REGISTRAR = SipUri.parse("sip:192.0.2.99:5070")
AOR = SipUri.parse("sip:alice@carrier.example")
CREDENTIALS = Credentials("alice", "secret")
SETTINGS = RegistrationSettings(REGISTRAR, AOR, CREDENTIALS)


class Carrier(Agent):
    """A core at PEER that registers whoever knows the password; the account key is the proven user name."""

    def __init__(
        self,
        clock: Clock,
        *,
        registrar: Registrar | None = None,
        config: UserAgentConfig | None = None,
        proxy: bool = False,
        **limits: int,
    ) -> None:
        super().__init__(config, clock=clock, local=PEER)
        self.registrar = self.core.serve_registrations(
            self.decide,
            self.changes_append,
            Registrar(RegistrarConfig(**limits)) if registrar is None else registrar,
        )
        self.password = "secret"
        self.proxy = proxy
        self.asked: list[RegisterRequest] = []
        self.outcomes: list[DigestOutcome] = []
        self.changes: list[BindingChange] = []

    def changes_append(self, change: BindingChange) -> None:
        self.changes.append(change)

    def decide(self, asking: RegisterRequest) -> None:
        """Authenticate and answer."""
        self.asked.append(asking)
        known = {"alice": Credentials("alice", self.password)}
        result = self.core.check_credentials(asking, "carrier", known.get, proxy=self.proxy)
        self.outcomes.append(result.outcome)
        if result.ok:
            asking.accept(result.username or "")
        elif result.outcome is DigestOutcome.BAD:
            asking.reject(403)
        else:
            asking.challenge("carrier", stale=result.stale)

    def contacts(self) -> list[str]:
        """What is bound for alice."""
        return [str(binding.contact) for binding in self.registrar.bindings("alice", self.clock.now)]

    def kinds(self) -> list[str]:
        """What became of bindings, in order."""
        return [change.reason or change.kind for change in self.changes]


def at(*remotes: Endpoint) -> Locate:
    """A look-up that always finds these."""
    return lambda _uri, found: found(remotes)


def client(
    agent: Agent,
    settings: RegistrationSettings = SETTINGS,
    *,
    locate: Locate | None = None,
    jitter: float = 0.0,
) -> tuple[Registration, list[RegistrationState]]:
    """A registration of `agent`, not started; its states are collected."""
    states: list[RegistrationState] = []
    made = Registration(agent.core, settings, locate or at(PEER), states.append, jitter=lambda: jitter)
    return made, states


def joined(
    fate: Callable[[int, bytes, Agent], Sequence[float]] | None = None, **options: object
) -> tuple[Agent, Carrier, Wire]:
    """A client at LOCAL, a carrier at PEER, and the wire between them."""
    clock = Clock()
    agent = Agent(clock=clock)
    carrier = Carrier(clock, **options)  # type: ignore[arg-type]
    return agent, carrier, Wire(agent, carrier, fate)
