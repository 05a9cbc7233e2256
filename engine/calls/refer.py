"""A REFER to the caller's phone and what its NOTIFYs say of it (RFC 3515, contract §10.8)."""

from __future__ import annotations

import asyncio

from sip import (
    IncomingCall,
    LocalProtocolError,
    OutgoingCall,
    ReferAccepted,
    ReferEnded,
    ReferFailed,
    ReferProgress,
    SipParseError,
    parse_uri,
)
from voyloml.capabilities import Referred

ReferEvent = ReferAccepted | ReferProgress | ReferFailed | ReferEnded


class Referral:
    """One REFER. Give it the call's events by `told`; `outcome` waits for the end."""

    def __init__(self) -> None:
        self._code = 0
        self._taken = False
        self._done: asyncio.Future[Referred] = asyncio.get_running_loop().create_future()

    async def outcome(self, call: IncomingCall | OutgoingCall, uri: str) -> Referred:
        """Sends the REFER and returns what became of it; one that cannot be sent has failed with code 0.

        Accepted is what a final 2xx in a NOTIFY says, or a 2xx to the REFER from a peer that will send none (RFC 4488).
        """
        try:
            call.refer(parse_uri(uri))
        except (SipParseError, LocalProtocolError):
            return Referred(accepted=False, code=0)
        return await self._done

    @property
    def so_far(self) -> Referred:
        """What is known of it: a phone that has taken it and then hangs up has gone where it was sent, unless it said
        that it could not."""
        if self._done.done() and not self._done.cancelled():
            return self._done.result()
        return Referred(accepted=self._taken and self._code < 300, code=self._code)

    def told(self, event: ReferEvent) -> None:
        """An event of the call that this REFER was sent in."""
        match event:
            case ReferAccepted():
                self._taken = True
            case ReferProgress():
                self._code = event.status
            case ReferFailed():
                self._settle(Referred(accepted=False, code=event.status or 0))
            case ReferEnded():
                silent = event.reason == "no_subscription"
                self._settle(Referred(accepted=silent or 200 <= self._code < 300, code=self._code))

    def _settle(self, referred: Referred) -> None:
        if not self._done.done():
            self._done.set_result(referred)
