"""What a running verb has at hand, and what it can lead to. Shared by the files that carry verbs out.

`None` from a verb means that the next one runs, a `Page` that this document takes over, a `RunResult` that the run is
over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from voyloml.binding import Bound, Problem
from voyloml.control import CallControl, PlayDigits, PlayFile, PromptItem, Silence, Speak
from voyloml.documents import Documents, DocumentUnavailable, Page, Parameters
from voyloml.errors import Code

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


class Execution:
    """The run of a call through its documents, as a verb sees it. `page` is the document being run."""

    def __init__(self, control: CallControl, documents: Documents) -> None:
        self.control = control
        self.documents = documents
        self.page: Page | None = None
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
        return await self.documents.fetch(url, verb.text("method") or "POST", step, parameters)

    def prompt_items(self, verbs: Sequence[Bound]) -> list[PromptItem]:
        """What `Play`, `Say` and `Pause` elements let the caller hear; what cannot be played is logged and left out."""
        items: list[PromptItem] = []
        for verb in verbs:
            item = self._prompt_item(verb) if verb.usable else None
            if item is not None:
                items.append(item)
        return items

    def _prompt_item(self, verb: Bound) -> PromptItem | None:
        if verb.spec.name == "Pause":
            return Silence(verb.integer("length"))
        loop = verb.integer("loop")
        if verb.spec.name == "Say":
            text = " ".join((verb.content or "").split())
            return Speak(text, verb.text("voice"), verb.text("language") or "", loop)
        digits = verb.text("digits")
        if digits is not None:
            return PlayDigits(digits, loop)
        assert self.page is not None
        try:
            return PlayFile(self.page.resolve(verb.content or ""), loop)
        except DocumentUnavailable as error:
            self.warn(Problem(verb.element, Code.RELATIVE_URL_WITHOUT_BASE, str(error)))
            return None


Runner: TypeAlias = Callable[[Execution, Bound], Awaitable[Outcome]]
"""Carries one verb out. Raises DocumentUnavailable when it needs a document that cannot be had."""
