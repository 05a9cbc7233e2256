"""What a call may be able to do beyond `CallControl`: a small protocol for each family of verbs.

A control offers a family by implementing its protocol; the interpreter looks with `offers`. Without it the verbs of
that family are not available on the call and end as the table says. All of it is called from the task that runs the
interpreter, and a hang-up or a replacement cancels that task: an awaited method that is cancelled gives up what it was
about, and what a method has handed out is then closed by the interpreter through `stop`, `leave` or `hangup`, each of
which is safe at any time and more than once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

from voyloml.control import Prompting, PromptItem

AUDIBLE_SECONDS: Final = 0.5
"""A recording of less than this holds nothing (contract §10.7)."""

TargetKind: TypeAlias = Literal["number", "sip", "agent", "trunk", "queue"]
AnsweredBy: TypeAlias = Literal["human", "machine", "unknown"]


_offered: dict[tuple[type, type], bool] = {}


def offers(control: object, family: type) -> bool:
    """Whether a control implements a protocol of this module; looked at once for each class of controls."""
    pair = (type(control), family)
    offered = _offered.get(pair)
    if offered is None:
        offered = _offered[pair] = isinstance(control, family)
    return offered


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording that is finished; `seconds` of it are left after trimming. `url` is signed (contract §6.6)."""

    sid: str
    url: str
    seconds: float


@runtime_checkable
class EarlyMedia(Protocol):
    """`PreAnswer`."""

    async def pre_answer(self) -> None:
        """Opens early media on an unanswered inbound call (183 with SDP); returns once prompts can be heard."""


class PromptingInARow(Prompting, Protocol):
    """Prompts of several verbs being played one after the other."""

    async def played(self, count: int) -> None:
        """Returns when the first `count` of the items are played out, skipped or stopped. Cancelling the wait stops
        nothing."""


@runtime_checkable
class SeamlessPrompts(Protocol):
    """`Play` and `Say` verbs that follow each other, without a gap between them; without it each begins by itself."""

    def prompt_in_a_row(self, items: Sequence[PromptItem]) -> PromptingInARow:
        """Starts playing the items of several verbs back to back."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was understood. `confidence` is 0.0 to 1.0."""

    text: str
    confidence: float


class Listening(Protocol):
    """Speech being listened for."""

    async def began(self) -> None:
        """Returns when the caller has begun to speak. Cancelling the wait stops nothing."""

    async def result(self) -> Utterance | None:
        """Returns when speech has ended; None where nothing was understood. May be awaited again for more speech."""

    def stop(self) -> None:
        """Listens no longer."""


@dataclass(frozen=True, slots=True)
class PartialSpeech:
    """What was said so far: `stable` is over and recognised, `unstable` a guess at what follows it.

    `stability`, 0.0 to 1.0, says how much of the guess was in the guess before.
    """

    stable: str
    unstable: str
    stability: float


@dataclass(frozen=True, slots=True)
class PartialOrder:
    """Who is told partial results: an absolute URL. `form` gives the parameters of the call at that moment."""

    url: str
    method: str
    form: Callable[[], Mapping[str, str]]


@runtime_checkable
class SpeechInput(Protocol):
    """`Gather` with speech."""

    def listen(
        self, *, language: str, hints: str | None, end_silence: float, partials: PartialOrder | None = None
    ) -> Listening:
        """Listens to the caller; `end_silence` seconds of silence end what is said.

        `partials` are told while he speaks, as far as there is time, and never after `Listening.stop`.
        """


@dataclass(frozen=True, slots=True)
class RecordingOrder:
    """A recording of the caller. `silence`: seconds of it that end the recording; 0: none do."""

    beep: bool
    silence: int
    trim: bool
    status_callback: str | None = None


class RecordingRun(Protocol):
    """A recording under way."""

    async def silent(self) -> None:
        """Returns when there was as much silence as ordered; never with 0. Cancelling the wait stops nothing."""

    async def stop(self) -> Recorded | None:
        """Ends the recording and returns once it can be fetched; None where it could not be kept."""


@runtime_checkable
class Recorder(Protocol):
    """`Record`."""

    async def record(self, order: RecordingOrder) -> RecordingRun:
        """Begins a recording; returns once the tone is over and audio is being kept."""


@dataclass(frozen=True, slots=True)
class DialTarget:
    """One party to ring. `address`: E.164 number, SIP URI, agent's user name, trunk or queue.

    `headers` are SIP header lines as `X-Name=Value`; `send_digits` are for the interpreter only.
    """

    kind: TargetKind
    address: str
    headers: tuple[str, ...] = ()
    username: str | None = None
    password: str | None = None
    send_digits: str | None = None


@dataclass(frozen=True, slots=True)
class Unreached:
    """A party that did not answer.

    `status` is what a Dial to it alone reports; `rang` is whether it was ringing; `code` the final SIP status, 0 for
    none; `cause` a word of contract §6.3.
    """

    status: Literal["busy", "no-answer", "failed"]
    cause: str
    code: int = 0
    rang: bool = False


