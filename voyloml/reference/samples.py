"""A small document for each verb, with a call to it: what the reference pages show and the tests run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from voyloml.simulate import (
    Caller,
    QueueScript,
    Setting,
    Simulated,
    StreamScript,
    World,
    answers,
    never_answers,
    simulate,
)

_HANGUP = "<Response><Hangup/></Response>"


@dataclass(frozen=True, slots=True)
class Sample:
    """A document, the answers of its application by path, and the call."""

    document: str
    caller: Caller = field(default_factory=Caller)
    world: World = field(default_factory=World)
    pages: Mapping[str, str] = field(default_factory=dict)
    setting: Setting = field(default_factory=Setting)

    def simulated(self) -> Simulated:
        """The call, simulated."""
        return simulate(self.document, app=dict(self.pages), caller=self.caller, world=self.world, setting=self.setting)


SAMPLES: Final[Mapping[str, Sample]] = {
    "Play": Sample(
        """\
<Response>
  <Play>https://example.com/welcome.wav</Play>
  <Play digits="1w2"/>
</Response>
"""
    ),
    "Say": Sample(
        """\
<Response>
  <Say language="en-GB">Welcome. <break time="1s"/> How can we help?</Say>
</Response>
"""
    ),
    "Gather": Sample(
        """\
<Response>
  <Gather numDigits="1" timeout="5" action="/pressed">
    <Say>Press 1 for sales, press 2 for support.</Say>
  </Gather>
  <Say>We heard nothing. Good bye.</Say>
</Response>
""",
        caller=Caller().wait_for_prompt().press("2"),
        pages={"/pressed": "<Response><Say>Support is on its way.</Say></Response>"},
    ),
    "Dial": Sample(
        """\
<Response>
  <Dial timeout="20" record="true" action="/done">
    <Number>+20223456789</Number>
    <Sip>sip:desk@example.com</Sip>
  </Dial>
</Response>
""",
        world=World(parties={"+20223456789": never_answers(), "sip:desk@example.com": answers(4, hangs_up_after=30)}),
        pages={"/done": _HANGUP},
    ),
    "Record": Sample(
        """\
<Response>
  <Say>Please leave a message after the tone.</Say>
  <Record maxLength="60" finishOnKey="#" action="/recorded"/>
  <Say>We heard no message.</Say>
</Response>
""",
        caller=Caller().wait_for("Record").silent(1).say("Please call me back today").press("#"),
        pages={"/recorded": "<Response><Say>Thank you.</Say></Response>"},
    ),
    "Conference": Sample(
        """\
<Response>
  <Conference startConferenceOnEnter="true" hangupOnStar="true" action="/left">Team meeting</Conference>
</Response>
""",
        caller=Caller().silent(60).press("*"),
        pages={"/left": "<Response><Say>You have left the meeting.</Say></Response>"},
    ),
    "Hangup": Sample("<Response>\n  <Say>Good bye.</Say>\n  <Hangup/>\n</Response>\n"),
    "Reject": Sample('<Response>\n  <Reject reason="busy"/>\n</Response>\n'),
    "Redirect": Sample(
        "<Response>\n  <Redirect>/closed</Redirect>\n</Response>\n",
        pages={"/closed": "<Response><Say>We are closed.</Say></Response>"},
    ),
    "Pause": Sample(
        '<Response>\n  <Say>One moment.</Say>\n  <Pause length="3"/>\n  <Say>Here we are.</Say>\n</Response>\n'
    ),
    "PreAnswer": Sample(
        """\
<Response>
  <PreAnswer>
    <Say>All our lines are busy. This announcement is free of charge.</Say>
  </PreAnswer>
  <Reject reason="busy"/>
</Response>
"""
    ),
    "Stream": Sample(
        """\
<Response>
  <Say>You are talking to a machine.</Say>
  <Stream url="wss://example.com/agent" bidirectional="true">
    <Parameter name="customer" value="4711"/>
  </Stream>
  <Say>Good bye.</Say>
</Response>
""",
        world=World(streams={"*": StreamScript(closes_after=45)}),
    ),
    "Connect": Sample(
        """\
<Response>
  <Connect action="/after">
    <Stream url="wss://example.com/agent"/>
  </Connect>
</Response>
""",
        world=World(streams={"*": StreamScript(closes_after=45)}),
        pages={"/after": _HANGUP},
    ),
    "Start": Sample(
        """\
<Response>
  <Start>
    <Stream url="wss://example.com/transcript" track="both_tracks"/>
  </Start>
  <Say>This call is being transcribed.</Say>
</Response>
"""
    ),
    "Refer": Sample(
        """\
<Response>
  <Say>You are being transferred.</Say>
  <Refer action="/transferred">
    <Sip>sip:desk@example.com</Sip>
  </Refer>
</Response>
""",
        pages={"/transferred": _HANGUP},
    ),
    "Enqueue": Sample(
        """\
<Response>
  <Enqueue waitUrl="/waiting" action="/served">support</Enqueue>
</Response>
""",
        world=World(queues={"support": QueueScript(ahead=2, taken_after=20, talk=60)}),
        pages={
            "/waiting": "<Response><Say>Please hold the line.</Say><Pause length='9'/></Response>",
            "/served": _HANGUP,
        },
    ),
    "Leave": Sample(
        """\
<Response>
  <Enqueue waitUrl="/waiting">support</Enqueue>
  <Say>We will call you back.</Say>
</Response>
""",
        caller=Caller().wait_for_prompt().press("1"),
        pages={
            "/waiting": "<Response><Gather numDigits='1' action='/leave'>"
            "<Say>Press 1 to be called back.</Say></Gather></Response>",
            "/leave": "<Response><Leave/></Response>",
        },
    ),
    "SendDigits": Sample(
        "<Response>\n  <SendDigits>1ww2</SendDigits>\n</Response>\n",
        setting=Setting(direction="outbound"),
    ),
}
"""By verb."""
