"""The client's memory of who asked for credentials: nonces used again with a rising count, several realms at once
(RFC 3261 §22.2, §22.3; RFC 7616 §3.3, §3.4; RFC 8760 §2.4).

One session serves the requests of one registration, one probe or one call. It holds no header and sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from sip.digest.client import Challenge
from sip.digest.hashing import MD5, SESSION_SUFFIX, Credentials
from sip.digest.params import parse_auth_params
from sip.errors import SipParseError

MAX_REALMS: Final = 8
"""Realms remembered at once: the registrar and the proxies before it. The one learnt first is forgotten first."""

MAX_CHALLENGES: Final = 16
"""Challenges looked at in one response."""

_NONCE_COUNT_LIMIT: Final = 0xFFFFFFFF


@dataclass(slots=True)
class _Known:
    challenge: Challenge
    uses: int = 0  # answers given with this nonce
    passed_on: bool = False  # the nonce was given with the answer to a request that was authenticated


class DigestSession:
    """Answers challenges with one pair of credentials, and goes on answering without being asked again.

    `learn` takes the challenges of a 401 or 407 and says whether it is worth trying again; `authorize` gives the header
    fields for the next request.
    """

    __slots__ = ("_realms", "credentials")

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self._realms: dict[tuple[bool, str], _Known] = {}

    def learn(self, values: Iterable[str], *, proxy: bool) -> bool:
        """Take the WWW-Authenticate (with `proxy`: Proxy-Authenticate) values of a response.

        Of each realm the first challenge counts that can be answered: the order is the server's preference. True when
        another try with `authorize` may pass. False when there is nothing to answer, and when these credentials have
        just been refused: a nonce answered for the first time, and then a challenge that does not say stale.
        """
        chosen = self._choose(values)
        refused = False
        for realm, challenge in chosen.items():
            key = (proxy, realm)
            known = self._realms.pop(key, None)
            if known is not None and not challenge.stale and known.uses:
                # A nonce that has served before may have expired without the server calling it stale.
                # So may one that was passed on with a success.
                first = known.uses == 1 and not known.passed_on
                refused |= first or known.challenge.nonce == challenge.nonce
            self._realms[key] = _Known(challenge)
            if len(self._realms) > MAX_REALMS:
                del self._realms[next(iter(self._realms))]
        if refused:
            for realm in chosen:
                self._realms.pop((proxy, realm), None)
        return bool(chosen) and not refused

    def take_next_nonce(self, values: Iterable[str], *, proxy: bool) -> None:
        """Take the Authentication-Info (with `proxy`: Proxy-Authentication-Info) of a response to a request that was
        authenticated: the nonce to answer from now on (RFC 7616 §3.5, RFC 2617 §3.2.3).

        It names no realm, so it counts where there is one only. What the server says about itself, rspauth, is not
        asked for.
        """
        realms = [key for key in self._realms if key[0] == proxy]
        if len(realms) != 1:
            return
        for value in values:
            try:
                _, params = parse_auth_params(f"Digest {value}")
            except SipParseError:
                continue
            known = self._realms[realms[0]]
            nonce = params.get("nextnonce")
            if nonce and nonce != known.challenge.nonce:
                self._realms[realms[0]] = _Known(replace(known.challenge, nonce=nonce, stale=False), passed_on=True)

    def authorize(self, method: str, uri: str, body: bytes = b"") -> list[tuple[str, str]]:
        """Authorization and Proxy-Authorization for the next request, one for each realm that has asked (§22.3).

        `uri` is the Request-URI as sent. Each call uses up one nonce count. Raises LocalProtocolError when the user
        name or the URI hold control characters.
        """
        fields: list[tuple[str, str]] = []
        for (proxy, _realm), known in self._realms.items():
            if known.uses >= _NONCE_COUNT_LIMIT:
                continue
            known.uses += 1
            value = known.challenge.answer(self.credentials, method, uri, nonce_count=known.uses, body=body)
            if value is not None:
                fields.append(("Proxy-Authorization" if proxy else "Authorization", value))
        return fields

    def _choose(self, values: Iterable[str]) -> dict[str, Challenge]:
        chosen: dict[str, Challenge] = {}
        for count, value in enumerate(values):
            if count == MAX_CHALLENGES:
                break
            try:
                challenge = Challenge.parse(value)
            except SipParseError:
                continue
            if challenge.realm not in chosen and challenge.answerable and self._has_password_for(challenge):
                chosen[challenge.realm] = challenge
        return chosen

    def _has_password_for(self, challenge: Challenge) -> bool:
        if self.credentials.password is not None:
            return True
        algorithm = (challenge.algorithm or MD5).lower().removesuffix(SESSION_SUFFIX)
        return any(name.lower() == algorithm for name in self.credentials.hashed)
