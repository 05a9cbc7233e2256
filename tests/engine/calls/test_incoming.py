"""Contract §14.2: each row of the table of refusals, and the ways in, with real INVITEs on loopback."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from engine.calls.addresses import normalise_called
from engine.phone import PhoneNumberError
from sip import Credentials, OfferAnswered, OfferRejected, ReferFailed, SipUri
from sip.sdp import accept_answer, make_offer, parse_sdp
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.phone import PCMA, PCMU, Phone, a_phone, parameters
from tests.support.tones import level, seconds_of

ANSWER = '<Response><Play digits="w"/><Hangup/></Response>'
HOLD = "<Response><Pause length='60'/></Response>"


@pytest.fixture
async def engine(tmp_path: Path):
    async with running_engine(tmp_path) as started:
        yield started


@pytest.fixture
async def phone():
    async with a_phone() as started:
        yield started


class TestRefusals:
    async def test_an_unknown_number_is_404_and_leaves_no_record(self, engine: TestEngine, phone: Phone) -> None:
        rejected = await phone.call("+15550199", engine.sip).rejected()
        assert rejected.status == 404
        assert await engine.calls() == []

    async def test_a_number_open_to_nobody_is_403_and_leaves_no_record(self, engine: TestEngine, phone: Phone) -> None:
        await engine.number("+15550100", await engine.application(xmlTemplate=ANSWER), sip={})
        assert (await phone.call("+15550100", engine.sip).rejected()).status == 403
        assert await engine.calls() == []

    async def test_a_foreign_address_is_403_even_with_the_right_password(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        sip = {"allowedSourceIps": ["203.0.113.0/24"], "auth": {"username": "anna", "password": "correct-horse"}}
        await engine.number("+15550100", await engine.application(xmlTemplate=ANSWER), sip=sip)
        call = phone.call("+15550100", engine.sip, credentials=Credentials("anna", "correct-horse"))
        assert (await call.rejected()).status == 403
        assert await engine.calls() == []

    async def test_no_credentials_are_401_and_bad_ones_403(self, engine: TestEngine, phone: Phone) -> None:
        sip = {"auth": {"username": "anna", "password": "correct-horse"}}
        await engine.number("+15550100", await engine.application(xmlTemplate=ANSWER), sip=sip)
        assert (await phone.call("+15550100", engine.sip).rejected()).status == 401
        wrong = phone.call("+15550100", engine.sip, credentials=Credentials("anna", "wrong-horse"))
        assert (await wrong.rejected()).status == 403
        assert await engine.calls() == []

    async def test_credentials_that_cannot_be_read_are_400_once_and_nothing_is_kept(self, engine: TestEngine) -> None:
        sip = {"auth": {"username": "anna", "password": "correct-horse"}}
        await engine.number("+15550100", await engine.application(xmlTemplate=ANSWER), sip=sip)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.setblocking(False)
            loop = asyncio.get_running_loop()
            host, port = engine.process.user_agent.bound["udp"][0]
            text = (
                f"INVITE sip:+15550100@{host} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{stranger.getsockname()[1]};branch=z9hG4bKbad;rport\r\n"
                f"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:+15550100@{host}>\r\nCall-ID: bad\r\nCSeq: 1 INVITE\r\n"
                "Contact: <sip:a@127.0.0.1>\r\nMax-Forwards: 70\r\nAuthorization: Digest x\r\nContent-Length: 0\r\n\r\n"
            )
            await loop.sock_sendto(stranger, text.encode(), (host, port))
            async with asyncio.timeout(5):
                answer = await loop.sock_recv(stranger, 4096)
        assert answer.startswith(b"SIP/2.0 400 ")
        assert engine.process.user_agent._core.layer.server_count == 0
        assert await engine.calls() == []

    async def test_address_and_password_together_must_both_hold(self, engine: TestEngine, phone: Phone) -> None:
        sip = {"allowedSourceIps": ["127.0.0.1"], "auth": {"username": "anna", "password": "correct-horse"}}
        await engine.number("+15550100", await engine.application(xmlTemplate=ANSWER), sip=sip)
        assert (await phone.call("+15550100", engine.sip).rejected()).status == 401
        call = phone.call("+15550100", engine.sip, credentials=Credentials("anna", "correct-horse"))
        await call.answered()
        await call.hung_up()

    async def test_a_number_switched_off_inbound_is_403_and_recorded(self, engine: TestEngine, phone: Phone) -> None:
        application = await engine.application(xmlTemplate=ANSWER)
        await engine.number("+15550100", application, inboundEnabled=False)
        assert (await phone.call("+15550100", engine.sip).rejected()).status == 403
        record = await engine.ended_call()
        assert (record["outcome"], record["sipCode"], record["hangupBy"]) == ("rejected", 403, "platform")
        assert record["media"] == []

    async def test_a_number_without_destination_is_480_and_recorded(self, engine: TestEngine, phone: Phone) -> None:
        await engine.number("+15550100", None)
        assert (await phone.call("+15550100", engine.sip).rejected()).status == 480
        record = await engine.ended_call()
        assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("failed", "application_error", 480)
        assert record["destinationKind"] == "none"

    async def test_a_number_whose_application_was_deleted_is_480(self, engine: TestEngine, phone: Phone) -> None:
        application = await engine.application(xmlTemplate=ANSWER)
        await engine.number("+15550100", application)
        assert (await engine.client.delete(f"/v1/applications/{application['id']}")).status_code == 204
        assert (await phone.call("+15550100", engine.sip).rejected()).status == 480
        record = await engine.ended_call()
        assert (record["outcome"], record["hangupCause"]) == ("failed", "application_error")

    async def test_a_draining_engine_is_503_with_retry_after_and_leaves_no_record(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        await engine.number("+15550100", await engine.application(xmlTemplate=ANSWER))
        engine.process.user_agent.draining = True
        rejected = await phone.call("+15550100", engine.sip).rejected()
        assert rejected.status == 503
        assert rejected.headers.get("Retry-After") is not None
        assert await engine.calls() == []


class TestMedia:
    VIDEO = (
        b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        b"m=video 4000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    )
    G729 = (
        b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        b"m=audio 4000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n"
    )

    @pytest.mark.parametrize(
        ("offer", "code", "text"),
        [(VIDEO, 304, "no audio offered"), (G729, 305, "media line 1: no codec in common")],
        ids=["no audio", "unknown codec"],
    )
    async def test_an_offer_with_nothing_in_common_is_488_and_a_warning_says_why(
        self, engine: TestEngine, phone: Phone, offer: bytes, code: int, text: str
    ) -> None:
        await engine.number("+15550100", await engine.application(xmlTemplate=ANSWER))
        rejected = await phone.call("+15550100", engine.sip, body=offer).rejected()
        assert rejected.status == 488
        assert rejected.headers.get("Warning") == f'{code} 127.0.0.1 "{text}"'
        record = await engine.ended_call()
        assert (record["outcome"], record["sipCode"]) == ("failed", 488)

    async def test_calls_share_few_ports_and_one_that_nothing_tells_from_another_is_503(
        self, tmp_path: Path, phone: Phone
    ) -> None:
        async with (
            running_engine(tmp_path / "ports", media={"rtp_ports": "22000-22003"}) as engine,
            Flow({"/menu": '<Response><Play loop="0">/tone-440.wav</Play></Response>'}) as flow,
        ):
            await engine.number("+15550100", await engine.application(actionUrl=flow.url("/menu")))
            calls = [phone.call("+15550100", engine.sip) for _ in range(6)]
            for call in calls:
                await call.answered()
                await call.hears(440)
            assert {call.session.parameters.remote_port for call in calls if call.session.parameters} == {22000, 22002}
            # The same address once more on the other port, and then nowhere.
            await phone.call("+15550100", engine.sip, body=bytes(calls[0].offer)).answered()
            with capture_logs() as lines:
                assert (await phone.call("+15550100", engine.sip, body=bytes(calls[0].offer)).rejected()).status == 503
        (said,) = [line for line in lines if line["event"] == "media.ports_exhausted"]
        assert (said["log_level"], said["hint"]) == ("error", "widen media.rtp_ports")
        assert said["reason"]


class TestOffers:
    async def test_an_invite_without_sdp_gets_our_offer_and_hears_after_its_answer(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with Flow({"/menu": '<Response><Play loop="0">/tone-440.wav</Play></Response>'}) as flow:
            await engine.number("+15550100", await engine.application(actionUrl=flow.url("/menu")))
            call = phone.call("+15550100", engine.sip, body=b"")
            await call.hears(440)
            assert call.negotiated is not None and call.negotiated.codec.name == "PCMU"
            call.outgoing.hangup()
            await engine.ended_call()

    async def test_a_reinvite_changes_codec_holds_and_resumes_and_a_bad_one_leaves_all_as_it_was(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with Flow({"/menu": '<Response><Play loop="0">/tone-440.wav</Play></Response>'}) as flow:
            await engine.number("+15550100", await engine.application(actionUrl=flow.url("/menu")))
            call = phone.call("+15550100", engine.sip, codecs=(PCMU,))
            await call.hears(440)

            held = await call.reinvites(make_offer(replace(call.local, direction="sendonly"), previous=call.offer))
            assert isinstance(held, OfferAnswered) and b"a=recvonly" in (held.body or b"")
            packets = call.session.statistics().packets_in
            await asyncio.sleep(0.3)
            assert call.session.statistics().packets_in - packets <= 2, "nothing is sent to a phone on hold"

            refused = await call.reinvites(parse_sdp(TestMedia.G729))
            assert isinstance(refused, OfferRejected) and refused.status == 488

            alaw = replace(call.local, codecs=(PCMA,))
            offer = make_offer(alaw, previous=call.offer)
            resumed = await call.reinvites(offer)
            assert isinstance(resumed, OfferAnswered)
            call.session.start(parameters(accept_answer(offer, parse_sdp(resumed.body or b""), alaw)))
            before = seconds_of(call.heard, 440)
            await call.hears(440, before + 0.5)

            longer = bytes(make_offer(alaw, previous=offer)).replace(b"a=ptime:20", b"a=ptime:40")
            assert b"a=ptime:40" in longer
            agreed = await call.reinvites(parse_sdp(longer))
            assert isinstance(agreed, OfferAnswered)
            before, packets = seconds_of(call.heard, 440), call.session.statistics().packets_in
            await call.hears(440, before + 0.6)
            assert 10 <= call.session.statistics().packets_in - packets <= 22, "25 a second, as the phone likes them"
            call.outgoing.hangup()
            record = await engine.ended_call()
            assert record["outcome"] == "answered"
            entries = (await engine.client.get(f"/v1/calls/{record['publicId']}/events")).json()
            (media,) = [entry["data"] for entry in entries if entry["type"] == "media"]
            assert 4 < media["mos"] < 4.5 and media["depthMs"] >= 20 and media["lost"] <= 3, media
            (kept,) = record["media"]
            assert kept == {"leg": None} | {name: media[name] for name in kept if name != "leg"}
            assert {"lost", "jitterMs", "roundTripMs", "mos", "remoteMos"} < kept.keys()

    async def test_a_number_that_requires_encryption_refuses_a_plain_offer(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        outbound = {"host": "sip.carrier.example", "mediaEncryption": "required"}
        sip = {"allowedSourceIps": ["127.0.0.0/8"], "outbound": outbound}
        await engine.number("+15550100", await engine.application(xmlTemplate=ANSWER), sip=sip)
        rejected = await phone.call("+15550100", engine.sip).rejected()
        assert rejected.status == 488
        assert rejected.headers.get("Warning") == '302 127.0.0.1 "media line 1: encrypted media is required"'

    async def test_sdp_that_cannot_be_read_is_400(self, engine: TestEngine, phone: Phone) -> None:
        await engine.number("+15550100", await engine.application(xmlTemplate=ANSWER))
        rejected = await phone.call("+15550100", engine.sip, body=b"v=0\r\nm=audio x RTP/AVP 0\r\n").rejected()
        assert (rejected.status, rejected.reason) == (400, "SDP line 2: malformed media port")

    async def test_a_host_name_for_a_media_address_is_488_and_not_looked_up(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        offer = TestMedia.G729.replace(b"IN IP4 127.0.0.1\r\nt", b"IN IP4 media.example.com\r\nt").replace(b"18", b"0")
        await engine.number("+15550100", await engine.application(xmlTemplate=ANSWER))
        assert (await phone.call("+15550100", engine.sip, body=offer).rejected()).status == 488


class TestNumbersCalled:
    @pytest.mark.parametrize(
        "user",
        ["+15550100", "15550100", "0015550100", "1-555-0100", "15550100;phone-context=example"],
    )
    def test_plus_is_optional_and_a_leading_00_is_plus(self, user: str) -> None:
        assert normalise_called(user) == "+15550100"

    @pytest.mark.parametrize("user", ["anna", "", "+", "00", "0155", "+1555010012345678"])
    def test_what_is_no_number_is_refused(self, user: str) -> None:
        with pytest.raises(PhoneNumberError):
            normalise_called(user)

    async def test_a_call_reaches_its_number_without_plus(self, engine: TestEngine, phone: Phone) -> None:
        await engine.number("+15550100", await engine.application(xmlTemplate=ANSWER))
        call = phone.call("0015550100", engine.sip)
        await call.answered()
        await call.hung_up()
        assert (await engine.ended_call())["to"] == "+15550100"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("Diversion", "<sip:+15550177@carrier.example>;reason=no-answer;counter=1")], "+15550177"),
        (
            [
                ("History-Info", "<sip:+15550177@carrier.example>;index=1"),
                ("History-Info", "<sip:+15550100@voice.example;cause=486>;index=1.1"),
            ],
            "+15550177",
        ),
        ([("Diversion", "<sip:+15550177@carrier.example>;privacy=full")], None),
        ([], None),
    ],
    ids=["Diversion", "History-Info", "private", "neither"],
)
async def test_an_application_is_told_who_forwarded_the_call(
    engine: TestEngine, phone: Phone, headers: list[tuple[str, str]], expected: str | None
) -> None:
    documents = {"/start": "<Response><Redirect>/next</Redirect></Response>", "/next": "<Response><Hangup/></Response>"}
    async with Flow(documents) as flow:
        await engine.number("+15550100", await engine.application(actionUrl=flow.url("/start")))
        phone.call("+15550100", engine.sip, headers=headers)
        for path in documents:
            assert (await flow.wait_for(path)).form.get("ForwardedFrom") == expected
        assert (await engine.ended_call())["from"] == "+15550123"


async def test_calls_at_once_do_not_hear_each_other(engine: TestEngine, phone: Phone) -> None:
    """Three numbers, three tones: each caller hears exactly its own."""
    tones = {"+15550101": 400, "+15550102": 700, "+15550103": 1000}
    documents = {
        f"/{hertz}": f'<Response><Play loop="0">/tone-{hertz}.wav</Play></Response>' for hertz in tones.values()
    }
    async with Flow(documents) as flow:
        calls = {}
        for number, hertz in tones.items():
            await engine.number(number, await engine.application(actionUrl=flow.url(f"/{hertz}")))
            calls[hertz] = phone.call(number, engine.sip)
        for hertz, call in calls.items():
            await call.hears(hertz, 1.0)
        for hertz, call in calls.items():
            call.outgoing.hangup()
            for other in set(tones.values()) - {hertz}:
                assert level(call.heard, other) < 0.01
        await engine.ended_call()
        assert {record["hangupBy"] for record in await engine.calls()} == {"caller"}


async def test_a_caller_who_wants_to_transfer_us_is_told_at_once_that_we_do_not(tmp_path: Path) -> None:
    async with a_phone() as phone, running_engine(tmp_path / "data") as engine:
        application = await engine.application(xmlTemplate='<Response><Say loop="0">Hello.</Say></Response>')
        await engine.number("+15550100", application)
        call = phone.call("+15550100", engine.sip)
        await call.answered()
        call.outgoing.refer(SipUri.parse("sip:somebody@example.com"))
        await call._until(lambda: call.has(ReferFailed), 5)
        (failed,) = [event for event in call.events if isinstance(event, ReferFailed)]
        assert failed.status == 603
        call.outgoing.hangup()
        ended = await engine.ended_call()
        assert (ended["outcome"], ended["hangupBy"]) == ("answered", "caller")
