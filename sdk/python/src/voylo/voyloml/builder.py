"""What every builder of VoyloML can do; the verbs are generated from the engine's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from voylo.voyloml.element import Element, ElementSpec, Given
from voylo.voyloml.speech import Speech

B = TypeVar("B", bound="Builder")


class Builder:
    """A builder of one element.

    An element that holds no others is added and the builder returned, for chaining; one that does returns its own.
    """

    def __init__(self, element: Element, root: Element | None = None) -> None:
        self._element = element
        self._root = element if root is None else root

    def __str__(self) -> str:
        """The whole document as XML, also from a nested builder. Raises VoyloMLError where something is missing."""
        return self._root.document()

    def _add(self, spec: ElementSpec, text: str | Speech | None, options: Mapping[str, Given]) -> None:
        self._element.append(Element(spec.name, spec, text, options))

    def _open(self, nested: type[B], spec: ElementSpec, text: str | None, options: Mapping[str, Given]) -> B:
        element = Element(spec.name, spec, text, options)
        self._element.append(element)
        return nested(element, self._root)
