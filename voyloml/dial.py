"""What a `Dial` is asked to do and how it ended (contract §10.6), without a call and without a clock."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote

from voyloml.binding import Bound
from voyloml.capabilities import AnsweredBy, DialTarget, Recorded, TargetKind, Unreached

DialStatus: TypeAlias = Literal["completed", "busy", "no-answer", "failed", "canceled"]

NOT_CONFIRMED: Final = Unreached("no-answer", "confirmation_refused", 200, rang=True)
NOBODY: Final = Unreached("failed", "unreachable")
RANG_OUT: Final = Unreached("no-answer", "no_answer", 487, rang=True)
"""Nobody answered within the timeout; whether the far side said that it rings does not matter then."""
HUNG_UP_EARLY: Final = Unreached("no-answer", "normal", 200, rang=True)
"""Answered, and gone before the bridge."""

_KINDS: dict[str, TargetKind] = {
    "Number": "number",
    "Sip": "sip",
    "Agent": "agent",
    "Trunk": "trunk",
    "Queue": "queue",
}
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,60}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,256}")
_PASSED_ON = ("x-", "user-to-user")
_OWN = "x-voylo-"


@dataclass(frozen=True, slots=True)
class DialRules:
    """The attributes of a `Dial` that decide how it goes. Times in seconds."""

    timeout: int
    time_limit: int
    confirms: bool
    confirm_keys: str
    confirm_timeout: int
    sequential: bool
    answer_on_bridge: bool
    hangup_on_star: bool
    record: bool
    detection: str
    detection_timeout: int

    @classmethod
    def of(cls, dial: Bound) -> DialRules:
        """The rules of a `<Dial>`."""
        return cls(
            timeout=dial.integer("timeout"),
            time_limit=dial.integer("timeLimit"),
            confirms=dial.text("confirmSound") is not None or dial.text("confirmKey") is not None,
            confirm_keys=dial.text("confirmKey") or "",
            confirm_timeout=dial.integer("confirmTimeout"),
            sequential=dial.text("strategy") == "sequential",
            answer_on_bridge=dial.flag("answerOnBridge"),
            hangup_on_star=dial.flag("hangupOnStar"),
            record=dial.flag("record"),
            detection=dial.text("machineDetection") or "none",
            detection_timeout=dial.integer("machineDetectionTimeout"),
        )


@dataclass(frozen=True, slots=True)
class DialResult:
    """How a Dial ended. `seconds` is how long it was bridged; `sid` is empty without a party that was."""

    status: DialStatus
    to: str
    cause: str
    code: int = 0
    sid: str = ""
    seconds: float = 0
    answered_by: AnsweredBy | None = None
    recorded: Recorded | None = None

    def parameters(self) -> list[tuple[str, str]]:
        """The action parameters; those without a value are left out."""
        pairs = [
            ("DialStatus", self.status),
            ("AnsweredBy", self.answered_by or ""),
            ("DialCallSid", self.sid),
            ("DialTo", self.to),
            ("DialDuration", whole_seconds(self.seconds)),
            ("DialSipCode", str(self.code or "")),
            ("DialHangupCause", self.cause),
            *recording_parameters(self.recorded),
        ]
        return [(name, value) for name, value in pairs if value]


def recording_parameters(recorded: Recorded | None) -> list[tuple[str, str]]:
    """`RecordingUrl` and `RecordingDuration`, where there is a recording."""
    if recorded is None:
        return []
    return [("RecordingUrl", recorded.url), ("RecordingDuration", whole_seconds(recorded.seconds))]


def whole_seconds(seconds: float) -> str:
    """A duration as parameters carry it."""
    return str(round(seconds))


def nobody_answered(targets: Sequence[DialTarget], reasons: Sequence[Unreached]) -> DialResult:
    """The end of a Dial whose parties were all tried, each with its reason, and none of whom was reached.

    One party alone gives its own status (contract §14.3). Of several: `busy` if all were, else `no-answer` if any rang,
    else `failed`; cause and code are those of the last party that has this to say for itself.
    """
    if not reasons:
        return DialResult(NOBODY.status, "", NOBODY.cause)
    status: DialStatus = "failed"
    if len(targets) == 1:
        status = reasons[0].status
    elif all(reason.status == "busy" for reason in reasons):
        status = "busy"
    elif any(reason.rang for reason in reasons):
        status = "no-answer"
    telling = [reason for reason in reasons if reason.status == status] or reasons
    return DialResult(status, targets[len(reasons) - 1].address, telling[-1].cause, telling[-1].code)


def targets_of(dial: Bound, warn: Callable[[Bound, str], None]) -> list[DialTarget]:
    """Whom a `<Dial>` without `<Conference>` rings, in order; a header that SIP cannot carry is warned of."""
    if not dial.children:
        address = dial.content or ""
        is_sip = address[:5].lower().startswith(("sip:", "sips:"))
        return [_sip_target(address, (), None, None)] if is_sip else [DialTarget("number", address)]
    return [_target(noun, warn) for noun in dial.children if noun.usable]


def _target(noun: Bound, warn: Callable[[Bound, str], None]) -> DialTarget:
    kind = _KINDS[noun.spec.name]
    if kind == "sip":
        headers = noun.values["headers"]
        assert headers is None or isinstance(headers, tuple)
        return _sip_target(noun.content or "", headers or (), noun.text("username"), noun.text("password"))
    if kind == "agent":
        named = [child.content for child in noun.children if child.spec.name == "Identity" and child.content]
        return DialTarget(kind, noun.content or (named or [""])[0], _parameter_headers(noun, warn))
    return DialTarget(kind, noun.content or "", send_digits=noun.text("sendDigits") if kind == "number" else None)


def _sip_target(uri: str, headers: tuple[str, ...], username: str | None, password: str | None) -> DialTarget:
    address, question, rest = uri.partition("?")
    if question:
        kept = []
        for pair in rest.split("&"):
            raw_name, _, raw_value = pair.partition("=")
            name, value = unquote(raw_name), unquote(raw_value.replace("+", " "))
            if name.lower().startswith(_PASSED_ON):
                if _fits(name, value):
                    headers = (*headers, f"{name}={value}")
            else:
                kept.append(pair)
        address += "?" + "&".join(kept) if kept else ""
    return DialTarget("sip", address, headers, username, password)


def _parameter_headers(noun: Bound, warn: Callable[[Bound, str], None]) -> tuple[str, ...]:
    headers = []
    for child in noun.children:
        if child.spec.name != "Parameter" or not child.usable:
            continue
        name, value = child.text("name") or "", child.text("value") or ""
        if _fits(f"X-{name}", value):
            headers.append(f"X-{name}={value}")
        else:
            warn(child, f"<Parameter name={name!r}> does not fit in a SIP header and is left out")
    return tuple(headers)


def _fits(name: str, value: str) -> bool:
    named = _HEADER_NAME.fullmatch(name) and not name.lower().startswith(_OWN)
    return bool(named and _HEADER_VALUE.fullmatch(value))
