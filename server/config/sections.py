"""The configuration as typed, frozen sections: every key of contract §22.2 and every limit of contract §20.

Defaults work on a laptop. A field's description is what config.example.toml and docs/configuration.md say about it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from engine.limits import CALL_SECONDS_MAX
from server.config.values import (
    Bind,
    IPNetwork,
    PortRange,
    read_address,
    read_bind,
    read_carrier_uri,
    read_codecs,
    read_database_url,
    read_digest_algorithms,
    read_host,
    read_networks,
    read_optional_path,
    read_optional_text,
    read_path,
    read_port_range,
    read_public_url,
    read_required_bind,
    read_seconds,
    read_secret,
    read_speech_engine,
    read_switch,
    read_text,
    read_token,
    read_whole_number,
    read_word,
)

# A listener that no port can be given to twice; UDP is apart from these.
_TCP_LISTENERS = ("tcp", "tls", "ws", "wss")
_DATABASE_FILE = "voylo.db"
# The type of the validation error whose context lists keys that disagree with each other.
DISAGREEMENT = "disagreement"

_Switch = Annotated[bool, BeforeValidator(read_switch)]
_Listener = Annotated[Bind | None, BeforeValidator(read_bind)]
_Count = Annotated[int, BeforeValidator(read_whole_number), Field(ge=1, le=1_000_000)]
_Bytes = Annotated[int, BeforeValidator(read_whole_number), Field(ge=1, le=1 << 30)]
_Seconds = Annotated[float, BeforeValidator(read_seconds), Field(ge=0.1, le=86_400)]
_Word = BeforeValidator(read_word)


class _Section(BaseModel):
    """What all sections have in common: nothing unknown in them, nothing changed after the start."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _refuse(problems: list[tuple[str, str]]) -> None:
    """Refuse keys that are right each by itself and wrong together, given as pairs of key and reason."""
    if problems:
        raise PydanticCustomError(DISAGREEMENT, "keys that do not go together", {"problems": problems})


class HttpSection(_Section):
    """The HTTP API."""

    bind: Annotated[Bind, BeforeValidator(read_required_bind)] = Field(
        default=Bind("127.0.0.1", 8080),
        description='Address and port of the API; "0.0.0.0:8080" opens it to other machines.',
    )
    public_url: Annotated[str | None, BeforeValidator(read_public_url)] = Field(
        default=None,
        description="Base of the links given to others such as recordings; unset, made from http.bind.",
    )

    def base_url(self, bound_port: int | None = None) -> str:
        """Return the base of links, without a slash at its end; `bound_port` is the port that port 0 turned into."""
        if self.public_url is not None:
            return self.public_url
        host = self.bind.host
        if self.bind.is_wildcard:
            host = "::1" if ":" in host else "127.0.0.1"
        return f"http://{Bind(host, bound_port if bound_port is not None else self.bind.port)}"


