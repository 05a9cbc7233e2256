"""Receives webhooks with Starlette, each event once: SIGNING_SECRET is the webhook's, PORT where it listens."""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from voylo import Event, events
from voylo.integrations.starlette import webhook

seen: set[str] = set()


@webhook(os.environ["SIGNING_SECRET"])
async def told(event: Event) -> None:
    """Prints what happened; a real server keeps what it has seen where a restart does not lose it."""
    if event.event_id in seen:
        return
    seen.add(event.event_id)
    if isinstance(event, events.CallCompletedEvent):
        print(event.event, event.public_id, f"{event.duration_s} s, ended by the {event.hangup_by}", flush=True)
    elif isinstance(event, (events.CallPlacedEvent, events.CallAnsweredEvent)):
        print(event.event, event.public_id, f"{event.from_} to {event.to}", flush=True)
    else:
        print(event.event, event.event_id, flush=True)


app = Starlette(routes=[Route("/events", told, methods=["POST"])])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
