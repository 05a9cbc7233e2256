"""Makes the configured engines speak a word, and listen to silence (contract §10.4, §10.5)."""

from __future__ import annotations

import asyncio

from media.speech import ActivityDetectors, RecogniserUnavailable, SpeechUnavailable
from server.config import Config
from server.doctor.finding import Finding, fail, ok
from server.room_settings import audio_decoder, recogniser, speech_engine

_WORD = "Hello"
_LANGUAGE = "en-US"
# The first word starts a worker process; a machine that needs longer could not answer a call either.
_SPEAK_SECONDS = 20.0
_LISTEN_SECONDS = 20.0
_CHANGES = {
    "embedded": 'reinstall voylo-engine with pip, or set speech.tts to "none"',
    "hibari": 'pip install --force-reinstall hibari-tts, or set speech.tts to "embedded"',
    "http": 'see to the server at speech.tts_url, speech.tts_key and speech.tts_model, or set speech.tts to "embedded"',
}


async def check_speech(config: Config) -> Finding:
    """Synthesise a word. Without a folder nothing is kept, so the engine itself has to work."""
    if config.speech.tts == "none":
        return ok("speech", "text to speech is switched off by speech.tts: <Say> is skipped")
    change = _CHANGES[config.speech.tts]
    seconds = 0.0
    decoder = audio_decoder(config)
    engine = speech_engine(config, decoder, folder=None)
    try:
        async with asyncio.timeout(_SPEAK_SECONDS):
            async for audio in engine.synthesise(_WORD, language=_LANGUAGE):
                seconds += audio.seconds
    except TimeoutError:
        return fail("speech", f"text to speech gave nothing within {_SPEAK_SECONDS:g} s", change)
    except (SpeechUnavailable, OSError) as error:
        return fail("speech", f"text to speech ({engine.name}) does not work: {error}", change)
    finally:
        await engine.close()
        await decoder.close()
    if seconds == 0:
        return fail("speech", f"text to speech ({engine.name}) gave no audio for {_WORD!r}", change)
    return ok("speech", f"text to speech works ({engine.name}): {_WORD!r} became {seconds:.1f} s of audio")


async def check_recogniser(config: Config) -> Finding:
    """Start the recogniser and a detector of speech; one over HTTP is not asked for anything."""
    if config.speech.stt == "none":
        return ok("speech", "recognition is switched off by speech.stt: a Gather with speech has no result")
    engine = recogniser(config)
    change = 'reinstall voylo-engine with pip, or set speech.stt to "none"'
    if config.speech.vosk_model is not None and config.speech.stt == "embedded":
        change = "pip install 'voylo-engine[vosk]', and name the folder of a model in speech.vosk_model"
    try:
        async with asyncio.timeout(_LISTEN_SECONDS):
            await engine.start()
            await ActivityDetectors().take()
    except TimeoutError:
        return fail("speech", f"recognition did not start within {_LISTEN_SECONDS:g} s", change)
    except (RecogniserUnavailable, RuntimeError, OSError) as error:
        return fail("speech", f"recognition does not work: {error}", change)
    finally:
        await engine.close()
    if config.speech.stt == "http":
        return ok("speech", f"recognition is left to {config.speech.stt_url}, which was not asked")
    return ok("speech", f"recognition works ({engine.name})")
