"""Name look-ups: remembered, bounded, never raising."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import dns.asyncresolver
import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from sip.core.routing import hop_endpoint
from sip.transport.resolver import (
    ADDRESS_SECONDS,
    CANDIDATES,
    FAILURE_SECONDS,
    REMEMBERED_NAMES,
    Dns,
    Naptr,
    Resolver,
    Srv,
    SystemDns,
)
from sip.uri import SipUri
from tests.sip.support import Clock

BOTH = frozenset({socket.AF_INET, socket.AF_INET6})
FOUND = [
    (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("2001:db8::9", 0, 0, 0)),
    (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.9", 0)),
]


class Names:
    """Stands in for the system's resolver."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, result: object = FOUND) -> None:
        self.asked: list[str] = []
        self.result = result
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host: str, _port: object, **_more: object) -> Any:
        self.asked.append(host)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


async def test_an_address_needs_no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    assert await Resolver(Clock(), BOTH).resolve("192.0.2.1") == "192.0.2.1"
    assert names.asked == []


@pytest.mark.parametrize(
    ("families", "wanted"), [(BOTH, "2001:db8::9"), (frozenset({socket.AF_INET}), "192.0.2.9"), (frozenset(), None)]
)
async def test_only_addresses_we_can_reach_count(
    monkeypatch: pytest.MonkeyPatch, families: frozenset[socket.AddressFamily], wanted: str | None
) -> None:
    Names(monkeypatch)
    assert await Resolver(Clock(), families).resolve("peer.example.com") == wanted


async def test_answers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    names, clock = Names(monkeypatch), Clock()
    resolver = Resolver(clock, BOTH)
    for _ in range(3):
        await resolver.resolve("peer.example.com")
    assert len(names.asked) == 1
    clock.now += ADDRESS_SECONDS + 1
    await resolver.resolve("peer.example.com")
    assert len(names.asked) == 2


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), TimeoutError()])
async def test_failures_are_none_and_believed_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    names, clock = Names(monkeypatch, error), Clock()
    resolver = Resolver(clock, BOTH)
    assert await resolver.resolve("nowhere.invalid") is None
    assert await resolver.resolve("nowhere.invalid") is None
    assert len(names.asked) == 1
    clock.now += FAILURE_SECONDS + 1
    names.result = FOUND
    assert await resolver.resolve("nowhere.invalid") == "2001:db8::9"


async def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch)
    resolver = Resolver(Clock(), BOTH)
    for number in range(REMEMBERED_NAMES + 20):
        await resolver.resolve(f"host{number}.example.com")
    assert len(resolver._known) == REMEMBERED_NAMES


class Zone(Dns):
    """Records written by a test; how often each was asked for."""

    def __init__(self, **records: Any) -> None:
        self.records = records
        self.asked: list[tuple[str, str]] = []
        self.ttl = 30.0

    def _find(self, kind: str, name: str) -> tuple[list[Any], float]:
        self.asked.append((kind, name))
        found = self.records.get(kind, {}).get(name, [])
        if isinstance(found, BaseException):
            raise found
        return list(found), self.ttl

    async def naptr(self, name: str) -> tuple[list[Naptr], float]:
        return self._find("naptr", name)

    async def srv(self, name: str) -> tuple[list[Srv], float]:
        return self._find("srv", name)

    async def addresses(self, name: str) -> tuple[list[str], float]:
        return self._find("a", name)


ADDRESSES = {
    "one.example.com": ["192.0.2.1"],
    "two.example.com": ["192.0.2.2", "2001:db8::2"],
    "three.example.com": ["192.0.2.3"],
    "example.com": ["192.0.2.9"],
}
SRV = {
    "_sip._udp.example.com": [
        Srv(20, 0, "three.example.com", 5063),
        Srv(10, 60, "one.example.com", 5061),
        Srv(10, 40, "two.example.com", 5062),
    ],
    "_sip._tcp.example.com": [Srv(1, 1, "one.example.com", 5060)],
    "_sips._tcp.example.com": [Srv(1, 1, "two.example.com", 5071)],
}
ALL = frozenset({"udp", "tcp", "tls"})


