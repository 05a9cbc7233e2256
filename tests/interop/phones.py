"""One way to drive either phone, so that the same test can be held with baresip and with linphonec."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.interop.baresip_phone import BaresipPhone, baresip
from tests.interop.linphone_phone import LinphonePhone, linphone
from tests.support.tones import sine, wav

Phone = BaresipPhone | LinphonePhone
Program = Callable[[str], str]
Port = Callable[[], int]
PHONES = ["baresip", "linphonec"]
VOICE = 1000  # Hz


@asynccontextmanager
async def a_phone_that_answers(kind: str, program: Program, port: Port, folder: Path) -> AsyncIterator[Phone]:
    """A phone of this kind, without a registrar, that picks up by itself and sends VOICE."""
    path = program(kind)
    tone = folder / "voice.wav"
    tone.write_bytes(wav(sine(VOICE, 60)))
    if kind == "baresip":
        async with baresip(path, folder / "phone", port, tone, answers="auto") as phone:
            yield phone
    else:
        async with linphone(path, folder / "phone", port, tone, answers=True) as other:
            yield other


def uri(phone: Phone) -> str:
    """How to call a phone without a registrar."""
    host, port = phone.sip
    return f"sip:{'anna' if isinstance(phone, BaresipPhone) else 'carol'}@{host}:{port}"
