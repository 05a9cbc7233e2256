"""Two baresip phones and one of ours in one conference: each hears exactly the other two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.baresip_phone import baresip
from tests.support.engine import running_engine
from tests.support.flow import Flow
from tests.support.phone import a_phone
from tests.support.tones import read_wav, sine, tones_in, wav

pytestmark = pytest.mark.interop

ANNA, BERT, CARL = 500.0, 700.0, 1100.0
TONES = (ANNA, BERT, CARL)
ROOM = '<Response><Conference beep="false">room</Conference></Response>'


def heard_together(file: Path) -> set[float]:
    """Every tone that was heard at the same time as another one, in steps of a quarter of a second."""
    samples, rate = read_wav(file)
    step = rate // 4
    steps = [tones_in(samples[at : at + step], TONES, rate) for at in range(0, len(samples) - step, step)]
    return set().union(*(tones for tones in steps if len(tones) > 1))


async def test_two_baresips_and_our_phone_hear_each_other(
    program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path
) -> None:
    path = program("baresip")
    voices = {name: tmp_path / f"{name}.wav" for name in ("anna", "bert")}
    for name, hertz in (("anna", ANNA), ("bert", BERT)):
        voices[name].write_bytes(wav(sine(hertz, 60)))
    async with (
        Flow({"/room": ROOM}) as flow,
        running_engine(tmp_path / "data") as engine,
        a_phone() as ours,
        baresip(path, tmp_path / "anna", free_port, voices["anna"], user="anna", codec="PCMU") as anna,
        baresip(path, tmp_path / "bert", free_port, voices["bert"], user="bert", codec="PCMA") as bert,
    ):
        await engine.number("+15550100", await engine.application(actionUrl=flow.url("/room")))
        host, port = engine.sip
        for phone in (anna, bert):
            await phone.dial(f"sip:15550100@{host}:{port}")
            await phone.wait_for("CALL_ESTABLISHED")
        carl = ours.call("+15550100", engine.sip)
        await carl.answered()
        carl.say(CARL)
        await carl._until(lambda: tones_in(carl.heard[-4000:], TONES) == {ANNA, BERT}, 10.0)
        heard = len(carl.heard)
        await carl._until(lambda: len(carl.heard) >= heard + 12_000, 5.0)
        assert tones_in(carl.heard[-8000:], TONES) == {ANNA, BERT}
        for phone in (anna, bert):
            await phone.hang_up()
            await phone.wait_for("CALL_CLOSED")
        carl.outgoing.hangup()
        await engine.ended_call()
        assert engine.process.plane.statistics().sessions == 0
    assert heard_together(anna.heard()) == {BERT, CARL}
    assert heard_together(bert.heard()) == {ANNA, CARL}
