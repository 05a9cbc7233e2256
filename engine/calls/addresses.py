"""Numbers in the addresses of SIP requests: who is called, who calls, and who sent the call on (contract §14.2,
§14.4)."""

from __future__ import annotations

from engine.phone import PhoneNumberError, normalise
from sip import Headers, NameAddr, SipUri, diversions, history


def normalise_called(user: str) -> str:
    """The E.164 form of a Request-URI user part; `+` optional, a leading `00` is `+`. Raises PhoneNumberError."""
    number = user.partition(";")[0]
    if number.startswith("00"):
        number = "+" + number[2:]
    return normalise(number)


def number_in(address: NameAddr) -> str | None:
    """The number of a SIP or tel address in its E.164 form, where it has one."""
    uri = address.uri
    text = uri.user if isinstance(uri, SipUri) else str(uri).removeprefix("tel:")
    try:
        return normalise_called(text or "")
    except PhoneNumberError:
        return None


def caller_of(from_: NameAddr) -> str:
    """The caller as records show it: the normalised number of a SIP or tel address that has one, else the URI."""
    uri, number = from_.uri, number_in(from_)
    if number is not None:
        return number
    if not isinstance(uri, SipUri):
        return str(uri)[:255]
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    return f"sip:{uri.user}@{host}"[:255] if uri.user else f"sip:{host}"[:255]


def forwarded_from(headers: Headers) -> str | None:
    """Who sent a call on to the one called, as `caller_of` writes it: by the newest Diversion (RFC 5806), else by
    History-Info (RFC 7044). None where neither says so, and where whoever did it does not want to be named."""
    for diversion in diversions(headers):
        return None if diversion.private else caller_of(diversion.address)
    entries = history(headers)
    for before, after in zip(entries[-2::-1], entries[:0:-1], strict=True):
        if _same_callee(before.address, after.address):
            continue  # a proxy on the way rewrites the host, or the number's form
        # Who was busy, silent or away has a Reason, whom the call went to then a cause (RFC 4458): without either it
        # was translated on its way, such as a free-phone number, and nobody forwarded it
        if before.cause is None and after.cause is None:
            return None
        return None if before.private else caller_of(before.address)
    return None


def _same_callee(one: NameAddr, other: NameAddr) -> bool:
    number = number_in(one)
    if number is not None:
        return number == number_in(other)
    return isinstance(one.uri, SipUri) and isinstance(other.uri, SipUri) and one.uri.user == other.uri.user
