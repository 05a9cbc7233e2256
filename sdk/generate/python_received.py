"""Python types of what is received: dataclasses of events, and one of action requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdk.generate.python_models import dataclass_of, docstring, snake
from sdk.generate.received import event_schemas, events, member, parameters


def written_events(document: Mapping[str, Any]) -> str:
    """`events.py`."""
    models = events(document)
    parts = [
        '"""What webhooks and finished URLs are sent, as the engine documents it."""\n',
        "from __future__ import annotations\n",
        "from collections.abc import Mapping\nfrom dataclasses import dataclass\n"
        "from typing import Any, Final, Literal, TypeAlias\n",
        *(dataclass_of(name, schema) for name, schema in event_schemas(document).items()),
        f'KnownEvent: TypeAlias = {" | ".join(models.values())}\n"""An event that this version knows."""\n',
        "MODELS: Final[Mapping[str, type[KnownEvent]]] = {"
        + ", ".join(f'"{name}": {model}' for name, model in models.items())
        + '}\n"""The class of each event by its name."""\n',
    ]
    return "\n".join(parts)


def written_actions() -> str:
    """`actions.py`."""
    lines = [
        '"""What an application\'s action URL is asked with, made from the engine\'s table of verbs."""\n\n'
        "from __future__ import annotations\n\nfrom collections.abc import Mapping\nfrom dataclasses import dataclass\n"
        "from typing import Literal\n\n\n"
        "@dataclass(frozen=True, slots=True, kw_only=True)\nclass ActionRequest:\n"
        '    """A request for the next document of a call.\n\n'
        "    What a verb reports is None where the request is about another one. `variables` are those of the call,\n"
        "    as text, without `var_` before their names; `parameters` is all that came, by the engine's own names.\n"
        '    """\n\n'
    ]
    for each in parameters():
        kind = f"Literal[{', '.join(map(repr, each.words))}]" if each.words else "str"
        lines.append(f"    {snake(member(each.name))}: {kind}{'' if each.always else ' | None = None'}\n")
        lines.append(docstring(f"`{each.name}`: {each.meaning}."))
    lines.append("    variables: Mapping[str, str]\n    parameters: Mapping[str, str]\n")
    return "".join(lines)
