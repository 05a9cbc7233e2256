"""The value types of the configuration (contract §22.2): what a bind, a port range or a list of networks looks like.

Each `read_*` function turns what TOML gave, or the text of an environment variable, into a typed value, or raises
ValueError with a reason that says what would have been right. Nothing here opens a socket or looks at a file.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# As they are written in SDP (RFC 3551 §6, RFC 7587 §7); the list of the file may use any case.
KNOWN_CODECS = ("PCMU", "PCMA", "G722", "opus")
# As they are written in a challenge (RFC 8760 §2.1).
DIGEST_ALGORITHMS = ("MD5", "SHA-256", "SHA-512-256")
# One SQLAlchemy dialect with its async driver for each database the store can live in.
DATABASE_DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")

_SHOWN_CHARS = 60
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?",
    re.ASCII,
)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_PORT_RANGE = re.compile(r"([0-9]{1,5})\s*-\s*([0-9]{1,5})", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_SIP_URI = re.compile(
    r"sips?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:;@?\[\]]+)(?::(?P<port>[0-9]{1,5}))?(?:;transport=(?P<transport>\w+))?",
    re.ASCII | re.IGNORECASE,
)
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+", re.ASCII)


class EnvText(str):
    """The text of an environment variable: the one source whose numbers, switches and lists come as text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Bind:
    """An address to listen on. Port 0 asks the system for a free one (contract §22.3)."""

    host: str
    port: int

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """The host as an address object."""
        return ipaddress.ip_address(self.host)

    @property
    def is_wildcard(self) -> bool:
        """Whether it listens on every interface (`0.0.0.0` or `::`)."""
        return self.address.is_unspecified

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        return self.address.is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PortRange:
    """An inclusive range of UDP ports; an even port carries RTP, the odd one above it RTCP (RFC 3550 §11)."""

    low: int
    high: int

    @property
    def pairs(self) -> int:
        """How many RTP/RTCP pairs fit, which is how many media sessions there can be at once."""
        return (self.high - self.low + 1) // 2

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.low <= port <= self.high

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"


def shown(value: object) -> str:
    """Return a value as an error message shows it: quoted, on one line, shortened."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return one_line(repr(str(value) if isinstance(value, EnvText) else value))


def one_line(text: str) -> str:
    """Return text fit for one line of a message: without control characters and shortened."""
    if not text.isprintable():
        text = repr(text)[1:-1]
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


def read_text(value: object) -> str:
    """Return text without surrounding white space; refuse anything that is not text, and control characters."""
    if not isinstance(value, str):
        raise ValueError(f"must be text in quotes, not {shown(value)}")  # noqa: TRY004 - the one error of this module
    text = str(value).strip()
    if not text.isprintable():
        raise ValueError("must not hold control characters or line breaks")
    return text


def read_switch(value: object) -> bool:
    """Return true or false; from the environment also 1/0, yes/no and on/off."""
    if isinstance(value, bool):
        return value
    if isinstance(value, EnvText):
        word = value.strip().lower()
        if word in {"true", "1", "yes", "on"}:
            return True
        if word in {"false", "0", "no", "off"}:
            return False
    raise ValueError(f"must be true or false, not {shown(value)}")


def read_whole_number(value: object) -> int:
    """Return a whole number. TOML's true and false are no numbers, although Python thinks so."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, EnvText) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    raise ValueError(f"must be a whole number, not {shown(value)}")


def read_seconds(value: object) -> float:
    """Return a length of time in seconds, whole or with a fraction; neither infinite nor NaN."""
    number: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) < 2**53 else None
    elif isinstance(value, EnvText):
        try:
            number = float(value)
        except ValueError:
            number = None
    if number is None or not math.isfinite(number):
        raise ValueError(f"must be a number of seconds, not {shown(value)}")
    return number


def read_list(value: object) -> list[str]:
    """Return a list of texts; from the environment the parts between commas, an empty text being an empty list."""
    if isinstance(value, EnvText):
        parts = [part.strip() for part in value.split(",")]
        if parts == [""]:
            return []
    elif isinstance(value, list | tuple):
        parts = [read_text(part) for part in value]
    else:
        raise ValueError(f'must be a list like ["a", "b"], not {shown(value)}')  # noqa: TRY004 - the one error of this module
    if "" in parts:
        raise ValueError("must not have an empty entry")
    return parts


