"""Takes messages with Flask: the action URL of an application is this server's `/`.

SIGNING_SECRET is the application's, MESSAGES the folder that gets the recordings, PORT where it listens; VOYLO_API_URL
and VOYLO_API_KEY say where they are fetched from.
"""

import os
from pathlib import Path

from flask import Flask

from voylo import ActionRequest, VoyloClient, VoyloResponse
from voylo.integrations.flask import action

app = Flask(__name__)
client = VoyloClient()
signed = action(os.environ["SIGNING_SECRET"])


@app.post("/")
@signed
def greeting(call: ActionRequest) -> VoyloResponse:
    """The first document; without a message the call ends after it."""
    response = VoyloResponse().say("Leave a message, and press the hash key.")
    return response.record(action="/recorded", finish_on_key="#", max_length=120).say("There was no message.").hangup()


@app.post("/recorded")
@signed
def recorded(call: ActionRequest) -> VoyloResponse:
    """Fetches the message; also asked for when the caller has hung up."""
    if call.recording_sid is not None:
        path = Path(os.environ["MESSAGES"]) / f"{call.from_}-{call.recording_sid}.wav"
        path.write_bytes(client.recordings.get_audio(call.recording_sid))
    return VoyloResponse().say("Thank you.").hangup()


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
