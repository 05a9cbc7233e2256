"""The kernel in both its forms, for the tests of what it computes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.media.support import Desk, Kernel, kernel_form, opened_desk


@pytest.fixture(params=["compiled", "plain"])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return kernel_form(request.param)


@pytest.fixture
def desk(kernel: Kernel) -> Iterator[Desk]:
    with opened_desk(kernel) as opened:
        yield opened
