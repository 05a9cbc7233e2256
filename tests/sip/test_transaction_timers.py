"""Timer lengths and the queue that they wait in."""

from __future__ import annotations

import random

import pytest

from sip.transaction.table import Event
from sip.transaction.timers import COMPACTION_FLOOR, TimerConfig, TimerQueue
from tests.sip.support import Clock


class Queue(TimerQueue):
    def __init__(self) -> None:
        self.time = Clock()
        super().__init__(self.time)

    def run(self) -> None:
        while (due := self.pop_due()) is not None:
            due[0](due[1])


class TestLengths:
    @pytest.mark.parametrize(
        ("timer", "unreliable", "reliable"),
        [
            (Event.TIMER_A, 0.5, -1),
            (Event.TIMER_B, 32, 32),
            (Event.TIMER_D, 32, 0),
            (Event.TIMER_E, 0.5, -1),
            (Event.TIMER_F, 32, 32),
            (Event.TIMER_G, 0.5, -1),
            (Event.TIMER_H, 32, 32),
            (Event.TIMER_I, 5, 0),
            (Event.TIMER_J, 32, 0),
            (Event.TIMER_K, 5, 0),
            (Event.TIMER_L, 32, 32),
            (Event.TIMER_M, 32, 32),
            (Event.TIMER_TRYING, 0.2, 0.2),
        ],
    )
    def test_the_defaults_are_those_of_the_rfc(self, timer: Event, unreliable: float, reliable: float) -> None:
        """RFC 3261 table 4, RFC 6026 §7."""
        assert TimerConfig().lengths(reliable=False)[timer] == unreliable
        assert TimerConfig().lengths(reliable=True)[timer] == reliable

    def test_they_follow_the_base_values(self) -> None:
        lengths = TimerConfig(t1=0.1, t4=1).lengths(reliable=False)
        assert lengths[Event.TIMER_B] == pytest.approx(6.4)
        assert lengths[Event.TIMER_K] == 1


class TestQueue:
    def test_timers_run_in_order_of_time_then_of_scheduling(self) -> None:
        queue = Queue()
        ran: list[object] = []
        for delay, name in ((2, "c"), (1, "a"), (1, "b")):
            queue.schedule(delay, ran.append, name)
        assert queue.next_deadline() == queue.time.now + 1
        queue.time.now += 1
        queue.run()
        assert ran == ["a", "b"]
        assert len(queue) == 1

    def test_a_cancelled_timer_does_not_run(self) -> None:
        queue = Queue()
        ran: list[object] = []
        entry = queue.schedule(1, ran.append, "x")
        queue.cancel(entry)
        queue.cancel(entry)
        queue.time.now += 5
        queue.run()
        assert ran == []
        assert len(queue) == 0
        assert queue.next_deadline() is None

    def test_cancelling_what_has_run_changes_nothing(self) -> None:
        queue = Queue()
        entry = queue.schedule(0, lambda _: None)
        queue.run()
        queue.cancel(entry)
        queue.schedule(1, lambda _: None)
        assert len(queue) == 1

    def test_a_timer_may_schedule_another(self) -> None:
        queue = Queue()
        ran: list[object] = []
        queue.schedule(0, lambda _: queue.schedule(0, ran.append, "second"))
        queue.run()
        assert ran == ["second"]

    def test_an_entry_lets_go_of_what_it_would_have_called(self) -> None:
        queue = Queue()
        entry = queue.schedule(1, print, "argument")
        queue.cancel(entry)
        assert entry.callback is None
        assert entry.argument is None

    def test_cancelled_timers_do_not_pile_up(self) -> None:
        queue = Queue()
        for _ in range(20 * COMPACTION_FLOOR):
            queue.cancel(queue.schedule(32, print))
        assert queue.heap_size <= 2 * COMPACTION_FLOOR + 2

    def test_it_agrees_with_a_sorted_list_whatever_is_cancelled(self) -> None:
        chance = random.Random(7)
        queue = Queue()
        ran: list[object] = []
        entries = [
            (delay, queue.schedule(delay, ran.append, delay)) for delay in (chance.random() for _ in range(5000))
        ]
        kept = []
        for delay, entry in entries:
            if chance.random() < 0.7:
                queue.cancel(entry)
            else:
                kept.append(delay)
        assert len(queue) == len(kept)
        queue.time.now += 2
        queue.run()
        assert ran == sorted(kept)
