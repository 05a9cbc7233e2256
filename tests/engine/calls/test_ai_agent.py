"""examples/ai_agent on a real call: it answers when the caller has finished, and is silent when interrupted."""

from __future__ import annotations

from pathlib import Path

from websockets.asyncio.server import serve

from examples.ai_agent.agent import serve_call
from tests.support.engine import running_engine
from tests.support.phone import a_phone
from tests.support.tones import seconds_of

NUMBER = "+15550100"
QUESTION, INTERRUPTION = 620.0, 1150.0


async def test_the_agent_answers_is_interrupted_and_hands_over(tmp_path: Path) -> None:
    async with serve(serve_call, "127.0.0.1", 0, compression=None) as agent, a_phone() as phone:
        url = f"ws://127.0.0.1:{agent.sockets[0].getsockname()[1]}/"
        template = (
            f'<Response><Connect><Stream url="{url}"/></Connect><Say>Thank you for calling us today.</Say></Response>'
        )
        async with running_engine(tmp_path, speech={"tts": "none"}) as engine:
            await engine.number(NUMBER, await engine.application(xmlTemplate=template))
            call = phone.call(NUMBER, engine.sip)
            await call.answered()
            call.say(QUESTION, 2.0)
            await call.hears(QUESTION, at_least=0.3)
            # In the middle of the answer the caller speaks up.
            call.say(INTERRUPTION, 0.5)
            await call.hears(INTERRUPTION, at_least=0.2)
            await call.press("*")
            await call.hung_up()
            ended = await engine.ended_call()
            log = (await engine.client.get(f"/v1/calls/{ended['publicId']}/events")).json()
    assert seconds_of(call.heard, QUESTION) <= 1.5, "the rest of the answer was cleared"
    assert ended["outcome"] == "answered"
    (end,) = [entry["data"] for entry in log if entry["type"] == "stream_ended"]
    assert (end["by"], end["messagesIgnored"], end["framesDropped"]) == ("peer", 0, 0)
