"""How a call leaves through a number of the workspace, or straight to a SIP URI (contract §14.3, §14.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

from engine.calls.audio_leg import LegSettings
from engine.calls.outbound_leg import Destination
from engine.calls.outcome import End
from engine.model import HangupBy, HangupCause, InboundDestination, NewCall, Number, SipOutbound
from sip import Credentials, NameAddr, Rejected, SipUri
from sip.sdp import MediaEncryption, codecs_named
from voyloml.capabilities import Unreached

BUSY: Final = frozenset({486, 600})
SILENT: Final = frozenset({408, 480})
REFUSED: Final = frozenset({603, 607, 608})
_UNALLOCATED: Final = frozenset({404, 410, 484, 604})
_OURS: Final = frozenset({0, 487})  # no response, or that to our CANCEL
_NOT_PASSED_ON: Final = frozenset({401, 407, 487})


def through_number(
    number: Number, called: str, headers: Mapping[str, str], route: tuple[NameAddr, ...] = ()
) -> Destination | None:
    """The way to a telephone number through the carrier of a number of ours; None where it has none.

    `headers` are those of §14.5 and of the customer. `route` is the Service-Route of the number's registration, which
    takes the place of its outbound proxy.
    """
    outbound = None if number.sip is None else number.sip.outbound
    if outbound is None:
        return None
    params = () if outbound.transport == "udp" else (("transport", outbound.transport),)
    identity = NameAddr(None, SipUri("sip", number.e164, host=outbound.from_domain or outbound.host))
    asserted = {"P-Asserted-Identity": f"<{identity.uri}>"}
    return Destination(
        uri=SipUri("sip", called, host=outbound.host, port=outbound.port, params=params),
        from_=identity,
        headers=tuple(merged(asserted, outbound.custom_headers, headers).items()),
        credentials=_credentials(outbound),
        routes=route or _proxies(outbound),
    )


def _proxies(outbound: SipOutbound) -> tuple[NameAddr, ...]:
    """The outbound proxy of a number as a Route (RFC 3261 §8.1.2); empty where it has none."""
    if outbound.outbound_proxy is None:
        return ()
    proxy = SipUri.parse(outbound.outbound_proxy)
    return (NameAddr(None, proxy if proxy.has_param("lr") else proxy.with_params(lr=None)),)


def to_uri(
    uri: SipUri,
    caller: str,
    headers: Mapping[str, str],
    domain: str,
    credentials: Credentials | None = None,
    name: str | None = None,
) -> Destination:
    """The way to a SIP URI; `caller` is a number or user name of ours, shown with this `name`."""
    return Destination(
        uri=uri,
        from_=NameAddr(name, SipUri("sip", caller, host=domain)),
        headers=tuple(headers.items()),
        credentials=credentials,
    )


def to_destination(
    destination: InboundDestination, caller: str, headers: Mapping[str, str], domain: str
) -> Destination:
    """The way to a destination of an inbound trunk (contract §9.1): where it redirects to is not called, the next
    destination is. Raises SipParseError for a URI that is none."""
    credentials = None
    if destination.username is not None and destination.password is not None:
        credentials = Credentials(destination.username, destination.password)
    uri = SipUri.parse(destination.uri).replace(headers=())
    # Last, so that no header of the destination's takes the place of one of ours
    way = to_uri(uri, caller, merged(destination.headers, headers), domain, credentials)
    return replace(way, redirects=0)


def _credentials(outbound: SipOutbound) -> Credentials | None:
    if outbound.username is None or outbound.password is None:
        return None
    return Credentials(outbound.username, outbound.password)


def encrypted_as(number: Number, legs: LegSettings) -> LegSettings:
    """What a leg of this number offers and takes, in either direction: its `mediaEncryption` (contract §14.1)."""
    outbound = number.sip.outbound if number.sip is not None else None
    if outbound is None or outbound.media_encryption == "disabled":
        return legs
    return replace(legs, media_encryption=MediaEncryption(outbound.media_encryption))


def legs_of(number: Number, legs: LegSettings) -> LegSettings:
    """What a leg through this number's carrier offers: its codecs, as far as we speak them, and its encryption."""
    outbound = number.sip.outbound if number.sip is not None else None
    if outbound is None:
        return legs
    wanted = codecs_named(outbound.codecs)
    spoken = tuple(codec for codec in wanted if codec in legs.codecs) or legs.codecs
    return encrypted_as(number, replace(legs, codecs=spoken))


def merged(*several: Mapping[str, str]) -> dict[str, str]:
    """Header fields of all of them, each name once in whatever case: that of the last counts, with its value."""
    found: dict[str, tuple[str, str]] = {}
    for headers in several:
        found |= {name.lower(): (name, value) for name, value in headers.items()}
    return dict(found.values())


def voylo_headers(new: NewCall, domain: str) -> dict[str, str]:
    """The header fields of contract §14.5; Diversion where the call came in to a number and is sent on."""
    own = {"X-Voylo-Call-Id": new.public_id, "X-Voylo-To": new.to, "X-Voylo-From": new.from_}
    if new.direction == "inbound":
        own["Diversion"] = f"<{SipUri('sip', new.to, host=domain)}>;reason=unconditional"
    return own


def end_of(rejected: Rejected) -> End:
    """What the record says of a call that was refused (contract §14.3)."""
    status = rejected.status
    if status is None:
        return End("platform", "unreachable", "failed", 0)
    if status in BUSY:
        return End("callee", "busy", "busy", status)
    if status in SILENT:
        return End("callee", "no_answer", "no_answer", status)
    if status in REFUSED:
        return End("callee", "rejected", "rejected", status)
    if status in _UNALLOCATED:
        return End("callee", "unallocated_number", "failed", status)
    return End("callee", "network_error" if status >= 500 else "rejected", "failed", status)


def end_for_caller(unreached: Unreached) -> End:
    """How a call ends whose only party was not reached; the code is what its caller gets (contract §9.1, §14.3).

    The party's own refusal is passed on. Busy is 486 and silence 480 whatever said so; everything that is no matter of
    the caller's, such as a destination's failure or its challenge, is 503.
    """
    code = unreached.code
    by: HangupBy = "platform" if code in _OURS else "callee"
    cause = cast(HangupCause, unreached.cause)
    if unreached.status == "busy":
        return End(by, cause, "busy", 486)
    if unreached.status == "no-answer":
        return End(by, cause, "no_answer", 480)
    passed_on = (400 <= code < 500 and code not in _NOT_PASSED_ON) or 600 <= code < 700
    return End(by, cause, "rejected" if code in REFUSED else "failed", code if passed_on else 503)
