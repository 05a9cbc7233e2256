"""Codecs by name and number."""

from __future__ import annotations

import pytest

from sip.sdp.codecs import G722, OPUS, PCMA, PCMU, Codec, codecs_named, codecs_of, find, numbered
from sip.sdp.description import Attribute, MediaDescription


def audio(formats: str, *attributes: Attribute) -> MediaDescription:
    return MediaDescription("audio", 4000, "RTP/AVP", tuple(formats.split()), attributes=attributes)


class TestCodecsOfAMedium:
    def test_they_keep_the_peers_order_and_numbers(self) -> None:
        medium = audio(
            "96 8 0 101",
            ("rtpmap", "101 telephone-event/8000"),
            ("rtpmap", "96 opus/48000/2"),
            ("fmtp", "96 useinbandfec=1"),
        )
        assert codecs_of(medium) == (
            Codec("opus", 48000, 96, 2, "useinbandfec=1"),
            PCMA,
            PCMU,
            Codec("telephone-event", 8000, 101),
        )

    def test_a_static_type_needs_no_mapping_and_obeys_one(self) -> None:
        assert codecs_of(audio("0 9 13")) == (PCMU, G722, Codec("CN", 8000, 13))
        assert codecs_of(audio("0", ("rtpmap", "0 PCMA/8000"))) == (Codec("PCMA", 8000, 0),)

    @pytest.mark.parametrize("formats", ["96", "128", "-1", "0x0", "٠", "72", "76", "webrtc-datachannel", "0000"])
    def test_formats_that_nothing_maps_are_left_out(self, formats: str) -> None:
        assert codecs_of(audio(formats, ("rtpmap", "72 PCMU/8000"))) == ()

    def test_the_highest_payload_type_and_the_neighbours_of_rtcp_are_in(self) -> None:
        medium = audio("127 71 77", *(("rtpmap", f"{n} PCMU/8000") for n in (127, 71, 77)))
        assert [codec.payload_type for codec in codecs_of(medium)] == [127, 71, 77]

    def test_a_payload_type_counts_once(self) -> None:
        assert codecs_of(audio("0 0 00")) == (PCMU,)

    def test_an_answer_may_leave_out_the_mappings_of_the_offer(self) -> None:
        opus = Codec("opus", 48000, 96, 2, "stereo=1")
        assert codecs_of(audio("96"), {96: opus}) == (Codec("opus", 48000, 96, 2),)

    def test_opus_without_its_channels_is_opus(self) -> None:
        (codec,) = codecs_of(audio("96", ("rtpmap", "96 OPUS/48000")))
        assert find([codec], OPUS) == codec


class TestFinding:
    def test_names_compare_without_case(self) -> None:
        assert find([Codec("pcmu", 8000, 96)], PCMU) == Codec("pcmu", 8000, 96)

    @pytest.mark.parametrize("other", [Codec("PCMU", 16000), Codec("PCMU", 8000, None, 2), Codec("PCMA", 8000)])
    def test_rate_channels_and_name_all_count(self, other: Codec) -> None:
        assert find([other], PCMU) is None


class TestNumbering:
    def test_dynamic_numbers_are_free_ones_and_events_follow_each_clock_rate(self) -> None:
        codecs = numbered((OPUS, PCMU, G722), telephone_event=True)
        assert [(c.name, c.clock_rate, c.payload_type) for c in codecs] == [
            ("opus", 48000, 96),
            ("PCMU", 8000, 0),
            ("G722", 8000, 9),
            ("telephone-event", 48000, 101),
            ("telephone-event", 8000, 97),
        ]

    def test_numbers_already_taken_are_not_given_twice(self) -> None:
        codecs = numbered((Codec("a", 8000, 96), Codec("b", 8000, 101), Codec("c", 8000)), telephone_event=True)
        numbers = [c.payload_type for c in codecs]
        assert numbers == [96, 101, 97, 98]

    def test_without_telephone_event(self) -> None:
        assert numbered((PCMU,), telephone_event=False) == (PCMU,)


class TestConfiguredNames:
    def test_order_is_kept_and_case_does_not_matter(self) -> None:
        assert codecs_named(["pcma", "PCMU", "Opus", "G722", "PCMA"]) == (PCMA, PCMU, OPUS, G722)

    def test_an_unknown_name_is_named(self) -> None:
        with pytest.raises(ValueError, match="G729"):
            codecs_named(["PCMU", "G729"])
