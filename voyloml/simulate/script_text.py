"""A call as a text file, for `voylo simulate --script`: who calls, what the caller does, who is out there.

One thing a line, words are quoted as in a shell; `# ` begins a comment, `#` alone is a key. `LINES` lists what a line
can be; `docs/testing-call-flows.md` says what it means.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from voyloml.simulate.application import Asked
from voyloml.simulate.run import Setting
from voyloml.simulate.script import (
    Caller,
    ConferenceScript,
    PartyScript,
    QueueScript,
    ReferScript,
    StreamScript,
    World,
    answers,
    busy,
    declines,
    never_answers,
    unreachable,
)

LINES: Final = """\
from NUMBER | to NUMBER | outbound | answered by human|machine|unknown | template | variable NAME VALUE
wait for prompt | wait for VERB | press KEYS | say TEXT [for SECONDS] | silent SECONDS | at SECOND | hang up [at SECOND]
party ADDRESS answers after SECONDS [hangs up after SECONDS] [presses KEYS] [machine]
party ADDRESS busy | declines | never answers | unreachable [with CODE]
conference ROOM full | [ends after SECONDS] [others NUMBER]
queue NAME [ahead NUMBER] [taken after SECONDS] [talk SECONDS]
stream URL fails | closes after SECONDS
refer URI CODE [after SECONDS]
sound URL SECONDS
url PATH [NAME=VALUE ...] FILE"""

_COMMENT = re.compile(r"^#.*$|(?<=\s)#\s.*$")


class ScriptError(Exception):
    """A line that says nothing known."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Route:
    """Which file answers a request: for this path, when the parameters have these values."""

    path: str
    parameters: Mapping[str, str]
    file: str

    def fits(self, asked: Asked) -> bool:
        """True when it answers this request."""
        given = asked.parameters
        return asked.path == self.path and all(given.get(name) == value for name, value in self.parameters.items())


@dataclass(frozen=True, slots=True)
class Script:
    """All that a script says."""

    caller: Caller = field(default_factory=Caller)
    world: World = field(default_factory=World)
    setting: Setting = field(default_factory=Setting)
    routes: tuple[Route, ...] = ()
    template: bool = False
    """The document is a static template, with placeholders for the variables."""


def parse_script(text: str) -> Script:
    """Reads a script. Raises ScriptError for the first line that is wrong."""
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(_COMMENT.sub("", line.strip()))
            if words:
                reader.take(_Words(words))
        except (ValueError, IndexError):
            known = LINES.replace("\n", "\n  ")
            raise ScriptError(number, f"{line.strip()!r} is none of\n  {known}") from None
    return reader.script()


