"""A voice agent behind `<Connect><Stream>`: listens, answers when the caller has finished, stops when interrupted.

It speaks Twilio's Media Streams messages and needs nothing but `pip install websockets`. What it answers is what the
caller said, so that it runs without a key of anybody's: put speech recognition, a language model and a voice into
`think`. Start it with `python examples/ai_agent/agent.py`, and let a call flow say

    <Response><Connect><Stream url="ws://127.0.0.1:8765/"/></Connect></Response>
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys

from websockets.asyncio.server import ServerConnection, serve

PORT = 8765
FRAME_MS = 20
SPEECH_LEVEL = 800  # of 32767; a frame above it is the caller speaking
END_OF_TURN_MS = 400  # so much silence, and it is the agent's turn
INTERRUPTION_MS = 100  # so much speech while the agent speaks, and it stops
LONGEST_TURN_MS = 30_000


def linear(octet: int) -> int:
    """The sample that an octet of µ-law stands for (ITU-T G.711)."""
    octet = ~octet
    magnitude = (((octet & 0x0F) << 3) + 0x84 << ((octet & 0x70) >> 4)) - 0x84
    return -magnitude if octet & 0x80 else magnitude


LEVELS = [abs(linear(octet)) for octet in range(256)]


def is_speech(frame: bytes) -> bool:
    """Whether 20 ms of µ-law are louder than a quiet line."""
    return sum(LEVELS[octet] for octet in frame) > SPEECH_LEVEL * len(frame)


async def think(said: bytes) -> bytes:
    """What the agent answers to what was said, both in µ-law at 8 kHz: here, the same again."""
    return said


class Agent:
    """One call."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._sid = ""
        self._turn = bytearray()
        self._speech_ms = self._silence_ms = self._loud_ms = 0
        self._answers = 0
        self._speaking = ""  # the mark behind the answer that is being heard

    async def run(self) -> None:
        """Serves the call until it ends or the caller presses the star key."""
        async for message in self._socket:
            content = json.loads(message)
            match content["event"]:
                case "start":
                    self._sid = content["streamSid"]
                case "media" if content["media"]["track"] == "inbound":
                    await self._hear(base64.b64decode(content["media"]["payload"]))
                case "mark" if content["mark"]["name"] == self._speaking:
                    # The caller has heard it all, or it was cleared.
                    self._speaking = ""
                case "dtmf" if content["dtmf"]["digit"] == "*":
                    return
                case "stop":
                    return

    async def _hear(self, frame: bytes) -> None:
        loud = is_speech(frame)
        self._loud_ms = self._loud_ms + FRAME_MS if loud else 0
        if self._speaking:
            if self._loud_ms >= INTERRUPTION_MS:
                await self._send("clear")
                self._speaking = ""
            return
        if loud:
            self._speech_ms += FRAME_MS
            self._silence_ms = 0
        elif self._turn:
            self._silence_ms += FRAME_MS
        if loud or self._turn:
            self._turn += frame
        if self._speech_ms and (self._silence_ms >= END_OF_TURN_MS or len(self._turn) >= LONGEST_TURN_MS * 8):
            await self._answer()

    async def _answer(self) -> None:
        said, self._turn = bytes(self._turn[: len(self._turn) - self._silence_ms * 8]), bytearray()
        self._speech_ms = self._silence_ms = 0
        answer = await think(said)
        self._answers += 1
        self._speaking = f"answer {self._answers}"
        # All at once: the engine keeps the pace.
        await self._send("media", {"payload": base64.b64encode(answer).decode()})
        await self._send("mark", {"name": self._speaking})

    async def _send(self, event: str, body: dict[str, str] | None = None) -> None:
        message = {"event": event, "streamSid": self._sid}
        await self._socket.send(json.dumps(message | ({event: body} if body else {})))


async def serve_call(socket: ServerConnection) -> None:
    """Serves one connection of the engine's; when this returns it is closed, and the call flow goes on."""
    await Agent(socket).run()


async def main() -> None:
    """Serves calls until interrupted."""
    async with serve(serve_call, "127.0.0.1", PORT, compression=None) as server:
        sys.stdout.write(f"the agent listens on ws://127.0.0.1:{PORT}/\n")
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
