"""What a running verb has at hand, and what it can lead to. Shared by the files that carry verbs out.

`None` from a verb means that the next one runs, a `Page` that this document takes over, a `RunResult` that the run is
over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from voyloml.binding import Bound, Problem
from voyloml.capabilities import PromptingInARow
from voyloml.control import CallControl, PlayDigits, PlayFile, PromptItem, Silence
from voyloml.documents import Documents, DocumentUnavailable, Page, Parameters
from voyloml.errors import Code
from voyloml.speech_markup import spoken

WARNINGS_LOGGED: Final = 50
"""Warnings about one document that are put in the call's log."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    `completed`: the document was over; `hangup`: a verb ended the answered call; `rejected`: an unanswered call was
    refused, with the reason in `detail`; `application_error`: contract §11.5, with what was wrong in `detail`. An
    answered call has been hung up in every case; an unanswered one with `application_error` is left to be refused
    with 503.
    """

    reason: Literal["completed", "hangup", "rejected", "application_error"]
    detail: str = ""


Outcome: TypeAlias = Page | RunResult | None


class LeaveQueue(Exception):
    """`Leave` in a document that runs while its caller waits in a queue."""


class PromptRow:
    """`Play` and `Say` verbs that follow each other, played as one list so that none of them begins with a gap.

    `ends` has each verb with the number of items up to its end.
    """

    def __init__(self, prompting: PromptingInARow, ends: Sequence[tuple[Bound, int]]) -> None:
        self._prompting = prompting
        self._ends = deque(ends)

    def next_is(self, verb: Bound) -> bool:
        """Whether a verb is the one that is played next."""
        return bool(self._ends) and self._ends[0][0] is verb

    async def hear(self) -> None:
        """Waits until the next verb is over; nothing of the list is played any more where that is cancelled."""
        _, count = self._ends.popleft()
        try:
            if self._ends:
                await self._prompting.played(count)
            else:
                await self._prompting.wait()
        except BaseException:
            self._ends.clear()
            raise
        finally:
            if not self._ends:
                self._prompting.stop()


class Execution:
    """The run of a call through its documents, as a verb sees it.

    `page` is the document being run. `replacing` is true while a verb is cancelled because another document takes
    over, so that it can tell this from a hang-up. `waiting` is true for the documents of a caller in a queue. `verbs`
    counts those that have run, against their limit. `prompts_ahead` gives the `Play` and `Say` verbs that come right
    after the one that runs, and `row` is the list in which those are being played.
    """

    def __init__(
        self, control: CallControl, documents: Documents, run_page: Callable[[Page], Awaitable[Outcome]]
    ) -> None:
        self.control = control
        self.documents = documents
        self.run_page = run_page
        self.page: Page | None = None
        self.replacing = False
        self.waiting = False
        self.verbs = 0
        self.prompts_ahead: Callable[[], Iterable[Bound]] = tuple
        self.row: PromptRow | None = None
        self._owed: list[Callable[[], Awaitable[None]]] = []
        self._warnings = 0

    def enter(self, page: Page) -> None:
        """Goes on with `page`."""
        self.page = page
        self._warnings = 0

    async def answer(self) -> None:
        """The implicit answer of contract §10.2."""
        if not self.control.answered:
            await self.control.answer()

    def warn(self, problem: Problem) -> None:
        """Puts what is wrong at an element in the call's log."""
        self._warnings += 1
        if self._warnings > WARNINGS_LOGGED:
            return
        self.control.log("warning", {"code": problem.code.value, "message": problem.message, **problem.element.place})

    async def follow(self, verb: Bound, reference: str | None, parameters: Parameters = ()) -> Page | None:
        """Requests `reference`, or the URL of the present document where it is None.

        None when there is neither. Raises DocumentUnavailable.
        """
        assert self.page is not None
        url = self.page.url if reference is None else self.page.resolve(reference)
        if url is None:
            return None
        step = verb.spec.step
        assert step is not None
        return await self.documents.fetch(url, verb.text("method") or "POST", step, verb.spec.named(parameters))

    async def act(self, verb: Bound, parameters: Parameters) -> Page | None:
        """Requests the verb's action, where it has one; otherwise the next verb runs. Raises DocumentUnavailable."""
        action = verb.text("action")
        return None if action is None else await self.follow(verb, action, parameters)

    def owe(self, verb: Bound, parameters: Callable[[], Awaitable[Parameters | None]]) -> None:
        """For a verb that a hang-up cancels: its action is still to be requested, and the answer ignored.

        `parameters` is awaited first, after the hang-up; None: there is nothing to request after all. Where another
        document takes over instead, only that much is done.
        """
        page, replacing = self.page, self.replacing

        async def request() -> None:
            given = await parameters()
            action = verb.text("action")
            if replacing or given is None or action is None or page is None:
                return
            try:
                step = verb.spec.step
                assert step is not None
                url = page.resolve(action)
                await self.documents.fetch(url, verb.text("method") or "POST", step, verb.spec.named(given))
            except DocumentUnavailable as error:
                self.control.log("action_failed", {"verb": verb.spec.name, "message": str(error)})

        self._owed.append(request)

    async def pay(self) -> None:
        """Does what is owed."""
        while self._owed:
            await self._owed.pop(0)()

    async def drop_keys(self) -> None:
        """Forgets the keys that nobody has consumed: those of a conversation are not for the next verb."""
        while self.control.pending_keys():
            await self.control.key()

    def url(self, verb: Bound, name: str) -> str | None:
        """The URL in an attribute, made absolute; None where it is absent, empty, or relative to nothing (logged)."""
        assert self.page is not None
        reference = verb.text(name)
        if not reference:
            return None
        try:
            return self.page.resolve(reference)
        except DocumentUnavailable as error:
            self.warn(Problem(verb.element, Code.RELATIVE_URL_WITHOUT_BASE, str(error)))
            return None

    def prompt_items(self, verbs: Sequence[Bound]) -> list[PromptItem]:
        """What `Play`, `Say` and `Pause` elements let the caller hear; what cannot be played is logged and left out."""
        return [item for verb in verbs if verb.usable for item in self._prompt_items(verb)]

    def _prompt_items(self, verb: Bound) -> Sequence[PromptItem]:
        if verb.spec.name == "Pause":
            return (Silence(verb.integer("length")),)
        loop = verb.integer("loop")
        if verb.spec.name == "Say":
            return spoken(verb)
        digits = verb.text("digits")
        if digits is not None:
            return (PlayDigits(digits, loop),)
        assert self.page is not None
        try:
            return (PlayFile(self.page.resolve(verb.content or ""), loop),)
        except DocumentUnavailable as error:
            self.warn(Problem(verb.element, Code.RELATIVE_URL_WITHOUT_BASE, str(error)))
            return ()


Runner: TypeAlias = Callable[[Execution, Bound], Awaitable[Outcome]]
"""Carries one verb out. Raises DocumentUnavailable when it needs a document that cannot be had."""
