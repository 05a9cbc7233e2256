"""Reading descriptions: what phones really send is taken, what could hurt is refused with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import SipParseError
from sip.sdp.description import Connection, MediaDescription, Origin, SessionDescription
from sip.sdp.parser import (
    MAX_SDP_ATTRIBUTES,
    MAX_SDP_BYTES,
    MAX_SDP_FORMATS,
    MAX_SDP_LINE,
    MAX_SDP_LINES,
    MAX_SDP_MEDIA,
    SdpLimits,
    parse_sdp,
)

FIXTURES = Path(__file__).resolve().parents[2] / "../shared/fixtures"

HEAD = "v=0\r\no=alice 1 2 IN IP4 192.0.2.1\r\ns=-\r\n"
PHONE = (
    HEAD + "c=IN IP4 192.0.2.1\r\nb=AS:80\r\nt=0 0\r\na=tool:x\r\n"
    "m=audio 4000 RTP/AVP 0 101\r\nb=TIAS:64000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)


class TestWhatIsRead:
    def test_a_phones_offer(self) -> None:
        assert parse_sdp(PHONE.encode()) == SessionDescription(
            Origin("alice", "1", "2", "192.0.2.1"),
            (
                MediaDescription(
                    "audio",
                    4000,
                    "RTP/AVP",
                    ("0", "101"),
                    bandwidth=(("TIAS", 64000),),
                    attributes=(("rtpmap", "101 telephone-event/8000"), ("sendrecv", None)),
                ),
            ),
            connection=Connection("192.0.2.1"),
            bandwidth=(("AS", 80),),
            attributes=(("tool", "x"),),
        )

    def test_text_and_bytes_read_alike(self) -> None:
        assert parse_sdp(PHONE) == parse_sdp(PHONE.encode())

    def test_each_medium_has_its_own_lines(self) -> None:
        session = parse_sdp(
            HEAD + "t=0 0\r\nm=audio 1 RTP/AVP 0\r\nc=IN IP4 192.0.2.7\r\na=x\r\nm=video 2 RTP/AVP 31\r\na=y\r\n"
        )
        first, second = session.media
        assert (first.connection, first.attributes) == (Connection("192.0.2.7"), (("x", None),))
        assert (second.connection, second.attributes) == (None, (("y", None),))
        assert session.attributes == ()

    def test_the_time_of_the_session_is_kept_for_the_answer(self) -> None:
        assert parse_sdp(HEAD + "t=3900000001 3900000999\r\n").timing == "3900000001 3900000999"

    def test_the_highest_port_and_a_line_without_formats(self) -> None:
        (medium,) = parse_sdp(HEAD + "m=audio 65535 RTP/AVP\r\n").media
        assert (medium.port, medium.formats) == (65535, ())

    def test_ports_with_a_count(self) -> None:
        (medium,) = parse_sdp(HEAD + "m=audio 4000/2 RTP/AVP 0\r\n").media
        assert (medium.port, medium.port_count) == (4000, 2)

    @pytest.mark.parametrize(
        ("line", "connection"),
        [
            ("IN IP6 2001:db8::20", Connection("2001:db8::20", "IP6")),
            ("IN IP6 [2001:db8::20]", Connection("2001:db8::20", "IP6")),
            ("IN IP4 2001:db8::20", Connection("2001:db8::20", "IP6")),
            ("in ip4 192.0.2.1", Connection("192.0.2.1")),
            ("IN IP4 224.2.1.1/127/3", Connection("224.2.1.1")),
            ("IN IP4 media.example.com", Connection("media.example.com")),
            ("IN IP6 media.example.com", Connection("media.example.com", "IP6")),
            ("IN IP4 0.0.0.0", Connection("0.0.0.0")),
        ],
    )
    def test_connection_addresses(self, line: str, connection: Connection) -> None:
        assert parse_sdp(HEAD + f"c={line}\r\n").connection == connection


class TestLenience:
    @pytest.mark.parametrize(
        "text",
        [
            PHONE.replace("\r\n", "\n"),
            PHONE + "\r\n\r\n",
            PHONE.rstrip("\r\n"),
            PHONE.replace("a=sendrecv", "a=sendrecv  "),
            PHONE.replace("s=-\r\n", ""),
            PHONE.replace("s=-", "s="),
            PHONE.replace("t=0 0\r\n", ""),
            PHONE.replace("t=0 0\r\n", "t=now\r\n"),
            PHONE.replace(
                "t=0 0\r\n", "i=x\r\nu=http://x/\r\ne=x@y\r\np=1\r\nt=0 0\r\nr=1 2 3\r\nz=1 2\r\nk=clear:x\r\ny=?\r\n"
            ),
            PHONE.replace("t=0 0\r\n", "\r\nt=0 0\r\n"),
            PHONE.replace(
                "c=IN IP4 192.0.2.1\r\nb=AS:80\r\nt=0 0", "t=0 0\r\nb=AS:80\r\nb=nonsense\r\nc=IN IP4 192.0.2.1"
            ),
            PHONE.replace("a=tool:x\r\n", "a=tool:x\r\na=\r\n"),
            PHONE.replace("m=audio", "m=AUDIO"),
        ],
    )
    def test_sloppy_text_reads_as_the_clean_one(self, text: str) -> None:
        assert parse_sdp(text) == parse_sdp(PHONE)

    def test_an_origin_without_user_name_and_one_with_spaces(self) -> None:
        assert parse_sdp("v=0\no=1 2 IN IP4 h\n").origin == Origin("-", "1", "2", "h")
        assert parse_sdp("v=0\no=my phone 1 2 IN IP4 h\n").origin == Origin("my phone", "1", "2", "h")

    def test_octets_that_are_not_utf8_leave_as_they_came(self) -> None:
        session = parse_sdp(HEAD.replace("s=-", "s=B").encode() + b"a=x:caf\xe9\r\n")
        assert b"a=x:caf\xe9\r\n" in bytes(session)

    def test_no_cut_of_the_text_within_its_last_line_fails(self) -> None:
        last = PHONE + "m=video 7100 RTP/AVP 120"
        for end in range(len(PHONE), len(last)):
            session = parse_sdp(last[:end])
            assert session.media[0] == parse_sdp(PHONE).media[0]

    @pytest.mark.parametrize(
        "stump", ["m", "m=", "m=vid", "m=video 6", "c=IN", "c=IN IP4", "c=IN IP4 192.", "b", "a", "a=", "xyz"]
    )
    def test_a_stump_of_a_line_at_the_end_is_left_out(self, stump: str) -> None:
        assert parse_sdp(PHONE + stump) == parse_sdp(PHONE)


class TestRefusal:
    @pytest.mark.parametrize(
        ("text", "line", "field"),
        [
            ("o=a 1 2 IN IP4 h\r\n", 1, "v="),
            ("v=1\r\no=a 1 2 IN IP4 h\r\n", 1, "v="),
            ("hello\r\nthere\r\n", 1, "v="),
            (HEAD + "v=0\r\n", 4, "v="),
            (HEAD + "o=a 1 2 IN IP4 h\r\n", 4, "o="),
            ("v=0\r\no=a 1 2 IN IP4\r\n", 2, "o="),
            ("v=0\r\no=a 1 2 XX IP4 h\r\n", 2, "o="),
            ("v=0\r\no=a " + "1" * 65 + " 2 IN IP4 h\r\n", 2, "o="),
            (HEAD + "c=IN IP4\r\n", 4, "c="),
            (HEAD + "c=IN IP4 300.0.0.1\r\n", 4, "c="),
            (HEAD + "c=IN IP4 fe80::1%1\r\n", 4, "c="),
            (HEAD + "c=TN RFC2543 +1-201-406-4090\r\n", 4, "c="),
            (HEAD + "m=audio\r\n", 4, "m="),
            (HEAD + "m=audio x RTP/AVP 0\r\n", 4, "m="),
            (HEAD + "m=audio 65536 RTP/AVP 0\r\n", 4, "m="),
            (HEAD + "m=audio -1 RTP/AVP 0\r\n", 4, "m="),
            (HEAD + "m=audio ٤ RTP/AVP 0\r\n", 4, "m="),
            (HEAD + "m=audio 1/0 RTP/AVP 0\r\n", 4, "m="),
            (HEAD + 'm=au"dio 1 RTP/AVP 0\r\n', 4, "m="),
            (HEAD + "m=audio 1 RTP:AVP 0\r\n", 4, "m="),
            (HEAD + "m=audio 1 RTP/AVP \x07\r\n", 4, "m="),
            (HEAD + "nonsense\r\na=x\r\n", 4, "sdp"),
            (HEAD + "a\r\na=x\r\n", 4, "sdp"),
        ],
    )
    def test_broken_grammar_names_its_line(self, text: str, line: int, field: str) -> None:
        with pytest.raises(SipParseError, match=f"SDP line {line}: ") as caught:
            parse_sdp(text)
        assert caught.value.field == field

    @pytest.mark.parametrize(
        "data",
        [
            "",
            "\r\n\r\n",
            b"",
            "v=0\r\ns=-\r\n",
            PHONE.replace("tool:x", "tool:x\0"),
            PHONE.replace("tool:x", "to\rol:x"),
            "v=0\n\ud800",
        ],
    )
    def test_no_description_at_all(self, data: str | bytes) -> None:
        with pytest.raises(SipParseError) as caught:
            parse_sdp(data)
        assert caught.value.status == 400

    @pytest.mark.parametrize(
        "text", [PHONE.replace("v=0", "v=1"), PHONE.replace("c=IN IP4 192.0.2.1", "c=ATM NSAP 47.0091")]
    )
    def test_what_is_well_formed_and_not_for_us_is_488(self, text: str) -> None:
        with pytest.raises(SipParseError) as caught:
            parse_sdp(text)
        assert caught.value.status == 488

    def test_the_reason_repeats_nothing_the_peer_wrote(self) -> None:
        with pytest.raises(SipParseError) as caught:
            parse_sdp(HEAD + "m=audio SECRET RTP/AVP 0\r\n")
        assert "SECRET" not in str(caught.value)


class TestLimits:
    def refused(self, text: str, limits: SdpLimits | None = None) -> bool:
        try:
            parse_sdp(text, limits) if limits else parse_sdp(text)
        except SipParseError:
            return True
        return False

    def test_bytes(self) -> None:
        filler = ("b=AS:" + "1" * 1017 + "\r\n") * 15
        room = MAX_SDP_BYTES - len(HEAD) - len(filler) - len("s=\r\n")
        assert not self.refused(HEAD + filler + "s=" + "x" * room + "\r\n")
        assert self.refused(HEAD + filler + "s=" + "x" * (room + 1) + "\r\n")
        assert self.refused(HEAD + filler + "s=" + "é" * (room // 2 + 1) + "\r\n")

    def test_lines(self) -> None:
        assert not self.refused(HEAD + "i=x\r\n" * (MAX_SDP_LINES - 3))
        assert not self.refused(HEAD + "i=x\r\n" * (MAX_SDP_LINES - 3) + "\r\n" * 9)
        assert self.refused(HEAD + "i=x\r\n" * (MAX_SDP_LINES - 2))
        assert self.refused(HEAD + "\n" * MAX_SDP_LINES + "i=x\r\n")

    def test_the_length_of_a_line(self) -> None:
        assert not self.refused(HEAD + "a=" + "x" * (MAX_SDP_LINE - 2) + "\r\n")
        with pytest.raises(SipParseError, match="SDP line 4: longer than") as caught:
            parse_sdp(HEAD + "a=" + "x" * (MAX_SDP_LINE - 1) + "\r\n")
        assert caught.value.status == 400

    def test_attributes_of_all_sections_together(self) -> None:
        half = "a=x\r\n" * (MAX_SDP_ATTRIBUTES // 2)
        assert not self.refused(HEAD + half + "m=audio 1 RTP/AVP 0\r\n" + half)
        with pytest.raises(SipParseError, match=f"SDP line {5 + MAX_SDP_ATTRIBUTES}: more than"):
            parse_sdp(HEAD + half + "m=audio 1 RTP/AVP 0\r\n" + half + "a=x\r\n")

    def test_media(self) -> None:
        assert not self.refused(HEAD + "m=audio 1 RTP/AVP 0\r\n" * MAX_SDP_MEDIA)
        assert self.refused(HEAD + "m=audio 1 RTP/AVP 0\r\n" * (MAX_SDP_MEDIA + 1) + "a=x\r\n")

    def test_formats(self) -> None:
        assert not self.refused(HEAD + "m=audio 1 RTP/AVP" + " 0" * MAX_SDP_FORMATS + "\r\n")
        assert self.refused(HEAD + "m=audio 1 RTP/AVP" + " 0" * (MAX_SDP_FORMATS + 1) + "\r\n")

    def test_they_can_be_configured(self) -> None:
        for limits in (
            SdpLimits(sdp_bytes=50),
            SdpLimits(sdp_lines=5),
            SdpLimits(sdp_line=30),
            SdpLimits(sdp_attributes=2),
            SdpLimits(sdp_media=0),
            SdpLimits(sdp_formats=1),
        ):
            assert self.refused(PHONE, limits)


LINES = st.one_of(
    st.sampled_from(PHONE.split("\r\n")),
    st.sampled_from(
        ["c=IN IP6 2001:db8::1", "m=video 0 RTP/AVP 31", "m=audio 9/2 RTP/SAVPF", "t=1 2", "s=x y", "o=1 2 IN IP4 h"]
    ),
    st.builds("{}={}".format, st.sampled_from("abcmostvz"), st.text(max_size=40)),
)


class TestProperties:
    @given(st.one_of(st.binary(max_size=300), st.text(max_size=200)))
    def test_no_input_raises_anything_but_a_parse_error(self, data: bytes | str) -> None:
        try:
            parse_sdp(data)
        except SipParseError:
            return

    @given(st.lists(LINES, max_size=12), st.sampled_from(["\r\n", "\n"]), st.booleans())
    def test_what_was_read_is_written_and_read_the_same(self, lines: list[str], end: str, terminated: bool) -> None:
        text = HEAD + end.join(lines) + (end if terminated else "")
        try:
            session = parse_sdp(text)
        except SipParseError:
            return
        assert parse_sdp(bytes(session)) == session
        assert parse_sdp(str(session)) == session

    @given(st.lists(LINES, max_size=8), st.integers(0, 200))
    def test_every_typed_view_of_what_was_read_is_safe(self, lines: list[str], cut: int) -> None:
        try:
            session = parse_sdp((HEAD + "\r\n".join(lines))[: len(HEAD) + cut])
        except SipParseError:
            return
        for medium in session.media:
            assert session.direction_for(medium) in {"sendrecv", "sendonly", "recvonly", "inactive"}
            assert all(0 <= pt <= 999 for pt in medium.rtpmaps)
            views = (medium.fmtps, medium.ptime, medium.maxptime, medium.rtcp, medium.rtcp_mux, medium.crypto)
            assert len(views) == 6


class TestTortureMessages:
    @pytest.mark.parametrize("name", ["rfc4475", "rfc5118"])
    def test_the_descriptions_in_them_read_as_far_as_content_length_goes(self, name: str) -> None:
        folder = FIXTURES / name
        if not folder.is_dir():
            pytest.skip(f"test data not found: ../shared/fixtures/{name}")
        read = 0
        for file, entry in json.loads((folder / "expected.json").read_text()).items():
            head, _, body = (
                (folder / file).read_bytes().partition(b"\r\n\r\n") if isinstance(entry, dict) else (b"", b"", b"")
            )
            if b"application/sdp" not in head or not body.startswith(b"v=0") or entry.get("parse") != "ok":
                continue
            session = parse_sdp(body[: entry.get("content_length", len(body))])
            assert session.media[0].kind == "audio"
            read += 1
        assert read
