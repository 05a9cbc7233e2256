"""Text to speech behind one small interface (contract §10.4): the embedded engine, or none.

An engine is any object that fits `SpeechEngine`. `text` cuts a text into pieces that are rendered one by one, so that a
long text is heard from its first sentence; `store` keeps rendered pieces on disk.
"""

from media.speech.embedded import EmbeddedSpeech, SpeechLimits
from media.speech.interface import NoSpeech, SpeechEngine, SpeechUnavailable, Voice

__all__ = ["EmbeddedSpeech", "NoSpeech", "SpeechEngine", "SpeechLimits", "SpeechUnavailable", "Voice"]
