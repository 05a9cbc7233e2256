"""The limit on open files."""

from __future__ import annotations

import resource

import pytest

from media.kernel.limits import raise_descriptor_limit


@pytest.fixture
def limits():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield soft, hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_soft_limit_is_raised_to_what_is_wanted(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    assert raise_descriptor_limit(300) == 300
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, limits[1])


def test_it_is_never_lowered(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    assert raise_descriptor_limit(100) == 256


def test_the_hard_limit_is_the_end(limits: tuple[int, int]) -> None:
    if limits[1] == resource.RLIM_INFINITY:
        pytest.skip("there is no hard limit here")
    assert raise_descriptor_limit(limits[1] + 1000) == limits[1]
