"""The first start's fixed values and what it prints (contract §22.3)."""

from __future__ import annotations

import json

import pytest

from engine.accounts import BootstrapResult, BootstrapSettings
from server.bootstrap import bootstrap_settings, first_start_members, first_start_text, print_first_start

RESULT = BootstrapResult("ws_0123456789ab", "vlx_live_" + "k" * 40, "owner@localhost", "geheim12")


def test_the_variables_fix_the_values() -> None:
    environ = {
        "VOYLO_BOOTSTRAP_WORKSPACE_ID": "ws_0123456789ab",
        "VOYLO_BOOTSTRAP_API_KEY": "vlx_live_x",
        "VOYLO_BOOTSTRAP_EMAIL": "a@b.example",
        "VOYLO_BOOTSTRAP_PASSWORD": "geheim12",
    }
    assert bootstrap_settings(environ) == BootstrapSettings("ws_0123456789ab", "vlx_live_x", "a@b.example", "geheim12")


def test_absent_and_empty_variables_leave_the_values_to_the_engine() -> None:
    assert bootstrap_settings({}) == BootstrapSettings()
    empty = dict.fromkeys(("VOYLO_BOOTSTRAP_WORKSPACE_ID", "VOYLO_BOOTSTRAP_EMAIL", "VOYLO_BOOTSTRAP_PASSWORD"), "")
    assert bootstrap_settings(empty) == BootstrapSettings(email="owner@localhost")


def test_the_text_tells_ids_secrets_and_urls() -> None:
    text = first_start_text(RESULT, "http://127.0.0.1:8080")
    for part in (RESULT.workspace_id, RESULT.api_key, RESULT.owner_email, RESULT.owner_password):
        assert part in text.split()
    assert "http://127.0.0.1:8080/v1" in text.split()
    assert "http://127.0.0.1:8080/openapi.json" in text.split()


def test_the_members_are_those_of_init() -> None:
    assert list(first_start_members(RESULT)) == ["workspaceId", "apiKey", "ownerEmail", "ownerPassword"]


@pytest.mark.parametrize("as_json", [False, True])
def test_it_is_printed_on_stdout(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    print_first_start(RESULT, "http://127.0.0.1:8080", as_json=as_json)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert RESULT.api_key in captured.out
    if as_json:
        assert captured.out.count("\n") == 1
        assert json.loads(captured.out) == {
            "event": "first_start",
            **first_start_members(RESULT),
            "http": "http://127.0.0.1:8080",
        }
