"""Each failure carries what every side outside gets for it."""

from __future__ import annotations

import pytest

from api.errors import REASONS
from engine import errors
from engine.errors import EngineError, FieldError, TooManyRequests, Unavailable, ValidationFailed
from engine.model import HangupCause

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EngineError)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_has_an_answer_for_http_for_sip_and_for_the_record(kind: type[EngineError]) -> None:
    assert kind.http_status in REASONS
    assert 400 <= kind.sip_status <= 699
    assert kind.hangup_cause in HangupCause.__args__  # type: ignore[attr-defined]
    assert kind.__doc__


def test_the_codes_are_those_of_the_contract() -> None:
    codes = {kind.__name__: (kind.http_status, kind.sip_status) for kind in KINDS}
    assert codes["NotFound"] == (404, 404)
    assert codes["Forbidden"] == (403, 403)
    assert codes["PaymentRequired"] == (402, 402)
    assert codes["TooManyRequests"] == (429, 486)
    assert codes["Unavailable"] == (503, 503)


def test_a_failure_of_fields_names_them_all() -> None:
    failure = ValidationFailed([FieldError("a", "is required"), FieldError("b.0", "must be x")])
    assert str(failure) == "a is required; b.0 must be x"
    assert ValidationFailed.of("a", "is required").errors == (FieldError("a", "is required"),)


def test_a_failure_that_passes_says_when_to_come_back() -> None:
    assert (TooManyRequests("x").retry_after, Unavailable("x", 5).retry_after) == (1, 5)