class _Words:
    """The words of one line, taken from the left. What does not fit raises ValueError or IndexError."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    def take(self) -> str:
        """The next word."""
        return self._words.pop(0)

    def number(self) -> float:
        """The next word as a number that is not negative."""
        number = float(self.take().removesuffix("s"))
        if not 0 <= number < 1e9:
            raise ValueError
        return number

    def have(self, *expected: str) -> bool:
        """Takes these words when they come next."""
        if self._words[: len(expected)] != list(expected):
            return False
        del self._words[: len(expected)]
        return True

    def need(self, *expected: str) -> None:
        """Takes these words, which must come next."""
        if not self.have(*expected):
            raise ValueError

    def after(self, *expected: str) -> float | None:
        """The number after these words, when they come next."""
        return self.number() if self.have(*expected) else None

    def rest(self) -> list[str]:
        """All that is left."""
        words, self._words = self._words, []
        return words

    def end(self) -> None:
        """Nothing must be left."""
        if self._words:
            raise ValueError


class _Reader:
    def __init__(self) -> None:
        self._caller = Caller()
        self._setting = Setting()
        self._variables: dict[str, str] = {}
        self._parties: dict[str, PartyScript] = {}
        self._conferences: dict[str, ConferenceScript] = {}
        self._queues: dict[str, QueueScript] = {}
        self._streams: dict[str, StreamScript] = {}
        self._refers: dict[str, ReferScript] = {}
        self._sounds: dict[str, float] = {}
        self._routes: list[Route] = []
        self._template = False
        self._lines: Mapping[str, Callable[[_Words], None]] = {
            "from": self._from,
            "to": self._to,
            "outbound": self._outbound,
            "answered": self._answered,
            "template": self._is_template,
            "variable": self._variable,
            "wait": self._wait,
            "press": self._press,
            "say": self._say,
            "silent": self._silent,
            "at": self._at,
            "hang": self._hang,
            "party": self._party,
            "conference": self._conference,
            "queue": self._queue,
            "stream": self._stream,
            "refer": self._refer,
            "sound": self._sound,
            "url": self._url,
        }

    def take(self, words: _Words) -> None:
        first = words.take()
        if first not in self._lines:
            raise ValueError
        self._lines[first](words)
        words.end()

    def script(self) -> Script:
        world = World(self._parties, self._conferences, self._queues, self._streams, self._refers, self._sounds)
        setting = replace(self._setting, variables=self._variables)
        return Script(self._caller, world, setting, tuple(self._routes), self._template)

    def _from(self, words: _Words) -> None:
        self._setting = replace(self._setting, from_=words.take())

    def _to(self, words: _Words) -> None:
        self._setting = replace(self._setting, to=words.take())

    def _outbound(self, words: _Words) -> None:
        self._setting = replace(self._setting, direction="outbound")

    def _answered(self, words: _Words) -> None:
        words.need("by")
        who = words.take()
        if who not in {"human", "machine", "unknown"}:
            raise ValueError
        self._setting = replace(self._setting, answered_by=who)

    def _is_template(self, words: _Words) -> None:
        self._template = True

    def _variable(self, words: _Words) -> None:
        name = words.take()
        self._variables[name] = words.take()

    def _wait(self, words: _Words) -> None:
        words.need("for")
        what = words.take()
        self._caller = self._caller.wait_for_prompt() if what == "prompt" else self._caller.wait_for(what)

    def _press(self, words: _Words) -> None:
        keys = words.take()
        if not keys or not set(keys) <= set("0123456789*#ABCD"):
            raise ValueError
        self._caller = self._caller.press(keys)

    def _say(self, words: _Words) -> None:
        said = words.rest()
        seconds = 0.0
        if len(said) > 2 and said[-2] == "for":
            seconds = float(said[-1])
            said = said[:-2]
        self._caller = self._caller.say(" ".join(said), seconds=seconds)

    def _silent(self, words: _Words) -> None:
        self._caller = self._caller.silent(words.number())

    def _at(self, words: _Words) -> None:
        self._caller = self._caller.at(words.number())

    def _hang(self, words: _Words) -> None:
        words.need("up")
        self._caller = self._caller.hang_up(at=words.after("at"))

    def _party(self, words: _Words) -> None:
        address, what = words.take(), words.take()
        if what == "answers":
            seconds = words.after("after")
            script = answers(4 if seconds is None else seconds)
            script = replace(script, hangs_up_after=words.after("hangs", "up", "after"))
            if words.have("presses"):
                script = replace(script, presses=answers(presses=words.take()).presses)
            if words.have("machine"):
                script = replace(script, answered_by="machine")
        elif what == "busy":
            script = busy()
        elif what == "declines":
            script = declines()
        elif what == "unreachable":
            script = unreachable(int(words.take()) if words.have("with") else 404)
        else:
            words.need("answers") if what == "never" else words.need("?")
            script = never_answers()
        self._parties[address] = script

    def _conference(self, words: _Words) -> None:
        room = words.take()
        full = words.have("full")
        ends = words.after("ends", "after")
        self._conferences[room] = ConferenceScript(full, ends, int(words.after("others") or 0))

    def _queue(self, words: _Words) -> None:
        name = words.take()
        ahead, taken, talk = words.after("ahead"), words.after("taken", "after"), words.after("talk")
        self._queues[name] = QueueScript(int(ahead or 0), taken, 20 if talk is None else talk)

    def _stream(self, words: _Words) -> None:
        url = words.take()
        fails = words.have("fails")
        self._streams[url] = StreamScript(words.after("closes", "after"), fails)

    def _refer(self, words: _Words) -> None:
        uri, code = words.take(), int(words.take())
        after = words.after("after")
        self._refers[uri] = ReferScript(code, 1 if after is None else after)

    def _sound(self, words: _Words) -> None:
        url = words.take()
        self._sounds[url] = words.number()

    def _url(self, words: _Words) -> None:
        path, *conditions, file = words.rest()
        if not path.startswith("/"):
            raise ValueError
        parameters: dict[str, str] = {}
        for condition in conditions:
            name, value = condition.split("=", 1)
            parameters[name] = value
        self._routes.append(Route(path, parameters, file))
