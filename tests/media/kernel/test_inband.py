"""Keys as tones: the reference recordings, speech, and what we send ourselves."""

from __future__ import annotations

import wave
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.media.support import FIXTURES, Desk, Kernel, fixture_index, kernel_form, opened_desk, rtp

INDEX = fixture_index("audio")
DIALLED = {name: entry["expected"]["dtmf"] for name, entry in INDEX.items() if "dtmf" in entry["expected"]}
SPOKEN = [name for name in INDEX if name.startswith(("spoken_", "amd_")) or name in ("tone_440.wav", "tone_1000.wav")]
CODECS = {"PCMU": 0, "PCMA": 8, "G722": 9}


def compiled() -> Kernel:
    return kernel_form("compiled")


def recording(name: str) -> npt.NDArray[np.int16]:
    with wave.open(str(FIXTURES / "audio" / name)) as file:
        assert file.getframerate() == 8000
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def listening(kernel: Kernel, codec: str = "PCMU", **changes: Any) -> Any:
    payload_type = CODECS[codec]
    return opened_desk(
        kernel,
        codec=codec,
        payload_type=payload_type,
        receive_payload_type=payload_type,
        dtmf_send_pt=None,
        dtmf_receive_pt=None,
        **changes,
    )


def heard_in(desk: Desk, samples: npt.NDArray[np.int16], codec: str = "PCMU") -> str:
    """Let a desk hear samples, then silence, and return the keys it reports."""
    desk.command(desk.c.COMMAND_INBAND, 0, desk.generation, 1)
    octets = desk.k.codecs.encode(np.concatenate([samples, np.zeros(1600, np.int16)]), codec)
    for number in range(len(octets) // 160):
        payload = octets[160 * number : 160 * number + 160].tobytes()
        desk.give(rtp(number, 160 * number, payload, payload_type=CODECS[codec]))
        desk.tick()
    desk.tick(6)
    return desk.keys()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", DIALLED)
@pytest.mark.parametrize("late", [0, 40, 80, 120])
def test_keys_of_the_recordings_are_heard_wherever_frames_begin(name: str, codec: str, late: int) -> None:
    with listening(compiled(), codec) as desk:
        assert heard_in(desk, recording(name)[late:], codec) == DIALLED[name]


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("late", [0, 80])
def test_speech_and_single_tones_are_no_keys(name: str, late: int) -> None:
    with listening(compiled()) as desk:
        assert heard_in(desk, recording(name)[late:]) == ""


def test_both_forms_hear_the_same(kernel: Kernel) -> None:
    with listening(kernel) as desk:
        assert heard_in(desk, recording("dtmf_fast.wav")) == DIALLED["dtmf_fast.wav"]


def test_a_key_is_reported_with_its_length(kernel: Kernel) -> None:
    with listening(kernel) as desk:
        desk.command(desk.c.COMMAND_INBAND, 0, desk.generation, 1)
        octets = desk.k.codecs.encode(recording("dtmf_all_keys.wav")[:2400], "PCMU")
        for number in range(15):
            desk.give(rtp(number, 160 * number, octets[160 * number : 160 * number + 160].tobytes()))
            desk.tick()
        desk.tick(4)
        ended = desk.events(desk.c.EVENT_DIGIT_ENDED)
        assert 60 <= ended[0].words[1] <= 100


def test_nobody_who_did_not_ask_hears_any(kernel: Kernel) -> None:
    with listening(kernel) as desk:
        octets = desk.k.codecs.encode(recording("dtmf_fast.wav"), "PCMU")
        for number in range(len(octets) // 160):
            desk.give(rtp(number, 160 * number, octets[160 * number : 160 * number + 160].tobytes()))
            desk.tick()
        assert desk.keys() == ""


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("ptime", [10, 20, 30])
def test_what_is_sent_as_tones_is_heard_as_keys(codec: str, ptime: int) -> None:
    kernel = compiled()
    with listening(kernel, codec) as ours, listening(kernel, codec) as theirs:
        ours.start(
            remote=ours.far_address,
            codec=codec,
            payload_type=CODECS[codec],
            receive_payload_type=CODECS[codec],
            dtmf_send_pt=None,
            dtmf_receive_pt=None,
            ptime=ptime,
        )
        symbols = np.frombuffer(bytes(range(16)).ljust(ours.c.DIGITS_MAX, b"\0"), np.int64).tolist()
        ours.command(ours.c.COMMAND_DIGITS, 0, ours.generation, 1, 16, 100, 60, *symbols)
        ours.tick(16 * 8 + 4)
        (told,) = ours.events(ours.c.EVENT_DIGITS_SENT)
        assert told.words == (1, 16, 16)
        octets = np.frombuffer(b"".join(packet.payload for packet in ours.sent_rtp()), np.uint8)
        samples = kernel.codecs.decode(octets, codec)
        assert heard_in(theirs, samples, codec) == kernel.constants.KEYS
