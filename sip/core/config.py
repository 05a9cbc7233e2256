"""What a user agent is told at its construction: addresses, limits, timers. One frozen object; nothing here reads a
file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sip.digest import DEFAULT_ALGORITHMS
from sip.limits import DEFAULT_LIMITS, MessageLimits
from sip.transaction.timers import TimerConfig

DEFAULT_PORT = 5060
USER_AGENT = "Voylo/1.0"

AUTH_FAILURES = 5
"""``limits.auth_failures``: failed authentications from one address within AUTH_FAILURE_WINDOW seconds before it is
ignored."""

AUTH_FAILURE_WINDOW = 60.0
"""Seconds in which AUTH_FAILURES are counted."""

BAN_SECONDS = 600.0
"""``limits.ban_seconds``: how long such an address is ignored."""

TRACKED_SOURCES = 65536
"""Addresses whose failures or bans are remembered at once; the one not heard of for longest is forgotten first."""

SERVER_TRANSACTIONS = 100_000
"""Requests being served or remembered at once; above it, calls are refused with 503. At 450 calls/s about 29,000
run."""

CALLS = 20_000
"""Calls at once, both directions; above it, incoming ones are refused with 503."""

SOURCE_RATE = 0.0
"""``limits.sip_source_rate``: messages a second that one unproven address may send in the long run; 0: any number."""

SOURCE_BURST = 200.0
"""``limits.sip_source_burst``: messages that it may send at once."""

NONCE_SECONDS = 300
"""``sip.nonce_seconds``: life of a digest nonce (contract §14.1)."""

RETRY_AFTER_SECONDS = 30
"""Retry-After of a 503, while draining or at a limit; as long as ``limits.drain_seconds`` lets calls finish."""

SESSION_EXPIRES = 1800
"""Session interval in seconds that we offer (RFC 4028 §4; contract §14.1)."""

MIN_SE = 90
"""Shortest session interval in seconds that we accept, which is the least that RFC 4028 §5 allows."""


Addresses = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """PEM files: the certificate chain and key that we show, and authorities to trust beside those of the system."""

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None


MESSAGE_STATUS = 405
"""``sip.message_status``: answer to MESSAGE where the application takes none."""


@dataclass(frozen=True, slots=True)
class UserAgentConfig:
    """Configuration of one user agent."""

    udp: Addresses = (("0.0.0.0", DEFAULT_PORT),)  # (host, port) to listen on; port 0: any free one
    tcp: Addresses = ()
    tls: Addresses = ()
    ws: Addresses = ()
    wss: Addresses = ()
    tls_files: TlsConfig = TlsConfig()  # for tls, wss and outgoing TLS connections
    advertised_address: str | None = None  # in Contact, Via and SDP instead of what the routing table says
    user_agent: str = USER_AGENT
    domain: str | None = None  # default realm of challenges
    limits: MessageLimits = DEFAULT_LIMITS
    timers: TimerConfig = field(default_factory=TimerConfig)
    uri_schemes: frozenset[str] = frozenset({"sip", "sips"})  # of a Request-URI; others are answered 416
    auth_failures: int = AUTH_FAILURES
    ban_seconds: float = BAN_SECONDS
    tracked_sources: int = TRACKED_SOURCES
    source_rate: float = SOURCE_RATE
    source_burst: float = SOURCE_BURST
    silent: bool = False  # strangers get no answer but a challenge, known scanners none at all
    nonce_seconds: int = NONCE_SECONDS
    digest_algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS  # ``sip.digest_algorithms``: of challenges, in this order
    server_transactions: int = SERVER_TRANSACTIONS
    calls: int = CALLS
    retry_after_seconds: int = RETRY_AFTER_SECONDS
    session_expires: int = SESSION_EXPIRES
    min_se: int = MIN_SE
    message_status: int = MESSAGE_STATUS
