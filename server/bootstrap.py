"""The first start (contract §22.3): the fixed values from the environment, and what is printed once on stdout."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from engine.accounts import DEFAULT_OWNER, BootstrapResult, BootstrapSettings


def bootstrap_settings(environ: Mapping[str, str] | None = None) -> BootstrapSettings:
    """Return the `VOYLO_BOOTSTRAP_*` values; an empty variable counts as unset. The engine checks their form."""
    environ = os.environ if environ is None else environ
    return BootstrapSettings(
        workspace_id=environ.get("VOYLO_BOOTSTRAP_WORKSPACE_ID") or None,
        api_key=environ.get("VOYLO_BOOTSTRAP_API_KEY") or None,
        email=environ.get("VOYLO_BOOTSTRAP_EMAIL") or DEFAULT_OWNER,
        password=environ.get("VOYLO_BOOTSTRAP_PASSWORD") or None,
    )


def first_start_members(result: BootstrapResult) -> dict[str, str]:
    """Return the members that `voylo init --json` prints."""
    return {
        "workspaceId": result.workspace_id,
        "apiKey": result.api_key,
        "ownerEmail": result.owner_email,
        "ownerPassword": result.owner_password,
    }


def first_start_text(result: BootstrapResult, base_url: str) -> str:
    """Return what the first start tells: ids, secrets and URLs. `base_url` is without `/v1`."""
    return f"""\
first start: this is shown once, keep it
  workspace       {result.workspace_id}
  API key         {result.api_key}
  owner           {result.owner_email}
  owner password  {result.owner_password}
  API             {base_url}/v1
  described at    {base_url}/openapi.json
"""


def print_first_start(result: BootstrapResult, base_url: str, *, as_json: bool = False) -> None:
    """Print on stdout what the first start created, as text or as one JSON object on a line."""
    if as_json:
        members = {"event": "first_start", **first_start_members(result), "http": base_url}
        print(json.dumps(members), flush=True)
    else:
        print(first_start_text(result, base_url), end="", flush=True)
