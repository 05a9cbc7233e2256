"""Text to speech and speech to text, each behind one small interface (contract §10.4, §10.5).

An engine is any object that fits `SpeechEngine`. `text` cuts a text into pieces that are rendered one by one, so that a
long text is heard from its first sentence; `store` keeps rendered pieces on disk.
"""

from media.speech.activity import ActivityDetectors
from media.speech.embedded import EmbeddedSpeech
from media.speech.hibari import HibariSpeech
from media.speech.interface import Manner, NoSpeech, SpeechEngine, SpeechUnavailable, Voice
from media.speech.listener import SpeechListener
from media.speech.partial import Partial
from media.speech.piecewise import SpeechLimits, SpokenPieces
from media.speech.recogniser import (
    NoRecogniser,
    Recogniser,
    RecogniserUnavailable,
    Understood,
    grammar_recogniser,
    vosk_recogniser,
)

__all__ = [
    "ActivityDetectors",
    "EmbeddedSpeech",
    "HibariSpeech",
    "Manner",
    "NoRecogniser",
    "NoSpeech",
    "Partial",
    "Recogniser",
    "RecogniserUnavailable",
    "SpeechEngine",
    "SpeechLimits",
    "SpeechListener",
    "SpeechUnavailable",
    "SpokenPieces",
    "Understood",
    "Voice",
    "grammar_recogniser",
    "vosk_recogniser",
]
