"""The form in which verbs are declared: what an element may carry, where it may stand, how a run treats it.

Only the shape; the declarations are in `voyloml.verbs`. Parser checks, linter, interpreter and generated documents
all read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from voyloml.attribute_types import AttributeType, Value


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute. `default` is typed and stands for an absent or unreadable value."""

    name: str
    type: AttributeType
    default: Value
    meaning: str
    required: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What the text inside an element must be.

    `unless` names an attribute that makes the text needless; a text over its length that is `cut` is used as far as
    it may go, instead of not at all.
    """

    type: AttributeType
    meaning: str
    unless: str | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """An element that may stand inside: at most `most` times, and `alone` with no sibling."""

    name: str
    most: int | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter the verb adds to its action request; it is sent under its names in `also` too."""

    name: str
    meaning: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ElementSpec:
    """One verb or noun.

    `verb` elements stand in `Response`; the others only where a parent names them. An inbound call is answered by a
    verb with `answers`, except when its attribute `answers_unless` is true (contract §10.2). After a verb that
    `ends_document` nothing can run. On a call that cannot carry the verb out it ends with `unavailable` as its action
    parameters where it has an action, else it is passed over.

    Without text, an element with `needs_child` must hold a child of that name. `markup` are elements that may stand
    in the text at any depth.
    """

    name: str
    section: str
    summary: str
    attributes: tuple[Attribute, ...] = ()
    content: Content | None = None
    children: tuple[Child, ...] = ()
    aliases: tuple[str, ...] = ()
    verb: bool = False
    answers: bool = False
    answers_unless: str | None = None
    ends_document: bool = False
    step: str | None = None
    parameters: tuple[Parameter, ...] = ()
    unavailable: tuple[tuple[str, str], ...] = ()
    needs_child: str | None = None
    markup: frozenset[str] = frozenset()
    attribute_by_name: Mapping[str, Attribute] = field(init=False, repr=False, compare=False)
    child_by_name: Mapping[str, Child] = field(init=False, repr=False, compare=False)
    defaults: Mapping[str, Value] = field(init=False, repr=False, compare=False)
    required: tuple[Attribute, ...] = field(init=False, repr=False, compare=False)

    def named(self, parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Action parameters under every name they have."""
        also = {parameter.name: parameter.also for parameter in self.parameters}
        return [(each, value) for name, value in parameters for each in (name, *also.get(name, ()))]

    def __post_init__(self) -> None:
        by_name = {name: attribute for attribute in self.attributes for name in (attribute.name, *attribute.aliases)}
        defaults = {attribute.name: attribute.default for attribute in self.attributes}
        object.__setattr__(self, "attribute_by_name", MappingProxyType(by_name))
        object.__setattr__(self, "child_by_name", MappingProxyType({child.name: child for child in self.children}))
        object.__setattr__(self, "defaults", MappingProxyType(defaults))
        object.__setattr__(self, "required", tuple(attribute for attribute in self.attributes if attribute.required))
