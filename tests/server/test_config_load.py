"""Which file is read, what overrides what, and that every fault is told with its file, key and reason."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from pydantic import ValidationError

from server.config import Bind, Config, ConfigError, PortRange, find_config_file, load_config, values
from server.config.load import MAX_FILE_BYTES


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(values, "find_spec", lambda _: object())


def write(text: str, name: str = "config.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        load_config(write(text), environ or {})
    return list(refusal.value.problems)


class TestWhichFile:
    def test_none_is_needed(self) -> None:
        assert find_config_file(None, {}) is None
        assert load_config(None, {}) == Config()

    def test_the_one_in_the_working_directory_is_found(self) -> None:
        write('[http]\nbind = "127.0.0.1:1"')
        assert load_config(None, {}).http.bind == Bind("127.0.0.1", 1)

    def test_the_variable_comes_before_the_working_directory(self) -> None:
        write('[http]\nbind = "127.0.0.1:1"')
        write('[http]\nbind = "127.0.0.1:2"', "other.toml")
        assert load_config(None, {"VOYLO_CONFIG": "other.toml"}).http.bind.port == 2

    def test_the_argument_comes_before_the_variable(self) -> None:
        write('[http]\nbind = "127.0.0.1:2"', "other.toml")
        write('[http]\nbind = "127.0.0.1:3"', "third.toml")
        assert load_config(Path("third.toml"), {"VOYLO_CONFIG": "other.toml"}).http.bind.port == 3

    def test_an_empty_variable_is_unset(self) -> None:
        assert find_config_file(None, {"VOYLO_CONFIG": ""}) is None

    @pytest.mark.parametrize("environ", [{}, {"VOYLO_CONFIG": "missing.toml"}])
    def test_a_file_that_was_named_must_be_there(self, environ: dict[str, str]) -> None:
        with pytest.raises(ConfigError) as refusal:
            load_config(None if environ else Path("missing.toml"), environ)
        assert refusal.value.problems == ("missing.toml: cannot be read: No such file or directory",)

    def test_a_directory_is_no_file(self) -> None:
        Path("conf.d").mkdir()
        with pytest.raises(ConfigError, match=r"conf\.d: cannot be read: Is a directory"):
            load_config(Path("conf.d"), {})

    def test_something_huge_is_not_read(self) -> None:
        write("#" * (MAX_FILE_BYTES + 1))
        with pytest.raises(ConfigError, match=r"config\.toml: is bigger than 1048576 bytes"):
            load_config(None, {})

    def test_a_file_at_the_size_limit_is_read(self) -> None:
        write("#" * MAX_FILE_BYTES)
        assert load_config(None, {}) == Config()

    def test_bytes_that_are_no_text_are_told_with_their_line(self) -> None:
        Path("config.toml").write_bytes(b"[sip]\n# caf\xe9\n")
        with pytest.raises(ConfigError, match=r"config\.toml:2: is not UTF-8 text"):
            load_config(None, {})

    def test_a_syntax_error_is_told_with_its_line(self) -> None:
        assert problems("[sip]\nudp = 0.0.0.0:5060\n") == [
            "config.toml: is not TOML: Expected newline or end of document after a statement (at line 2, column 10)"
        ]

    def test_endless_nesting_is_a_syntax_error(self) -> None:
        assert problems("a = " + "[" * 100_000) == ["config.toml: is not TOML: nested too deeply"]

    def test_byte_order_mark_and_windows_line_ends_are_accepted(self) -> None:
        Path("config.toml").write_bytes(b'\xef\xbb\xbf[sip]\r\nudp = "127.0.0.1:1"\r\n')
        assert load_config(None, {}).sip.udp == Bind("127.0.0.1", 1)


class TestEnvironment:
    def test_it_comes_before_the_file(self) -> None:
        write('[http]\nbind = "127.0.0.1:1"\npublic_url = "https://a.example"\n')
        config = load_config(None, {"VOYLO_HTTP__BIND": "[::1]:2"})
        assert config.http.bind == Bind("::1", 2)
        assert config.http.public_url == "https://a.example"

    def test_every_kind_of_value_can_be_given(self) -> None:
        config = load_config(
            None,
            {
                "VOYLO_SIP__TCP": "",
                "VOYLO_SIP__NONCE_SECONDS": "2.5",
                "VOYLO_SIP__MESSAGE_STATUS": "488",
                "VOYLO_SIP__DIGEST_ALGORITHMS": "SHA-512-256,md5",
                "VOYLO_MEDIA__RTP_PORTS": "20000-20099",
                "VOYLO_MEDIA__CODECS": "PCMA, PCMU",
                "VOYLO_STORAGE__DATA_DIR": "/var/lib/voylo",
                "VOYLO_BILLING__ENABLED": "true",
                "VOYLO_RENTALS__CARRIER_SOURCE_IPS": "2001:db8::1,203.0.113.0/24",
                "VOYLO_RENTALS__CARRIER_USERNAME": "u",
                "VOYLO_RENTALS__CARRIER_PASSWORD": "p w",
                "VOYLO_SPEECH__TTS": "none",
                "VOYLO_LIMITS__VERBS_PER_CALL": "7",
                "VOYLO_LOG__LEVEL": "DEBUG",
            },
        )
        assert config.sip.tcp is None
        assert config.sip.nonce_seconds == 2.5
        assert config.sip.message_status == 488
        assert config.sip.digest_algorithms == ("SHA-512-256", "MD5")
        assert config.media.rtp_ports == PortRange(20000, 20099)
        assert config.media.codecs == ("PCMA", "PCMU")
        assert config.storage.data_dir == Path("/var/lib/voylo")
        assert config.billing.enabled is True
        assert config.rentals.carrier_source_ips == (
            ipaddress.ip_network("2001:db8::1"),
            ipaddress.ip_network("203.0.113.0/24"),
        )
        assert config.rentals.carrier_password is not None
        assert config.rentals.carrier_password.get_secret_value() == "p w"
        assert config.speech.tts == "none"
        assert config.limits.verbs_per_call == 7
        assert config.log.level == "debug"

    def test_variables_of_other_purposes_are_left_alone(self) -> None:
        environ = dict.fromkeys(
            (
                "VOYLO_CONFIG",
                "VOYLO_BOOTSTRAP_WORKSPACE_ID",
                "VOYLO_BOOTSTRAP_API_KEY",
                "VOYLO_BOOTSTRAP__EMAIL",
                "VOYLO_API_URL",
                "VOYLO_API_KEY",
                "VOYLO_WORKSPACE_ID",
                # What Kubernetes puts into a pod beside a service of this name.
                "VOYLO_SERVICE_HOST",
                "VOYLO_PORT_5060_UDP_ADDR",
                "HOME",
            ),
            "",
        )
        assert load_config(None, environ) == Config()

    def test_an_unknown_variable_is_refused_with_what_was_meant(self) -> None:
        assert problems("", {"VOYLO_SIP__UPD": "x", "VOYLO_NONSENSE__X": "y"}) == [
            "environment variable VOYLO_NONSENSE__X: unknown key",
            "environment variable VOYLO_SIP__UPD: unknown key; did you mean VOYLO_SIP__UDP?",
        ]

    def test_one_underscore_instead_of_two_is_told(self) -> None:
        assert problems("", {"VOYLO_SIP_UDP": "127.0.0.1:0"}) == [
            "environment variable VOYLO_SIP_UDP: has two underscores after the section: VOYLO_SIP__UDP"
        ]

    def test_a_bad_value_is_told_with_variable_key_and_reason(self) -> None:
        assert problems("[limits]\nvariables = 3\n", {"VOYLO_LIMITS__VARIABLES": "many"}) == [
            "environment variable VOYLO_LIMITS__VARIABLES: limits.variables: must be a whole number, not 'many'"
        ]

    def test_the_real_environment_is_read_when_none_is_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VOYLO_SIP__UDP", "127.0.0.1:7")
        assert load_config().sip.udp == Bind("127.0.0.1", 7)


class TestRefusals:
    def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(self) -> None:
        text = """\
