"""Makes the configured engine speak a word, from text to telephone audio (contract §10.4)."""

from __future__ import annotations

import asyncio

from media.speech import EmbeddedSpeech, SpeechUnavailable
from server.config import Config
from server.doctor.finding import Finding, fail, ok

_WORD = "Hello"
_LANGUAGE = "en-US"
# The first word starts a worker process; a machine that needs longer could not answer a call either.
_SPEAK_SECONDS = 20.0
_TURN_OFF = 'reinstall voylo-engine with pip, or set speech.tts to "none"'


async def check_speech(config: Config) -> Finding:
    """Synthesise a word. Without a folder nothing is kept, so the engine itself has to work."""
    if config.speech.tts == "none":
        return ok("speech", "text to speech is switched off by speech.tts: <Say> is skipped")
    seconds = 0.0
    engine = EmbeddedSpeech()
    try:
        async with asyncio.timeout(_SPEAK_SECONDS):
            async for audio in engine.synthesise(_WORD, language=_LANGUAGE):
                seconds += audio.seconds
    except TimeoutError:
        return fail("speech", f"text to speech gave nothing within {_SPEAK_SECONDS:g} s", _TURN_OFF)
    except (SpeechUnavailable, OSError) as error:
        return fail("speech", f"text to speech does not work: {error}", _TURN_OFF)
    finally:
        await engine.close()
    if seconds == 0:
        return fail("speech", f"text to speech gave no audio for {_WORD!r}", _TURN_OFF)
    return ok("speech", f"text to speech works: {_WORD!r} became {seconds:.1f} s of audio")
