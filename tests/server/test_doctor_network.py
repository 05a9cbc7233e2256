"""Ports, addresses and the RTP range: what is found, and which key is to be changed."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import Config, PortRange, reference
from server.doctor import network
from server.doctor.finding import Finding
from server.doctor.interfaces import InterfaceAddress, _messages, _parse_address, interface_addresses


def config(**sections: dict[str, object]) -> Config:
    return Config.model_validate(sections)


QUIET = {"udp": "127.0.0.1:0", "tcp": ""}


@pytest.fixture(autouse=True)
def _every_listener_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "WITHOUT_EFFECT", frozenset())


def only(findings: Iterable[Finding], status: str) -> list[Finding]:
    return [finding for finding in findings if finding.status == status]


def occupied(kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind(("127.0.0.1", 0))
    if kind is socket.SOCK_STREAM:
        sock.listen()
    return sock


def free_ports(count: int) -> int:
    """The first of `count` UDP ports in a row that are free on loopback, an even one."""
    for _ in range(100):
        with occupied(socket.SOCK_DGRAM) as probe:
            low = probe.getsockname()[1] & ~1
        with contextlib.ExitStack() as held:
            try:
                for port in range(low, low + count):
                    held.enter_context(network._try_bind("127.0.0.1", port, socket.SOCK_DGRAM))
            except OSError:
                continue
        return low
    raise AssertionError("no free ports")


class TestPorts:
    def test_free_ports_are_ok_and_free_again_afterwards(self) -> None:
        with occupied(socket.SOCK_DGRAM) as probe:
            port = probe.getsockname()[1]
        setting = config(http={"bind": "127.0.0.1:0"}, sip={"udp": f"127.0.0.1:{port}", "tcp": ""})
        for _ in range(2):
            findings = list(network.check_ports(setting))
            assert [finding.status for finding in findings] == ["ok", "ok"]
            assert findings[1].what == f"sip.udp 127.0.0.1:{port}/UDP is free"

    @pytest.mark.parametrize(
        ("section", "key", "kind", "protocol"),
        [
            ("http", "bind", socket.SOCK_STREAM, "TCP"),
            ("sip", "udp", socket.SOCK_DGRAM, "UDP"),
            ("sip", "tcp", socket.SOCK_STREAM, "TCP"),
            ("sip", "ws", socket.SOCK_STREAM, "TCP"),
        ],
    )
    def test_an_occupied_port_fails_and_names_its_key(
        self, section: str, key: str, kind: socket.SocketKind, protocol: str
    ) -> None:
        with occupied(kind) as other:
            bind = f"127.0.0.1:{other.getsockname()[1]}"
            sections = {"http": {"bind": "127.0.0.1:0"}, "sip": dict(QUIET)}
            sections[section][key] = bind
            (failed,) = only(network.check_ports(config(**sections)), "fail")
        assert failed.what.startswith(f"{section}.{key} {bind}/{protocol}: in use by another program")
        assert failed.change is not None
        assert f"change {section}.{key}" in failed.change
        assert f"sport = :{bind.rpartition(':')[2]}`" in failed.change

    def test_an_address_no_interface_has_fails(self) -> None:
        (failed,) = only(network.check_ports(config(http={"bind": "192.0.2.77:8080"}, sip=dict(QUIET))), "fail")
        assert "no interface of this machine has the address" in failed.what
        assert failed.change is not None
        assert failed.change.startswith('set http.bind to "0.0.0.0:8080"')

    def test_a_port_that_is_not_permitted_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> socket.socket:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(network, "_try_bind", refuse)
        (failed,) = only(network.check_ports(config(http={"bind": "127.0.0.1:80"}, sip=dict(QUIET))), "fail")
        assert "not permitted" in failed.what
        assert failed.change is not None
        assert "http.bind" in failed.change
        assert "CAP_NET_BIND_SERVICE" in failed.change

    def test_a_listener_of_a_later_version_is_not_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reference, "WITHOUT_EFFECT", {"sip.tcp"})
        with occupied(socket.SOCK_STREAM) as other:
            sip = {"udp": "127.0.0.1:0", "tcp": f"127.0.0.1:{other.getsockname()[1]}"}
            findings = list(network.check_ports(config(http={"bind": "127.0.0.1:0"}, sip=sip)))
        assert [finding.status for finding in findings] == ["ok", "ok"]

    def test_an_engine_that_listens_nowhere_is_warned_of(self) -> None:
        (warned,) = only(network.check_ports(config(http={"bind": "127.0.0.1:0"}, sip={"udp": "", "tcp": ""})), "warn")
        assert warned.change is not None
        assert "sip.udp" in warned.change


class TestAddresses:
    @pytest.fixture
    def machine(self, monkeypatch: pytest.MonkeyPatch) -> list[InterfaceAddress]:
        """Loopback, a private network, and the way out through it."""
        addresses = [
            InterfaceAddress("lo", ipaddress.ip_interface("127.0.0.1/8")),
            InterfaceAddress("lo", ipaddress.ip_interface("::1/128")),
            InterfaceAddress("eth0", ipaddress.ip_interface("192.168.1.20/24")),
            InterfaceAddress("eth0", ipaddress.ip_interface("fe80::1/64")),
        ]
        monkeypatch.setattr(network, "interface_addresses", lambda: addresses)
        monkeypatch.setattr(network, "source_address_towards", lambda target: None if ":" in target else "192.168.1.20")
        return addresses

    def test_each_network_is_told_its_own_address(self, machine: list[InterfaceAddress]) -> None:
        found = list(network.check_addresses(Config()))
        assert found[0] == Finding("ok", "addresses", "eth0: peers in 192.168.1.0/24 are told 192.168.1.20")

    def test_a_private_address_towards_the_internet_is_warned_of(self, machine: list[InterfaceAddress]) -> None:
        (warned,) = only(network.check_addresses(Config()), "warn")
        assert "192.168.1.20, a private address" in warned.what
        assert warned.change is not None
        assert "sip.advertised_address" in warned.change

    def test_a_public_address_is_ok(self, machine: list[InterfaceAddress], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(network, "source_address_towards", lambda _: "8.8.4.4")
        assert only(network.check_addresses(Config()), "warn") == []

    def test_a_machine_with_loopback_only_is_warned_of(
        self, machine: list[InterfaceAddress], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        del machine[2:]
        monkeypatch.setattr(network, "source_address_towards", lambda _: None)
        (warned,) = network.check_addresses(Config())
        assert warned.status == "warn"
        assert "only programs on this machine can call" in warned.what

    def test_listening_on_loopback_says_who_can_call(self, machine: list[InterfaceAddress]) -> None:
        (found,) = network.check_addresses(config(sip={"udp": "127.0.0.1:5060", "tcp": ""}))
        assert found == Finding("ok", "addresses", "127.0.0.1:5060: only programs on this machine can call")

    def test_an_ipv6_wildcard_covers_both_families(self, machine: list[InterfaceAddress]) -> None:
        machine.append(InterfaceAddress("eth0", ipaddress.ip_interface("2001:db8:1::5/64")))
        whats = [found.what for found in network.check_addresses(config(sip={"udp": "[::]:5060", "tcp": ""}))]
        assert "eth0: peers in 192.168.1.0/24 are told 192.168.1.20" in whats
        assert "eth0: peers in 2001:db8:1::/64 are told 2001:db8:1::5" in whats
        assert not any("fe80" in what for what in whats)

    def test_the_advertised_address_is_told_to_everybody(self, machine: list[InterfaceAddress]) -> None:
        (found,) = network.check_addresses(config(sip={"advertised_address": "203.0.113.9"}))
        assert found.status == "ok"
        assert found.what.startswith("sip.advertised_address 203.0.113.9 is told to every peer; no interface has it")
        (mine,) = network.check_addresses(config(sip={"advertised_address": "192.168.1.20"}))
        assert mine.what == "sip.advertised_address 192.168.1.20 is told to every peer"

    def test_advertising_loopback_is_warned_of(self, machine: list[InterfaceAddress]) -> None:
        (warned,) = network.check_addresses(config(sip={"advertised_address": "127.0.0.1"}))
        assert warned.status == "warn"
        assert warned.change is not None
        assert "sip.advertised_address" in warned.change

    def test_a_name_cannot_be_told_in_sdp(self, machine: list[InterfaceAddress]) -> None:
        named, warned = network.check_addresses(config(sip={"advertised_address": "localhost"}))
        assert named.status == "ok"
        assert "127.0.0.1" in named.what
        assert warned.change is not None
        assert warned.change.startswith("set media.advertised_address")

    def test_a_name_nobody_knows_fails(self, machine: list[InterfaceAddress], monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: object) -> list[object]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(network.socket, "getaddrinfo", unknown)
        failed = next(iter(network.check_addresses(config(sip={"advertised_address": "sip.example.com"}))))
        assert (failed.status, failed.what) == (
            "fail",
            "sip.advertised_address sip.example.com: Name or service not known",
        )

    def test_links_that_only_work_here_are_warned_of(self, machine: list[InterfaceAddress]) -> None:
        setting = config(http={"bind": "0.0.0.0:8080"}, sip=dict(QUIET))
        (warned,) = only(network.check_addresses(setting), "warn")
        assert warned.change is not None
        assert warned.change.startswith("set http.public_url")

    def test_a_machine_that_cannot_be_asked_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse() -> list[InterfaceAddress]:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(network, "interface_addresses", refuse)
        (warned,) = network.check_addresses(Config())
        assert warned.what == "interfaces cannot be listed: Operation not permitted"


class TestRtp:
    def check(self, ports: str, calls: int = 100) -> list[Finding]:
        setting = config(media={"rtp_ports": ports}, limits={"concurrent_calls": calls}, sip=dict(QUIET))
        return list(network.check_rtp(setting))

    def test_a_range_with_room_is_ok(self) -> None:
        low = free_ports(8)
        count, bound, _ephemeral = self.check(f"{low}-{low + 7}", calls=2)
        assert count.what == f"media.rtp_ports {low}-{low + 7}: 4 port pairs, enough for 2 calls with 2 legs each"
        assert bound.what == "4 of 4 port pairs tried on 127.0.0.1: all free"
        assert (count.status, bound.status) == ("ok", "ok")

    @pytest.mark.parametrize(
        ("ports", "calls", "status"),
        [
            ("21000-21399", 100, "ok"),
            ("21000-21397", 100, "warn"),
            ("21000-21199", 100, "warn"),
            ("21000-21197", 100, "warn"),
        ],
    )
    def test_there_must_be_ports_for_the_calls_that_are_allowed(self, ports: str, calls: int, status: str) -> None:
        first = self.check(ports, calls)[0]
        assert first.status == status
        if status != "ok":
            assert first.change is not None
            assert "media.rtp_ports" in first.change
            assert "limits.concurrent_calls" in first.change

    @pytest.mark.parametrize("offset", [0, 1])
    def test_a_range_that_others_use_fails(self, offset: int) -> None:
        low = free_ports(2)
        with network._try_bind("127.0.0.1", low + offset, socket.SOCK_DGRAM):
            (failed,) = only(self.check(f"{low}-{low + 1}", calls=1), "fail")
        assert failed.what.startswith(f"1 of 1 port pairs tried on 127.0.0.1 cannot be had ({low}): in use")
        assert failed.change is not None
        assert "media.rtp_ports" in failed.change

    def test_one_port_in_use_is_a_warning(self) -> None:
        low = free_ports(8)
        with network._try_bind("127.0.0.1", low, socket.SOCK_DGRAM):
            found = self.check(f"{low}-{low + 7}", calls=1)[1]
        assert found.status == "warn"
        assert found.what.startswith("1 of 4 port pairs")

    def test_a_sample_is_spread_over_the_whole_range(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tried: list[int] = []

        def note(_host: str, port: int, _kind: socket.SocketKind) -> socket.socket:
            tried.append(port)
            return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        monkeypatch.setattr(network, "_try_bind", note)
        self.check("10000-19999")
        assert len(tried) == 64
        assert tried[0] == 10000
        assert tried[-1] > 19000
        assert all(port % 2 == 0 for port in tried[::2])

    @pytest.mark.parametrize(
        ("reserved", "status"),
        [("", "warn"), ("40000-40099", "ok"), ("1,40000-40049,40050-50000", "ok"), ("40000", "warn")],
    )
    def test_ports_the_system_hands_out_are_warned_of_unless_reserved(
        self, reserved: str, status: str, tmp_path: Path
    ) -> None:
        (tmp_path / "ip_local_port_range").write_text("32768\t60999\n")
        (tmp_path / "ip_local_reserved_ports").write_text(reserved + "\n")
        found = network._apart_from_ephemeral(PortRange(40000, 40099), tmp_path)
        assert found.status == status
        if status == "warn":
            assert found.change is not None
            assert "net.ipv4.ip_local_reserved_ports=40000-40099" in found.change

    def test_a_range_below_the_ephemeral_ports_is_ok(self, tmp_path: Path) -> None:
        (tmp_path / "ip_local_port_range").write_text("32768\t60999\n")
        (tmp_path / "ip_local_reserved_ports").write_text("\n")
        assert network._apart_from_ephemeral(PortRange(10000, 32767), tmp_path).status == "ok"
        assert network._apart_from_ephemeral(PortRange(10000, 32769), tmp_path).status == "warn"

    def test_a_system_that_does_not_say_is_no_fault(self, tmp_path: Path) -> None:
        assert network._apart_from_ephemeral(PortRange(10000, 10999), tmp_path).status == "ok"

    def test_sip_inside_the_range_is_warned_of(self) -> None:
        setting = config(media={"rtp_ports": "5000-5999"}, sip={"udp": "127.0.0.1:5060", "tcp": ""})
        assert any(found.change == "move media.rtp_ports away from 5060" for found in network.check_rtp(setting))


class TestInterfaces:
    def test_loopback_is_among_the_addresses_of_this_machine(self) -> None:
        assert InterfaceAddress("lo", ipaddress.ip_interface("127.0.0.1/8")) in interface_addresses()

    def test_the_far_end_of_a_link_is_not_taken_for_ours(self) -> None:
        def attribute(kind: int, address: str) -> bytes:
            return struct.pack("=HH", 8, kind) + ipaddress.ip_address(address).packed

        header = struct.pack("=BBBBi", socket.AF_INET, 32, 0, 0, 1)
        payload = header + attribute(1, "10.0.0.1") + attribute(2, "10.0.0.2")
        assert _parse_address(payload) == InterfaceAddress("lo", ipaddress.ip_interface("10.0.0.2/32"))

    @given(st.binary(max_size=80))
    def test_no_answer_makes_it_fail(self, data: bytes) -> None:
        for family in (socket.AF_INET, socket.AF_INET6):
            _parse_address(bytes([family, 24, 0, 0]) + data)
        assert len(list(_messages(data))) <= 5