def read_bind(value: object) -> Bind | None:
    """Return a listening address from `host:port`; None for an empty text, which switches the listener off."""
    if isinstance(value, Bind):
        return value
    text = read_text(value)
    if not text:
        return None
    reason = f'must be address:port, like "0.0.0.0:5060" or "[::]:5060", not {shown(text)}'
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError(reason)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise ValueError(reason)
    elif ":" in host:
        raise ValueError(f'must have its IPv6 address in brackets, like "[::1]:5060", not {shown(text)}')
    # Which of its addresses a name would mean is decided by the resolver, differently on each machine.
    if host.lower() == "localhost":
        host = "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(reason) from None
    if address.is_multicast:
        raise ValueError(f"must be an address of this machine, not the multicast address {host}")
    return Bind(str(address), int(port))


def read_required_bind(value: object) -> Bind:
    """Return a listening address that cannot be switched off."""
    bind = read_bind(value)
    if bind is None:
        raise ValueError('must be address:port, like "127.0.0.1:8080"; this listener cannot be switched off')
    return bind


def read_port_range(value: object) -> PortRange:
    """Return a range from `low-high`, both inclusive: an even start and at least one RTP/RTCP pair."""
    if isinstance(value, PortRange):
        return value
    text = read_text(value)
    match = _PORT_RANGE.fullmatch(text)
    if not match:
        raise ValueError(f'must be a range like "10000-10999", not {shown(text)}')
    low, high = int(match[1]), int(match[2])
    if not 1 <= low <= 65535 or not 1 <= high <= 65535:
        raise ValueError(f"must lie between ports 1 and 65535, not {shown(text)}")
    if high < low:
        raise ValueError(f"must run from the lower port to the higher one, not {shown(text)}")
    if low % 2:
        raise ValueError(f"must start with an even port, as RTP takes even ports and RTCP odd ones, not with {low}")
    if high == low:
        raise ValueError(f"must hold at least two ports, one for RTP and one for RTCP, not only {low}")
    return PortRange(low, high)


def _read_names(value: object, kind: str, known: Sequence[str], also: Mapping[str, str]) -> tuple[str, ...]:
    """Names of a kind in the order given, in whatever case; `also` are other spellings, in small letters."""
    spelling = {**{name.lower(): name for name in known}, **also}
    names: list[str] = []
    for given in read_list(value):
        name = spelling.get(given.lower())
        if name is None:
            raise ValueError(f"must name {kind}s of {', '.join(known)}; {shown(given)} is none of them")
        if name in names:
            raise ValueError(f"must name each {kind} once; {name} is there twice")
        names.append(name)
    if not names:
        raise ValueError(f"must name at least one {kind}")
    return tuple(names)


def read_codecs(value: object) -> tuple[str, ...]:
    """Return codec names in the order given, spelled as in SDP; at least one, none twice, none unknown."""
    return _read_names(value, "codec", KNOWN_CODECS, {"g.722": "G722"})


def read_digest_algorithms(value: object) -> tuple[str, ...]:
    """Return digest algorithms in the order given, spelled as in a challenge; at least one, none twice or unknown."""
    return _read_names(value, "algorithm", DIGEST_ALGORITHMS, {})


def read_networks(value: object) -> tuple[IPNetwork, ...]:
    """Return addresses and networks in CIDR notation; an address alone is a network of one."""
    networks: list[IPNetwork] = []
    for text in read_list(value):
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError:
            try:
                meant = ipaddress.ip_network(text, strict=False)
            except ValueError:
                raise ValueError(
                    f'must hold IP addresses or networks, like "203.0.113.10" or "203.0.113.0/24"; '
                    f"{shown(text)} is neither"
                ) from None
            raise ValueError(f"has {shown(text)}, which is an address inside a network: write {meant}") from None
    return tuple(networks)


def read_optional_text(value: object) -> str | None:
    """Return text, or None for an empty one: an empty environment variable means unset."""
    return read_text(value) or None


def read_word(value: object) -> str:
    """Return one of a few fixed words, in lower case."""
    return read_text(value).lower()


def read_speech_engine(value: object) -> str:
    """Return the name of an engine that speaks; refuse one whose package is not installed."""
    word = read_word(value)
    if word == "hibari" and find_spec("hibari") is None:
        raise ValueError("must have its package: run `pip install 'voylo-engine[hibari]'`")
    return word


