"""Credentials that end by themselves: what their username says, and that the password fits no other (contract §17)."""

from __future__ import annotations

import pytest

from engine.agents import is_agent_username
from engine.widget_credentials import owner_of, temporary_password, temporary_username
from sip import SipUri

EXPIRES = 1_800_000_000


def test_the_username_names_its_owner_until_it_expires() -> None:
    username = temporary_username("anna.lee-2", EXPIRES)
    assert owner_of(username, EXPIRES - 1) == "anna.lee-2"
    assert owner_of(username, EXPIRES) is None


def test_it_stands_in_a_sip_uri_as_it_is_and_is_no_agents_own() -> None:
    username = temporary_username("anna", EXPIRES)
    assert str(SipUri.parse(f"sip:{username}@voice.example")) == f"sip:{username}@voice.example"
    assert SipUri.parse(f"sip:{username}@voice.example").user == username
    assert not is_agent_username(username)


@pytest.mark.parametrize(
    "text",
    ["", "anna", "~6b49d200", "anna~", "anna~xyz", "anna~6B49D200", "a~b~6b49d200", "anna~" + "f" * 11, "anna~6b49"],
)
def test_any_other_text_has_no_owner(text: str) -> None:
    assert owner_of(text, 0.0) is None


def test_the_password_depends_on_name_time_and_the_agents_password() -> None:
    username = temporary_username("anna", EXPIRES)
    passwords = {
        temporary_password(username, "the-password"),
        temporary_password(username, "another-password"),
        temporary_password(temporary_username("anna", EXPIRES + 1), "the-password"),
        temporary_password(temporary_username("berta", EXPIRES), "the-password"),
    }
    assert len(passwords) == 4
    assert {len(each) for each in passwords} == {43}
    assert temporary_password(username, "the-password") in passwords
