"""SRTP in offer and answer (RFC 4568 §7, RFC 8643): which key is taken, what policy refuses, what stays and changes."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from sip.sdp import (
    PCMA,
    PCMU,
    SUITES,
    LocalAudio,
    MediaEncryption,
    NegotiatedAudio,
    SdpRejected,
    SessionDescription,
    accept_answer,
    answer_offer,
    make_offer,
    parse_sdp,
)
from sip.sdp.crypto import AEAD_AES_256_GCM, AES_CM_128_HMAC_SHA1_32, AES_CM_128_HMAC_SHA1_80, CryptoAttribute

PLAIN = LocalAudio("192.0.2.100", 10000, (PCMU, PCMA), session_id=77)
ABLE = replace(PLAIN, srtp=SUITES)
OPTIONAL = replace(ABLE, media_encryption=MediaEncryption.OPTIONAL)
REQUIRED = replace(ABLE, media_encryption=MediaEncryption.REQUIRED)

A = base64.b64encode(b"a" * 30).decode()
B = base64.b64encode(b"b" * 30).decode()
GCM = base64.b64encode(b"g" * 44).decode()
CRYPTO_80 = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{A}"
CRYPTO_32 = f"a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{B}|2^20|1:4"
UNKNOWN = f"a=crypto:3 F8_128_HMAC_SHA1_80 inline:{A}"
SAVP = "m=audio 4000 RTP/SAVP 0"
AVP = "m=audio 4000 RTP/AVP 0"


def sdp(*lines: str) -> SessionDescription:
    head = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0"]
    return parse_sdp("\r\n".join([*head, *lines, ""]))


def agree(*lines: str, local: LocalAudio = ABLE) -> tuple[SessionDescription, NegotiatedAudio]:
    return answer_offer(sdp(*lines), local)


def crypto(description: SessionDescription, place: int = 0) -> CryptoAttribute:
    (value,) = description.media[place].crypto
    return CryptoAttribute.parse(value)


class TestAnswer:
    @pytest.mark.parametrize("protocol", ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP", "RTP/AVPF"])
    @pytest.mark.parametrize("local", [ABLE, OPTIONAL, REQUIRED], ids=["disabled", "optional", "required"])
    def test_an_offer_of_srtp_is_accepted_whatever_we_would_offer(self, protocol: str, local: LocalAudio) -> None:
        answer, agreed = agree(f"m=audio 4000 {protocol} 0", CRYPTO_80, local=local)
        assert answer.media[0].protocol == agreed.protocol == protocol
        assert agreed.srtp is not None
        assert agreed.srtp.suite == AES_CM_128_HMAC_SHA1_80
        assert agreed.srtp.receive.key_salt == b"a" * 30
        assert agreed.srtp.send.key_salt not in {b"a" * 30, bytes(30)}
        assert crypto(answer).keys == (agreed.srtp.send,)

    def test_the_first_usable_line_is_taken_under_its_tag(self) -> None:
        answer, agreed = agree(SAVP, UNKNOWN, CRYPTO_80 + " UNENCRYPTED_SRTP", "a=crypto:x", CRYPTO_32)
        assert agreed.srtp is not None
        assert agreed.srtp.suite == AES_CM_128_HMAC_SHA1_32
        assert (crypto(answer).tag, crypto(answer).suite_name) == (2, "AES_CM_128_HMAC_SHA1_32")

    def test_the_peers_lifetime_and_mki_are_kept_and_not_made_ours(self) -> None:
        answer, agreed = agree(SAVP, CRYPTO_32 + " WSH=128")
        assert agreed.srtp is not None
        assert (agreed.srtp.receive.lifetime, agreed.srtp.receive.mki is not None) == (1 << 20, True)
        assert (agreed.srtp.send.lifetime, agreed.srtp.send.mki, crypto(answer).parameters) == (None, None, ())

    def test_of_two_lines_with_one_tag_the_first_counts(self) -> None:
        _, agreed = agree(SAVP, CRYPTO_80, CRYPTO_80.replace(A, B))
        assert agreed.srtp is not None
        assert agreed.srtp.receive.key_salt == b"a" * 30

    def test_only_suites_that_the_media_session_has(self) -> None:
        local = replace(ABLE, srtp=(AES_CM_128_HMAC_SHA1_32,))
        answer, _ = agree(SAVP, CRYPTO_80, CRYPTO_32, local=local)
        assert crypto(answer).tag == 2

    @pytest.mark.parametrize("lines", [(SAVP,), (SAVP, UNKNOWN), (SAVP, "a=crypto:1 nonsense"), (SAVP, "a=crypto")])
    def test_a_secure_profile_without_a_usable_key_is_488(self, lines: tuple[str, ...]) -> None:
        with pytest.raises(SdpRejected) as caught:
            agree(*lines)
        assert (caught.value.status, caught.value.warning, caught.value.medium) == (488, 302, 1)

    def test_while_srtp_cannot_be_served_it_is_488_and_an_optional_offer_is_plain(self) -> None:
        with pytest.raises(SdpRejected):
            agree(SAVP, CRYPTO_80, local=PLAIN)
        answer, agreed = agree(AVP, CRYPTO_80, local=PLAIN)
        assert agreed.srtp is None
        assert answer.media[0].crypto == ()

    def test_an_optional_offer_without_a_usable_key_is_plain(self) -> None:
        answer, agreed = agree(AVP, UNKNOWN)
        assert (agreed.srtp, answer.media[0].crypto) == (None, ())

    @pytest.mark.parametrize("lines", [(AVP,), (AVP, UNKNOWN)])
    @pytest.mark.parametrize("local", [REQUIRED, replace(REQUIRED, srtp=())])
    def test_required_refuses_plain_with_488(self, lines: tuple[str, ...], local: LocalAudio) -> None:
        with pytest.raises(SdpRejected, match="encrypted media is required") as caught:
            agree(*lines, local=local)
        assert caught.value.status == 488

    def test_of_two_lines_for_one_stream_the_first_that_can_be_spoken(self) -> None:
        both = (SAVP, CRYPTO_80, "m=audio 4002 RTP/AVP 0")
        secure, _ = agree(*both)
        assert [m.port for m in secure.media] == [10000, 0]
        plain, agreed = agree(*both, local=PLAIN)
        assert [m.port for m in plain.media] == [0, 10000]
        assert agreed.srtp is None
        required, _ = agree("m=audio 4002 RTP/AVP 0", SAVP, CRYPTO_80, local=REQUIRED)
        assert [m.port for m in required.media] == [0, 10000]


class TestOffer:
    def test_disabled_is_plain(self) -> None:
        (medium,) = make_offer(ABLE).media
        assert (medium.protocol, medium.crypto) == ("RTP/AVP", ())

    @pytest.mark.parametrize(("local", "protocol"), [(OPTIONAL, "RTP/AVP"), (REQUIRED, "RTP/SAVP")])
    def test_every_suite_has_a_tag_and_a_key_of_its_own(self, local: LocalAudio, protocol: str) -> None:
        (medium,) = make_offer(local).media
        lines = [CryptoAttribute.parse(value) for value in medium.crypto]
        assert medium.protocol == protocol
        assert [line.suite for line in lines] == list(SUITES)
        assert [line.tag for line in lines] == [1, 2, 3, 4, 5]
        assert all(line.usable for line in lines)
        assert len({line.keys[0].key_salt[:16] for line in lines}) == 5

    def test_each_offer_has_new_keys(self) -> None:
        assert make_offer(OPTIONAL).media[0].crypto != make_offer(OPTIONAL).media[0].crypto

    def test_optional_without_srtp_is_plain_and_required_is_refused(self) -> None:
        (medium,) = make_offer(replace(OPTIONAL, srtp=())).media
        assert (medium.protocol, medium.crypto) == ("RTP/AVP", ())
        with pytest.raises(SdpRejected):
            make_offer(replace(REQUIRED, srtp=()))


class TestAcceptedAnswer:
    @pytest.mark.parametrize("caller", [OPTIONAL, REQUIRED])
    @pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
    def test_each_sends_with_the_key_that_the_other_expects(self, caller: LocalAudio, suite: object) -> None:
        offer = make_offer(caller)
        reply, theirs = answer_offer(offer, replace(ABLE, srtp=tuple(s for s in SUITES if s is suite)))
        ours = accept_answer(offer, reply, caller)
        assert ours.srtp is not None
        assert theirs.srtp is not None
        assert ours.srtp.suite == theirs.srtp.suite == suite
        assert (ours.srtp.send, ours.srtp.receive) == (theirs.srtp.receive, theirs.srtp.send)

    def test_a_plain_answer_to_an_optional_offer_is_plain(self) -> None:
        assert accept_answer(make_offer(OPTIONAL), sdp(AVP), OPTIONAL).srtp is None

    def test_a_secure_profile_in_answer_to_an_optional_offer_is_srtp(self) -> None:
        offer = make_offer(replace(OPTIONAL, srtp=(AES_CM_128_HMAC_SHA1_80,)))
        agreed = accept_answer(offer, sdp(SAVP, CRYPTO_80), OPTIONAL)
        assert agreed.srtp is not None

    @pytest.mark.parametrize(
        "lines",
        [
            (AVP,),
            (SAVP,),
            (SAVP, UNKNOWN),
            (SAVP, CRYPTO_80.replace("crypto:1", "crypto:9")),
            (SAVP, CRYPTO_80.replace("crypto:1", "crypto:2")),
            (SAVP, CRYPTO_80 + " UNENCRYPTED_SRTP"),
        ],
    )
    def test_required_takes_nothing_without_a_key_that_fits(self, lines: tuple[str, ...]) -> None:
        with pytest.raises(SdpRejected):
            accept_answer(make_offer(REQUIRED), sdp(*lines), REQUIRED)

    @pytest.mark.parametrize("line", [UNKNOWN, CRYPTO_80.replace("crypto:1", "crypto:9"), "a=crypto:1 nonsense"])
    def test_a_key_that_does_not_fit_is_not_taken_for_plain(self, line: str) -> None:
        with pytest.raises(SdpRejected):
            accept_answer(make_offer(OPTIONAL), sdp(AVP, line), OPTIONAL)

    @pytest.mark.parametrize("lines", [(SAVP, CRYPTO_80), ("m=audio 4000 UDP/TLS/RTP/SAVPF 0",)])
    def test_srtp_in_answer_to_a_plain_offer_is_rejected(self, lines: tuple[str, ...]) -> None:
        with pytest.raises(SdpRejected):
            accept_answer(make_offer(ABLE), sdp(*lines), ABLE)

    def test_keys_nobody_asked_for_change_nothing(self) -> None:
        assert accept_answer(make_offer(ABLE), sdp(AVP, CRYPTO_80), ABLE).srtp is None


class TestLaterOffers:
    def test_a_hold_of_ours_keeps_profile_and_keys(self) -> None:
        for local in (OPTIONAL, REQUIRED):
            first = make_offer(local)
            held = make_offer(local.holding(), previous=first)
            assert held.media[0].protocol == first.media[0].protocol
            assert held.media[0].crypto == first.media[0].crypto
            assert held.media[0].direction == "sendonly"
            assert make_offer(local, previous=first) == first

    def test_what_was_answered_with_srtp_is_offered_with_srtp_again(self) -> None:
        answer, agreed = agree("m=audio 4000 RTP/SAVPF 0", CRYPTO_32, local=ABLE)
        again = make_offer(ABLE, previous=answer)
        assert again.media[0].protocol == "RTP/SAVPF"
        assert again.media[0].crypto == answer.media[0].crypto
        assert agreed.srtp is not None

    def test_a_plain_session_stays_plain_unless_srtp_is_required(self) -> None:
        answer, _ = agree(AVP)
        assert make_offer(OPTIONAL, previous=answer).media[0].crypto == ()
        assert make_offer(REQUIRED, previous=answer).media[0].protocol == "RTP/SAVP"

    def test_our_key_stays_while_the_peers_does(self) -> None:
        first, agreed = agree(SAVP, CRYPTO_80)
        again, _ = answer_offer(sdp(SAVP, CRYPTO_80), ABLE, previous=first, in_force=agreed)
        assert again == first

    @pytest.mark.parametrize("line", [CRYPTO_80.replace(A, B), CRYPTO_80.replace("_80", "_32")])
    def test_a_peer_with_a_new_key_or_suite_gets_a_new_one(self, line: str) -> None:
        first, before = agree(SAVP, CRYPTO_80)
        _, after = answer_offer(sdp(SAVP, line), ABLE, previous=first, in_force=before)
        assert before.srtp is not None
        assert after.srtp is not None
        assert after.srtp.send != before.srtp.send

    def test_another_tag_for_the_same_key_is_mirrored(self) -> None:
        first, before = agree(SAVP, CRYPTO_80)
        again, after = answer_offer(
            sdp(SAVP, CRYPTO_80.replace("crypto:1", "crypto:7")), ABLE, previous=first, in_force=before
        )
        assert crypto(again).tag == 7
        assert before.srtp is not None
        assert after.srtp is not None
        assert after.srtp.send == before.srtp.send


class TestSecrecy:
    def test_no_repr_shows_a_key(self) -> None:
        offer = sdp(SAVP, f"a=crypto:1 AEAD_AES_256_GCM inline:{GCM}", "a=ice-pwd:asd88fgpdd777uzjYhagZg")
        answer, agreed = answer_offer(offer, ABLE)
        assert agreed.srtp is not None
        assert agreed.srtp.suite == AEAD_AES_256_GCM
        ours = base64.b64encode(agreed.srtp.send.key_salt).decode()
        for value in (offer, answer, agreed, answer.media[0], make_offer(REQUIRED)):
            assert GCM not in repr(value)
            assert ours not in repr(value)
            assert "inline" not in repr(value)
            assert "asd88" not in repr(value)
        assert ours in str(answer)
