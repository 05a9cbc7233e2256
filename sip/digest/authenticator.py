"""The server's side of digest authentication (RFC 3261 §22, RFC 7616, RFC 8760; contract §14.1): challenge and check.

Time comes from outside, in seconds of any one clock. Which status is sent, and who is ignored after how many failures,
is decided by the caller.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Final

from sip.digest.hashing import MD5, SHA_256, SHA_512_256, Credentials, hash_hex, is_known, octets, request_digest
from sip.digest.nonces import NonceBook
from sip.digest.params import parse_auth_params, quoted
from sip.errors import SipParseError

NONCE_SECONDS: Final = 300  # `sip.nonce_seconds`
MAX_TRACKED_NONCES: Final = 65536
MAX_AUTH_VALUES: Final = 8  # Authorization values looked at in one request

# The order in which challenges are sent. Not strongest first (RFC 8760 §2.4): sipp 3.6 and older PJSIP read the
# first challenge only and give up when it is not MD5.
DEFAULT_ALGORITHMS: Final = (MD5, SHA_256)

_OFFERABLE: Final = {name.lower(): name for name in (MD5, SHA_256, SHA_512_256)}
_NONCE_COUNT: Final = re.compile(r"[0-9a-fA-F]{8}")

# baresip up to 3.10: any challenge that is not MD5, and any second one for a realm, ends the request. The SIP stacks of
# browsers keep the last challenge alone, and give up where it is not MD5.
_ONE_CHALLENGE_AGENTS: Final = re.compile(r"baresip v(?:[0-2]\.|3\.(?:\d|10)(?!\d))|SIP\.js/|JsSIP ")


class DigestOutcome(Enum):
    """What came of the credentials in a request, and what is answered to it (contract §14.1, §14.2)."""

    OK = "ok"
    MISSING = "missing"  # none for the realm: challenge
    STALE = "stale"  # the nonce has expired, or is not one of ours for this source: challenge with stale=true
    REPLAYED = "replayed"  # right, but the nonce count was used before: challenge with stale=true
    BAD = "bad"  # wrong user or password: 403, and a failure of the source
    UNSUPPORTED = "unsupported"  # an algorithm or qop that was not offered: challenge
    MALFORMED = "malformed"  # 400


@dataclass(frozen=True, slots=True)
class DigestResult:
    """The outcome, and the name the client gave; it is proven only when `ok`."""

    outcome: DigestOutcome
    username: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the client has proven to know the password."""
        return self.outcome is DigestOutcome.OK

    @property
    def stale(self) -> bool:
        """Whether the challenge that follows says stale=true, so that the phone retries without asking its user."""
        return self.outcome in {DigestOutcome.STALE, DigestOutcome.REPLAYED}


