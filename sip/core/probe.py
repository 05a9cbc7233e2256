"""Whether a peer is there: OPTIONS at an interval (RFC 3261 §11; contract §9.1)."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from sip.core.exchange import Exchange, ExchangeResult
from sip.core.flows import Flow
from sip.core.inspection import ACCEPT
from sip.dialog import MAX_FORWARDS, first_cseq, new_tag
from sip.digest import Credentials, DigestSession
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.fields import NameAddr
from sip.headers import Headers
from sip.message import Request
from sip.uri import SipUri

if TYPE_CHECKING:
    from sip.core.agent import UserAgentCore
    from sip.transaction.timers import TimerEntry

Locate: TypeAlias = Callable[[SipUri, Callable[[Sequence[Endpoint]], None]], None]
"""Finds the addresses of a URI's server, in the order to try them, and hands them over then or later; none when there
is no address."""

PROBE_SECONDS: Final = 4.0
"""Contract §9.1: time-out of one probe."""

DEFAULT_INTERVAL: Final = 30.0
MIN_INTERVAL: Final = 10.0
MAX_INTERVAL: Final = 300.0

FAILURES_TO_DOWN: Final = 2

JITTER: Final = 0.1
"""Part of the interval by which each probe may be early or late, so that many do not fall into step."""

_DEAD: Final = frozenset({408, 503})  # final responses that do not count as a sign of life


class Health(Enum):
    """What is known of a peer; UNKNOWN is treated as UP by whoever places calls."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class HealthChange:
    """The state changed. `latency` in seconds when it is UP; `reason` says what the last probe met."""

    state: Health
    latency: float | None
    reason: str


class HealthProbe:
    """Probes one peer until `stop`. `on_change` hears of changes; state and latency can be read at any time.

    The first probe falls at random into the first interval, so that the probes of many peers are spread over it.
    """

    def __init__(
        self,
        core: UserAgentCore,
        target: SipUri,
        locate: Locate,
        on_change: Callable[[HealthChange], None],
        *,
        interval: float = DEFAULT_INTERVAL,
        credentials: Credentials | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`interval` in seconds, `jitter` gives numbers from 0 to 1. Raises LocalProtocolError for an interval outside
        10 to 300 s."""
        if not MIN_INTERVAL <= interval <= MAX_INTERVAL:
            raise LocalProtocolError(f"a probe every {interval} s")
        self._core = core
        self._target = target.replace(headers=()).without_params("method")
        self._locate = locate
        self._on_change = on_change
        self._interval = interval
        self._jitter = jitter
        self._digest = DigestSession(credentials) if credentials is not None else None
        self._exchange: Exchange | None = None
        self._timer: TimerEntry | None = None
        self._failures = 0
        self._stopped = False
        self._sequence = first_cseq()
        self.state = Health.UNKNOWN
        self.latency: float | None = None  # seconds to the final response of the last probe that succeeded
        self.last_checked: float | None = None  # when the last probe ended, on the clock

    def start(self, *, at_once: bool = False) -> None:
        """Begin; with `at_once` the first probe does not wait for its place in the interval."""
        self._wait(0.0 if at_once else self._jitter() * self._interval)
        self._core.wake()

    def stop(self) -> None:
        """Probe no more. Idempotent."""
        self._stopped = True
        if self._timer is not None:
            self._core.layer.timers.cancel(self._timer)
            self._timer = None
        if self._exchange is not None:
            self._exchange.abandon()
            self._exchange = None

    def _wait(self, seconds: float) -> None:
        if not self._stopped and self._timer is None:
            self._timer = self._core.layer.timers.schedule(seconds, self._probe)

    def _probe(self, _argument: object) -> None:
        self._timer = None
        # The next one comes at its time whatever becomes of this one, which cannot last as long as an interval.
        self._wait(self._interval * (1 + JITTER * (2 * self._jitter() - 1)))
        if self._exchange is not None:
            self._exchange.abandon()
            self._judge(ExchangeResult(None, "unreachable"))  # its address was never found
        call_id = secrets.token_hex(16)
        exchange = Exchange(
            self._core,
            lambda flow: self._compose(flow, call_id),
            self._judge,
            digest=self._digest,
            timeout=PROBE_SECONDS,
        )
        self._exchange = exchange
        self._locate(self._target, exchange.start)

    def _compose(self, flow: Flow, call_id: str) -> Request:
        self._sequence += 1
        us = NameAddr(None, SipUri("sip", None, host=flow.host)).with_tag(new_tag())
        fields = (
            ("Max-Forwards", MAX_FORWARDS),
            ("From", str(us)),
            ("To", str(NameAddr(None, self._target))),
            ("Call-ID", call_id),
            ("CSeq", f"{self._sequence} OPTIONS"),
            ("Contact", flow.contact(secure=self._target.scheme == "sips")),
            ("Accept", ACCEPT),
        )
        return Request("OPTIONS", self._target, Headers(fields))

    def _judge(self, result: ExchangeResult) -> None:
        self._exchange = None
        self.last_checked = self._core.clock()
        response = result.response
        if response is not None and response.status not in _DEAD:
            self._failures = 0
            self.latency = self.last_checked - result.sent_at
            self._become(Health.UP, str(response.status))
            return
        self._failures += 1
        if self._failures >= FAILURES_TO_DOWN:
            self._become(Health.DOWN, str(response.status) if response is not None else result.failure or "timeout")

    def _become(self, state: Health, reason: str) -> None:
        if state is self.state:
            return
        self.state = state
        latency = self.latency if state is Health.UP else None
        self._core.notify(self._on_change, HealthChange(state, latency, reason))
