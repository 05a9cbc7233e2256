"""What type checkers must take, and, where a comment says so, what they must not. Never run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from typing_extensions import assert_never, assert_type

import voylo
from voylo import ActionRequest, AsyncVoyloClient, Event, Speech, VoyloClient, VoyloResponse, events, models


def use(client: VoyloClient) -> None:
    """The client without async."""
    placed = client.calls.create(from_="+1", to="+2", application_id="a", variables={"a": 1})
    assert_type(placed, models.CallPlaced)
    assert_type(placed.public_id, str)
    for number in client.numbers.list(search="a"):
        assert_type(number, models.NumberOut)
        assert_type(number.label, "str | None")
    call = client.calls.get("cl_a1b2c3d4e5f6")
    assert_type(call, "models.PendingCall | models.CallRecord")
    if isinstance(call, models.PendingCall):
        assert_type(call.pending_status, Literal["dialing", "ringing", "answered"])
    else:
        assert_type(call.duration_s, int)
    assert_type(client.trunks.inbound.list(), "voylo.Items[models.InboundTrunkOut]")
    assert_type(client.recordings.get_audio("a"), bytes)
    client.applications.update("a", action_url=None, options={"timeout": 3, "max_retries": 0})
    client.numbers.import_(e164="+2004446", sip={"outbound": {"host": "sip.carrier.example"}})
    client.calls.create(from_="+1", to="+2")  # type: ignore[call-arg]
    client.numbers.update("a", colour="red")  # type: ignore[call-arg]
    client.numbers.get(1)  # type: ignore[arg-type]
    client.calls.list(direction="sideways")  # type: ignore[arg-type]
    client.numbers.import_(e164="+2004446", sip={"colour": "red"})  # type: ignore[arg-type]
    placed.status = "dialing"  # type: ignore[misc]


async def use_later(client: AsyncVoyloClient) -> None:
    """The client with async."""
    assert_type(await client.calls.create(from_="+1", to="+2", application_id="a"), models.CallPlaced)
    async for agent in client.agents.list():
        assert_type(agent, models.AgentOut)
    assert_type((await client.webhooks.list().first()).data, "list[models.WebhookOut]")
    print(client.calls.hangup("a").public_id)  # type: ignore[attr-defined]


def build() -> str:
    """Documents."""
    response = VoyloResponse()
    gather = response.gather(num_digits=1, input=["dtmf", "speech"], speech_timeout="auto")
    gather.say("a").pause(length=2)
    assert_type(response.say("a").dial("+20223456789", timeout=20), VoyloResponse)
    response.say(Speech("a").break_(time="1s").emphasis("b", level="strong"))
    response.dial(record=True, sip_headers={"X-A": "1"}).number("+20223456789", send_digits="1")
    response.dial().conference("room", beep="onEnter", muted=True)
    response.gather().dial("+20223456789")  # type: ignore[attr-defined]
    response.say("a", volume=3)  # type: ignore[call-arg]
    response.stream(track="both")  # type: ignore[call-arg]
    response.dial(strategy="random")  # type: ignore[call-overload]
    response.play(Speech("a"))  # type: ignore[arg-type]
    Speech().emphasis("a", level="very")  # type: ignore[arg-type]
    return str(response)


def told(event: Event) -> str:
    """Every event is one of these, and `event.event` tells which."""
    if isinstance(event, voylo.UnknownEvent):
        return event.name
    if event.event == "call.completed":
        assert_type(event, events.CallCompletedEvent)
        assert_type(event.duration_s, int)
        assert_type(event.routing_attempts, "list[events.EventAttempt]")
        return event.hangup_by
    if event.event == "webhook.test":
        return event.data.webhook_id
    if isinstance(event, events.CallPlacedEvent):
        assert_type(event.duration_s, "int | None")
        assert_type(event.from_, str)
    return event.event_id


def every(event: Event) -> None:
    """All classes there are."""
    match event:
        case (
            events.CallPlacedEvent()
            | events.CallReceivedEvent()
            | events.CallAnsweredEvent()
            | events.CallCompletedEvent()
            | events.CallFailedEvent()
        ):
            assert_type(event.public_id, str)
        case events.RecordingCompletedEvent():
            assert_type(event.recording_id, str)
            assert_type(event.recording_source, Literal["call", "record", "dial", "conference"])
            assert_type(event.duration_s, int)
        case events.TrunkDestinationDownEvent() | events.TrunkDestinationUpEvent():
            assert_type(event.data.state, Literal["up", "down"])
            assert_type(event.data.latency_ms, "int | None")
        case events.TrunkRegisteredEvent() | events.TrunkUnregisteredEvent():
            assert_type(event.data.source_ip, str)
        case events.NumberActivatedEvent():
            assert_type(event.data.e164, str)
        case events.RentalKycUpdatedEvent():
            assert_type(event.data.note, "str | None")
            print(event.data.e164)  # type: ignore[attr-defined]
        case events.WalletLowEvent():
            assert_type(event.data.balance, str)
        case events.WebhookTestEvent():
            assert_type(event.data.webhook_id, str)
        case voylo.UnknownEvent():
            assert_type(event.event_id, str)
        case _:
            assert_never(event)


def received(secrets: str | Sequence[str], body: bytes, header: str | None) -> ActionRequest:
    """What a server gets."""
    assert_type(voylo.verify_signature(secrets, body, header, tolerance=60), bool)
    assert_type(voylo.receive_event(secrets, body, header), "Event")
    call = voylo.receive_action(secrets, body, header)
    assert_type(call.digits, "str | None")
    assert_type(call.call_sid, str)
    voylo.receive_event(secrets, "text", header)  # type: ignore[arg-type]
    return call


def failed(error: voylo.VoyloError) -> list[str]:
    """What an error tells."""
    if isinstance(error, voylo.TooManyRequestsError):
        assert_type(error.retry_after, "int | None")
    return [each.field for each in error.fields] if isinstance(error, voylo.VoyloApiError) else []
