"""SRTP by SDES on live calls (RFC 4568, contract §14.1): a phone that encrypts with pylibsrtp, heard both ways."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from engine.calls.call import Call
from media.kernel import keys as kernel_keys
from sip import OfferAnswered, OfferRejected
from tests.media.srtp_support import count_contexts
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import a_phone
from tests.support.shared_engine import MANY_REQUESTS, clear
from tests.support.srtp_phone import PROFILES, Crypto, SrtpPhone, an_srtp_phone
from tests.support.tones import level, seconds_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
MENU = """
<Response>
  <Gather numDigits="1" timeout="10" action="/pressed"><Play loop="0">/tone-440.wav</Play></Gather>
</Response>
"""
PRESSED = "<Response><Play>/tone-880.wav</Play><Hangup/></Response>"
CM_80, CM_32, GCM_128, GCM_256 = PROFILES


SETTINGS = {"log": {"level": "debug"}, "limits": MANY_REQUESTS}


@pytest_asyncio.fixture(loop_scope="module")
async def engine(shared: TestEngine) -> AsyncIterator[TestEngine]:
    async with Flow({"/menu": MENU, "/pressed": PRESSED}) as flow:
        shared.flow = flow  # type: ignore[attr-defined]
        await shared.number(NUMBER, await shared.application(actionUrl=flow.url("/menu")))
        yield shared
        await clear(shared)


@pytest_asyncio.fixture(loop_scope="module")
async def phone() -> AsyncIterator[SrtpPhone]:
    async with an_srtp_phone() as started:
        yield started


class Ear:
    """What the engine hears of a call, after decryption and jitter buffer."""

    def __init__(self, engine: TestEngine) -> None:
        call: Call
        (call,) = engine.process.switchboard
        self.session = call.leg.session
        self.leg = call.leg
        self._frames: list[NDArray[np.int16]] = []
        self.session.tap(lambda frame: self._frames.append(frame.copy()))

    @property
    def samples(self) -> NDArray[np.int16]:
        return np.concatenate(self._frames) if self._frames else np.zeros(0, np.int16)

    def forget(self) -> None:
        self._frames.clear()


@pytest.mark.parametrize("suite", PROFILES)
async def test_both_sides_hear_each_other_keys_and_reports_arrive(
    engine: TestEngine, phone: SrtpPhone, suite: str
) -> None:
    call = await phone.talk(NUMBER, engine.sip, suite)
    ear = Ear(engine)
    await call.hears(440)
    await call.until(lambda: seconds_of(ear.samples, 1000) >= 0.5)
    call.report()
    await call.until(lambda: ear.session.statistics().remote_lost == 3)
    call.press(7)
    pressed = await engine.flow.wait_for("/pressed")  # type: ignore[attr-defined]
    await call.hears(880)
    await call.hung_up()
    await call.until(lambda: bool(call.reports))

    assert call.engine is not None
    assert (call.engine.profile, [crypto.tag for crypto in call.engine.cryptos]) == ("RTP/SAVP", [1])
    assert pressed.form["Digits"] == "7"
    assert level(ear.samples, 440) < 0.01
    assert level(call.heard(), 1000) < 0.01
    assert call.undecryptable == 0
    assert call.reports[-1][1] in {200, 201}
    assert struct.pack("!BB", 0x81, 203) in call.reports[-1], "the goodbye is encrypted too"
    assert (await engine.ended_call())["outcome"] == "answered"


class TestAnswer:
    @pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/AVP", "RTP/SAVPF"])
    async def test_it_is_the_first_suite_of_the_peer_that_we_have_in_the_peers_profile(
        self, engine: TestEngine, phone: SrtpPhone, profile: str
    ) -> None:
        cryptos = (Crypto.new(3, "F8_128_HMAC_SHA1_80"), Crypto.new(9, GCM_256), Crypto.new(1, CM_80))
        call = phone.call(NUMBER, engine.sip, cryptos, profile)
        answer = call.use(await call.answered(), cryptos)
        assert answer.profile == profile
        assert [(crypto.tag, crypto.suite) for crypto in answer.cryptos] == [(9, GCM_256)]
        assert answer.cryptos[0].key not in {crypto.key for crypto in cryptos}
        call.say(1000)
        await call.hears(440)

    @pytest.mark.parametrize(
        "cryptos",
        [(), (Crypto.new(1, "F8_128_HMAC_SHA1_80"),), (Crypto(1, CM_80, bytes(16)),), (Crypto(1, GCM_256, bytes(46)),)],
    )
    async def test_a_secure_line_that_has_no_suite_of_ours_is_488(
        self, engine: TestEngine, phone: SrtpPhone, cryptos: tuple[Crypto, ...]
    ) -> None:
        rejected = await phone.call(NUMBER, engine.sip, cryptos).rejected()
        assert rejected.status == 488
        assert rejected.headers.get("Warning") == '302 127.0.0.1 "media line 1: no usable SRTP key"'

    async def test_an_optional_line_that_has_no_suite_of_ours_is_plain(
        self, engine: TestEngine, phone: SrtpPhone
    ) -> None:
        cryptos = (Crypto.new(1, "F8_128_HMAC_SHA1_80"),)
        call = phone.call(NUMBER, engine.sip, cryptos, "RTP/AVP")
        answer = call.use(await call.answered(), cryptos)
        assert (answer.profile, answer.cryptos) == ("RTP/AVP", ())
        await call.hears(440)

    async def test_a_number_that_requires_encryption_offers_and_takes_nothing_else(
        self, engine: TestEngine, phone: SrtpPhone
    ) -> None:
        outbound = {"host": "sip.carrier.example", "mediaEncryption": "required"}
        sip = {"allowedSourceIps": ["127.0.0.0/8"], "outbound": outbound}
        await engine.number("+15550101", await engine.application(xmlTemplate=MENU), sip=sip)
        await engine.number(
            "+15550102",
            await engine.application(actionUrl=engine.flow.url("/menu")),  # type: ignore[attr-defined]
            sip=sip,
        )
        assert (await phone.call("+15550101", engine.sip, (), "RTP/AVP").rejected()).status == 488
        late = phone.call("+15550102", engine.sip, None)
        offered = await late.answered()
        lines = [line for line in offered.decode().splitlines() if line.startswith("a=crypto:")]
        assert [line.split()[1] for line in lines] == [CM_80, GCM_128, GCM_256, CM_32]
        ours = Crypto.new(3, GCM_256)
        late.outgoing.acknowledge(late.offer((ours,)))
        late.use(b"\r\n".join([offered.partition(b"a=crypto")[0].rstrip(), lines[2].encode(), b""]), (ours,))
        late.say(1000)
        ear = Ear(engine)
        await late.hears(440)
        await late.until(lambda: seconds_of(ear.samples, 1000) >= 0.5)


class TestRotation:
    @pytest.mark.parametrize(("before", "after"), [(CM_80, CM_80), (GCM_128, GCM_128), (CM_32, GCM_256)])
    async def test_new_keys_in_mid_call(self, engine: TestEngine, phone: SrtpPhone, before: str, after: str) -> None:
        call = await phone.talk(NUMBER, engine.sip, before)
        ear = Ear(engine)
        await call.hears(440)
        first = call.engine
        for _ in range(3):
            answer = await call.rotate(after)
            assert first is not None
            assert answer.cryptos[0].key != first.cryptos[0].key
            first = answer
            call.forget()
            ear.forget()
            await call.hears(440)
            await call.until(lambda: seconds_of(ear.samples, 1000) >= 0.5)
        statistics = ear.session.statistics()
        assert statistics.lost == 0
        assert statistics.dropped["authentication"] == 0, "what came under the old key was still taken"
        assert statistics.remote is not None

    async def test_a_hold_with_the_same_keys_goes_on_under_them(self, engine: TestEngine, phone: SrtpPhone) -> None:
        cryptos = (Crypto.new(1, CM_80),)
        call = phone.call(NUMBER, engine.sip, cryptos)
        answer = call.use(await call.answered(), cryptos)
        call.say(1000)
        ear = Ear(engine)
        await call.hears(440)
        for direction in ("sendonly", "sendrecv"):
            held = await call.reinvite(call.offer(cryptos, direction=direction))
            assert isinstance(held, OfferAnswered)
            assert base64.b64encode(answer.cryptos[0].key) in (held.body or b"")
        call.forget()
        await call.hears(440)
        assert call.undecryptable == 0
        assert ear.session.statistics().dropped["authentication"] == 0

    async def test_a_change_to_a_suite_we_lack_is_488_and_the_call_goes_on(
        self, engine: TestEngine, phone: SrtpPhone
    ) -> None:
        call = await phone.talk(NUMBER, engine.sip, CM_80)
        await call.hears(440)
        refused = await call.reinvite(call.offer((Crypto.new(1, "F8_128_HMAC_SHA1_80"),)))
        assert isinstance(refused, OfferRejected)
        assert refused.status == 488
        call.forget()
        await call.hears(440)
        assert call.undecryptable == 0

    async def test_contexts_do_not_outlive_their_calls(
        self, engine: TestEngine, phone: SrtpPhone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alive = count_contexts(monkeypatch)
        for _ in range(3):
            call = await phone.talk(NUMBER, engine.sip, GCM_128)
            await call.hears(440, 0.2)
            await call.rotate(GCM_128)
            assert alive
            call.outgoing.hangup()
            await engine.ended_call()
            assert alive == set()
        assert kernel_keys.SRTP_SUITES == (CM_80, CM_32, GCM_128, GCM_256)


async def test_forged_plain_and_repeated_packets_are_counted_and_nothing_else(
    engine: TestEngine, phone: SrtpPhone
) -> None:
    call = await phone.talk(NUMBER, engine.sip, CM_80)
    ear = Ear(engine)
    await call.hears(440)
    before = ear.session.statistics()
    repeated = call.sent[-20:]
    for number in range(50):
        header = struct.pack("!BBHII", 0x80, 0, 5000 + number, number * 160, 0x5EC0DE)
        call.send(header + bytes(170))
        call.send(header[:8] + struct.pack("!I", number) + bytes(160))
    for packet in repeated:
        call.send(packet)
    await call.until(lambda: ear.session.statistics().dropped["authentication"] >= 100)
    ear.forget()
    await call.until(lambda: seconds_of(ear.samples, 1000) >= 0.5)
    after = ear.session.statistics()
    assert (after.remote, after.lost, after.late, after.dropped_foreign) == (before.remote, 0, before.late, 0)
    assert (after.dropped["authentication"], after.dropped["replay"], after.duplicates) == (100, 20, 0)
    call.press(1)
    await call.hung_up()


async def test_no_key_is_ever_logged(
    engine: TestEngine, phone: SrtpPhone, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    call = await phone.talk(NUMBER, engine.sip, CM_80)
    await call.hears(440, 0.2)
    await call.rotate(GCM_256)
    await call.reinvite(call.offer((Crypto(1, CM_80, b"\xa5" * 16),)))
    call.outgoing.hangup()
    record = await engine.ended_call()
    log = await engine.client.get(f"/v1/calls/{record['id']}/log")
    out, err = capfd.readouterr()
    written = out + err + caplog.text + log.text + repr(record)
    assert "call.ended" in written
    assert len(call.keys_seen) == 5
    for key in call.keys_seen:
        for form in (base64.b64encode(key).decode()[:20], key.hex()[:24], repr(key)[2:30]):
            assert form not in written


async def test_a_plain_phone_is_served_as_before(engine: TestEngine) -> None:
    async with a_phone() as plain:
        call = plain.call(NUMBER, engine.sip)
        await call.hears(440)
        ear = Ear(engine)
        assert ear.leg.negotiated is not None
        assert ear.leg.negotiated.srtp is None
