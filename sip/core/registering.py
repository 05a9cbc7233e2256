"""REGISTER as the core serves it (RFC 3261 §10.3): who asks is shown to the application, which authenticates; the
registrar decides the rest.

What is kept of a REGISTER that nobody has authenticated is one entry of a bounded table, and only while the application
thinks about it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from sip.binding import Binding, BindingChange
from sip.core.inspection import Refusal
from sip.digest import Credentials, DigestResult
from sip.endpoint import Endpoint
from sip.message import Request
from sip.registrar import Registrar
from sip.transaction.layer import TransactionKey, server_key
from sip.transaction.table import Event
from sip.transaction.timers import TimerEntry
from sip.uri import SipUri

if TYPE_CHECKING:
    from sip.core.agent import UserAgentCore

PENDING_REGISTERS: Final = 1024
"""REGISTERs that may wait for the application at once; the oldest is forgotten first, its client will repeat it."""

REGISTER_EXTENSIONS: Final = frozenset({"path", "outbound"})
"""Option tags that a REGISTER may require."""


class RegisterRequest:
    """A REGISTER that waits for the application's word: `challenge`, `accept` or `reject`. The first one counts.

    `check_credentials` of the user agent takes it like a call. From is not looked at: who registers for whom is what
    the application makes of the user name that was proven (§10.3 step 3, 4).
    """

    def __init__(
        self, registering: RegisterService, request: Request, source: Endpoint, local: Endpoint, size: int, aor: SipUri
    ) -> None:
        self._registering = registering
        self.request = request
        self.source = source
        self.local = local
        self.size = size  # bytes of the datagram, the measure for what may be answered unasked
        self.aor = aor  # the To URI: for whom
        self.proxy_challenge = False
        self.answered = False

    def check_credentials(
        self, realm: str | None, lookup: Credentials | Callable[[str], Credentials | None]
    ) -> DigestResult:
        """Check its credentials; a wrong one counts against its source (contract §14.1)."""
        return self._registering.core.check_credentials(self, realm, lookup)

    def challenge(self, realm: str | None = None, *, stale: bool = False) -> None:
        """Ask for credentials: 401. Nothing is kept (§8.2.7)."""
        if self._take():
            headers = self._registering.core.challenges(self, realm, stale=stale)
            self._registering.refuse(self, 407 if self.proxy_challenge else 401, None, headers)

    def reject(self, status: int, reason: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Refuse with a final status from 300 to 699. Nothing is kept."""
        if self._take():
            self._registering.refuse(self, status, reason, headers)

    def accept(self, aor_key: str) -> tuple[BindingChange, ...]:
        """Let the registrar carry it out for the account `aor_key` and answer; returns what has changed."""
        return self._registering.carry_out(self, aor_key) if self._take() else ()

    def _take(self) -> bool:
        if self.answered:
            return False
        self.answered = True
        self._registering.settle(self)
        return True


