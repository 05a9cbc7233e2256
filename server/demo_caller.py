"""The caller of the demo: a second SIP user agent with ears and fingers, on loopback.

It hears by energy: speech is sound above a threshold, the end of a prompt is a second of silence after it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from media import MediaEvent, MediaPlane, MediaSession, StreamParameters
from sip import (
    Answered,
    CallEvent,
    IncomingCall,
    NameAddr,
    Progress,
    Rejected,
    RemoteHangup,
    SipUri,
    UserAgent,
    UserAgentConfig,
)
from sip.sdp import Codec, LocalAudio, accept_answer, make_offer, parse_sdp

CALLER = "+15550199"
ANSWER_SECONDS = 10.0
PROMPT_SECONDS = 40.0
HEARD_RMS = 200.0
FRAME_SECONDS = 0.02
SPEECH_FRAMES = 15
SILENCE_FRAMES = 40
FULL_SCALE = 32768.0


class Ear:
    """Listens to 20 ms frames and tells when somebody spoke and when they stopped."""

    def __init__(self) -> None:
        self._loud = 0
        self._quiet = 0
        self._peak = 0.0
        self._changed = asyncio.Event()

    def hear(self, frame: NDArray[np.int16]) -> None:
        """One frame of 160 samples at 8 kHz."""
        rms = float(np.sqrt(np.mean(np.square(frame.astype(np.float64)))))
        if rms >= HEARD_RMS:
            self._loud += 1
            self._quiet = 0
            self._peak = max(self._peak, rms)
        else:
            self._quiet += 1
        self._changed.set()

    async def prompt(self) -> tuple[float, float]:
        """Waits for speech and the silence after it; returns its seconds and its loudest 20 ms in dBFS."""
        while self._loud < SPEECH_FRAMES or self._quiet < SILENCE_FRAMES:
            self._changed.clear()
            await self._changed.wait()
        seconds, level = self._loud * FRAME_SECONDS, 20 * math.log10(self._peak / FULL_SCALE)
        self.forget()
        return seconds, level

    async def speech(self) -> None:
        """Waits until somebody speaks."""
        while self._loud < SPEECH_FRAMES:
            self._changed.clear()
            await self._changed.wait()

    def forget(self) -> None:
        """Starts listening anew."""
        self._loud = self._quiet = 0
        self._peak = 0.0


class DemoCaller:
    """Places the demonstration call. `tell` gets one line for each thing signalled, heard or pressed."""

    def __init__(self, plane: MediaPlane, tell: Callable[[str], None]) -> None:
        self._plane = plane
        self._tell = tell
        self._agent: UserAgent | None = None
        self._session: MediaSession | None = None
        self._ended = asyncio.Event()
        self._answered: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()

    async def call(self, host: str, port: int, number: str) -> bool:
        """Calls `number` at host:port, listens, presses 1 and 9; True when everything expected happened."""
        agent = UserAgent(UserAgentConfig(udp=((host, 0),)), _refuse)
        self._agent = agent
        await agent.start()
        self._session = session = self._plane.open(host, self._on_media)
        local = LocalAudio(
            address=host,
            port=session.local[1],
            codecs=(Codec("PCMU", 8000, 0),),
            session_id=1,
            session_version=1,
        )
        offer = make_offer(local)
        target = SipUri.parse(f"sip:{number}@{_bracket(host)}:{port}")
        self._tell(f"sent      INVITE {target}")
        outgoing = agent.place_call(
            target,
            from_=NameAddr(None, SipUri.parse(f"sip:{CALLER}@{_bracket(host)}"), ()),
            body=bytes(offer),
            on_event=self._on_sip,
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answered = await self._answered
            heard = accept_answer(offer, parse_sdp(answered.body or b""), local)
            self._tell(f"received  200 OK, {heard.codec.name} from {heard.remote_address}:{heard.remote_port}")
            ear = Ear()
            session.tap(ear.hear)
            session.start(
                StreamParameters(
                    remote_address=heard.remote_address,
                    remote_port=heard.remote_port,
                    codec=heard.codec.name,
                    payload_type=heard.codec.payload_type or 0,
                    receive_payload_type=heard.receive_payload_type,
                    dtmf_send_pt=heard.dtmf_send_pt,
                    dtmf_receive_pt=heard.dtmf_receive_pt,
                )
            )
            return await self._listen_and_press(session, ear)
        except TimeoutError:
            self._tell("waited too long")
            return False
        except CallRefusedError as error:
            self._tell(f"received  {error}")
            return False
        finally:
            outgoing.hangup()

    async def _listen_and_press(self, session: MediaSession, ear: Ear) -> bool:
        """The script of the call; False when it is hung up before its end."""
        script = asyncio.create_task(self._script(session, ear))
        ended = asyncio.create_task(self._ended.wait())
        try:
            async with asyncio.timeout(PROMPT_SECONDS):
                await asyncio.wait({script, ended}, return_when=asyncio.FIRST_COMPLETED)
                await ended
                complete = script.done() and not script.cancelled() and script.exception() is None
        finally:
            script.cancel()
            ended.cancel()
        self._tell("received  BYE, the flow hung up" if complete else "received  BYE, too early")
        return complete

    async def _script(self, session: MediaSession, ear: Ear) -> None:
        await ear.speech()
        self._tell("heard     the menu begins to speak")
        await self._press(session, "1")
        ear.forget()
        seconds, level = await ear.prompt()
        self._tell(f"heard     {seconds:.1f} s of speech, at most {level:.0f} dBFS, then a pause")
        await self._press(session, "9")

    async def _press(self, session: MediaSession, key: str) -> None:
        if not await session.send_digits(key):
            raise CallRefusedError("the key could not be sent")
        self._tell(f"pressed   {key} (RFC 4733)")

    def _on_sip(self, event: CallEvent) -> None:
        match event:
            case Progress():
                self._tell(f"received  {event.status} {event.reason}")
            case Answered() if not self._answered.done():
                self._answered.set_result(event)
            case Rejected():
                if not self._answered.done():
                    self._answered.set_exception(CallRefusedError(f"{event.status or event.cause} {event.reason}"))
            case RemoteHangup():
                self._ended.set()
            case _:
                pass

    def _on_media(self, event: MediaEvent) -> None:
        """The demo hears by the tap alone."""

    async def close(self) -> None:
        """Releases the audio and the user agent."""
        if self._session is not None:
            await self._session.close()
        if self._agent is not None:
            await self._agent.close()


class CallRefusedError(Exception):
    """The engine refused the demo call; the message is its response."""


def _refuse(incoming: IncomingCall) -> None:
    incoming.reject(486)


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host
