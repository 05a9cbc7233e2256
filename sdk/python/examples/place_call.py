"""Places a call and waits for its end: python place_call.py FROM TO, with VOYLO_API_URL and VOYLO_API_KEY set."""

import sys
import time

from voylo import VoyloClient, VoyloResponse, models

own, other = sys.argv[1:]
with VoyloClient() as client:
    flow = VoyloResponse().say("Hello from Voylo.").hangup()
    application = client.applications.create(name="Place a call", xml_template=str(flow))
    placed = client.calls.create(from_=own, to=other, application_id=application.id, timeout=20)
    print(placed.public_id, placed.status, flush=True)
    call = client.calls.get(placed.public_id)
    while isinstance(call, models.PendingCall):
        time.sleep(0.5)
        call = client.calls.get(placed.public_id)
    print(
        f"{call.outcome} after {call.ring_s} s of ringing, {call.duration_s} s of talk, ended by the {call.hangup_by}"
    )