class TestLocating:
    """RFC 3263 §4.1, §4.2; RFC 2782."""

    async def locate(self, text: str, zone: Zone, *, draw: int = 0, transports: frozenset[str] = ALL) -> list[str]:
        resolver = Resolver(Clock(), BOTH, transports, zone, lambda _bound: draw)
        uri = SipUri.parse(text)
        return [str(found) for found in await resolver.locate(uri, hop_endpoint(uri, transports))]

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("sip:a@192.0.2.7", ["udp:192.0.2.7:5060"]),
            ("sip:a@192.0.2.7:5080;transport=tcp", ["tcp:192.0.2.7:5080"]),
            # a port: no SRV
            ("sip:a@example.com:5090", ["udp:192.0.2.9:5090"]),
            ("sip:a@two.example.com:5090;transport=tcp", ["tcp:192.0.2.2:5090", "tcp:[2001:db8::2]:5090"]),
            # a transport: its SRV, no NAPTR
            ("sip:a@example.com;transport=tcp", ["tcp:192.0.2.1:5060"]),
            ("sips:a@example.com", ["tls:192.0.2.2:5071", "tls:[2001:db8::2]:5071"]),
            # no SRV: the addresses of the name itself
            ("sip:a@three.example.com;transport=tcp", ["tcp:192.0.2.3:5060"]),
            ("sips:a@three.example.com", ["tls:192.0.2.3:5061"]),
            ("sip:a@three.example.com", ["udp:192.0.2.3:5060"]),
            ("sip:a@nowhere.example.com", []),
        ],
    )
    async def test_what_the_uri_says_is_not_asked_for(self, text: str, wanted: list[str]) -> None:
        zone = Zone(srv=SRV, a=ADDRESSES)
        assert await self.locate(text, zone) == wanted
        if ":5090" in text or "192.0.2.7" in text:
            assert {kind for kind, _ in zone.asked} <= {"a"}

    async def test_srv_records_go_by_priority_and_are_drawn_by_weight(self) -> None:
        first = await self.locate("sip:a@example.com", Zone(srv=SRV, a=ADDRESSES), draw=0)
        assert first[:4] == ["udp:192.0.2.2:5062", "udp:[2001:db8::2]:5062", "udp:192.0.2.1:5061", "udp:192.0.2.3:5063"]
        heavy = await self.locate("sip:a@example.com", Zone(srv=SRV, a=ADDRESSES), draw=41)
        assert heavy[0] == "udp:192.0.2.1:5061"
        assert heavy[3] == "udp:192.0.2.3:5063"
        # UDP's records come before those of TCP
        assert first[4:] == ["tcp:192.0.2.1:5060"]

    async def test_naptr_says_which_transport_a_domain_prefers(self) -> None:
        naptr = {
            "example.com": [
                Naptr(90, 50, "SIP+D2U", "_sip._udp.example.com"),
                Naptr(50, 50, "SIPS+D2T", "_sips._tcp.example.com"),
                Naptr(50, 90, "SIP+D2T", "_sip._tcp.example.com"),
                Naptr(10, 10, "SIP+D2S", "_sip._sctp.example.com"),
            ]
        }
        zone = Zone(naptr=naptr, srv=SRV, a=ADDRESSES)
        found = await self.locate("sip:a@example.com", zone)
        assert found[:3] == ["tls:192.0.2.2:5071", "tls:[2001:db8::2]:5071", "tcp:192.0.2.1:5060"]
        only_udp = await self.locate("sip:a@example.com", zone, transports=frozenset({"udp"}))
        assert {each.partition(":")[0] for each in only_udp} == {"udp"}

    async def test_the_certificate_has_to_be_for_the_domain_not_for_the_host_that_srv_names(self) -> None:
        resolver = Resolver(Clock(), BOTH, ALL, Zone(srv=SRV, a=ADDRESSES))
        uri = SipUri.parse("sips:a@example.com")
        assert {found.name for found in await resolver.locate(uri, hop_endpoint(uri, ALL))} == {"example.com"}

    async def test_a_root_target_means_that_there_is_no_service(self) -> None:
        zone = Zone(srv={"_sip._udp.example.com": [Srv(0, 0, "", 0)]}, a={})
        assert await self.locate("sip:a@example.com", zone) == []

    async def test_records_hold_as_long_as_they_say_and_failures_for_a_moment(self) -> None:
        zone, clock = Zone(srv=SRV, a=ADDRESSES), Clock()
        resolver = Resolver(clock, BOTH, ALL, zone)
        uri = SipUri.parse("sip:a@example.com;transport=tcp")
        for _ in range(3):
            await resolver.locate(uri, hop_endpoint(uri, ALL))
        assert zone.asked == [("srv", "_sip._tcp.example.com"), ("a", "one.example.com")]
        clock.now += 31
        zone.records["srv"] = {"_sip._tcp.example.com": OSError("no answer")}
        await resolver.locate(uri, hop_endpoint(uri, ALL))
        assert zone.asked[2:] == [
            ("srv", "_sip._tcp.example.com"),
            ("a", "example.com"),
        ]

    async def test_a_domain_with_many_records_costs_no_more_than_a_few(self) -> None:
        many = {"_sip._udp.example.com": [Srv(n, 0, f"h{n}.example.com", 5060) for n in range(100)]}
        zone = Zone(srv=many, a={f"h{n}.example.com": [f"192.0.2.{n}"] for n in range(100)})
        assert len(await self.locate("sip:a@example.com", zone)) == CANDIDATES
        assert len(zone.asked) < 20


class DnsServer(asyncio.DatagramProtocol):
    """A DNS server with a zone of one domain."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        records = {
            ("example.com.", "NAPTR"): [
                '50 50 "s" "SIP+D2T" "" _sip._tcp.example.com.',
                '10 10 "u" "E2U+sip" "!x!y!" .',
            ],
            ("_sip._tcp.example.com.", "SRV"): ["10 5 5075 sip.example.com."],
        }.get((str(question.name).lower(), dns.rdatatype.to_text(question.rdtype)))
        answer = dns.message.make_response(query)
        if records:
            answer.answer.append(
                dns.rrset.from_text_list(question.name, 77, "IN", dns.rdatatype.to_text(question.rdtype), records)
            )
        self.transport.sendto(answer.to_wire(), addr)


async def test_records_are_read_from_a_real_server() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(DnsServer, local_addr=("127.0.0.1", 0))
    client = dns.asyncresolver.Resolver(configure=False)
    client.nameservers = ["127.0.0.1"]
    client.port = transport.get_extra_info("sockname")[1]
    system = SystemDns(client)
    assert await system.naptr("example.com") == ([Naptr(50, 50, "SIP+D2T", "_sip._tcp.example.com")], 77.0)
    assert await system.srv("_sip._tcp.example.com") == ([Srv(10, 5, "sip.example.com", 5075)], 77.0)
    assert await system.srv("_sip._udp.example.com") == ([], FAILURE_SECONDS)
    transport.close()


async def test_a_real_name_is_found() -> None:
    assert await Resolver(Clock(), frozenset({socket.AF_INET})).resolve("localhost") == "127.0.0.1"
