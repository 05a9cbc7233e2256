"""Looks at listening ports, the addresses that peers are told, and the range of RTP ports (contract §14.1, §22.2)."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from server.config import Bind, Config, PortRange, reference
from server.doctor.finding import Finding, fail, ok, warn
from server.doctor.interfaces import InterfaceAddress, interface_addresses, source_address_towards

# Addresses set aside for documentation (RFC 5737, RFC 3849): they are routed as any address of the internet is.
_INTERNET = {4: "192.0.2.1", 6: "2001:db8::1"}
_IP_SETTINGS = Path("/proc/sys/net/ipv4")
_SAMPLED_PAIRS = 32
_SHOWN_PORTS = 5
_SHOWN_ADDRESSES = 24
# A call that is forwarded has two legs, each with audio of its own.
_SESSIONS_PER_CALL = 2


def listeners(config: Config) -> Iterator[tuple[str, Bind, socket.SocketKind]]:
    """Yield the configuration key, address and kind of each listener that is switched on and that there is."""
    yield "http.bind", config.http.bind, socket.SOCK_STREAM
    for name in ("udp", "tcp", "tls", "ws", "wss"):
        bind: Bind | None = getattr(config.sip, name)
        if bind is not None and f"sip.{name}" not in reference.WITHOUT_EFFECT:
            yield f"sip.{name}", bind, socket.SOCK_DGRAM if name == "udp" else socket.SOCK_STREAM


def check_ports(config: Config) -> Iterator[Finding]:
    """Bind each listening address for a moment."""
    for key, bind, kind in listeners(config):
        if bind.port == 0:
            yield ok("ports", f"{key} {bind}: a free port is chosen at each start")
            continue
        protocol = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
        try:
            _try_bind(bind.host, bind.port, kind).close()
        except OSError as error:
            yield fail(
                "ports", f"{key} {bind}/{protocol}: {_bind_reason(error)}", _bind_advice(error, key, bind, protocol)
            )
        else:
            yield ok("ports", f"{key} {bind}/{protocol} is free")
    if not any(key.startswith("sip.") for key, _, _ in listeners(config)):
        yield warn("ports", "every SIP listener is switched off: no call can come in", 'set sip.udp to "0.0.0.0:5060"')


def _try_bind(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        if kind is socket.SOCK_STREAM:
            # As servers do: connections of a server that just stopped must not look like an occupied port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(socket.getaddrinfo(host, port, family, kind, flags=socket.AI_NUMERICHOST)[0][4])
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_reason(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "in use by another program, or by this engine if it is running"
        case errno.EADDRNOTAVAIL:
            return "no interface of this machine has the address"
        case errno.EACCES | errno.EPERM:
            return "not permitted"
        case errno.EAFNOSUPPORT:
            return "this machine has no such address family"
        case _:
            return error.strerror or str(error)


def _bind_advice(error: OSError, key: str, bind: Bind, protocol: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            flag = "u" if protocol == "UDP" else "t"
            return f"see who has it with `ss -ln{flag}p sport = :{bind.port}` and stop it, or change {key}"
        case errno.EACCES | errno.EPERM:
            return f"change the port in {key} to 1024 or above, or grant CAP_NET_BIND_SERVICE"
        case _:
            wildcard = "[::]" if ":" in bind.host else "0.0.0.0"
            return f'set {key} to "{wildcard}:{bind.port}", or to an address that `ip address` lists'


def check_addresses(config: Config) -> Iterator[Finding]:
    """Say which address peers are told for signalling and for audio, interface by interface."""
    binds = [bind for key, bind, _ in listeners(config) if key.startswith("sip.")]
    if config.sip.advertised_address is not None:
        yield from _fixed_address("sip.advertised_address", config.sip.advertised_address)
    else:
        yield from _chosen_addresses(binds)
    if config.media.advertised_address is not None:
        yield from _fixed_address("media.advertised_address", config.media.advertised_address)
    elif config.sip.advertised_address is not None and config.media_address is None:
        yield warn(
            "addresses",
            f"sip.advertised_address is the name {config.sip.advertised_address}, and SDP needs an IP address",
            "set media.advertised_address to the address of that name",
        )
    if config.http.bind.is_wildcard and config.http.public_url is None:
        yield warn(
            "addresses",
            f"links given to others begin with {config.http.base_url()}, which works on this machine only",
            "set http.public_url to the URL under which others reach the API",
        )


def _fixed_address(key: str, value: str) -> Iterator[Finding]:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        yield _resolved(key, value)
        return
    if address.is_loopback:
        yield warn(
            "addresses", f"{key} {value} is this machine as seen by itself", f"set {key} to an address of its network"
        )
        return
    try:
        mine = any(one.address.ip == address for one in interface_addresses())
    except OSError:
        mine = True
    where = (
        "" if mine else "; no interface has it, which is right behind NAT when the ports are forwarded to this machine"
    )
    yield ok("addresses", f"{key} {value} is told to every peer{where}")


def _resolved(key: str, name: str) -> Finding:
    try:
        found = sorted({str(info[4][0]) for info in socket.getaddrinfo(name, None)})
    except OSError as error:
        return fail(
            "addresses", f"{key} {name}: {error.strerror or error}", f"correct the name in {key}, or its DNS record"
        )
    return ok("addresses", f"{key} {name} is told to every peer; it resolves to {', '.join(found[:_SHOWN_ADDRESSES])}")


def _chosen_addresses(binds: Iterable[Bind]) -> Iterator[Finding]:
    wildcard_versions: set[int] = set()
    for bind in dict.fromkeys(binds):
        if bind.is_wildcard:
            # A socket on :: takes IPv4 as well, unless the system says otherwise.
            wildcard_versions |= {4} if bind.address.version == 4 else {4, 6}
        elif bind.is_loopback:
            yield ok("addresses", f"{bind}: only programs on this machine can call")
        else:
            yield from _public_side(f"{bind.host} is told to every peer", bind.address)
    if not wildcard_versions:
        return
    try:
        addresses = [one for one in interface_addresses() if one.address.version in wildcard_versions]
    except OSError as error:
        yield warn("addresses", f"interfaces cannot be listed: {error.strerror or error}", "set sip.advertised_address")
        return
    yield from _by_interface(addresses)
    for version in sorted(wildcard_versions):
        yield from _towards_internet(version, addresses)


def _by_interface(addresses: list[InterfaceAddress]) -> Iterator[Finding]:
    outside = [one for one in addresses if not one.address.ip.is_loopback and not one.address.ip.is_link_local]
    if not outside:
        yield warn(
            "addresses",
            "no interface but loopback has an address: only programs on this machine can call",
            "connect the machine to a network, or ignore this for a trial on one machine",
        )
    for one in outside[:_SHOWN_ADDRESSES]:
        yield ok("addresses", f"{one.interface}: peers in {one.address.network} are told {one.address.ip}")


def _towards_internet(version: int, addresses: list[InterfaceAddress]) -> Iterator[Finding]:
    source = source_address_towards(_INTERNET[version])
    if source is None:
        # Without IPv6 to the outside a machine is like most others; without IPv4 it is worth a word.
        if version == 4 and any(not one.address.ip.is_loopback for one in addresses):
            yield ok("addresses", "no route to the outside: peers in the networks above only")
        return
    yield from _public_side(f"peers beyond these networks are told {source}", ipaddress.ip_address(source))


def _public_side(what: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Iterator[Finding]:
    if address.is_global:
        yield ok("addresses", what)
        return
    yield warn(
        "addresses",
        f"{what}, a private address that carriers and phones on the internet cannot reach",
        "for calls over the internet set sip.advertised_address to the public address and forward the ports to here",
    )


def check_rtp(config: Config) -> Iterator[Finding]:
    """Count the audio ports, bind a sample of them and compare the range with what else takes ports."""
    ports = config.media.rtp_ports
    calls = config.limits.concurrent_calls
    count = f"media.rtp_ports {ports}: {ports.pairs} port pairs"
    wanted = calls * _SESSIONS_PER_CALL
    wider = f"widen media.rtp_ports to {wanted} pairs or more, {wanted * 2} ports, or lower limits.concurrent_calls"
    if ports.pairs < calls:
        shared = "calls will share ports, which works for peers that send from where their SDP says"
        yield warn("rtp", f"{count}, fewer than limits.concurrent_calls {calls}: {shared}", wider)
    elif ports.pairs < wanted:
        yield warn("rtp", f"{count}, too few for {calls} calls when all of them are forwarded", wider)
    else:
        yield ok("rtp", f"{count}, enough for {calls} calls with {_SESSIONS_PER_CALL} legs each")
    yield _bindable(config, ports)
    yield _apart_from_ephemeral(ports)
    for key, bind, kind in listeners(config):
        if kind is socket.SOCK_DGRAM and bind.port in ports:
            yield warn(
                "rtp",
                f"{key} {bind} lies inside media.rtp_ports {ports}",
                f"move media.rtp_ports away from {bind.port}",
            )


def _bindable(config: Config, ports: PortRange) -> Finding:
    host = config.sip.udp.host if config.sip.udp is not None else "0.0.0.0"
    step = max(1, ports.pairs // _SAMPLED_PAIRS)
    sample = [ports.low + 2 * pair for pair in range(0, ports.pairs, step)][:_SAMPLED_PAIRS]
    busy: list[str] = []
    reason = ""
    for low in sample:
        with ExitStack() as held:
            try:
                for port in (low, low + 1):
                    held.enter_context(_try_bind(host, port, socket.SOCK_DGRAM))
            except OSError as error:
                busy.append(str(low))
                reason = _bind_reason(error)
    if not busy:
        return ok("rtp", f"{len(sample)} of {ports.pairs} port pairs tried on {host}: all free")
    shown = ", ".join(busy[:_SHOWN_PORTS]) + (", …" if len(busy) > _SHOWN_PORTS else "")
    what = f"{len(busy)} of {len(sample)} port pairs tried on {host} cannot be had ({shown}): {reason}"
    change = "set media.rtp_ports to a range that no other program uses"
    return fail("rtp", what, change) if len(busy) == len(sample) else warn("rtp", what, change)


def _apart_from_ephemeral(ports: PortRange, settings: Path = _IP_SETTINGS) -> Finding:
    """Compare with the ports that the system hands out to outgoing connections, which could take ours."""
    try:
        low, high = (int(word) for word in (settings / "ip_local_port_range").read_text().split())
        reserved = _parse_reserved((settings / "ip_local_reserved_ports").read_text())
    except (OSError, ValueError) as error:
        return ok("rtp", f"the system's range of ephemeral ports is not known ({error})")
    overlap = [port for port in range(max(ports.low, low), min(ports.high, high) + 1) if port not in reserved]
    if not overlap:
        return ok("rtp", f"apart from the ephemeral ports of the system, {low}-{high}")
    return warn(
        "rtp",
        f"media.rtp_ports {ports} overlaps the ephemeral ports of the system, {low}-{high}: other programs take some",
        f"move media.rtp_ports below {low}, or run `sysctl -w net.ipv4.ip_local_reserved_ports={ports}`",
    )


def _parse_reserved(text: str) -> set[int]:
    reserved: set[int] = set()
    for part in text.strip().split(","):
        if part:
            low, _, high = part.partition("-")
            reserved.update(range(int(low), int(high or low) + 1))
    return reserved
