"""Calls: how they arrive, what runs on them, and how they end."""

from engine.calls.call import Call, CallServices
from engine.calls.conference import ConferenceRooms
from engine.calls.dialling import CallingOut
from engine.calls.incoming import IncomingCalls
from engine.calls.leg import LegSettings
from engine.calls.placing import OutgoingCalls
from engine.calls.prompting import PromptSources
from engine.calls.queues import CallQueues
from engine.calls.streaming import StreamServices
from engine.calls.switchboard import Switchboard

__all__ = [
    "Call",
    "CallQueues",
    "CallServices",
    "CallingOut",
    "ConferenceRooms",
    "IncomingCalls",
    "LegSettings",
    "OutgoingCalls",
    "PromptSources",
    "StreamServices",
    "Switchboard",
]
