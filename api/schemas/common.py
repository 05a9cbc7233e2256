"""What the models of all resources share: camelCase names, query parameters of pages, the page itself, errors."""

from __future__ import annotations

from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from api.schemas.fields import Search
from engine.limits import PAGE_SIZE_MAX
from engine.model import Page

T = TypeVar("T")

DEFAULT_PAGE_SIZE: Final = 10
DEFAULT_CALLS: Final = 20

INTEGER_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader holds exactly; a larger page number counts as this one."""

DIGITS_READ: Final = 20
"""A number with more digits is larger than INTEGER_MAX whatever they are (leading zeros apart)."""


class Input(BaseModel):
    """Base of what comes in: types are not converted, unknown members are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="ignore", frozen=True)

    def given(self) -> dict[str, Any]:
        """The members that the body has, by name: what an update changes."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Output(BaseModel):
    """Base of what goes out: every member is present. Made from a value of the engine with the same member names."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        from_attributes=True,
        frozen=True,
        json_schema_serialization_defaults_required=True,
    )


OutputT = TypeVar("OutputT", bound=Output)


def _digits(value: Any) -> Any:
    digits = str(value)
    if not digits.isascii() or not digits.isdigit() or not digits.strip("0"):
        raise PydanticCustomError("positive_integer", "must be an integer of at least 1")
    number = int(digits) if len(digits) <= DIGITS_READ else INTEGER_MAX + 1
    return min(number, INTEGER_MAX)


def _page_size(value: Any) -> Any:
    return min(_digits(value), PAGE_SIZE_MAX)


PageNumber = Annotated[int, BeforeValidator(_digits), WithJsonSchema({"type": "integer", "minimum": 1})]
PageSize = Annotated[int, BeforeValidator(_page_size), WithJsonSchema({"type": "integer", "minimum": 1})]


class PageQuery(Input):
    """Parameters of a paginated list (contract §4)."""

    page: PageNumber = Field(1, description="Counts from 1")
    limit: PageSize = Field(DEFAULT_PAGE_SIZE, description=f"Larger values than {PAGE_SIZE_MAX} count as that")


class SearchQuery(PageQuery):
    """Parameters of a list that can be searched."""

    search: Search | None = Field(None, description="Part of the name or label, in any case")


class Pagination(Output):
    """Where in a list the page is."""

    page: int = Field(examples=[1])
    limit: int = Field(examples=[10])
    total_items: int = Field(examples=[42])
    total_pages: int = Field(examples=[5])


class Envelope(Output, Generic[T]):
    """A page of a list."""

    data: list[T]
    pagination: Pagination


def pagination(page: Page[Any]) -> Pagination:
    """The `pagination` member of a page's envelope."""
    return Pagination(page=page.number, limit=page.size, total_items=page.total_items, total_pages=page.total_pages)


def envelope(item: type[OutputT], page: Page[Any]) -> Envelope[OutputT]:
    """A page whose items are made from the engine's values as they are."""
    made: type[Envelope[OutputT]] = Envelope[item]  # type: ignore[valid-type]
    return made(data=[item.model_validate(value) for value in page.items], pagination=pagination(page))


class ErrorField(Output):
    """What is wrong with one field."""

    field: str = Field(description="Dotted path; list items by index", examples=["to"])
    message: str = Field(examples=["must be an E.164 number"])


class Error(Output):
    """The body of every answer that is not a success (contract §3)."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    status_code: int
    error: str = Field(description="Reason phrase of the status")
    message: str | list[ErrorField] = Field(description="A text; for wrong fields, the list of them")
    details: dict[str, list[str]] | None = Field(None, description="For wrong fields only: the messages by field")
    rental_id: str | None = Field(None, description="Of a rental that waits for its payment (402) only")
