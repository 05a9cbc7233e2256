"""What each kind of value accepts, and what a refusal says."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import values
from server.config.values import Bind, EnvText, PortRange


class TestBind:
    @pytest.mark.parametrize(
        ("text", "host", "port"),
        [
            ("127.0.0.1:8080", "127.0.0.1", 8080),
            ("0.0.0.0:0", "0.0.0.0", 0),
            ("[::]:5060", "::", 5060),
            ("[::1]:65535", "::1", 65535),
            ("[2001:DB8:0::1]:5060", "2001:db8::1", 5060),
            (" 127.0.0.1:1 ", "127.0.0.1", 1),
            ("localhost:8080", "127.0.0.1", 8080),
        ],
    )
    def test_reads_an_address_with_a_port(self, text: str, host: str, port: int) -> None:
        assert values.read_bind(text) == Bind(host, port)

    @pytest.mark.parametrize(
        "text",
        [
            "5060",
            "127.0.0.1",
            "127.0.0.1:",
            ":5060",
            "*:5060",
            "127.0.0.1:65536",
            "127.0.0.1:-1",
            "127.0.0.1:5060 # udp",
            "127.0.0.1:٥٠٦٠",
            "example.com:5060",
            "300.0.0.1:5060",
            "[127.0.0.1]:5060",
            "udp:127.0.0.1:5060",
            "224.0.0.1:5060",
        ],
    )
    def test_refuses_what_is_no_address_with_a_port(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"^must "):
            values.read_bind(text)

    def test_tells_where_the_brackets_are_missing(self) -> None:
        with pytest.raises(ValueError, match=r'IPv6 address in brackets, like "\[::1\]:5060"'):
            values.read_bind("::1:5060")

    def test_an_empty_text_switches_a_listener_off(self) -> None:
        assert values.read_bind("") is None
        assert values.read_bind(EnvText("  ")) is None

    def test_a_listener_that_must_be_on_cannot_be_empty(self) -> None:
        with pytest.raises(ValueError, match="cannot be switched off"):
            values.read_required_bind("")

    @given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), st.integers(0, 65535))
    def test_its_text_reads_back_as_the_same(self, address: ipaddress.IPv4Address, port: int) -> None:
        if address.is_multicast:
            return
        bind = Bind(str(address), port)
        assert values.read_bind(str(bind)) == bind

    def test_knows_wildcards_and_loopback(self) -> None:
        assert Bind("0.0.0.0", 1).is_wildcard
        assert Bind("::", 1).is_wildcard
        assert Bind("127.9.9.9", 1).is_loopback
        assert not Bind("192.0.2.1", 1).is_wildcard
        assert not Bind("192.0.2.1", 1).is_loopback


class TestPortRange:
    @pytest.mark.parametrize(
        ("text", "low", "high", "pairs"),
        [("10000-10999", 10000, 10999, 500), ("20000 - 20001", 20000, 20001, 1), ("20000-20002", 20000, 20002, 1)],
    )
    def test_reads_an_inclusive_range(self, text: str, low: int, high: int, pairs: int) -> None:
        ports = values.read_port_range(text)
        assert ports == PortRange(low, high)
        assert ports.pairs == pairs
        assert low in ports
        assert high in ports
        assert low - 1 not in ports
        assert high + 1 not in ports

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("10001-10999", "even port"),
            ("10000-10000", "at least two ports"),
            ("10000", "range like"),
            ("10000-", "range like"),
            ("10000-65536", "between ports 1 and 65535"),
            ("0-1000", "between ports 1 and 65535"),
            ("10998-10000", "from the lower port to the higher"),
            ("a-b", "range like"),
            ("", "range like"),
        ],
    )
    def test_refuses_a_bad_range_with_what_is_wrong(self, text: str, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            values.read_port_range(text)

    def test_the_highest_pair_is_allowed(self) -> None:
        assert values.read_port_range("65534-65535").pairs == 1


class TestNumbers:
    def test_a_file_gives_numbers_and_the_environment_texts(self) -> None:
        assert values.read_whole_number(7) == 7
        assert values.read_whole_number(EnvText(" 7 ")) == 7
        assert values.read_seconds(0.5) == 0.5
        assert values.read_seconds(EnvText("2.5")) == 2.5

    @pytest.mark.parametrize(
        "value", ["7", True, 7.0, None, [7], EnvText("7.5"), EnvText(""), EnvText("٧"), EnvText("9" * 30)]
    )
    def test_refuses_what_is_no_whole_number(self, value: object) -> None:
        with pytest.raises(ValueError, match="must be a whole number, not "):
            values.read_whole_number(value)

    @pytest.mark.parametrize(
        "value", [True, "1", float("inf"), float("nan"), EnvText("nan"), EnvText("1e999"), 10**400, None]
    )
    def test_refuses_what_is_no_length_of_time(self, value: object) -> None:
        with pytest.raises(ValueError, match="must be a number of seconds, not "):
            values.read_seconds(value)

    @pytest.mark.parametrize("word", ["true", "1", "Yes", "ON"])
    def test_the_environment_has_several_words_for_true(self, word: str) -> None:
        assert values.read_switch(EnvText(word)) is True

    @pytest.mark.parametrize("word", ["false", "0", "No", "off"])
    def test_and_for_false(self, word: str) -> None:
        assert values.read_switch(EnvText(word)) is False

    @pytest.mark.parametrize("value", ["true", 1, 0, EnvText(""), EnvText("maybe"), None])
    def test_refuses_what_is_no_switch(self, value: object) -> None:
        with pytest.raises(ValueError, match="must be true or false, not "):
            values.read_switch(value)


class TestLists:
    def test_the_environment_has_commas_between_the_parts(self) -> None:
        assert values.read_list(EnvText("a, b ,c")) == ["a", "b", "c"]

    def test_an_empty_variable_is_an_empty_list(self) -> None:
        assert values.read_list(EnvText("")) == []
        assert values.read_list([]) == []

    @pytest.mark.parametrize("value", ["a,b", 3, {"a": 1}])
    def test_a_file_must_have_a_list(self, value: object) -> None:
        with pytest.raises(ValueError, match="must be a list like"):
            values.read_list(value)

    @pytest.mark.parametrize("value", [EnvText("a,,b"), EnvText(","), ["a", ""]])
    def test_refuses_an_empty_part(self, value: object) -> None:
        with pytest.raises(ValueError, match="empty entry"):
            values.read_list(value)

    def test_codecs_keep_their_order_and_get_their_spelling(self) -> None:
        assert values.read_codecs(EnvText("Opus,g722,pcma")) == ("opus", "G722", "PCMA")
        assert values.read_codecs(["G.722"]) == ("G722",)

    @pytest.mark.parametrize(
        ("value", "reason"),
        [(["GSM"], "'GSM' is none of them"), (["PCMU", "pcmu"], "PCMU is there twice"), ([], "at least one codec")],
    )
    def test_refuses_codecs_it_does_not_know(self, value: list[str], reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            values.read_codecs(value)

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (["SHA-1"], "'SHA-1' is none of them"),
            (["MD5", "md5"], "MD5 is there twice"),
            ([], "at least one algorithm"),
        ],
    )
    def test_refuses_digest_algorithms_it_does_not_know(self, value: list[str], reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            values.read_digest_algorithms(value)

    def test_networks_of_both_families_come_in_one_list(self) -> None:
        networks = values.read_networks(EnvText("203.0.113.10, 2001:db8::/32,2001:db8::1"))
        assert [str(network) for network in networks] == ["203.0.113.10/32", "2001:db8::/32", "2001:db8::1/128"]

    @pytest.mark.parametrize("text", ["carrier.example", "203.0.113.0/33", "1.2.3", "::1:::"])
    def test_refuses_what_is_no_network(self, text: str) -> None:
        with pytest.raises(ValueError, match="is neither"):
            values.read_networks([text])

    def test_says_which_network_an_address_with_a_mask_means(self) -> None:
        with pytest.raises(ValueError, match=r"write 10\.0\.0\.0/8"):
            values.read_networks(["10.1.2.3/8"])


class TestAddressesAndUrls:
    @pytest.mark.parametrize(
        ("text", "read"),
        [
            ("203.0.113.10", "203.0.113.10"),
            ("SIP.Example.com.", "sip.example.com"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("", None),
        ],
    )
    def test_reads_a_host(self, text: str, read: str | None) -> None:
        assert values.read_host(text) == read

    @pytest.mark.parametrize(
        "text", ["sip.example.com:5060", "0.0.0.0", "256.1.1.1", "-a.example", "a b", "a..b", "x" * 64]
    )
    def test_refuses_what_is_no_host(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"^must be "):
            values.read_host(text)

    @pytest.mark.parametrize("text", ["sip.example.com", "0.0.0.0", "::", "239.1.1.1"])
    def test_refuses_an_address_audio_cannot_be_sent_to(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"^must be an "):
            values.read_address(text)

    @pytest.mark.parametrize(
        "text", ["https://voice.example.com/", "http://127.0.0.1:8080", "https://[2001:db8::1]:8443/voice"]
    )
    def test_reads_a_public_url_without_its_last_slash(self, text: str) -> None:
        assert values.read_public_url(text) == text.rstrip("/")

    @pytest.mark.parametrize(
        "text",
        [
            "voice.example.com",
            "ftp://a",
            "https://",
            "https://user:pw@a",
            "https://a?b=c",
            "https://a#b",
            "https://a b",
            "https://a:x",
        ],
    )
    def test_refuses_what_cannot_be_the_base_of_links(self, text: str) -> None:
        with pytest.raises(ValueError, match="must be a URL like"):
            values.read_public_url(text)

    @pytest.mark.parametrize(
        "text",
        [
            "sip:carrier.example",
            "sip:203.0.113.5:5080;transport=tcp",
            "sips:[2001:db8::1]:5061",
            "sip:a:1;transport=UDP",
        ],
    )
    def test_reads_the_uri_of_a_carrier(self, text: str) -> None:
        assert values.read_carrier_uri(text) == text

    @pytest.mark.parametrize(
        "text",
        [
            "carrier.example",
            "tel:+1",
            "sip:user@carrier.example",
            "sip:a:99999",
            "sip:a;transport=sctp",
            "sip:[::1",
            "sip:",
        ],
    )
    def test_refuses_what_is_no_uri_of_a_carrier(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"^must "):
            values.read_carrier_uri(text)


class TestTextsAndSecrets:
    def test_a_path_may_begin_at_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/voylo")
        assert values.read_path("~/data") == Path("/home/voylo/data")

    def test_a_path_cannot_be_empty(self) -> None:
        with pytest.raises(ValueError, match="must be a path"):
            values.read_path("")

    def test_an_empty_secret_is_none(self) -> None:
        assert values.read_secret("") is None
        assert values.read_token(EnvText("")) is None

    def test_a_secret_keeps_its_spaces(self) -> None:
        secret = values.read_secret(" two words ")
        assert secret is not None
        assert secret.get_secret_value() == " two words "

    @pytest.mark.parametrize(
        ("read", "value"),
        [
            (values.read_token, "hunter2 "),
            (values.read_token, "hunter2\n"),
            (values.read_secret, "hunter2\x00"),
            (values.read_database_url, "mysql://root:hunter2@host/db"),
            (values.read_database_url, "postgresql://root:hunter2@host/db"),
            (values.read_database_url, "hunter2"),
            (values.read_database_url, "sqlite+aiosqlite://hunter2"),
        ],
    )
    def test_a_refusal_never_shows_a_secret(self, read: Callable[[object], object], value: str) -> None:
        with pytest.raises(ValueError, match=r"^must ") as refusal:
            read(value)
        assert "hunter2" not in str(refusal.value)

    @pytest.mark.parametrize("url", ["sqlite+aiosqlite:////var/lib/voylo.db", "postgresql+asyncpg://u:p@h/d"])
    def test_reads_a_database_url_with_an_async_driver(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(values, "find_spec", lambda _: object())
        assert values.read_database_url(url) == url

    def test_a_driver_and_a_speech_engine_must_be_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(values, "find_spec", lambda _: None)
        with pytest.raises(ValueError, match="pip install asyncpg"):
            values.read_database_url("postgresql+asyncpg://u:p@h/d")
        with pytest.raises(ValueError, match=r"pip install 'voylo-engine\[hibari\]'"):
            values.read_speech_engine("hibari")
        assert values.read_speech_engine(" HTTP ") == "http"

    @pytest.mark.parametrize("rest", ["", "/", "/:memory:", "/file:x?mode=memory", "x.db", "/?timeout=5"])
    def test_refuses_an_sqlite_database_that_is_no_file(self, rest: str) -> None:
        with pytest.raises(ValueError, match=r"^must "):
            values.read_database_url(f"sqlite+aiosqlite://{rest}")

    @given(st.one_of(st.text(), st.integers(), st.booleans(), st.floats(), st.none(), st.lists(st.text()), st.binary()))
    def test_nothing_raises_but_value_errors_of_one_line(self, value: object) -> None:
        readers = [getattr(values, name) for name in dir(values) if name.startswith("read_")]
        variants = [value, EnvText(value)] if isinstance(value, str) else [value]
        for read in readers:
            for variant in variants:
                try:
                    read(variant)
                except ValueError as refusal:
                    assert str(refusal).isprintable()
