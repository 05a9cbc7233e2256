"""The client's side of digest authentication (RFC 3261 §22.1, RFC 7616 §3.3, §3.4): read a challenge, answer it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from sip.digest.hashing import MD5, SESSION_SUFFIX, Credentials, hash_hex, is_known, request_digest
from sip.digest.params import parse_auth_params, quoted
from sip.errors import SipParseError


@dataclass(frozen=True, slots=True)
class Challenge:
    """A WWW-Authenticate or Proxy-Authenticate value. `algorithm` None: not stated, which means MD5."""

    realm: str
    nonce: str
    algorithm: str | None = None
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False

    @classmethod
    def parse(cls, value: str) -> Challenge:
        """Raises `SipParseError` when `value` is not a Digest challenge with realm and nonce."""
        scheme, params = parse_auth_params(value)
        if scheme.lower() != "digest" or "realm" not in params or "nonce" not in params:
            raise SipParseError("not a Digest challenge", field="WWW-Authenticate")
        return cls(
            params["realm"],
            params["nonce"],
            params.get("algorithm"),
            tuple(option.strip().lower() for option in params.get("qop", "").split(",") if option.strip()),
            params.get("opaque"),
            params.get("stale", "").lower() == "true",
        )

    @property
    def chosen_qop(self) -> str | None:
        """What to answer with: auth, else auth-int, else None."""
        return next((option for option in ("auth", "auth-int") if option in self.qop), None)

    @property
    def answerable(self) -> bool:
        """Whether the algorithm is known here, and a qop where the server names any."""
        return is_known(self.algorithm or MD5) and (self.chosen_qop is not None or not self.qop)

    def answer(
        self,
        credentials: Credentials,
        method: str,
        uri: str,
        *,
        nonce_count: int = 1,
        cnonce: str | None = None,
        body: bytes = b"",
    ) -> str | None:
        """The credentials for this challenge, which has to be `answerable`; see `answer_challenge`.

        None where only a hash of the password is known, and not the one for this algorithm.
        """
        algorithm = self.algorithm or MD5
        session = algorithm.lower().endswith(SESSION_SUFFIX)
        qop = self.chosen_qop
        cnonce = cnonce or secrets.token_hex(8)
        nc = f"{nonce_count:08x}"
        ha1 = credentials.ha1(algorithm, self.realm)
        if ha1 is None:
            return None
        if session:
            ha1 = hash_hex(algorithm, f"{ha1}:{self.nonce}:{cnonce}")
        response = request_digest(algorithm, ha1, method, uri, self.nonce, qop=qop, nc=nc, cnonce=cnonce, body=body)
        parts = [
            f"username={quoted(credentials.username)}",
            f"realm={quoted(self.realm)}",
            f"nonce={quoted(self.nonce)}",
            f"uri={quoted(uri)}",
            f'response="{response}"',
        ]
        if self.algorithm is not None:
            parts.append(f"algorithm={self.algorithm}")
        if qop is not None or session:
            parts.append(f"cnonce={quoted(cnonce)}")
        if qop is not None:
            parts += [f"qop={qop}", f"nc={nc}"]
        if self.opaque is not None:
            parts.append(f"opaque={quoted(self.opaque)}")
        return "Digest " + ", ".join(parts)


def choose_challenge(values: Iterable[str]) -> Challenge | None:
    """The first challenge that can be answered; their order is the server's preference (RFC 8760 §2.4)."""
    for value in values:
        try:
            challenge = Challenge.parse(value)
        except SipParseError:
            continue
        if challenge.answerable:
            return challenge
    return None


def answer_challenge(
    challenges: Iterable[str],
    username: str,
    password: str,
    method: str,
    uri: str,
    *,
    nonce_count: int = 1,
    cnonce: str | None = None,
    body: bytes = b"",
) -> str | None:
    """The Authorization (or Proxy-Authorization) value that answers a 401 or 407; None when none can be answered.

    Takes what `choose_challenge` gives, with qop=auth, else auth-int over `body`, else as RFC 2069 where the server
    names no qop. `uri` is the Request-URI as sent; `nonce_count` how often this nonce has been answered, this time
    included. Raises `LocalProtocolError` when user name or URI hold control characters.
    """
    challenge = choose_challenge(challenges)
    if challenge is None:
        return None
    return challenge.answer(
        Credentials(username, password), method, uri, nonce_count=nonce_count, cnonce=cnonce, body=body
    )
