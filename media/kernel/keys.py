"""SRTP as asyncio sees it: its suites, the keys of a stream, and libsrtp's contexts from their making to their end.

A context is one direction under one master key: it holds the rollover counter, the SRTCP index and what has been
received before. It is made here, since deriving keys takes too long for the kernel's thread, and then belongs to the
kernel, which calls libsrtp with its address. Only when the kernel has said that it does not use a context any more is
it freed, here again.
"""

from dataclasses import dataclass, field
from typing import Any

from pylibsrtp import Policy
from pylibsrtp._binding import ffi, lib

# Packets that may come so much later than others under one key (RFC 3711 §3.3.2 asks for 64 at least).
REPLAY_WINDOW = 128


class SrtpError(Exception):
    """libsrtp could not make a context."""


@dataclass(frozen=True, slots=True)
class SrtpSuite:
    """A crypto suite: octets of master key and salt together, and of what stands behind a master key identifier.

    The tag of the AEAD suites is a part of the ciphertext, so behind the identifier there is nothing (RFC 7714 §8.3).
    SRTCP has the long tag in both suites with HMAC (RFC 3711 §5.2).
    """

    name: str
    profile: int
    key_octets: int
    rtp_tag: int
    rtcp_tag: int


SUITES = {
    suite.name: suite
    for suite in (
        SrtpSuite("AES_CM_128_HMAC_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30, 10, 10),
        SrtpSuite("AES_CM_128_HMAC_SHA1_32", Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30, 4, 10),
        SrtpSuite("AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28, 0, 0),
        SrtpSuite("AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44, 0, 0),
    )
}
SRTP_SUITES = tuple(SUITES)


@dataclass(frozen=True, slots=True)
class SrtpParameters:
    """How a stream is secured: a suite by its name in SDP, and the master key with its salt for each direction.

    `receive_mki_octets` is the length of the master key identifier in the far end's packets, which is passed over: who
    sent a packet is shown by its tag. We send none.
    """

    suite: str
    send_key: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)
    receive_mki_octets: int = 0


def create_context(suite: SrtpSuite, key: bytes, *, sending: bool) -> int:
    """Return the address of a new libsrtp context for one direction and any SSRC. Raises SrtpError."""
    policy = Policy(
        key=key,
        ssrc_type=Policy.SSRC_ANY_OUTBOUND if sending else Policy.SSRC_ANY_INBOUND,
        srtp_profile=suite.profile,
    )
    policy.window_size = REPLAY_WINDOW
    place = ffi.new("srtp_t *")
    # The policy's own class makes a session that frees its context with itself, which would be too early.
    status = lib.srtp_create(place, policy._policy)
    if status != lib.srtp_err_status_ok:
        raise SrtpError(f"libsrtp makes no context: error {status}")
    return int(ffi.cast("uintptr_t", place[0]))


def free_context(context: int) -> None:
    """Give a context back to libsrtp, which wipes its keys."""
    lib.srtp_dealloc(ffi.cast("srtp_t", context))


class Keyring:
    """The contexts of one session: those in use, and those that the kernel has not let go of yet.

    The words that it gives for the start command are a number, the contexts' addresses and what stands behind a
    packet. Numbers grow with each change, so that the kernel names those that it is done with by one number.
    """

    def __init__(self) -> None:
        self._parameters: SrtpParameters | None = None
        self._number = 0
        self._words = (0, 0, 0, 0)
        self._sending: dict[int, int] = {}
        self._receiving: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._sending) + len(self._receiving)

    def use(self, parameters: SrtpParameters | None) -> tuple[int, int, int, int]:
        """Return the words for a start command; None is plain RTP. Raises SrtpError.

        While a direction keeps its key it keeps its context: one made again would encrypt twice with one keystream.
        """
        before = self._parameters
        if parameters == before:
            return self._words
        number = self._number + 1
        _, send, receive, _ = self._words
        trailer = 0
        if parameters is None:
            send = receive = 0
        else:
            suite = SUITES[parameters.suite]
            same = before is not None and before.suite == parameters.suite
            made: list[tuple[dict[int, int], int]] = []
            try:
                if not (same and before is not None and before.send_key == parameters.send_key):
                    send = create_context(suite, parameters.send_key, sending=True)
                    made.append((self._sending, send))
                if not (same and before is not None and before.receive_key == parameters.receive_key):
                    receive = create_context(suite, parameters.receive_key, sending=False)
                    made.append((self._receiving, receive))
            except SrtpError:
                for _, context in made:
                    free_context(context)
                raise
            for contexts, context in made:
                contexts[number] = context
            trailer = parameters.receive_mki_octets | suite.rtp_tag << 8 | suite.rtcp_tag << 16
        self._parameters = parameters
        self._number = number
        self._words = (number, send, receive, trailer)
        return self._words

    def drop(self, sending: int, receiving: int) -> None:
        """Free what the kernel is done with: the contexts of each direction that are older than a number."""
        for contexts, oldest in ((self._sending, sending), (self._receiving, receiving)):
            for number in [number for number in contexts if number < oldest]:
                free_context(contexts.pop(number))

    def close(self) -> None:
        """Free everything; the kernel has ended the session."""
        self.drop(self._number + 1, self._number + 1)


def binding_address(name: str) -> int:
    """Return the address of one of libsrtp's functions. Raises RuntimeError where it is not what is called here."""
    function: Any = ffi.addressof(lib, name)
    kinds = [argument.kind for argument in ffi.typeof(function).args]
    if kinds != ["pointer", "pointer", "pointer"]:
        raise RuntimeError(f"this pylibsrtp has another {name}: {ffi.typeof(function)}")
    return int(ffi.cast("uintptr_t", function))
