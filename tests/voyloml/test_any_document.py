"""Any document at all, of the language or near it: the linter never raises, and a call through it ends by itself.

Documents are drawn from the verb table with values right and wrong; the caller, the parties and the application are
drawn too.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.voyloml.scripted import UNHURRIED
from voyloml import lint
from voyloml.simulate import (
    Caller,
    ConferenceScript,
    QueueScript,
    Setting,
    StreamScript,
    World,
    answers,
    busy,
    declines,
    never_answers,
    simulate,
    unreachable,
)
from voyloml.verbs import BY_NAME

VALUES = st.sampled_from([
    "", "0", "1", "3", "600", "true", "false", "#", "*", "12", "w1", "dtmf speech", "speech", "sequential", "real",
    "auto", "enable", "detectMessageEnd", "busy", "GET", "/a", "/b", "wss://a.example/s", "https://b.example/x",
    "ftp://x/", "X-A=1", "sip:a@b.example", "{{x}}", "é", "inbound_track",
])  # fmt: skip
TEXTS = st.sampled_from(
    ["", "+20223456789", "sip:a@b.example", "hello there", "/a", "/b", "support", "1w2", "&lt;", "]]&gt;"]
)
NAMES = [*BY_NAME, "Pay", "break", "Nope"]


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> str:
    name = draw(st.sampled_from(NAMES))
    spec = BY_NAME.get(name)
    known = [attribute.name for attribute in spec.attributes] if spec is not None else []
    chosen = draw(st.lists(st.sampled_from([*known, "nope", "statusCallback"]), max_size=3, unique=True))
    attributes = "".join(f' {one}="{draw(VALUES)}"' for one in chosen)
    children = [child for child in BY_NAME if spec is not None and BY_NAME[child].name in spec.child_by_name]
    inside = draw(TEXTS)
    if depth and children and draw(st.booleans()):
        inside = "".join(draw(st.lists(elements(depth=depth - 1), max_size=3)))
    return f"<{name}{attributes}>{inside}</{name}>"


DOCUMENTS = st.lists(elements(), max_size=5).map(lambda verbs: f"<Response>{''.join(verbs)}</Response>")
KEYS = st.text("0123456789*#", max_size=4)
ACTS = st.lists(st.tuples(st.floats(0, 60), KEYS), max_size=4)
PARTIES = st.sampled_from([
    answers(2, hangs_up_after=9), answers(3, presses="1"), answers(0, hangs_up_after=0), busy(), declines(),
    never_answers(), unreachable(), answers(1, machine=True, hangs_up_after=3),
])  # fmt: skip


@UNHURRIED
@given(DOCUMENTS)
def test_the_linter_reports_and_never_raises(document: str) -> None:
    found = lint(document)
    assert found.valid is not bool(found.errors)
    for finding in (*found.errors, *found.warnings):
        assert finding.line == 1
        assert document[finding.column - 1] == "<"
        assert finding.message


@UNHURRIED
@given(DOCUMENTS, DOCUMENTS, ACTS, PARTIES, st.none() | st.floats(0, 120), st.booleans())
def test_a_call_ends_by_itself_whatever_the_documents_say(
    first: str,
    second: str,
    acts: list[tuple[float, str]],
    party: object,
    hang_up: float | None,
    outbound: bool,
) -> None:
    caller = Caller()
    for at, keys in sorted(acts):
        caller = caller.at(at).press(keys).say("yes")
    if hang_up is not None:
        caller = caller.hang_up(at=hang_up)
    world = World(
        parties={"*": party},  # type: ignore[dict-item]
        conferences={"*": ConferenceScript(ends_after=30)},
        queues={"*": QueueScript(taken_after=20)},
        streams={"*": StreamScript(closes_after=20)},
    )
    setting = Setting(direction="outbound" if outbound else "inbound", call_seconds=900)
    ran = simulate(first, app={"/a": second, "/b": "<Response/>"}, caller=caller, world=world, setting=setting)
    assert ran.ended in {"completed", "hangup", "rejected", "application_error", "caller", "time_limit"}
    assert ran.seconds <= 1000
    rung = [moment.text for moment in ran.timeline.of("party")]
    assert sum("is dialled" in text for text in rung) == sum(
        text.endswith(("is cancelled", "is hung up", "hangs up")) or " gives " in text for text in rung
    )
