"""Where messages go: responses by the top Via (RFC 3261 §18.2.2, RFC 3581), requests by the URI of their next hop
(§8.1.2).

Names are not resolved here: an Endpoint's host may be a name, which the transport looks up before it sends.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence
from dataclasses import replace

from sip.endpoint import Endpoint
from sip.fields import NameAddr, Via
from sip.message import Request
from sip.uri import SipUri, Uri

DEFAULT_PORT = 5060
DEFAULT_TLS_PORT = 5061
DEFAULT_PORTS = {"udp": DEFAULT_PORT, "tcp": DEFAULT_PORT, "tls": DEFAULT_TLS_PORT, "ws": 80, "wss": 443}


def note_source(request: Request, source: Endpoint) -> None:
    """Write where a request came from into its top Via (§18.2.1, RFC 3581 §4).

    `received` is set when sent-by names another host, or when the client asked for `rport`; what the client itself
    wrote there is never kept.
    """
    via = request.top_via
    host = source.host.partition("%")[0]  # a zone is of no use to the other side, and not in the grammar
    wants_rport = via.wants_rport
    if via.received is not None:
        via = via.without_params("received")
    if wants_rport:
        via = via.with_params(received=host, rport=str(source.port))
    elif not _same_address(via.host, host):
        via = via.with_params(received=host)
    else:
        if via is not request.top_via:
            request.set_top_via(via)
        return
    request.set_top_via(via)


def response_endpoint(via: Via, source: Endpoint) -> Endpoint:
    """Where the response to a request goes, by its top Via after `note_source` (§18.2.2).

    Over a reliable transport that is the connection the request came by; over TCP and TLS with the address to connect
    to when it is gone, which is where the request came from, at the port of sent-by. `maddr` is not followed: it would
    let whoever sends a request choose a third party for the answer, and multicast is the only use that the RFC has for
    it.
    """
    if source.transport in {"tcp", "tls"}:
        port = via.port or DEFAULT_PORTS[source.transport]
        name = None if is_address(via.host) else via.host
        return replace(source, fallback=Endpoint(source.transport, source.host, port, name))
    if source.reliable or via.wants_rport:
        return source
    port = via.port or DEFAULT_PORT
    return source if source.port == port else Endpoint(source.transport, source.host, port)


def hop_endpoint(uri: SipUri, transports: frozenset[str]) -> Endpoint:
    """The transport address that a URI names: `maddr` before the host, default port by scheme, UDP where nothing else
    is there.

    `transports` are those we have; a URI that asks for another one is tried over UDP rather than not at all, unless it
    is one of `sips`. Where there is no UDP, TCP takes its place.
    """
    transport = uri.transport or "udp"
    if uri.scheme == "sips":
        transport = {"ws": "wss", "wss": "wss"}.get(transport, "tls")  # RFC 3261 §26.2.2: TLS all the way
    elif transport not in transports or (uri.transport is None and "udp" not in transports):
        transport = "udp" if "udp" in transports or "tcp" not in transports else "tcp"
    port = uri.port or DEFAULT_PORTS.get(transport, DEFAULT_PORT)
    host = uri.param("maddr") or uri.host
    return Endpoint(transport, host, port, None if is_address(host) else host)


def next_hop_uri(request: Request) -> Uri:
    """The URI that a request is sent to: its first Route where that routes loosely, else the Request-URI (§8.1.2)."""
    route = next(iter(request.route), None)
    loose = route is not None and isinstance(route.uri, SipUri) and route.uri.has_param("lr")
    return route.uri if route is not None and loose else request.uri


def caller_wants_sips(request: Request) -> bool:
    """Whether the Contact of an answer that makes a dialog has to be a SIPS URI (§12.1.1)."""
    return _is_secure(request, request.record_route[:1] or request.contacts[:1])


def target_wants_sips(request: Request) -> bool:
    """Whether the Contact of a request of ours has to be a SIPS URI (§8.1.1.8)."""
    return _is_secure(request, request.route[:1])


def leaves_choice(uri: Uri) -> bool:
    """Whether a next hop leaves the transport to whoever sends."""
    return isinstance(uri, SipUri) and uri.scheme == "sip" and uri.transport is None


def same_family(host: str, remote_host: str) -> bool:
    """Whether a peer at `remote_host` could use the address `host`; a name may stand for addresses of both families."""
    return not is_address(host) or (":" in host) == (":" in remote_host)


def is_address(host: str) -> bool:
    """Whether a host is an IPv4 or IPv6 address rather than a name."""
    return _parse_address(host) is not None


def _is_secure(request: Request, addresses: Sequence[NameAddr]) -> bool:
    return "sips" in {request.uri.scheme, *(address.uri.scheme for address in addresses)}


@functools.lru_cache(maxsize=1024)
def _parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _same_address(one: str, other: str) -> bool:
    if one == other:
        return True
    if ":" not in one or ":" not in other:
        return False
    return _parse_address(one) == _parse_address(other)
