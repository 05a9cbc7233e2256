"""Lists as iterators, whether the engine counts pages or goes back from a cursor."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from voylo.bodies import decode
from voylo.requests import Request, RequestOptions
from voylo.transport import AsyncTransport, Transport
from voylo.unset import UNSET

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pagination:
    """Where in a counted list a page is, and how much there is."""

    page: int
    limit: int
    total_items: int
    total_pages: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `pagination` is None where pages are not counted."""

    data: list[T]
    pagination: Pagination | None


class _Listing:
    """What a list asks for next; `cursor` is the member of an item that goes into the query as `before`."""

    def __init__(self, request: Request, of: Any, cursor: str | None) -> None:
        self.request = request
        self._of = of
        self._cursor = cursor

    def page(self, answer: Any) -> Page[Any]:
        """An answer as a page."""
        items, pagination = (answer, None) if isinstance(answer, list) else (answer["data"], answer["pagination"])
        return Page([decode(self._of, item) for item in items], decode(Pagination, pagination))

    def following(self, request: Request, answer: Any) -> Request | None:
        """The request for the page after `answer`; None after the last."""
        if isinstance(answer, list):
            if not answer or self._cursor is None:
                return None
            return _with(request, {"before": answer[-1][self._cursor]})
        at = answer["pagination"]
        if not answer["data"] or at["page"] >= at["totalPages"]:
            return None
        return _with(request, {"page": at["page"] + 1})


def _with(request: Request, query: Mapping[str, Any]) -> Request:
    kept = {name: value for name, value in request.query.items() if value is not UNSET}
    return dataclasses.replace(request, query={**kept, **query})


class Items(Generic[T]):
    """A list, asked for page by page while it is read: `for number in client.numbers.list(): …`."""

    def __init__(
        self, transport: Transport, request: Request, of: Any, options: RequestOptions | None, cursor: str | None = None
    ) -> None:
        self._transport = transport
        self._listing = _Listing(request, of, cursor)
        self._options = options

    def __iter__(self) -> Iterator[T]:
        """Every item from the first page asked for to the end."""
        for page in self.pages():
            yield from page.data

    def pages(self) -> Iterator[Page[T]]:
        """The pages, none of them empty."""
        request: Request | None = self._listing.request
        while request is not None:
            answer = self._transport.request(request, Any, self._options)
            page: Page[T] = self._listing.page(answer)
            if page.data:
                yield page
            request = self._listing.following(request, answer)

    def first(self) -> Page[T]:
        """The one page that the query names, by default the first."""
        return self._listing.page(self._transport.request(self._listing.request, Any, self._options))


class AsyncItems(Generic[T]):
    """A list, asked for page by page while it is read: `async for number in client.numbers.list(): …`."""

    def __init__(
        self,
        transport: AsyncTransport,
        request: Request,
        of: Any,
        options: RequestOptions | None,
        cursor: str | None = None,
    ) -> None:
        self._transport = transport
        self._listing = _Listing(request, of, cursor)
        self._options = options

    async def __aiter__(self) -> AsyncIterator[T]:
        """Every item from the first page asked for to the end."""
        async for page in self.pages():
            for item in page.data:
                yield item

    async def pages(self) -> AsyncIterator[Page[T]]:
        """The pages, none of them empty."""
        request: Request | None = self._listing.request
        while request is not None:
            answer = await self._transport.request(request, Any, self._options)
            page: Page[T] = self._listing.page(answer)
            if page.data:
                yield page
            request = self._listing.following(request, answer)

    async def first(self) -> Page[T]:
        """The one page that the query names, by default the first."""
        return self._listing.page(await self._transport.request(self._listing.request, Any, self._options))