def read_secret(value: object) -> SecretStr | None:
    """Return a secret as it was given, or None for an empty text. No message of this function shows the value."""
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str):
        raise ValueError("must be text in quotes")  # noqa: TRY004 - the one error of this module
    if not value.isprintable():
        raise ValueError("must not hold control characters or line breaks")
    return SecretStr(str(value)) if value else None


def read_token(value: object) -> SecretStr | None:
    """Return a secret fit for an `Authorization: Bearer` header (RFC 6750 §2.1), or None for an empty text."""
    secret = read_secret(value)
    if secret is not None and not _VISIBLE_ASCII.fullmatch(secret.get_secret_value()):
        raise ValueError("must consist of visible ASCII characters without spaces")
    return secret


def read_address(value: object) -> str | None:
    """Return an IP address that others can be told, or None for an empty text."""
    text = read_text(value)
    if not text:
        return None
    try:
        address = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError(f'must be an IP address, like "203.0.113.10", not {shown(text)}') from None
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"must be an address that others can send to, not {address}")
    return str(address)


def read_host(value: object) -> str | None:
    """Return an IP address or a host name (RFC 1123 §2.1) that others can be told, or None for an empty text."""
    text = read_text(value)
    if not text:
        return None
    looks_like_address = ":" in text or text.rpartition(".")[2].isdigit()
    if looks_like_address:
        return read_address(text)
    if not _HOST_NAME.fullmatch(text):
        raise ValueError(f'must be a host name or IP address without a port, like "sip.example.com", not {shown(text)}')
    return text.removesuffix(".").lower()


def read_public_url(value: object) -> str | None:
    """Return the base of links given to others, without a slash at its end; None for an empty text."""
    text = read_text(value)
    if not text:
        return None
    reason = f'must be a URL like "https://voice.example.com", without query or user name, not {shown(text)}'
    try:
        parts = urlsplit(text)
        usable = parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(reason) from None
    if parts.scheme not in {"http", "https"} or not usable or "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError(reason)
    if not _VISIBLE_ASCII.fullmatch(text):
        raise ValueError(reason)
    return text.rstrip("/")


def read_path(value: object) -> Path:
    """Return a path, `~` being the home directory; a relative one counts from the working directory."""
    if isinstance(value, Path):
        return value
    text = read_text(value)
    if not text:
        raise ValueError("must be a path, not an empty text")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"names a home directory that does not exist: {shown(text)}") from None


def read_optional_path(value: object) -> Path | None:
    """Return a path, or None for an empty text."""
    return None if value == "" else read_path(value)


def read_database_url(value: object) -> str | None:
    """Return an async SQLAlchemy URL, or None for an empty text. No message shows the value: it may hold a password."""
    text = read_text(value)
    if not text:
        return None
    scheme, separator, rest = text.partition("://")
    if not separator or not rest:
        raise ValueError('must be a URL like "postgresql+asyncpg://user:password@host/voylo"')
    if scheme not in DATABASE_DRIVERS:
        raise ValueError(f"must begin with one of {', '.join(f'{name}://' for name in DATABASE_DRIVERS)}")
    if scheme.startswith("sqlite"):
        file = rest.removeprefix("/").partition("?")[0]
        # Several connections, and commands beside the server, work on one database: it cannot live in memory.
        if not rest.startswith("/") or not file or file == ":memory:" or file.startswith("file:"):
            raise ValueError('must name a file, like "sqlite+aiosqlite:////var/lib/voylo/voylo.db"')
    driver = scheme.partition("+")[2]
    if find_spec(driver) is None:
        raise ValueError(f"must have a driver that is installed: run `pip install {driver}`")
    return text


def read_carrier_uri(value: object) -> str | None:
    """Return `sip:host:port;transport=…` (contract §22.2), or None for an empty text."""
    text = read_text(value)
    if not text:
        return None
    match = _SIP_URI.fullmatch(text)
    reason = f'must be a SIP URI like "sip:carrier.example:5060;transport=udp", not {shown(text)}'
    if not match or not 0 < int(match["port"] or 5060) <= 65535:
        raise ValueError(reason)
    if match["transport"] and match["transport"].lower() not in {"udp", "tcp", "tls"}:
        raise ValueError(f"must have transport=udp, tcp or tls, not {shown(match['transport'])}")
    try:
        read_host(match["host"])
    except ValueError:
        raise ValueError(reason) from None
    return text