class SipSection(_Section):
    """Signalling: where SIP listens and how it names itself (contract §14)."""

    udp: _Listener = Field(
        default=Bind("0.0.0.0", 5060), description='Listening address of SIP over UDP; "" switches it off.'
    )
    tcp: _Listener = Field(
        default=Bind("0.0.0.0", 5060), description='Listening address of SIP over TCP; "" switches it off.'
    )
    tls: _Listener = Field(
        default=None,
        description='Listening address of SIP over TLS, usually "0.0.0.0:5061"; needs tls_cert and tls_key.',
    )
    ws: _Listener = Field(default=None, description="Listening address of SIP over WebSocket (RFC 7118).")
    wss: _Listener = Field(
        default=None,
        description="Listening address of SIP over secure WebSocket; needs tls_cert and tls_key.",
    )
    tls_cert: Annotated[Path | None, BeforeValidator(read_optional_path)] = Field(
        default=None, description="PEM file with the certificate chain for tls and wss."
    )
    tls_key: Annotated[Path | None, BeforeValidator(read_optional_path)] = Field(
        default=None, description="PEM file with the private key of tls_cert."
    )
    tls_ca: Annotated[Path | None, BeforeValidator(read_optional_path)] = Field(
        default=None,
        description="PEM file with authorities to trust, beside those of the system, when connecting to others.",
    )
    domain: Annotated[str | None, BeforeValidator(read_host)] = Field(
        default=None,
        description="Realm of digest challenges and host of the SIP URIs made here; unset, the advertised address.",
    )
    advertised_address: Annotated[str | None, BeforeValidator(read_host)] = Field(
        default=None,
        description=(
            "Address in Contact and Via; set it to the public address when the engine is behind NAT. "
            "Unset, it is chosen for each peer from the routing table."
        ),
    )
    nonce_seconds: Annotated[float, BeforeValidator(read_seconds), Field(ge=1, le=86_400)] = Field(
        default=300,
        description="Seconds a digest nonce may be used; after that the peer is challenged again with stale=true.",
    )

    digest_algorithms: Annotated[tuple[str, ...], BeforeValidator(read_digest_algorithms)] = Field(
        default=("MD5", "SHA-256"),
        description=(
            "Digest algorithms that peers are challenged with, the preferred one first: MD5, SHA-256, SHA-512-256. "
            "Without MD5, many phones and all browsers cannot log in."
        ),
    )
    message_status: Annotated[Literal[200, 202, 403, 405, 415, 488], BeforeValidator(read_whole_number)] = Field(
        default=405,
        description=(
            "Answer to MESSAGE, which nobody here reads: 405, 403, 415 or 488 refuse it, 200 and 202 are for phones "
            "that would complain."
        ),
    )
    silent: _Switch = Field(
        default=False,
        description=(
            "Whether strangers get no answer to what would be refused, so that scanners find nothing; "
            "challenges are still sent, and addresses that may call a number are answered as always."
        ),
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems: list[tuple[str, str]] = []
        secure = [name for name in ("tls", "wss") if getattr(self, name) is not None]
        for name in ("tls_cert", "tls_key"):
            path: Path | None = getattr(self, name)
            if path is None and secure:
                problems.append((f"sip.{name}", f"must be set, because sip.{secure[0]} is on"))
            if path is not None and secure and not path.is_file():
                problems.append((f"sip.{name}", f"names no file: {path}"))
        if self.tls_ca is not None and not self.tls_ca.is_file():
            problems.append(("sip.tls_ca", f"names no file: {self.tls_ca}"))
        taken: dict[Bind, str] = {}
        for name in _TCP_LISTENERS:
            bind: Bind | None = getattr(self, name)
            if bind is None or bind.port == 0:
                continue
            if bind in taken:
                problems.append((f"sip.{name}", f"must not be the address of sip.{taken[bind]} as well, {bind}"))
            taken.setdefault(bind, name)
        _refuse(problems)
        return self


class MediaSection(_Section):
    """Audio: RTP ports, addresses and codecs (contract §14.1)."""

    rtp_ports: Annotated[PortRange, BeforeValidator(read_port_range)] = Field(
        default=PortRange(10000, 10999),
        description="Inclusive range of UDP ports for audio, best two for each leg of a call; open it in the firewall.",
    )
    advertised_address: Annotated[str | None, BeforeValidator(read_address)] = Field(
        default=None, description="IP address in SDP, where peers send their audio; unset, the same as for SIP."
    )
    codecs: Annotated[tuple[str, ...], BeforeValidator(read_codecs)] = Field(
        default=("PCMU", "PCMA", "G722", "opus"),
        description="Codecs in order of preference; those left out are not offered.",
    )
    timeout_seconds: Annotated[float, BeforeValidator(read_seconds), Field(ge=1, le=86_400)] = Field(
        default=60, description="Seconds without any audio after which an answered call, outside hold, is hung up."
    )
    threads: Annotated[int, BeforeValidator(read_whole_number), Field(ge=1, le=32)] = Field(
        default=1, description="Threads of the media kernel, one for each core that audio may have."
    )
    io_uring: _Switch = Field(
        default=True,
        description="Take and send the audio of many calls in one system call, where the system allows io_uring.",
    )


class StorageSection(_Section):
    """Files."""

    data_dir: Annotated[Path, BeforeValidator(read_path)] = Field(
        default=Path("data"),
        description="Directory of the database, recordings, caches and secrets; relative to the working directory.",
    )


class DatabaseSection(_Section):
    """The database."""

    url: Annotated[str | None, BeforeValidator(read_database_url)] = Field(
        default=None,
        repr=False,
        description="SQLAlchemy URL of the database with an async driver; unset, an SQLite file in storage.data_dir.",
    )


class BillingSection(_Section):
    """Charging (contract §15)."""

    enabled: _Switch = Field(
        default=False,
        description=(
            "Whether calls, plans and rentals are charged to the wallet; off, costs are computed and shown only."
        ),
    )
    payment_page: Annotated[str | None, BeforeValidator(read_optional_text)] = Field(
        default=None,
        description=(
            "URL of the page where a customer pays a top-up, with {id}, {amount} and {currency} in it; "
            "unset, the operator sees to the payment."
        ),
    )
    seller_name: Annotated[str | None, BeforeValidator(read_optional_text)] = Field(
        default=None, description="Who sells, on invoices."
    )
    seller_address: Annotated[str | None, BeforeValidator(read_optional_text)] = Field(
        default=None, description="The seller's address, on invoices."
    )
    seller_tax_id: Annotated[str | None, BeforeValidator(read_optional_text)] = Field(
        default=None, description="The seller's tax number, on invoices."
    )
    seller_email: Annotated[str | None, BeforeValidator(read_optional_text)] = Field(
        default=None, description="The seller's e-mail address, on invoices."
    )
    invoice_prefix: Annotated[str | None, BeforeValidator(read_optional_text)] = Field(
        default="INV-", description="What the numbers of invoices begin with."
    )
    invoice_note: Annotated[str | None, BeforeValidator(read_optional_text)] = Field(
        default=None, description="A last sentence on invoices, about taxes for example."
    )
    invoice_font: Annotated[Path | None, BeforeValidator(read_optional_path)] = Field(
        default=None,
        description="TrueType font file for names in other letters than those of Western Europe on PDF invoices.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.invoice_font is not None and not self.invoice_font.is_file():
            _refuse([("billing.invoice_font", f"names no file: {self.invoice_font}")])
        if self.payment_page is not None and "{id}" not in self.payment_page:
            _refuse([("billing.payment_page", "must have {id} in it")])
        return self


class RentalsSection(_Section):
    """The carrier behind rented numbers (contract §14.3, §15)."""

    carrier_uri: Annotated[str | None, BeforeValidator(read_carrier_uri)] = Field(
        default=None, description='Where calls from rented numbers go, like "sip:carrier.example:5060;transport=udp".'
    )
    carrier_username: Annotated[str | None, BeforeValidator(read_optional_text)] = Field(
        default=None, description="User name presented when that carrier challenges."
    )
    carrier_password: Annotated[SecretStr | None, BeforeValidator(read_secret)] = Field(
        default=None, description="Password presented when that carrier challenges."
    )
    carrier_source_ips: Annotated[tuple[IPNetwork, ...], BeforeValidator(read_networks)] = Field(
        default=(), description="Addresses and networks that may send calls to rented numbers."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.carrier_password is not None and self.carrier_username is None:
            _refuse([("rentals.carrier_username", "must be set, because rentals.carrier_password is")])
        return self


class SecuritySection(_Section):
    """Who may do what, and what may be seen."""

    require_workspace_header: _Switch = Field(
        default=False,
        description="Whether an API request without X-Workspace-Id is refused; off, the key's workspace is used.",
    )
    admin_token: Annotated[SecretStr | None, BeforeValidator(read_token)] = Field(
        default=None, description="Bearer token of /v1/admin/…; unset, every such path answers 401."
    )
    mask_logged_headers: _Switch = Field(
        default=True,
        description=(
            "Whether the values of Authorization, Cookie and anything with key, token or secret in its name "
            "are masked in logs, call logs and delivery details."
        ),
    )
    allow_private_callbacks: _Switch = Field(
        default=True,
        description=(
            "Whether action URLs, prompts and webhooks may be at private or link-local addresses; "
            "switch it off when customers you do not know write the call flows."
        ),
    )


class SpeechSection(_Section):
    """Speech engines (contract §10.4, §10.5)."""

    tts: Annotated[Literal["embedded", "hibari", "http", "none"], BeforeValidator(read_speech_engine)] = Field(
        default="embedded",
        description=(
            "Engine that speaks <Say>: embedded, hibari (a better voice for English; needs voylo-engine[hibari]), "
            "http, or none, which skips <Say> with a warning."
        ),
    )
    tts_url: Annotated[str | None, BeforeValidator(read_optional_text)] = Field(
        default=None, description="Where the http engine posts each sentence, as JSON (docs/speech.md)."
    )
    tts_key: Annotated[SecretStr | None, BeforeValidator(read_secret)] = Field(
        default=None, description="Bearer token for speech.tts_url."
    )
    tts_model: Annotated[str | None, BeforeValidator(read_optional_text)] = Field(
        default=None, description="Model that the http engine asks for; unset leaves it to the server."
    )
    tts_voice: Annotated[str, BeforeValidator(read_text)] = Field(
        default="alloy", description="Voice that the http engine asks for where <Say> names none."
    )
    stt: Annotated[Literal["embedded", "http", "none"], _Word] = Field(
        default="embedded",
        description=(
            "Engine that recognises speech in <Gather>: embedded (phrases in English, or vosk with speech.vosk_model), "
            "http, or none, which never yields a result."
        ),
    )
    vosk_model: Annotated[Path | None, BeforeValidator(read_optional_path)] = Field(
        default=None, description="Folder of a vosk model for the embedded engine; needs the package vosk."
    )
    stt_url: Annotated[str | None, BeforeValidator(read_optional_text)] = Field(
        default=None, description="Where the http engine posts what was said, as WAV in a form (docs/speech.md)."
    )
    stt_key: Annotated[SecretStr | None, BeforeValidator(read_secret)] = Field(
        default=None, description="Bearer token for speech.stt_url."
    )

    @model_validator(mode="after")
    def _has_addresses(self) -> Self:
        for name, engine, url in (("tts", self.tts, self.tts_url), ("stt", self.stt, self.stt_url)):
            if engine == "http" and (url is None or not url.startswith(("http://", "https://"))):
                _refuse([(f"speech.{name}_url", f"must be an http or https URL, because speech.{name} is http")])
        return self


class LimitsSection(_Section):
    """Every size, count and time that the outside can push on (contract §20)."""

    requests_per_minute: _Count = Field(default=600, description="API requests a minute for one key, in the long run.")
    request_burst: _Count = Field(default=100, description="API requests one key may send at once.")
    calls_per_second: _Count = Field(default=10, description="POST /v1/calls a second for one workspace.")
    concurrent_calls: _Count = Field(default=100, description="Calls of one workspace at the same time.")
    call_seconds: Annotated[float, BeforeValidator(read_seconds), Field(ge=1, le=CALL_SECONDS_MAX)] = Field(
        default=CALL_SECONDS_MAX, description="Seconds of the longest call, 14400 at most; it is hung up after that."
    )
    variables: _Count = Field(default=50, description="Custom variables of one call.")
    variable_chars: _Count = Field(default=1024, description="Characters of one variable's value.")
    variables_bytes: _Bytes = Field(default=16384, description="Bytes of all variables of one call together.")
    idempotency_hours: _Count = Field(default=24, description="Hours for which an Idempotency-Key is remembered.")
    document_bytes: _Bytes = Field(default=262144, description="Bytes of one VoyloML document.")
    document_elements: _Count = Field(default=200, description="Elements of one VoyloML document.")
    document_depth: Annotated[int, BeforeValidator(read_whole_number), Field(ge=2, le=100)] = Field(
        default=6, description="Depth of nesting of one VoyloML document."
    )
    verbs_per_call: _Count = Field(default=500, description="Verbs run in one call before it is ended as a loop.")
    redirects: _Count = Field(default=20, description="Redirects in a row, without another verb between them.")
    action_connect_seconds: _Seconds = Field(default=3, description="Seconds to connect to an action URL.")
    action_seconds: _Seconds = Field(default=10, description="Seconds for the whole exchange with an action URL.")
    action_retries: Annotated[int, BeforeValidator(read_whole_number), Field(ge=0, le=5)] = Field(
        default=1,
        description="Repetitions of a request to an action URL that failed; the caller hears silence meanwhile.",
    )
    webhook_seconds: _Seconds = Field(default=10, description="Seconds for one webhook delivery attempt.")
    webhook_attempts: Annotated[int, BeforeValidator(read_whole_number), Field(ge=1, le=100)] = Field(
        default=8, description="Attempts to deliver one webhook, over about 21 hours."
    )
    webhooks: _Count = Field(default=20, description="Webhook subscriptions of one workspace.")
    audio_bytes: _Bytes = Field(default=20971520, description="Bytes of one audio file that a call flow plays.")
    audio_seconds: _Seconds = Field(default=10, description="Seconds to fetch one audio file.")
    streams_per_call: _Count = Field(default=4, description="Streams of one call at the same time.")
    stream_buffer_seconds: _Count = Field(
        default=120,
        description="Seconds of audio of one stream that may wait to be heard; no more is read from its socket then.",
    )
    trunk_destinations: _Count = Field(default=10, description="Destinations of one inbound trunk.")
    conference_members: _Count = Field(default=250, description="Members of one conference.")
    sip_message_bytes: Annotated[int, BeforeValidator(read_whole_number), Field(ge=1500, le=1 << 20)] = Field(
        default=65535, description="Bytes of one SIP message, body included."
    )
    sip_headers: Annotated[int, BeforeValidator(read_whole_number), Field(ge=16, le=10_000)] = Field(
        default=128, description="Header fields of one SIP message."
    )
    auth_failures: _Count = Field(
        default=5, description="Failed SIP log-ins from one address in a minute before it is banned."
    )
    ban_seconds: _Seconds = Field(default=600, description="Seconds for which such an address is ignored.")
    sip_source_rate: Annotated[float, BeforeValidator(read_seconds), Field(ge=0, le=1_000_000)] = Field(
        default=100,
        description=(
            "SIP messages a second read from one address that has not proven itself, refused requests counting ten "
            "times; 0 reads them all. Addresses that may call a number, or have logged in, are not limited."
        ),
    )
    sip_source_burst: _Count = Field(default=200, description="SIP messages such an address may send at once.")
    drain_seconds: Annotated[float, BeforeValidator(read_seconds), Field(ge=0, le=86_400)] = Field(
        default=30, description="Seconds that calls may go on after SIGTERM before they are hung up."
    )
    delivery_days: _Count = Field(default=30, description="Days for which webhook deliveries are kept.")


class LogSection(_Section):
    """Logs, which go to stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error", "critical"], _Word] = Field(
        default="info", description="Least severe level that is logged: debug, info, warning, error or critical."
    )
    format: Annotated[Literal["auto", "console", "json"], _Word] = Field(
        default="auto",
        description="console for people, json for collectors; auto is console on a terminal, json elsewhere.",
    )


class Config(_Section):
    """The whole configuration. Built by `load_config`; `Config()` is the defaults."""

    http: HttpSection = HttpSection()
    sip: SipSection = SipSection()
    media: MediaSection = MediaSection()
    storage: StorageSection = StorageSection()
    database: DatabaseSection = DatabaseSection()
    billing: BillingSection = BillingSection()
    rentals: RentalsSection = RentalsSection()
    security: SecuritySection = SecuritySection()
    speech: SpeechSection = SpeechSection()
    limits: LimitsSection = LimitsSection()
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems: list[tuple[str, str]] = []
        for name in _TCP_LISTENERS:
            bind: Bind | None = getattr(self.sip, name)
            if bind is not None and bind.port and bind == self.http.bind:
                problems.append((f"sip.{name}", f"must not be the address of http.bind as well, {bind}"))
        if self.database.url is None and "?" in str(self.storage.data_dir):
            problems.append(("storage.data_dir", "must not have a question mark in it, or database.url must be set"))
        _refuse(problems)
        return self

    @property
    def database_url(self) -> str:
        """`database.url`, or the SQLite file in the data directory as an absolute URL. May hold a password."""
        if self.database.url is not None:
            return self.database.url
        return f"sqlite+aiosqlite:///{self.storage.data_dir.absolute() / _DATABASE_FILE}"

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database, None for a database of another kind."""
        scheme, _, rest = self.database_url.partition("://")
        return Path(rest[1:].partition("?")[0]) if scheme.startswith("sqlite") else None

    @property
    def media_address(self) -> str | None:
        """The address SDP tells to every peer, or None when it is chosen for each peer.

        `media.advertised_address`, else SIP's if that is an IP address: many phones look up no name in SDP.
        """
        if self.media.advertised_address is not None:
            return self.media.advertised_address
        advertised = self.sip.advertised_address
        try:
            return read_address(advertised) if advertised is not None else None
        except ValueError:
            return None


def section_models() -> dict[str, type[BaseModel]]:
    """Return section name → model, in the order of the contract."""
    models: dict[str, type[BaseModel]] = {}
    for name, field in Config.model_fields.items():
        model = field.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        models[name] = model
    return models


def section_fields() -> dict[str, dict[str, FieldInfo]]:
    """Return section name → key → field, in the order of the contract."""
    return {name: dict(model.model_fields) for name, model in section_models().items()}
