"""Numbers in the addresses of SIP requests: who is called, and who calls (contract §14.2, §14.4)."""

from __future__ import annotations

from engine.phone import PhoneNumberError, normalise
from sip import NameAddr, SipUri


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
    """The caller as records show it: a normalised number when the user part is one, else the SIP URI."""
    uri = from_.uri
    if not isinstance(uri, SipUri):
        return str(uri)[:255]
    number = number_in(from_)
    if number is not None:
        return number
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    return f"sip:{uri.user}@{host}"[:255] if uri.user else f"sip:{host}"[:255]
