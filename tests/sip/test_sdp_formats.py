"""Parameters of formats: Opus (RFC 7587) and telephone-event (RFC 4733)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.sdp.formats import KEYS, OpusParameters, opus_parameters, telephone_events


class TestOpus:
    def test_all_of_them(self) -> None:
        fmtp = "maxplaybackrate=16000; maxaveragebitrate=20000;stereo=1; useinbandfec=1;usedtx=1; cbr=1;minptime=10"
        assert opus_parameters(fmtp) == OpusParameters(16000, 20000, True, True, True, True, 10)

    @pytest.mark.parametrize("fmtp", [None, "", "nonsense", "x=1", "stereo", "=;=;", "stereo=1" + ";" * 600])
    def test_without_them_the_defaults(self, fmtp: str | None) -> None:
        assert opus_parameters(fmtp) == OpusParameters()

    @pytest.mark.parametrize(
        "fmtp",
        [
            "maxplaybackrate=7999",
            "maxplaybackrate=48001",
            "maxaveragebitrate=5999",
            "maxaveragebitrate=510001",
            "stereo=2",
            "minptime=2",
            "minptime=121",
            "useinbandfec=-1",
            "maxplaybackrate=٤٨٠٠٠",
        ],
    )
    def test_a_value_out_of_range_is_not_given(self, fmtp: str) -> None:
        assert opus_parameters(fmtp) == OpusParameters()

    def test_case_and_the_first_of_two(self) -> None:
        assert opus_parameters("USEINBANDFEC=1;useinbandfec=0").inband_fec

    @given(st.text(max_size=100))
    def test_no_text_raises(self, text: str) -> None:
        assert opus_parameters(text).max_playback_rate in range(8000, 48001)


class TestEvents:
    @pytest.mark.parametrize(
        ("fmtp", "events"),
        [
            ("0-15", KEYS),
            ("0-16", KEYS | {16}),
            ("0-11", frozenset(range(12))),
            ("0-9, 11 ,66-67", frozenset(range(10)) | {11, 66, 67}),
            ("events=0-11", frozenset(range(12))),
            ("255", frozenset({255})),
        ],
    )
    def test_a_list_names_them(self, fmtp: str, events: frozenset[int]) -> None:
        assert telephone_events(fmtp) == events

    @pytest.mark.parametrize("fmtp", [None, "", "x", "256", "15-0", "0-", "-1", "0,,1", "0-15;x=y", "0," * 300])
    def test_without_a_sound_one_the_sixteen_keys(self, fmtp: str | None) -> None:
        assert telephone_events(fmtp) == KEYS

    @given(st.text("0123456789-, ", max_size=60))
    def test_no_list_raises(self, text: str) -> None:
        assert telephone_events(text) <= set(range(256))