class Party(Protocol):
    """A party of a Dial: rung, then spoken to, then bridged."""

    @property
    def sid(self) -> str:
        """The public id of its leg."""

    async def ring(self) -> Unreached | None:
        """Rings until it answers (None) or cannot any more. A wait that is cancelled cancels the ringing."""

    def prompt(self, items: Sequence[PromptItem], *, interrupt_keys: str = "") -> Prompting:
        """As `CallControl.prompt`, to this party."""

    async def key(self) -> str:
        """As `CallControl.key`, from this party."""

    async def detect(self, *, message_end: bool, timeout: float) -> AnsweredBy:
        """Who answered (contract §10.6). With `message_end`, for a machine, returns when its message is over."""

    async def gone(self) -> None:
        """Returns when a party that had answered has hung up. Cancelling the wait changes nothing."""

    async def hangup(self) -> None:
        """Ends its leg: CANCEL or BYE."""


class Bridge(Protocol):
    """Two parties who hear each other. It does not end by itself when one of them is gone."""

    async def stop(self) -> Recorded | None:
        """Parts them; the recording, where one was ordered, once it can be fetched."""


class DialRefused(Exception):
    """A Dial that must not be made, such as for its caller ID (contract §10.6). `cause` is a word of contract §6.3."""

    def __init__(self, cause: str, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.cause = cause
        self.code = code


@runtime_checkable
class Dialler(Protocol):
    """`Dial`."""

    async def parties(
        self, targets: Sequence[DialTarget], *, caller_id: str | None, headers: Sequence[str]
    ) -> Sequence[Party]:
        """A party for each target, in order, none of them rung yet. Raises DialRefused, and rings none then."""

    def ringback(self, *, real: bool) -> Prompting:
        """Lets the caller hear that it rings, until stopped: a tone, or 180 before the answer. With `real`, what the
        first party that sends early media lets hear."""

    async def bridge(self, party: Party, *, record: bool) -> Bridge:
        """Connects the caller, who is answered, with `party`; `record` keeps both on two channels."""


@dataclass(frozen=True, slots=True)
class ConferenceOrder:
    """One caller's part in a conference (contract §10.7). URLs are absolute; no `wait_sound` is silence."""

    room: str
    muted: bool
    beep: Literal["true", "false", "onEnter", "onExit"]
    start_on_enter: bool
    end_on_exit: bool
    max_participants: int
    wait_sound: str | None
    record: bool
    status_callback: str | None
    status_events: tuple[str, ...]


class Membership(Protocol):
    """A caller in a conference."""

    @property
    def sid(self) -> str:
        """The id of the conference."""

    async def ended(self) -> None:
        """Returns when the conference has ended for everybody. Cancelling the wait changes nothing."""

    async def leave(self) -> Recorded | None:
        """Takes the caller out; the recording, where one was ordered, once it can be fetched."""


@runtime_checkable
class Conferences(Protocol):
    """`Conference`, also inside `Dial`."""

    async def join(self, order: ConferenceOrder) -> Membership | None:
        """Puts the caller into the room; None when it is full."""


class Waiting(Protocol):
    """A caller in a queue."""

    @property
    def position(self) -> int:
        """Place in the queue, from 1."""

    @property
    def size(self) -> int:
        """Callers in the queue."""

    async def taken(self) -> None:
        """Returns when a Dial has taken this caller: prompts are stopped and the two are bridged."""

    async def bridge_over(self) -> None:
        """Returns when that bridge has ended."""

    async def leave(self) -> None:
        """Takes the caller out, of the bridge too."""


@runtime_checkable
class Queues(Protocol):
    """`Enqueue`."""

    async def enqueue(self, queue: str, *, most: int) -> Waiting | None:
        """Puts the caller at the end of a queue; None when `most` are waiting already."""


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """Audio over a WebSocket (contract §10.8)."""

    url: str
    track: Literal["inbound", "outbound", "both"]
    bidirectional: bool
    name: str | None
    status_callback: str | None
    parameters: Mapping[str, str] = field(default_factory=dict)


class StreamFailed(Exception):
    """The socket could not be opened."""


class Streaming(Protocol):
    """A stream under way."""

    async def closed(self) -> None:
        """Returns when the socket has closed."""

    async def stop(self) -> None:
        """Closes it."""


@runtime_checkable
class Streams(Protocol):
    """`Stream`. One that is not bidirectional goes on until its socket closes or the call ends."""

    async def stream(self, order: StreamOrder) -> Streaming:
        """Opens the socket; returns once audio flows. Raises StreamFailed."""


@dataclass(frozen=True, slots=True)
class Referred:
    """What became of a REFER: `code` is the last status heard of it, 0 for none."""

    accepted: bool
    code: int


@runtime_checkable
class Referrer(Protocol):
    """`Refer`."""

    async def refer(self, uri: str) -> Referred:
        """Sends REFER on the caller's leg and waits for what NOTIFY says. Accepted: the leg is over."""

    def referred(self) -> Referred:
        """What is known of the last REFER; for a wait that the caller's hang-up has cancelled."""
