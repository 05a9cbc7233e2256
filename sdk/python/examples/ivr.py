"""A menu with FastAPI: the action URL of an application is this server's `/`.

SIGNING_SECRET is the application's, DESK the SIP URI or number of the desk, PORT where it listens.
"""

import os

import uvicorn
from fastapi import FastAPI

from voylo import ActionRequest, VoyloResponse
from voylo.integrations.fastapi import action

app = FastAPI()
signed = action(os.environ["SIGNING_SECRET"])


@app.post("/")
@signed
def menu(call: ActionRequest) -> VoyloResponse:
    """The first document, and again after a wrong key."""
    response = VoyloResponse()
    menu = response.gather(num_digits=1, action="/choice", timeout=10)
    menu.say("Press 1 for our opening hours, 2 for the desk.")
    return response.say("Goodbye.").hangup()


@app.post("/choice")
@signed
def choice(call: ActionRequest) -> VoyloResponse:
    """What the key means."""
    if call.digits == "1":
        return VoyloResponse().say("We are here from nine to five.").hangup()
    if call.digits == "2":
        return VoyloResponse().dial(os.environ["DESK"], timeout=20, action="/after")
    return VoyloResponse().redirect("/")


@app.post("/after")
@signed
def after(call: ActionRequest) -> VoyloResponse:
    """The desk has hung up, or did not answer."""
    if call.dial_status == "completed":
        return VoyloResponse().hangup()
    return VoyloResponse().say("The desk is busy. Please call again later.").hangup()


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
