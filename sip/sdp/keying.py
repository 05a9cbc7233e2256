"""SRTP keys agreed by offer and answer (RFC 4568 §7), and the policy about them (contract §14.1).

Optional encryption is offered as opportunistic SRTP (RFC 8643): one line of profile RTP/AVP with `a=crypto`. baresip
and Asterisk offer it so, and who does not know it answers plain RTP. FreeSWITCH and others offer two lines instead, one
RTP/SAVP and one RTP/AVP; as answerer we take the first that we can speak, so both ways lead to SRTP.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sip.errors import SipParseError
from sip.sdp.crypto import CryptoAttribute, CryptoSuite, MasterKey
from sip.sdp.description import MediaDescription

PLAIN_PROTOCOLS: Final = frozenset({"RTP/AVP", "RTP/AVPF"})
SECURE_PROTOCOLS: Final = frozenset({"RTP/SAVP", "RTP/SAVPF"})


class MediaEncryption(StrEnum):
    """What we offer: plain RTP, SRTP where the peer can, or SRTP alone, which refuses plain offers too."""

    DISABLED = "disabled"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """SRTP as both sides agreed on it: `send` is our key, `receive` the peer's, whose packets bear its MKI if any.

    `attribute` is the line that our answer carries, or carried in our offer.
    """

    suite: CryptoSuite
    send: MasterKey
    receive: MasterKey
    attribute: CryptoAttribute


def offered_cryptos(suites: Sequence[CryptoSuite]) -> tuple[CryptoAttribute, ...]:
    """An attribute with a key of its own for each suite, tagged from 1 in order of preference (RFC 4568 §7.1.1)."""
    return tuple(CryptoAttribute(tag, suite.name, (new_key(suite),)) for tag, suite in enumerate(suites, 1))


def keys_from_offer(
    medium: MediaDescription, suites: Sequence[CryptoSuite], in_force: SrtpKeys | None
) -> SrtpKeys | None:
    """The first attribute of the offer that we can meet, with our own key under its tag (RFC 4568 §7.1.2); or None.

    Our key stays that of `in_force` while the peer keeps suite and key, so that the SRTP context goes on (§7.1.4);
    whoever comes with a key of its own gets a new one from us.
    """
    for theirs in cryptos_of(medium):
        suite = theirs.suite
        if suite is None or suite not in suites or not theirs.usable:
            continue
        kept = in_force is not None and in_force.suite == suite and in_force.receive == theirs.keys[0]
        ours = in_force.send if kept and in_force is not None else new_key(suite)
        # What it says of sending is the sender's own (RFC 4568 §6.3); our half of the line says nothing beyond the key.
        return SrtpKeys(suite, ours, theirs.keys[0], CryptoAttribute(theirs.tag, theirs.suite_name, (ours,)))
    return None


def keys_from_answer(medium: MediaDescription, offered: MediaDescription) -> SrtpKeys | None:
    """The keys of an answer whose tag and suite are those of a line that we offered (RFC 4568 §7.1.3); or None."""
    ours = {attribute.tag: attribute for attribute in cryptos_of(offered)}
    for theirs in cryptos_of(medium):
        mine = ours.get(theirs.tag)
        suite = theirs.suite
        if mine is None or suite is None or mine.suite != suite or not theirs.usable:
            continue
        return SrtpKeys(suite, mine.keys[0], theirs.keys[0], mine)
    return None


def cryptos_of(medium: MediaDescription) -> tuple[CryptoAttribute, ...]:
    """The `a=crypto` lines of a medium that can be read; of two with one tag the first (RFC 4568 §4.1)."""
    found: dict[int, CryptoAttribute] = {}
    for value in medium.crypto:
        try:
            attribute = CryptoAttribute.parse(value)
        except SipParseError:
            continue
        found.setdefault(attribute.tag, attribute)
    return tuple(found.values())


def new_key(suite: CryptoSuite) -> MasterKey:
    """A fresh random master key and salt for a suite."""
    return MasterKey(secrets.token_bytes(suite.octets))
