"""The simulator: any document or application against a scripted caller, with the interpreter of live calls.

No sockets, no audio, no waiting: the clock jumps. `simulate` runs one call and tells everything that happened.
"""

from voyloml.simulate.application import NOT_FOUND, Asked, Reply, asgi, over_http, wsgi
from voyloml.simulate.run import Setting, Simulated, Simulation, simulate
from voyloml.simulate.script import (
    Caller,
    ConferenceScript,
    PartyScript,
    QueueScript,
    ReferScript,
    StreamScript,
    World,
    answers,
    busy,
    declines,
    never_answers,
    unreachable,
)
from voyloml.simulate.timeline import Moment, Timeline, What

__all__ = [
    "NOT_FOUND",
    "Asked",
    "Caller",
    "ConferenceScript",
    "Moment",
    "PartyScript",
    "QueueScript",
    "ReferScript",
    "Reply",
    "Setting",
    "Simulated",
    "Simulation",
    "StreamScript",
    "Timeline",
    "What",
    "World",
    "answers",
    "asgi",
    "busy",
    "declines",
    "never_answers",
    "over_http",
    "simulate",
    "unreachable",
    "wsgi",
]
