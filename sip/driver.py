"""Drives a user agent core on asyncio: moves bytes between it and the sockets, runs its timer, delivers its events.

A barrier stands around each datagram, each timer and each callback of the application, so that what goes wrong for one
call is logged and disturbs no other.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

from sip.core.agent import CallReceived, Located, Notice, UserAgentCore
from sip.core.call import Call
from sip.core.delivery import EventsWaiting
from sip.core.events import CallEvent
from sip.core.incoming import IncomingCall
from sip.core.registering import RegisterRequest
from sip.endpoint import Endpoint
from sip.errors import SipError
from sip.transaction.layer import Datagram
from sip.transport.addresses import is_numeric
from sip.transport.lookups import LookUps
from sip.transport.sockets import Sockets
from sip.uri import SipUri

log = logging.getLogger(__name__)

LOGGED_ADDRESSES = 1024
"""Addresses of which a fault is remembered as logged."""

PUMP_ROUNDS = 16
"""How often the events of one turn may cause others at once before the event loop gets its turn."""


TIMERS_APART = 0.01
"""Seconds between two looks at the timers, at least: what is due within them runs together."""


class Driver:
    """Keeps the contract of `core`, which is set before `start`; `on_call` takes new calls."""

    core: UserAgentCore

    def __init__(self, on_call: Callable[[IncomingCall], None], clock: Callable[[], float]) -> None:
        self._on_call = on_call
        self._clock = clock
        self._logged: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._sockets: Sockets | None = None
        self._look_ups: LookUps | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._timers_ran = float("-inf")
        self._driving = False  # inside the core or its events: what they cause is taken care of before we return
        self._gathering = False
        self._pump_scheduled = False

    def start(self, sockets: Sockets, look_ups: LookUps) -> None:
        """Begin to drive, inside a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets
        self._look_ups = look_ups
        self._schedule_pump()

    async def stop(self) -> None:
        """Send what is waiting, and drive no more."""
        if self._sockets is not None and not self._driving:
            self._pump()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._look_ups is not None:
            await self._look_ups.close()
        self._sockets = None

    def find(self, target: SipUri, hop: Endpoint, located: Located) -> None:
        """Find the addresses of a URI's server; `located` is called at once for a numeric one, and in any case."""
        if is_numeric(hop.host):
            located([hop])
            return
        assert self._look_ups is not None
        self._look_ups.locate(target, hop, lambda candidates: self._found(hop, candidates, located))

    def _found(self, hop: Endpoint, candidates: Sequence[Endpoint], located: Located) -> None:
        try:
            located(candidates)
        except Exception:
            self.core.statistics.failures += 1
            log.exception("request to %s not sent", hop)

    def receive(self, data: bytes, source: Endpoint, local: Endpoint) -> None:
        """A message has come."""
        self._driving = True
        try:
            if not self.core.receive_datagram(data, source, local):
                return  # nothing has happened
        except Exception:
            self.core.statistics.failures += 1
            log.exception("datagram from %s dropped", source)
        finally:
            self._driving = False
        if not self._gathering:
            self._pump()

    def gather(self, take: Callable[[], int]) -> int:
        """Call `take`, which gives messages to `receive`, and send and deliver what all of them cause afterwards."""
        self._gathering = True
        try:
            return take()
        finally:
            self._gathering = False
            self._pump()

    def wake(self) -> None:
        """A call was acted upon outside of the core's own doings: send and deliver soon, but not inside that very
        call."""
        if not self._driving:
            self._schedule_pump()

    def _schedule_pump(self) -> None:
        if self._pump_scheduled or self._loop is None:
            return
        self._pump_scheduled = True
        self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_scheduled = False
        if self._sockets is None:
            return
        self._driving = True
        try:
            for _ in range(PUMP_ROUNDS):
                if not self.core.has_output:
                    break
                for datagram in self.core.data_to_send():
                    self._send(datagram)
                for call, event in self.core.events():
                    self._deliver(call, event)
                for notice in self.core.notices():
                    self._tell(notice)
            else:
                self._schedule_pump()
        finally:
            self._driving = False
        self._set_timer()

    def _send(self, datagram: Datagram) -> None:
        remote = datagram.remote
        assert self._sockets is not None
        assert self._look_ups is not None
        if not is_numeric(remote.host):
            if not self._look_ups.busy:
                self._look_ups.resolve(remote.host, lambda address: self._send_to(datagram, address))
            return
        try:
            self._sockets.send(datagram)
        except (OSError, OverflowError) as error:
            self._fail(datagram, str(error))

    def _send_to(self, datagram: Datagram, address: str | None) -> None:
        """A datagram that waited for the look-up of a name."""
        remote = datagram.remote
        if address is None:
            self._fail(datagram, "the name has no address")
        else:
            self._send(datagram._replace(remote=Endpoint(remote.transport, address, remote.port, remote.name)))
        self._pump()

    def fail_later(self, datagram: Datagram, reason: str) -> None:
        """A datagram that waited for a connection cannot be sent."""
        self._fail(datagram, reason)
        self._pump()

    def connection_lost(self, remote: Endpoint, local: Endpoint) -> None:
        """A connection has ended: bindings over it are gone with it. Calls find out when they send."""
        try:
            self.core.connection_lost(remote, local)
        except Exception:
            self.core.statistics.failures += 1
            log.exception("the end of the connection with %s not handled", remote)
        self._schedule_pump()

    def _fail(self, datagram: Datagram, reason: str) -> None:
        """Tell the core that a datagram cannot be sent."""
        if self._is_news("send", datagram.remote.host):
            log.warning("cannot send to %s: %s; further failures are only counted", datagram.remote, reason)
        try:
            self.core.transport_failed(datagram)
        except Exception:
            self.core.statistics.failures += 1
            log.exception("transport error for %s not handled", datagram.remote)

    def _deliver(self, call: Call, event: CallEvent | CallReceived | EventsWaiting) -> None:
        try:
            if isinstance(event, CallReceived):
                assert isinstance(call, IncomingCall)
                self._on_call(call)
            else:
                call.deliver(event)
        except Exception:
            self.core.statistics.failures += 1
            log.exception("call %s ended: its handler failed on %s", call.call_id, type(event).__name__)
            self._end_failed(call)

    def _tell(self, notice: Notice) -> None:
        callback, argument = notice
        try:
            callback(argument)
        except Exception:
            self.core.statistics.failures += 1
            log.exception("a callback failed on %s", type(argument).__name__)
            if isinstance(argument, RegisterRequest):
                argument.reject(500)  # no effect where it was answered before the failure

    def _end_failed(self, call: Call) -> None:
        try:
            if isinstance(call, IncomingCall) and not call.answered:
                call.reject(500)
            else:
                call.hangup()
        except SipError:
            log.exception("call %s could not be ended", call.call_id)

    def _set_timer(self) -> None:
        due = self.core.next_timeout()
        if due is None or self._loop is None:
            return
        if self._timer is not None:
            if self._timer_due <= due:
                return  # it fires first, finds nothing and is set again: cheaper than to move it each time
            self._timer.cancel()
        now = self._clock()
        self._timer_due = due
        self._timer = self._loop.call_later(max(0.0, due - now, self._timers_ran + TIMERS_APART - now), self._timeout)

    def _timeout(self) -> None:
        self._timer = None
        self._timers_ran = self._clock()
        self._driving = True
        try:
            while True:
                try:
                    self.core.handle_timeout()
                    break
                except Exception:
                    self.core.statistics.failures += 1
                    log.exception("a timer failed")
        finally:
            self._driving = False
        self._pump()

    def log_fault(self, source: Endpoint, reason: str) -> None:
        """A message did not parse."""
        if self._is_news("fault", source.host):
            log.info("malformed message from %s: %s; further ones from there are only counted", source, reason)

    def _is_news(self, kind: str, host: str) -> bool:
        """Whether this was not logged of this address before: who sends rubbish once sends a lot of it."""
        if (kind, host) in self._logged:
            return False
        self._logged[kind, host] = None
        if len(self._logged) > LOGGED_ADDRESSES:
            self._logged.popitem(last=False)
        return True
