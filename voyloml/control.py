"""What the interpreter knows of a call, as protocols that the engine, the simulator and tests implement.

A hang-up by the other side is no method here: it cancels the task that runs the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from voyloml.variables import Scalar

KEPT_KEYS: Final = 32
"""Keys pressed and not yet consumed that a call keeps (contract §10.5)."""

RefusalReason: TypeAlias = Literal["rejected", "busy"]


@dataclass(frozen=True, slots=True)
class PlayFile:
    """An audio file at an absolute http or https URL. `loop` is how many times; 0 is until hang-up."""

    url: str
    loop: int = 1


@dataclass(frozen=True, slots=True)
class PlayDigits:
    """DTMF: `0`-`9`, `*`, `#`, `A`-`D`; `w` is half a second of silence. `loop` as in `PlayFile`."""

    digits: str
    loop: int = 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a text is spoken: `rate` and `pitch` as factors of the voice's own, `decibels` above its level.

    Minus infinity is silence as long as the text. `runs_on`: more of the same sentence follows, so no breath after it.
    """

    rate: float = 1.0
    pitch: float = 1.0
    decibels: float = 0.0
    runs_on: bool = False


PLAIN: Final = Delivery()


@dataclass(frozen=True, slots=True)
class Speak:
    """Text to be synthesised. `voice` and `language` are as the document has them. `loop` as in `PlayFile`."""

    text: str
    voice: str | None
    language: str
    loop: int = 1
    delivery: Delivery = PLAIN


@dataclass(frozen=True, slots=True)
class Silence:
    """Silence in seconds."""

    seconds: float


PromptItem: TypeAlias = PlayFile | PlayDigits | Speak | Silence


class Prompting(Protocol):
    """Prompts being played."""

    @property
    def interrupted(self) -> bool:
        """True when one of the interrupt keys stopped them."""

    async def wait(self) -> None:
        """Returns when everything is played out, skipped or stopped. Cancelling the wait stops nothing."""

    def stop(self) -> None:
        """Silence at once. Allowed at any time, also when all is over."""


class CallControl(Protocol):
    """A call, as far as the verbs need it."""

    @property
    def answered(self) -> bool:
        """True from the answer on."""

    async def answer(self) -> None:
        """Answers an inbound call unless it is answered. Returns once media may flow."""

    async def reject(self, reason: RefusalReason) -> None:
        """Refuses an unanswered inbound call: 603, or 486 for `busy`."""

    async def hangup(self) -> None:
        """Ends an answered call."""

    def prompt(self, items: Sequence[PromptItem], *, interrupt_keys: str = "") -> Prompting:
        """Starts playing `items` back to back; a key out of `interrupt_keys` stops them without waiting for anyone.

        The key is delivered through `key` like any other. An item that cannot be had is skipped and logged; that a loop
        of such an item does not spin is the implementer's affair.
        """

    async def key(self) -> str:
        """The next key pressed, in order. A wait that is cancelled loses no key."""

    def pending_keys(self) -> int:
        """How many keys were pressed and not yet handed out, at most 32."""

    def log(self, type: str, data: Mapping[str, object]) -> None:  # noqa: A002 - the member's name in contract §6.5
        """Adds an entry to the call's log (contract §6.5); `data` is fit for JSON."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What requests and templates say about the call (contract §11.2). `from_` and `to` are of the original call.

    `status` gives the present `CallStatus`: `ringing`, `in-progress` and, after the end, `completed`, `busy`,
    `no-answer`, `failed` or `canceled`. `answered_by` is the result of machine detection, where there was one;
    `forwarded_from` is who sent the call on to the one called, where that is known.
    """

    call_sid: str
    call_uuid: str
    application_id: str
    workspace_id: str
    from_: str
    to: str
    direction: Literal["inbound", "outbound"]
    status: Callable[[], str]
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    answered_by: str | None = None
    forwarded_from: str | None = None


@dataclass(frozen=True, slots=True)
class ApplicationScript:
    """An application as the call started with it (contract §7.1); without a `signing_secret` requests go unsigned."""

    action_url: str | None = None
    action_url_headers: Mapping[str, str] = field(default_factory=dict)
    xml_template: str | None = None
    signing_secret: str | None = None
