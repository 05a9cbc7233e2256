"""What every call that arrives needs, whoever it is from: refused in good order, or given its leg and run."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping

import structlog

from engine.calls import outcome
from engine.calls.call import Call, CallServices
from engine.calls.leg import InboundLeg, LegSettings
from engine.calls.outcome import End
from engine.calls.switchboard import Switchboard
from engine.model import NewCall
from engine.refusals import RefusalLog
from media import MediaPlane
from sip import IncomingCall, SipParseError, UserAgent
from sip.sdp import SdpRejected

OVERLOAD_RETRY_SECONDS = 4
"""The longest wait that a refused caller is asked for while calls begin too slowly; spread, so that not all return at
the same moment."""

logger = structlog.get_logger(__name__)


class Arrivals:
    """Turns INVITEs of known peers into running calls. Give it the user agent with `bind` before the first one."""

    def __init__(
        self, switchboard: Switchboard, plane: MediaPlane, services: CallServices, refusals: RefusalLog | None = None
    ) -> None:
        self.switchboard = switchboard
        self.services = services
        self.refusals = refusals or RefusalLog(time.monotonic)
        self.user_agent: UserAgent
        self._plane = plane

    def bind(self, user_agent: UserAgent) -> None:
        """The user agent whose calls arrive."""
        self.user_agent = user_agent

    def overloaded(self, incoming: IncomingCall) -> bool:
        """Whether calls begin too slowly to take this one, which is then refused."""
        if not self.switchboard.behind:
            return False
        self.refusals.refused("call.overloaded", incoming.source.host, hint="fewer calls, or a faster machine")
        retry_after = str(1 + secrets.randbelow(OVERLOAD_RETRY_SECONDS))
        incoming.reject(503, headers=(("Retry-After", retry_after),), stateless=True)
        return True

    def refuse(
        self,
        incoming: IncomingCall,
        new: NewCall,
        end: End,
        known: Mapping[str, object],
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Refuses a call whose peer is known, and records it. `known` is what the log tells of it."""
        logger.info("call.refused", **known, cause=end.cause, sip_code=end.sip_code)
        incoming.reject(end.sip_code, headers=headers)
        self.services.records.refused(new, end.outcome, end.by, end.cause, end.sip_code)

    def connect(self, incoming: IncomingCall, call: Call, settings: LegSettings, known: Mapping[str, object]) -> None:
        """Gives the call its leg and runs it; one whose offer we cannot meet is refused."""
        try:
            leg = InboundLeg(incoming, self.user_agent, self._plane, settings, call.on_media)
        except SdpRejected as error:
            warning = error.warning_header(self.user_agent.local_address_for(incoming.source.host))
            self.refuse(
                incoming, call.new, outcome.NO_COMMON_MEDIA, {**known, "reason": str(error)}, headers=(warning,)
            )
            return
        except SipParseError as error:
            logger.info("call.bad_sdp", **known, reason=str(error))
            incoming.reject(error.status, error.reason)
            return
        logger.info("call.received", **known, caller=call.new.from_, kind=call.new.destination_kind)
        call.attach(leg)
        self.switchboard.connect(call)
