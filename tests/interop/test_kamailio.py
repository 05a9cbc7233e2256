"""kamailio as registrar and proxy: our user agent registers with it, and calls and is called through it.

It routes for itself (Record-Route), asks for credentials and forks. Left out: TLS, whose module is a
package of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sip import (
    Answered,
    Credentials,
    HungUp,
    Progress,
    Registered,
    Registration,
    RegistrationFailed,
    RegistrationSettings,
    RegistrationState,
    Rejected,
    RemoteHangup,
    SipUri,
    Unregistered,
)
from tests.interop.baresip_phone import baresip
from tests.interop.kamailio_proxy import PASSWORD, Kamailio, kamailio
from tests.interop.our_phone import OurPhone, our_phone
from tests.interop.phones import VOICE
from tests.support.tones import read_wav, seconds_of, sine, wav

pytestmark = pytest.mark.interop

Program = Callable[[str], str]
Port = Callable[[], int]
US = Credentials("voylo", PASSWORD)


class Registrations:
    """A registration of ours, and what became of it."""

    def __init__(self, phone: OurPhone, proxy: Kamailio, password: str = PASSWORD) -> None:
        self.states: list[RegistrationState] = []
        self._changed = asyncio.Event()
        host, port = proxy.sip
        settings = RegistrationSettings(
            SipUri("sip", None, host="lab.test"),
            SipUri("sip", "voylo", host="lab.test"),
            Credentials("voylo", password),
            outbound_proxies=(SipUri("sip", None, host=host, port=port),),
        )
        self.registration: Registration = phone.agent.register(settings, self._on_state)

    def _on_state(self, state: RegistrationState) -> None:
        self.states.append(state)
        self._changed.set()

    async def wait(self, kind: type[RegistrationState], count: int = 1) -> RegistrationState:
        async with asyncio.timeout(10):
            while len(found := [state for state in self.states if isinstance(state, kind)]) < count:
                self._changed.clear()
                await self._changed.wait()
        return found[-1]


@pytest.fixture
async def we() -> AsyncIterator[OurPhone]:
    async with our_phone() as phone:
        yield phone


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    path.write_bytes(wav(sine(VOICE, 60)))
    return path


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_we_register_refresh_and_unregister_with_digest(
    we: OurPhone, program: Program, free_port: Port, tmp_path: Path, algorithm: str
) -> None:
    async with kamailio(program("kamailio"), tmp_path / "proxy", free_port, algorithm=algorithm) as proxy:
        ours = Registrations(we, proxy)
        state = await ours.wait(Registered)
        assert isinstance(state, Registered)
        assert (state.contact.host, state.contact.port) == we.sip
        assert 0 < state.expires <= 3600
        assert len(proxy.seen("REGISTER")) == 2, "the second one answers the challenge"
        ours.registration.refresh()
        await ours.wait(Registered, 2)
        assert len(proxy.seen("REGISTER")) == 3, "the nonce is used again, with a higher count"

        caller = we.call(f"sip:voylo@{proxy.address}")
        called = await we.called()
        await caller.wait(Answered)
        caller.call.hangup()
        await called.wait(RemoteHangup)

        ours.registration.stop()
        assert await ours.wait(Unregistered) == Unregistered(confirmed=True)
        gone = await we.call(f"sip:voylo@{proxy.address}").wait(Rejected)
        assert gone.status == 404


async def test_a_wrong_password_is_told(we: OurPhone, program: Program, free_port: Port, tmp_path: Path) -> None:
    async with kamailio(program("kamailio"), tmp_path / "proxy", free_port) as proxy:
        failed = await Registrations(we, proxy, "wrong-horse").wait(RegistrationFailed)
        assert isinstance(failed, RegistrationFailed)
        assert failed.status == 401
        assert (await we.call(f"sip:voylo@{proxy.address}").wait(Rejected)).status == 404


async def test_calls_go_both_ways_through_a_proxy_that_stays_in_them(
    we: OurPhone, program: Program, free_port: Port, tmp_path: Path, tone: Path
) -> None:
    """The proxy asks for credentials in both directions, and every request of the calls passes it (RFC 3261 §12.2)."""
    async with (
        kamailio(program("kamailio"), tmp_path / "proxy", free_port, challenges_calls=True) as proxy,
        baresip(
            program("baresip"), tmp_path / "phone", free_port, tone, user="anna", password=PASSWORD,
            registrar=proxy.address, transport="tcp", answers="auto",
        ) as phone,
    ):  # fmt: skip
        await proxy.bound("anna")
        await Registrations(we, proxy).wait(Registered)

        ours = we.call(f"sip:anna@{proxy.address}", credentials=US)
        ours.say(440)
        await ours.wait(Answered)
        await ours.hears(VOICE, 0.8)
        ours.hold()
        await ours.until(lambda: ours.direction == "sendonly")
        ours.call.hangup()
        assert (await ours.wait(HungUp)).status == 200
        await phone.wait_for("CALL_CLOSED")
        # Between TCP and UDP the proxy puts itself into the route twice (RFC 3261 §16.6, RFC 5658)
        ways = {"ACK": 2, "BYE": 1}
        for method, count in ways.items():
            inside = [seen for seen in proxy.seen(method) if seen.routes]
            assert [seen.routes for seen in inside] == [2] * count, method
            assert {seen.source for seen in inside} == {f"udp:{we.sip[1]}"}
        assert [seen.routes for seen in proxy.seen("INVITE")] == [0, 0, 2], "asked for, given, and on hold"
        heard = phone.heard()

        await phone.dial(f"sip:voylo@{proxy.address};transport=tcp")
        theirs = await we.called()
        await theirs.hears(VOICE)
        await phone.hang_up()
        await theirs.wait(RemoteHangup)
        assert [seen.routes for seen in proxy.seen("BYE")] == [2, 2]
        await phone.dial(f"sip:voylo@{proxy.address};transport=tcp")
        again = await we.called(2)
        again.call.hangup()
        assert (await again.wait(HungUp)).status == 200
        assert proxy.seen("BYE")[-1].source == f"udp:{we.sip[1]}"
        assert proxy.seen("BYE")[-1].routes == 2
    samples, rate = read_wav(heard)
    assert seconds_of(samples, 440, rate) >= 0.5


@contextlib.asynccontextmanager
async def two_phones(program: Program, port: Port, folder: Path, tone: Path) -> AsyncIterator[tuple[Kamailio, list]]:
    """Two baresips that are registered as the same user."""
    path = program("baresip")
    async with (
        kamailio(program("kamailio"), folder / "proxy", port) as proxy,
        baresip(path, folder / "one", port, tone, password=PASSWORD, registrar=proxy.address) as one,
        baresip(path, folder / "two", port, tone, password=PASSWORD, registrar=proxy.address) as two,
    ):
        await proxy.bound("anna", 2)
        yield proxy, [one, two]


async def test_both_phones_of_a_fork_ring_one_answers_and_the_other_is_cancelled(
    we: OurPhone, program: Program, free_port: Port, tmp_path: Path, tone: Path
) -> None:
    async with two_phones(program, free_port, tmp_path, tone) as (proxy, (one, two)):
        ours = we.call(f"sip:anna@{proxy.address}")
        await ours.until(lambda: len({event.fork for event in ours.all(Progress)}) == 2)
        assert {event.status for event in ours.all(Progress)} == {180}
        await one.command("accept")
        answered = await ours.wait(Answered)
        assert answered.fork in {event.fork for event in ours.all(Progress)}
        await two.wait_for("CALL_CLOSED")
        await ours.hears(VOICE)
        assert not two.all("CALL_ESTABLISHED")
        await one.hang_up()
        await ours.wait(RemoteHangup)
        assert len(ours.all(Answered)) == 1


async def test_of_two_phones_that_both_answer_one_is_kept_and_the_other_hung_up(
    we: OurPhone, program: Program, free_port: Port, tmp_path: Path, tone: Path
) -> None:
    """RFC 3261 §13.2.2.4. The proxy is halted while both phones pick up, so that no CANCEL comes before a 200."""
    async with two_phones(program, free_port, tmp_path, tone) as (proxy, phones):
        ours = we.call(f"sip:anna@{proxy.address}")
        await ours.until(lambda: len({event.fork for event in ours.all(Progress)}) == 2)
        with proxy.stopped():
            for phone in phones:
                await phone.command("accept")
                await phone.wait_for("CALL_LOCAL_SDP")
            await asyncio.sleep(0.1)  # the 200 has no event of its own
        await ours.wait(Answered)
        for phone in phones:
            await phone.wait_for("CALL_ESTABLISHED")
        await ours.until(lambda: any(phone.all("CALL_CLOSED") for phone in phones))
        await ours.hears(VOICE)
        assert sum(bool(phone.all("CALL_CLOSED")) for phone in phones) == 1
        assert (len(ours.all(Answered)), ours.call.ended) == (1, False)
        assert [seen.routes for seen in proxy.seen("BYE")] == [1]
        ours.call.hangup()
        assert (await ours.wait(HungUp)).status == 200
        for phone in phones:
            await phone.wait_for("CALL_CLOSED")


async def test_a_cancelled_fork_stops_ringing_everywhere(
    we: OurPhone, program: Program, free_port: Port, tmp_path: Path, tone: Path
) -> None:
    async with two_phones(program, free_port, tmp_path, tone) as (proxy, phones):
        ours = we.call(f"sip:anna@{proxy.address}")
        await ours.until(lambda: len({event.fork for event in ours.all(Progress)}) == 2)
        ours.call.hangup()
        assert (await ours.wait(Rejected)).status == 487
        for phone in phones:
            await phone.wait_for("CALL_CLOSED")
