"""The checks that RFC 3261 §8.2 asks of a user agent server before it acts on a request: method, URI scheme,
extensions, content.

Pure functions from a request to the refusal it has earned. Dialogs, merged requests and authentication are checked
elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from sip.message import KNOWN_METHODS, Request, Response

ALLOWED_METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "PRACK", "UPDATE", "REFER", "NOTIFY")
ALLOW = ", ".join(ALLOWED_METHODS)
ACCEPT = "application/sdp"
SUPPORTED_EXTENSIONS: frozenset[str] = frozenset({"100rel", "199", "norefersub", "replaces", "timer"})
SUPPORTED = ", ".join(sorted(SUPPORTED_EXTENSIONS))

# How the tools that look for open systems call themselves, in lower case.
_SCANNERS = ("friendly-scanner", "sipvicious", "sip-scan", "sipcli", "sundayddr", "pplsip", "vaxsipuseragent")
EVENT_PACKAGES = ("refer",)
ALLOW_EVENTS = ", ".join(EVENT_PACKAGES)

OFFERING_METHODS = frozenset({"INVITE", "PRACK", "UPDATE"})
"""Requests whose body may be an offer or an answer."""

_EVENT_METHODS = frozenset({"SUBSCRIBE", "PUBLISH"})
_SDP_RANGES = frozenset({"application/sdp", "application/*", "*/*"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error response: its status and the header fields that must go with it."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


def inspect_target(
    request: Request, schemes: frozenset[str], methods: tuple[str, ...] = ALLOWED_METHODS
) -> Refusal | None:
    """Method (§8.2.1) and Request-URI scheme (§8.2.2.1): due whether or not the request belongs to a dialog.

    A subscription or publication of a package that we know nothing of
    fails for the package, not for the method (RFC 6665 §4.2.1.2, RFC 3903 §6).
    """
    if request.method not in methods:
        if request.method in _EVENT_METHODS and _package(request) not in {"", *EVENT_PACKAGES}:
            return Refusal(489, (("Allow-Events", ALLOW_EVENTS),))
        status = 405 if request.method in KNOWN_METHODS else 501
        return Refusal(status, (("Allow", ", ".join(methods)),))
    if request.uri.scheme not in schemes:
        return Refusal(416)
    return None


def refused_message(status: int, unknown: Refusal) -> Refusal:
    """The answer to a MESSAGE that nobody takes: `unknown`, which is that to any method not served, for a status of
    405. A 415 says what bodies are read (RFC 3428 §7)."""
    if status == unknown.status:
        return unknown
    return Refusal(status, (("Accept", ACCEPT),) if status == 415 else ())


def inspect_extensions(request: Request) -> Refusal | None:
    """Require (§8.2.2.3): what is not supported is named in Unsupported. ACK and CANCEL are never refused."""
    if "Require" not in request.headers:
        return None
    unknown = [tag for tag in request.require if tag.lower() not in SUPPORTED_EXTENSIONS]
    return Refusal(420, (("Unsupported", ", ".join(unknown)),)) if unknown else None


def inspect_content(request: Request) -> Refusal | None:
    """Body of an INVITE (§8.2.3), and whether the SDP that we answer with is welcome at all (§20.1, §21.4.7)."""
    accept = request.headers.get_all("Accept")
    if accept and not _accepts_sdp(accept):
        return Refusal(406)
    if not request.body or _is_optional(request):
        return None
    if request.content_type not in {None, "application/sdp"}:
        return Refusal(415, (("Accept", ACCEPT),))
    encoding = request.headers.get("Content-Encoding")
    if encoding is not None and encoding.strip().lower() != "identity":
        return Refusal(415, (("Accept-Encoding", "identity"),))
    return None


def is_scanner(request: Request) -> bool:
    """Whether the request names one of the well-known scanning tools as its user agent; the honest ones do."""
    agent = (request.headers.get("User-Agent") or "").lower()
    return any(name in agent for name in _SCANNERS)


def session_description(request: Request | Response) -> bytes | None:
    """The SDP of a message; None when its body is empty or something else that may be ignored."""
    if not request.body or request.content_type not in {None, "application/sdp"}:
        return None
    return request.body


def _package(request: Request) -> str:
    return (request.headers.get("Event") or "").partition(";")[0].strip().lower()


def _accepts_sdp(values: list[str]) -> bool:
    for value in values:
        for media_range in value.split(","):
            name, *params = media_range.split(";")
            if "".join(name.split()).lower() in _SDP_RANGES and not any(_is_zero_q(param) for param in params):
                return True
    return False


def _is_zero_q(param: str) -> bool:
    name, _, value = param.partition("=")
    return name.strip().lower() == "q" and value.strip() in {"0", "0.0", "0.00", "0.000"}


def _is_optional(request: Request) -> bool:
    disposition = request.headers.get("Content-Disposition")
    if disposition is None or request.content_type == "application/sdp":
        return False
    return any("".join(param.split()).lower() == "handling=optional" for param in disposition.split(";")[1:])
