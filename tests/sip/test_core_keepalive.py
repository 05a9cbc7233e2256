"""Keep-alives: regular, shared, bounded in rate."""

from __future__ import annotations

from sip.core.keepalive import BURST, BURST_SECONDS, KEEP_ALIVE_SECONDS
from sip.endpoint import Endpoint
from tests.sip.support import LOCAL, PEER, Agent


def test_a_flow_is_kept_open_until_its_last_user_lets_go() -> None:
    agent = Agent()
    keep = agent.core.keep_alive
    keep.hold(PEER, LOCAL)
    keep.hold(PEER, LOCAL)
    assert agent.sent_times(80) == [25, 50, 75]
    keep.release(PEER, LOCAL)
    assert agent.sent_times(25) == [20]
    keep.release(PEER, LOCAL)
    assert agent.sent_times(100) == []
    assert agent.core.next_timeout() is None


def test_connections_are_not_its_business() -> None:
    agent = Agent()
    agent.core.keep_alive.hold(Endpoint("tcp", "192.0.2.99", 5060), LOCAL)
    assert len(agent.core.keep_alive) == 0
    agent.core.keep_alive.release(PEER, LOCAL)


def test_many_flows_leave_in_bursts_and_each_in_its_time() -> None:
    agent = Agent()
    flows = 10 * BURST
    for number in range(flows):
        agent.core.keep_alive.hold(Endpoint("udp", "192.0.2.99", 1024 + number), LOCAL)
    times = agent.sent_times(KEEP_ALIVE_SECONDS + 1)
    assert len(times) == flows
    assert all(times.count(time) <= BURST for time in set(times))
    assert max(times) <= KEEP_ALIVE_SECONDS + 10 * BURST_SECONDS
    again = agent.sent_times(KEEP_ALIVE_SECONDS)
    assert len(again) == flows
