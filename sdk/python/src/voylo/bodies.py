"""Bodies between Python and JSON, by the types that the generated models declare.

Only names of members are translated; the keys of free maps (variables, headers) stay as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from voylo.errors import VoyloAnswerError
from voylo.names import camel
from voylo.unset import UNSET


def encode(of: Any, value: Any) -> Any:
    """The JSON of a request body; `of` is its type. Members that are UNSET are left out."""
    if isinstance(value, Mapping):
        model = next((each for each in _choices(of) if is_typeddict(each)), None)
        if model is None:
            return dict(value)
        hints = _hints(model)
        return {camel(name): encode(hints.get(name), member) for name, member in value.items() if member is not UNSET}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        items = [get_args(each) for each in _choices(of) if get_origin(each) is not None]
        item = next((arguments[0] for arguments in items if len(arguments) == 1), None)
        return [encode(item, each) for each in value]
    return value


def decode(of: Any, value: Any, named: Callable[[str], str] = camel) -> Any:
    """What came as the type `of`. Raises VoyloAnswerError when it cannot be that; unknown members are passed over.

    `named` makes the name of a member in JSON from its name in Python.
    """
    if value is None:
        return None
    models = [each for each in _choices(of) if dataclasses.is_dataclass(each)]
    if models:
        if not isinstance(value, dict):
            raise VoyloAnswerError(f"There should be an object, not a {type(value).__name__}")
        return _decode_model(_fitting(models, value, named), value, named)
    for choice in _choices(of):
        if get_origin(choice) is list and isinstance(value, list):
            return [decode(get_args(choice)[0], each, named) for each in value]
        if get_origin(choice) is dict and isinstance(value, dict):
            return {key: decode(get_args(choice)[1], each, named) for key, each in value.items()}
    return value


def _decode_model(model: Any, value: Mapping[str, Any], named: Callable[[str], str]) -> Any:
    members: dict[str, Any] = {}
    for name, hint in _hints(model).items():
        if named(name) in value:
            members[name] = decode(hint, value[named(name)], named)
    try:
        return model(**members)
    except TypeError:
        missing = [named(name) for name in _hints(model) if name not in members]
        raise VoyloAnswerError(f"This is no {model.__name__}: it lacks {', '.join(missing)}") from None


def _fitting(models: list[Any], value: Mapping[str, Any], named: Callable[[str], str]) -> Any:
    """Of several models the one with the most members of `value`, whose constants are those of `value`."""
    if len(models) == 1:
        return models[0]
    candidates = [model for model in models if _constants_fit(model, value, named)] or models
    return max(
        candidates,
        key=lambda model: (
            all(named(name) in value for name in _hints(model)),
            sum(named(name) in value for name in _hints(model)),
        ),
    )


def _constants_fit(model: Any, value: Mapping[str, Any], named: Callable[[str], str]) -> bool:
    constants = {name: get_args(hint) for name, hint in _hints(model).items() if get_origin(hint) is Literal}
    return all(value.get(named(name)) in words for name, words in constants.items() if len(words) == 1)


def _choices(of: Any) -> tuple[Any, ...]:
    return get_args(of) if get_origin(of) in {Union, UnionType} else (of,)


@lru_cache(maxsize=1024)
def _hints(model: Any) -> Mapping[str, Any]:
    return get_type_hints(model)
