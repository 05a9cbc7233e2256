"""Every element and attribute of the language has been used by a live call of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.exercised import Use, language, ran_whole


def test_the_live_calls_have_used_the_whole_language(
    exercised: set[Use], request: pytest.FixtureRequest, left_out: set[Path]
) -> None:
    if not ran_whole(Path(__file__).parent, request.session.items, left_out):
        pytest.skip("tells something only after all tests of its folder")
    missing = sorted(language() - exercised)
    assert missing == [], missing
