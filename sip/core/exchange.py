"""One request outside any dialog and its final response: challenges answered, other addresses tried (RFC 3261 §8.1,
§22.2; RFC 3263 §4.3). What REGISTER and OPTIONS of ours have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from sip.core.flows import Flow
from sip.digest import DigestSession
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.message import Request, Response
from sip.transaction.transaction import ClientTransaction, Failure

if TYPE_CHECKING:
    from sip.core.agent import UserAgentCore
    from sip.transaction.timers import TimerEntry

CHALLENGES_ANSWERED: Final = 4
"""401 and 407 responses answered for one address: those of two proxies, the server's, and one stale nonce."""


@dataclass(frozen=True, slots=True)
class ExchangeResult:
    """How an exchange ended: with a final response, or with the failure of the last address that was tried.

    `flow` and `remote` are those of that address; None when none could be tried. `sent_at` is when the request that was
    answered left, on the clock.
    """

    response: Response | None
    failure: Literal["timeout", "transport", "unreachable"] | None
    request: Request | None = None
    flow: Flow | None = None
    remote: Endpoint | None = None
    sent_at: float = 0.0


class Exchange:
    """Sends what `compose(flow)` makes to the first of some addresses that takes it; `on_result` is called once.

    `compose` is asked for each try, and has to give a request with a new CSeq but without Via, credentials and
    User-Agent. The next address is tried where one cannot be reached, says nothing or answers 503.
    """

    def __init__(
        self,
        core: UserAgentCore,
        compose: Callable[[Flow], Request],
        on_result: Callable[[ExchangeResult], None],
        *,
        digest: DigestSession | None = None,
        timeout: float | None = None,
    ) -> None:
        """`timeout` in seconds bounds the whole exchange; without it only timer F bounds each try (§17.1.2.2)."""
        self._core = core
        self._compose = compose
        self._on_result = on_result
        self._digest = digest
        self._timeout = timeout
        self._candidates: list[Endpoint] = []
        self._transaction: ClientTransaction | None = None
        self._flow: Flow | None = None
        self._challenges = 0
        self._sent_at = 0.0
        self._timer: TimerEntry | None = None
        self.ended = False

    def start(self, remotes: Sequence[Endpoint]) -> None:
        """Send the request to the first of these addresses. No effect after `abandon`."""
        if self.ended:
            return
        self._candidates = self._core.sender.in_order(remotes)
        if self._timeout is not None:
            self._timer = self._core.layer.timers.schedule(self._timeout, self._time_out)
        if not self._try_next():
            self._end(ExchangeResult(None, "unreachable"))
        self._core.wake()

    def abandon(self) -> None:
        """Want no result any more; nothing is repeated from now on."""
        self._let_go()

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """ClientUser: a response to the request."""
        if self.ended or transaction is not self._transaction or response.status < 200:
            return
        if response.status in {401, 407} and self._learn(response):
            assert self._flow is not None
            self._send(self._flow, transaction.remote)
            return
        if response.status == 503 and self._try_next():
            return
        if self._digest is not None and response.status < 300:
            for name, proxy in (("Authentication-Info", False), ("Proxy-Authentication-Info", True)):
                self._digest.take_next_nonce(response.headers.get_all(name), proxy=proxy)
        self._end(self._result(response, None))

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """ClientUser: no response will come from this address."""
        if self.ended or transaction is not self._transaction:
            return
        if not self._try_next():
            self._end(self._result(None, failure))

    def _learn(self, response: Response) -> bool:
        if self._digest is None or self._challenges >= CHALLENGES_ANSWERED:
            return False
        self._challenges += 1
        proxy = response.status == 407
        values = response.headers.get_all("Proxy-Authenticate" if proxy else "WWW-Authenticate")
        return self._digest.learn(values, proxy=proxy)

    def _try_next(self) -> bool:
        while self._candidates:
            remote = self._candidates.pop(0)
            try:
                flow = self._core.sender.flow_to(remote)
            except LocalProtocolError:
                continue  # no listener speaks its transport
            self._challenges = 0
            self._send(flow, remote)
            return True
        return False

    def _send(self, flow: Flow, remote: Endpoint) -> None:
        request = self._compose(flow)
        if self._digest is not None:
            for name, value in self._digest.authorize(request.method, str(request.uri), request.body):
                request.headers.add(name, value)
        self._flow = flow
        self._sent_at = self._core.clock()
        self._transaction = self._core.sender.send_request(request, flow, remote, self)

    def _result(self, response: Response | None, failure: Failure | None) -> ExchangeResult:
        transaction = self._transaction
        assert transaction is not None
        return ExchangeResult(response, failure, transaction.request, self._flow, transaction.remote, self._sent_at)

    def _time_out(self, _argument: object) -> None:
        self._timer = None
        if self._transaction is None:
            self._end(ExchangeResult(None, "timeout"))
        else:
            self._end(self._result(None, "timeout"))

    def _end(self, result: ExchangeResult) -> None:
        if not self.ended:
            self._let_go(keep_transaction=result.response is not None)
            self._on_result(result)

    def _let_go(self, *, keep_transaction: bool = False) -> None:
        self.ended = True
        if self._timer is not None:
            self._core.layer.timers.cancel(self._timer)
            self._timer = None
        if self._transaction is not None and not keep_transaction:
            self._transaction.discard()  # one that was answered stays for a while, to absorb repeated responses