class DigestAuthenticator:
    """Makes challenges with qop=auth and checks what comes back; `NonceBook` says what is remembered.

    `accept_without_qop` lets phones answer as RFC 2069 did (pyVoIP); such a nonce serves once. `strict_uri` asks that
    the digest-uri be the Request-URI, letter for letter. By default they may differ: sipp and pyVoIP write the server
    alone, and proxies rewrite the Request-URI.
    """

    def __init__(
        self,
        realm_default: str,
        secret: bytes,
        nonce_seconds: float = NONCE_SECONDS,
        algorithms: Sequence[str] = DEFAULT_ALGORITHMS,
        max_tracked_nonces: int = MAX_TRACKED_NONCES,
        *,
        accept_without_qop: bool = True,
        strict_uri: bool = False,
    ) -> None:
        """Raises `ValueError` for a short secret, and for an algorithm that cannot be offered."""
        unknown = [name for name in algorithms if name.lower() not in _OFFERABLE or not is_known(name)]
        if unknown or not algorithms:
            raise ValueError(f"digest algorithms that cannot be offered: {', '.join(unknown) or 'none given'}")
        self.realm_default = realm_default
        self.algorithms = tuple(_OFFERABLE[name.lower()] for name in algorithms)
        self._offered = frozenset(name.lower() for name in algorithms)
        self._nonces = NonceBook(secret, nonce_seconds, max_tracked_nonces)
        self._accept_without_qop = accept_without_qop
        self._strict_uri = strict_uri
        self._nobody = Credentials("", secrets.token_hex(16))

    @property
    def tracked_nonces(self) -> int:
        """How many nonces have their uses remembered."""
        return len(self._nonces)

    def challenge(
        self,
        realm: str | None,
        source: str,
        now: float,
        *,
        stale: bool = False,
        user_agent: str | None = None,
        browser: bool = False,
    ) -> list[str]:
        """WWW-Authenticate (or Proxy-Authenticate) values, one for each algorithm; to send fewer, drop the last.

        `source` is the address the answer must come from, without port, which may change behind a NAT. `user_agent` is
        the request's User-Agent: phones that fail on several challenges get one, and so does a `browser`, which may
        call itself anything. Raises `LocalProtocolError` for a realm with control characters.
        """
        realm = self.realm_default if realm is None else realm
        algorithms = self.algorithms
        if MD5 in algorithms and (browser or _ONE_CHALLENGE_AGENTS.match(user_agent or "")):
            algorithms = (MD5,)
        # One nonce for all of them: pyVoIP answers in MD5, with the nonce of the last challenge.
        nonce = self._nonces.issue(realm, source, now)
        head = f'Digest realm={quoted(realm)}, nonce="{nonce}", qop="auth", algorithm='
        tail = ", stale=true" if stale else ""
        return [f"{head}{algorithm}{tail}" for algorithm in algorithms]

    def verify(
        self,
        authorization_values: Iterable[str],
        method: str,
        realm: str | None,
        source: str,
        now: float,
        credentials: Credentials | Callable[[str], Credentials | None],
        request_uri: str | None = None,
    ) -> DigestResult:
        """Check the Authorization or Proxy-Authorization values of a request (RFC 7616 §3.4.6, RFC 3261 §22.4).

        `credentials` are the only ones accepted, or a look-up by user name; an unknown user takes the same path as a
        wrong password. One response is looked at per request, and only under a nonce that is ours and valid for
        `source`, so every guess ends in BAD. `request_uri` is needed under `strict_uri`. Nothing that the peer writes
        raises.
        """
        realm = self.realm_default if realm is None else realm
        params, malformed = self._select(authorization_values, realm)
        if params is None:
            return DigestResult(DigestOutcome.MALFORMED if malformed else DigestOutcome.MISSING)
        username = params.get("username")
        fault = self._fault(params, request_uri)
        if fault is not None:
            return DigestResult(fault, username)
        nonce = self._nonces.open(params["nonce"], realm, source, now)
        if nonce is None:
            return DigestResult(DigestOutcome.STALE, username)
        if not self._is_right(params, method, realm, credentials):
            return DigestResult(DigestOutcome.BAD, username)
        count = int(params["nc"], 16) if "qop" in params else None
        if not self._nonces.take(nonce, count, now):
            return DigestResult(DigestOutcome.REPLAYED, username)
        return DigestResult(DigestOutcome.OK, username)

    def claimed_username(self, authorization_values: Iterable[str], realm: str | None = None) -> str | None:
        """The user name that `verify` will check, unproven: for a look-up that has to be made before."""
        params, _ = self._select(authorization_values, self.realm_default if realm is None else realm)
        return params.get("username") if params is not None else None

    def _select(self, values: Iterable[str], realm: str) -> tuple[dict[str, str] | None, bool]:
        """The Digest value for `realm`, rather one of an algorithm we offer; and whether one did not parse."""
        chosen: dict[str, str] | None = None
        malformed = False
        for value in islice(values, MAX_AUTH_VALUES):
            if value.lstrip(" \t")[:6].lower() != "digest":
                continue
            try:
                scheme, params = parse_auth_params(value)
            except SipParseError:
                malformed = True
                continue
            if scheme.lower() != "digest" or params.get("realm") != realm:
                continue
            if params.get("algorithm", MD5).lower() in self._offered:
                return params, malformed
            chosen = chosen or params
        return chosen, malformed

    def _fault(self, params: Mapping[str, str], request_uri: str | None) -> DigestOutcome | None:
        """What keeps the parameters from being checked at all."""
        if not {"username", "nonce", "uri", "response"} <= params.keys():
            # username* and hashed names (RFC 7616 §3.4.4) were not offered.
            return DigestOutcome.UNSUPPORTED if "username*" in params else DigestOutcome.MALFORMED
        if params.get("algorithm", MD5).lower() not in self._offered or params.get("userhash", "").lower() == "true":
            return DigestOutcome.UNSUPPORTED
        if "qop" not in params:
            if not self._accept_without_qop:
                return DigestOutcome.UNSUPPORTED
        elif params["qop"].lower() != "auth":
            return DigestOutcome.UNSUPPORTED
        elif not params.get("cnonce") or not _NONCE_COUNT.fullmatch(params.get("nc", "")) or not int(params["nc"], 16):
            return DigestOutcome.MALFORMED
        if self._strict_uri and params["uri"] != request_uri:
            return DigestOutcome.MALFORMED
        return None

    def _is_right(
        self,
        params: Mapping[str, str],
        method: str,
        realm: str,
        credentials: Credentials | Callable[[str], Credentials | None],
    ) -> bool:
        username = params["username"]
        if isinstance(credentials, Credentials):
            same = hmac.compare_digest(octets(username), octets(credentials.username))
            found = credentials if same else None
        else:
            found = credentials(username)
        algorithm = params.get("algorithm", MD5).lower()
        ha1 = (found or self._nobody).ha1(algorithm, realm)
        expected = request_digest(
            algorithm,
            ha1 if ha1 is not None else hash_hex(algorithm, ""),
            method,
            params["uri"],
            params["nonce"],
            qop="auth" if "qop" in params else None,
            nc=params.get("nc", ""),
            cnonce=params.get("cnonce", ""),
        )
        same = hmac.compare_digest(octets(expected), octets(params["response"].lower()))
        return same and found is not None and ha1 is not None
