"""Real-time priority: what is asked for, for whom, and how it is told."""

from __future__ import annotations

import os
import threading

import pytest

from media.kernel import priority


def in_thread() -> tuple[str, int, int]:
    """Ask in a thread of its own; return the answer, and that thread's policy and niceness."""
    result: list[tuple[str, int, int]] = []

    def ask() -> None:
        answer = priority.ask_for_realtime()
        nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        result.append((answer, os.sched_getscheduler(0), nice))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return result[0]


def refuse(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_the_answer_is_what_the_thread_has() -> None:
    answer, policy, nice = in_thread()
    if answer == "SCHED_FIFO 10":
        assert policy == os.SCHED_FIFO
    elif answer == "nice -10":
        assert nice == -10
    else:
        assert answer.startswith("none: ")
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) >= 0


def test_niceness_is_the_second_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    answer, policy, nice = in_thread()
    assert policy == os.SCHED_OTHER
    assert (answer, nice) == ("nice -10", -10) or answer.startswith("none: ")


def test_a_refusal_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setattr(os, "setpriority", refuse)
    assert in_thread()[0] == "none: Operation not permitted"