colour = "red"
[sip]
udp = "5060"
upd = "0.0.0.0:5060"
[limits]
drain_seconds = true
variables = 0
[media]
codecs = [
  "PCMU", # udp = 1
  "GSM",
]
rtp_ports = "10001-10999"
[logs]
level = "info"
[log]
level = "loud"
"""
        assert problems(text) == [
            "config.toml:1: colour: unknown key",
            'config.toml:3: sip.udp: must be address:port, like "0.0.0.0:5060" or "[::]:5060", not \'5060\'',
            "config.toml:4: sip.upd: unknown key; did you mean sip.udp?",
            "config.toml:6: limits.drain_seconds: must be a number of seconds, not true",
            "config.toml:7: limits.variables: must be at least 1, not 0",
            "config.toml:9: media.codecs: must name codecs of PCMU, PCMA, G722, opus; 'GSM' is none of them",
            "config.toml:13: media.rtp_ports: must start with an even port, as RTP takes even ports and RTCP odd ones, "
            "not with 10001",
            "config.toml:14: logs: unknown section; did you mean log?",
            "config.toml:17: log.level: must be one of debug, info, warning, error or critical, not 'loud'",
        ]

    @pytest.mark.parametrize(
        ("text", "line", "problem"),
        [
            ("sip = 3", 1, "sip: must be a table, written [sip], not 3"),
            ("[[sip]]\nudp=''", 1, "sip: must be a table, written [sip], not [{'udp': ''}]"),
            ("[sip]\nudp = 5060", 2, "sip.udp: must be text in quotes, not 5060"),
            (
                "[sip]\nudp = ''\ndigest_algorithms = ['SHA-256', 'SHA-1']",
                3,
                "sip.digest_algorithms: must name algorithms of MD5, SHA-256, SHA-512-256; 'SHA-1' is none of them",
            ),
            (
                "[sip]\nmessage_status = 503",
                2,
                "sip.message_status: must be one of 200, 202, 403, 405, 415 or 488, not 503",
            ),
            ("[limits]\naction_retries = 6", 2, "limits.action_retries: must be at most 5, not 6"),
            ("[limits]\ncall_seconds = 14401", 2, "limits.call_seconds: must be at most 14400, not 14401"),
            ("[limits]\nsip_headers = 15", 2, "limits.sip_headers: must be at least 16, not 15"),
            (
                "[http]\nbind = ''",
                2,
                'http.bind: must be address:port, like "127.0.0.1:8080"; this listener cannot be switched off',
            ),
            (
                "[security]\nadmin_token = 'hunter2 hunter2'",
                2,
                "security.admin_token: must consist of visible ASCII characters without spaces",
            ),
            (
                "[database]\nurl = 'sqlite:///x.db'",
                2,
                "database.url: must begin with one of sqlite+aiosqlite://, postgresql+asyncpg://",
            ),
            (
                "[speech]\ntts = 'festival'",
                2,
                "speech.tts: must be one of embedded, hibari, http or none, not 'festival'",
            ),
            (
                "[speech]\ntts = 'http'",
                1,
                "speech.tts_url: must be an http or https URL, because speech.tts is http",
            ),
            ("[storage]\ndata_dir = ''", 2, "storage.data_dir: must be a path, not an empty text"),
            (
                "[storage]\n\ndata_dir = '/a?b'",
                3,
                "storage.data_dir: must not have a question mark in it, or database.url must be set",
            ),
            (
                "[sip]\ntls = '0.0.0.0:5061'\ntls_key = '/'",
                1,
                "sip.tls_cert: must be set, because sip.tls is on",
            ),
            ("[sip]\ntls = '0.0.0.0:5061'\ntls_key = '/'", 3, "sip.tls_key: names no file: /"),
            (
                "[sip]\nws='0.0.0.0:8081'\ntcp='0.0.0.0:8081'",
                2,
                "sip.ws: must not be the address of sip.tcp as well, 0.0.0.0:8081",
            ),
            (
                "[sip]\nws = '127.0.0.1:8080'",
                2,
                "sip.ws: must not be the address of http.bind as well, 127.0.0.1:8080",
            ),
            (
                "[rentals]\ncarrier_password = 'x'",
                1,
                "rentals.carrier_username: must be set, because rentals.carrier_password is",
            ),
        ],
    )
    def test_a_bad_value_is_told_with_file_line_key_and_reason(self, text: str, line: int, problem: str) -> None:
        assert f"config.toml:{line}: {problem}" in problems(text)

    def test_a_value_wrong_by_another_from_the_environment_is_told(self) -> None:
        environ = {"VOYLO_SIP__WSS": "0.0.0.0:5062"}
        with pytest.raises(ConfigError) as refusal:
            load_config(None, environ)
        assert refusal.value.problems == (
            "built-in defaults: sip.tls_cert: must be set, because sip.wss is on",
            "built-in defaults: sip.tls_key: must be set, because sip.wss is on",
        )

    def test_no_secret_is_ever_shown(self) -> None:
        text = """\
