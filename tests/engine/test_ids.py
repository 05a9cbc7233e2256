"""Identifiers have the formats of contract §1 and do not repeat."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import pytest

from engine import ids

FORMATS: list[tuple[Callable[[], str], str]] = [
    (ids.new_event_id, r"evt_[0-9a-f]{12}"),
    (ids.new_account_id, r"acc_[0-9a-f]{12}"),
    (ids.new_workspace_id, r"ws_[0-9a-f]{12}"),
    (ids.new_api_key, r"vlx_live_[A-Za-z0-9]{40}"),
    (ids.new_signing_secret, r"whsec_[A-Za-z0-9]{40}"),
    (ids.new_password, r"[A-Za-z0-9]{20}"),
    (ids.new_uuid, r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    (lambda: ids.new_call_id()[0], r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    (lambda: ids.new_call_id()[1], r"cl_[0-9a-f]{12}"),
]


@pytest.mark.parametrize(("make", "pattern"), FORMATS)
def test_an_identifier_has_its_format_and_differs_from_the_last(make: Callable[[], str], pattern: str) -> None:
    made = {make() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(pattern, text) for text in made)


def test_what_is_made_passes_its_own_check() -> None:
    assert ids.is_workspace_id(ids.new_workspace_id())
    assert ids.is_api_key(ids.new_api_key())
    assert ids.is_public_call_id(ids.new_call_id()[1])


def test_a_uuid_is_taken_in_any_case_and_version_and_kept_in_lower_case() -> None:
    text = str(uuid.uuid1()).upper()
    assert ids.parse_uuid(text) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "{00000000-0000-0000-0000-000000000000}",
        "00000000000000000000000000000000",
        "0" * 36,
        "00000000-0000-0000-0000-00000000000g",
        "00000000-0000-0000-0000-000000000000\n",
        "٠" * 8 + "-0000" * 3,
    ],
)
def test_what_is_no_uuid_is_none(text: str) -> None:
    assert ids.parse_uuid(text) is None


@pytest.mark.parametrize("text", ["ws_", "ws_5C4D3E2F1A0B", "ws_5c4d3e2f1a0b\n", "5c4d3e2f1a0b", "ws_5c4d3e2f1a0b0"])
def test_what_is_no_workspace_id_is_known_as_such(text: str) -> None:
    assert not ids.is_workspace_id(text)


@pytest.mark.parametrize("text", ["vlx_live_", "vlx_live_" + "a" * 39, "vlx_test_" + "a" * 40, "vlx_live_" + "é" * 40])
def test_what_is_no_api_key_is_known_as_such(text: str) -> None:
    assert not ids.is_api_key(text)
