"""TypeScript types of what is received: events, and action requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sdk.generate.node_models import HEADER, comment, model_of
from sdk.generate.received import event_schemas, events, member, parameters


def written_events(document: Mapping[str, Any]) -> str:
    """`events.ts`."""
    models = events(document)
    union = "".join(f"\n  | {model}" for model in models.values())
    names = "".join(f"  {json.dumps(name)},\n" for name in models)
    parts = [
        "/** What webhooks and finished URLs are sent, as the engine documents it. */\n\n" + HEADER,
        *(model_of(name, schema) for name, schema in event_schemas(document).items()),
        f"/** An event that this version knows; `event` tells which it is. */\nexport type KnownEvent ={union};",
        f"/** The names of these events. */\nexport const EVENT_NAMES = [\n{names}] as const;",
    ]
    return "\n\n".join(parts) + "\n"


def written_actions() -> str:
    """`actions.ts`."""
    lines = []
    for each in parameters():
        kind = " | ".join(map(json.dumps, each.words)) if each.words else "string"
        lines.append(comment(f"`{each.name}`: {each.meaning}.", "  "))
        lines.append(f"  {member(each.name)}{'' if each.always else '?'}: {kind};\n")
    lines.append("  /** Those of the call, as text, without `var_` before their names. */\n")
    lines.append("  variables: Record<string, string>;\n")
    lines.append("  /** Everything that came, by the engine's own names. */\n  parameters: Record<string, string>;\n")
    names = "".join(f"  {json.dumps(each.name)},\n" for each in parameters())
    return (
        "/** What an application's action URL is asked with, made from the engine's table of verbs. */\n\n"
        f"{HEADER}\n\n"
        "/** A request for the next document of a call. What a verb reports is absent where it is about another one."
        f" */\nexport interface ActionRequest {{\n{''.join(lines)}}}\n\n"
        f"/** The engine's names of the parameters. @internal */\nexport const PARAMETERS = [\n{names}] as const;\n"
    )