[security]
admin_token = "hunter2-admin token"
[rentals]
carrier_password = "hunter2\\u0000"
[database]
url = "mysql://root:hunter2@db/voylo"
"""
        told = problems(text)
        assert len(told) == 3
        assert "hunter2" not in "\n".join(told)

    def test_a_message_stays_on_its_line(self) -> None:
        told = problems('[log]\nlevel = """a\nb"""\n"evil\\nkey" = 1\n')
        assert len(told) == 2
        assert all(line.isprintable() for line in told)


class TestConfig:
    def test_it_cannot_be_changed(self) -> None:
        config = Config()
        with pytest.raises(ValidationError):
            config.sip.udp = None  # type: ignore[misc]
        with pytest.raises(ValidationError):
            config.sip = config.sip  # type: ignore[misc]

    def test_the_defaults_are_those_of_the_contract(self) -> None:
        config = Config()
        assert str(config.http.bind) == "127.0.0.1:8080"
        assert str(config.sip.udp) == str(config.sip.tcp) == "0.0.0.0:5060"
        assert config.sip.tls is config.sip.ws is config.sip.wss is None
        assert str(config.media.rtp_ports) == "10000-10999"
        assert config.media.codecs == ("PCMU", "PCMA", "G722", "opus")
        assert config.media.timeout_seconds == 60
        assert config.sip.nonce_seconds == 300
        assert config.sip.silent is False
        assert config.sip.message_status == 405
        assert config.sip.digest_algorithms == ("MD5", "SHA-256")
        assert config.storage.data_dir == Path("./data")
        assert config.billing.enabled is False
        assert config.rentals.carrier_source_ips == ()
        assert config.security.model_dump() == {
            "require_workspace_header": False,
            "admin_token": None,
            "mask_logged_headers": True,
            "allow_private_callbacks": True,
        }
        assert config.log.model_dump() == {"level": "info", "format": "auto"}
        assert config.limits.model_dump() == {
            "requests_per_minute": 600,
            "request_burst": 100,
            "calls_per_second": 10,
            "concurrent_calls": 100,
            "call_seconds": 14400,
            "variables": 50,
            "variable_chars": 1024,
            "variables_bytes": 16384,
            "idempotency_hours": 24,
            "document_bytes": 262144,
            "document_elements": 200,
            "document_depth": 6,
            "verbs_per_call": 500,
            "redirects": 20,
            "action_connect_seconds": 3,
            "action_seconds": 10,
            "action_retries": 1,
            "webhook_seconds": 10,
            "webhook_attempts": 8,
            "webhooks": 20,
            "audio_bytes": 20971520,
            "audio_seconds": 10,
            "trunk_destinations": 10,
            "conference_members": 250,
            "streams_per_call": 4,
            "stream_buffer_seconds": 120,
            "sip_message_bytes": 65535,
            "sip_headers": 128,
            "auth_failures": 5,
            "sip_source_rate": 100,
            "sip_source_burst": 200,
            "ban_seconds": 600,
            "drain_seconds": 30,
            "delivery_days": 30,
        }

    def test_the_database_lies_in_the_data_directory(self) -> None:
        config = load_config(None, {"VOYLO_STORAGE__DATA_DIR": "/var/lib/voylo"})
        assert config.database_url == "sqlite+aiosqlite:////var/lib/voylo/voylo.db"
        relative = load_config(None, {"VOYLO_STORAGE__DATA_DIR": "d"})
        assert relative.database_url == f"sqlite+aiosqlite:///{Path.cwd()}/d/voylo.db"
        assert relative.database_file == Path.cwd() / "d/voylo.db"

    @pytest.mark.parametrize(
        ("url", "file"),
        [
            ("sqlite+aiosqlite:////srv/v.db?timeout=5", Path("/srv/v.db")),
            ("sqlite+aiosqlite:///v.db", Path("v.db")),
            ("postgresql+asyncpg://u:p@h/d", None),
        ],
    )
    def test_the_file_of_a_database_is_known_when_it_is_one(self, url: str, file: Path | None) -> None:
        assert load_config(None, {"VOYLO_DATABASE__URL": url}).database_file == file

    def test_a_database_url_is_taken_as_it_is_and_not_printed(self) -> None:
        url = "postgresql+asyncpg://voylo:hunter2@db/voylo"
        config = load_config(None, {"VOYLO_DATABASE__URL": url, "VOYLO_SECURITY__ADMIN_TOKEN": "hunter2"})
        assert config.database_url == url
        assert "hunter2" not in repr(config)
        assert "hunter2" not in str(config)

    @pytest.mark.parametrize(
        ("environ", "bound_port", "url"),
        [
            ({}, None, "http://127.0.0.1:8080"),
            ({"VOYLO_HTTP__BIND": "0.0.0.0:9000"}, None, "http://127.0.0.1:9000"),
            ({"VOYLO_HTTP__BIND": "[::]:9000"}, None, "http://[::1]:9000"),
            ({"VOYLO_HTTP__BIND": "192.0.2.1:0"}, 40123, "http://192.0.2.1:40123"),
            ({"VOYLO_HTTP__PUBLIC_URL": "https://a.example/v/"}, 40123, "https://a.example/v"),
        ],
    )
    def test_links_begin_with_the_public_url_or_the_bound_address(
        self, environ: dict[str, str], bound_port: int | None, url: str
    ) -> None:
        assert load_config(None, environ).http.base_url(bound_port) == url

    @pytest.mark.parametrize(
        ("environ", "address"),
        [
            ({}, None),
            ({"VOYLO_SIP__ADVERTISED_ADDRESS": "203.0.113.1"}, "203.0.113.1"),
            ({"VOYLO_SIP__ADVERTISED_ADDRESS": "sip.example.com"}, None),
            (
                {"VOYLO_SIP__ADVERTISED_ADDRESS": "203.0.113.1", "VOYLO_MEDIA__ADVERTISED_ADDRESS": "203.0.113.2"},
                "203.0.113.2",
            ),
        ],
    )
    def test_audio_is_advertised_as_sip_is_when_that_is_an_address(
        self, environ: dict[str, str], address: str | None
    ) -> None:
        assert load_config(None, environ).media_address == address

    def test_tls_is_accepted_with_its_files(self) -> None:
        for name in ("cert.pem", "key.pem"):
            Path(name).write_text("")
        write('[sip]\ntls = "0.0.0.0:5061"\ntls_cert = "cert.pem"\ntls_key = "key.pem"\n')
        assert load_config(None, {}).sip.tls == Bind("0.0.0.0", 5061)
        Path("key.pem").unlink()
        with pytest.raises(ConfigError, match=r"config\.toml:4: sip\.tls_key: names no file: key\.pem"):
            load_config(None, {})