class RegisterService:
    """Stands between the core and the registrar: answers, timers, keep-alives, and the events of bindings."""

    def __init__(
        self,
        core: UserAgentCore,
        registrar: Registrar,
        on_register: Callable[[RegisterRequest], None],
        on_change: Callable[[BindingChange], None] | None,
    ) -> None:
        self.core = core
        self.registrar = registrar
        self._on_register = on_register
        self._on_change = on_change
        self._pending: OrderedDict[TransactionKey, RegisterRequest] = OrderedDict()
        self._expiry: TimerEntry | None = None
        self._expiry_due = 0.0
        for binding in registrar.all_bindings():
            self._hold(binding)
        self._set_timer()

    @property
    def pending(self) -> int:
        """REGISTERs that the application has not decided on."""
        return len(self._pending)

    def receive(self, request: Request, source: Endpoint, local: Endpoint, size: int) -> None:
        """A REGISTER that matched no transaction."""
        core = self.core
        refusal = self._inspect(request)
        if refusal is not None:
            core.refuse(request, source, local, refusal.status, headers=refusal.headers)
            return
        key = server_key(request)
        if key in self._pending:
            core.layer.counters.retransmissions_received += 1
            return
        aor = request.to.uri
        assert isinstance(aor, SipUri)
        waiting = RegisterRequest(self, request, source, local, size, aor)
        self._pending[key] = waiting
        if len(self._pending) > PENDING_REGISTERS:
            self._pending.popitem(last=False)
        core.notify(self._on_register, waiting)

    def settle(self, waiting: RegisterRequest) -> None:
        """The application has decided."""
        key = server_key(waiting.request)
        if self._pending.get(key) is waiting:
            del self._pending[key]

    def refuse(
        self, waiting: RegisterRequest, status: int, reason: str | None, headers: Sequence[tuple[str, str]]
    ) -> None:
        """Answer with an error and forget."""
        core = self.core
        core.sender.refuse(
            waiting.request, waiting.source, waiting.local, status, reason, size=waiting.size, headers=headers
        )
        core.wake()

    def carry_out(self, waiting: RegisterRequest, aor_key: str) -> tuple[BindingChange, ...]:
        """Run the registrar and answer by a transaction, which repeats the answer when the request is repeated."""
        core, request = self.core, waiting.request
        running = core.layer.find_server(server_key(request))
        if running is not None:  # forgotten while it waited, come again, and answered then
            running.handle(Event.RECEIVE_REQUEST)
            core.wake()
            return ()
        answer = self.registrar.register(aor_key, request, waiting.source, waiting.local, core.clock())
        transaction = core.sender.serve(request, waiting.source, waiting.local)
        transaction.respond(core.sender.response(request, answer.status, answer.reason, headers=answer.headers))
        self._tell(answer.changes)
        self._set_timer()
        core.wake()
        return answer.changes

    def remove_all(self, aor_key: str) -> None:
        """Remove all bindings of an account that may register no more."""
        self._tell(self.registrar.remove_all(aor_key))
        self.core.wake()

    def connection_lost(self, remote: Endpoint, local: Endpoint) -> None:
        """A connection has ended, and with it the bindings that were reached over it."""
        self._tell(self.registrar.connection_lost(remote, local))

    def _inspect(self, request: Request) -> Refusal | None:
        core = self.core
        if request.uri.scheme not in core.config.uri_schemes or not isinstance(request.to.uri, SipUri):
            return Refusal(416)
        if core.layer.is_merged(request):
            return Refusal(482)  # §8.2.2.2
        unknown = [tag for tag in request.require if tag.lower() not in REGISTER_EXTENSIONS]
        if unknown:
            return Refusal(420, (("Unsupported", ", ".join(unknown)),))
        if core.draining or core.layer.server_count >= core.config.server_transactions:
            return Refusal(503, (("Retry-After", str(core.config.retry_after_seconds)),))
        return None

    def _tell(self, changes: Sequence[BindingChange]) -> None:
        for change in changes:
            binding = change.binding
            if change.kind == "unbound":
                self._release(binding)
            else:
                self._hold(binding)
                if change.previous is not None:
                    self._release(change.previous)
            if self._on_change is not None:
                self.core.notify(self._on_change, change)

    def _hold(self, binding: Binding) -> None:
        if binding.behind_nat:
            self.core.keep_alive.hold(binding.source, binding.local)

    def _release(self, binding: Binding) -> None:
        if binding.behind_nat:
            self.core.keep_alive.release(binding.source, binding.local)

    def _set_timer(self) -> None:
        due = self.registrar.next_expiry()
        if due is None or (self._expiry is not None and self._expiry_due <= due):
            return
        timers = self.core.layer.timers
        if self._expiry is not None:
            timers.cancel(self._expiry)
        self._expiry_due = due
        self._expiry = timers.schedule(due - self.core.clock(), self._expire)

    def _expire(self, _argument: object) -> None:
        self._expiry = None
        self._tell(self.registrar.expire(self.core.clock()))
        self._set_timer()
