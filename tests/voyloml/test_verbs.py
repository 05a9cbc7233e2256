"""The verb table against contract §10.3–10.8, written out again: names, defaults, ranges, nesting, answering."""

from __future__ import annotations

import pytest

from tests.voyloml.scripted import short_id
from voyloml import lint
from voyloml.binding import Binder, Bound
from voyloml.interpreter import DIALLED_CONFERENCE, RUNNERS
from voyloml.parser import parse_document
from voyloml.schema import ElementSpec
from voyloml.verbs import BY_NAME, ELEMENTS, VERB_NAMES, parents_of

# What each element needs around and inside it to be valid with the attribute under test.
FRAMES = {
    "Play": "<Play {}>https://a.example/x.wav</Play>",
    "Say": "<Say {}>hello</Say>",
    "Pause": "<Pause {}/>",
    "Wait": "<Wait {}/>",
    "Gather": "<Gather {}/>",
    "Dial": "<Dial {}>+20223456789</Dial>",
    "Number": "<Dial><Number {}>+20223456789</Number></Dial>",
    "Sip": "<Dial><Sip {}>sip:a@example.com</Sip></Dial>",
    "Agent": "<Dial><Agent {}>ann</Agent></Dial>",
    "User": "<Dial><User {}>ann</User></Dial>",
    "Client": "<Dial><Client {}>ann</Client></Dial>",
    "Identity": "<Dial><Client><Identity {}>ann</Identity></Client></Dial>",
    "Trunk": "<Dial><Trunk {}>agents</Trunk></Dial>",
    "Queue": "<Dial><Queue {}>support</Queue></Dial>",
    "Conference": "<Conference {}>room</Conference>",
    "Record": "<Record {}/>",
    "Hangup": "<Hangup {}/>",
    "Reject": "<Reject {}/>",
    "Redirect": "<Redirect {}>https://a.example/next</Redirect>",
    "PreAnswer": "<PreAnswer {}/>",
    "SendDigits": "<SendDigits {}>1ww2</SendDigits>",
    "Refer": "<Refer {}>sip:a@example.com</Refer>",
    "Enqueue": "<Enqueue {}>support</Enqueue>",
    "Leave": "<Leave {}/>",
    "Stream": '<Stream url="wss://a.example/s" {}/>',
    "Connect": '<Connect {}><Stream url="wss://a.example/s"/></Connect>',
    "Start": '<Start {}><Stream url="wss://a.example/s"/></Start>',
    "Parameter": '<Stream url="wss://a.example/s"><Parameter {}/></Stream>',
}

URL = "https://a.example/x?a=1"
ACTION = {"action": None, "method": "POST"}
DEFAULTS: dict[str, dict[str, object]] = {
    "Play": {"loop": 1, "digits": None},
    "Say": {"voice": None, "language": "en-US", "loop": 1},
    "Pause": {"length": 1},
    "Gather": ACTION
    | {
        "input": ("dtmf",),
        "numDigits": None,
        "timeout": 5,
        "finishOnKey": "#",
        "validDigits": "0123456789*#",
        "bargeIn": True,
        "speechTimeout": "auto",
        "language": "en-US",
        "hints": None,
        "partialResultCallback": None,
        "partialResultCallbackMethod": "POST",
        "actionOnEmptyResult": False,
    },
    "Dial": ACTION
    | {
        "timeout": 30,
        "timeLimit": 14400,
        "callerId": None,
        "confirmSound": None,
        "confirmKey": None,
        "confirmTimeout": 10,
        "strategy": "simultaneous",
        "answerOnBridge": False,
        "hangupOnStar": False,
        "record": False,
        "dialMusic": None,
        "machineDetection": "none",
        "machineDetectionTimeout": 30,
        "sipHeaders": None,
    },
    "Number": {"sendDigits": None},
    "Sip": {"username": None, "password": None, "headers": None},
    "Agent": {},
    "Identity": {},
    "Connect": ACTION,
    "Start": {},
    "Trunk": {},
    "Queue": {},
    "Record": ACTION
    | {
        "maxLength": 3600,
        "timeout": 5,
        "finishOnKey": "1234567890*#",
        "playBeep": True,
        "trim": "trim-silence",
        "recordingStatusCallback": None,
    },
    "Conference": ACTION
    | {
        "muted": False,
        "beep": "true",
        "startConferenceOnEnter": True,
        "endConferenceOnExit": False,
        "maxParticipants": 50,
        "waitSound": "",
        "record": False,
        "hangupOnStar": False,
        "timeLimit": 14400,
        "statusCallback": None,
        "statusCallbackEvent": ("start", "end", "join", "leave"),
    },
    "Hangup": {"reason": "rejected"},
    "Reject": {"reason": "rejected"},
    "Redirect": {"method": "POST"},
    "PreAnswer": {},
    "SendDigits": {},
    "Refer": ACTION,
    "Enqueue": ACTION | {"waitSound": "", "waitUrl": None, "waitUrlMethod": "POST", "maxQueueSize": 100},
    "Leave": {},
    "Stream": {"url": None, "track": "inbound", "bidirectional": False, "name": None, "statusCallback": None},
    "Parameter": {"name": None, "value": None},
}

BOOLEANS = [("true", True), ("1", True), ("false", False), ("0", False)]
NOT_BOOLEANS = ["", "yes", "TRUE", "2"]
URLS = [(URL, URL), ("/next", "/next"), ("next.xml", "next.xml"), ("//b.example/x", "//b.example/x")]
NOT_URLS = [
    "",
    "ftp://a.example/",
    "javascript:alert(1)",
    "https://",
    "https://u:p@a.example/",
    "a b",
    "https://[::1",
    "https://a.example/" + "x" * 2031,
]
METHODS = [("GET", "GET"), ("POST", "POST"), ("get", "GET"), ("post", "POST")]
HEADERS = [("X-A=1", ("X-A=1",)), ("A=1, x-b = 2", ("X-A=1", "x-b=2")), ("A=b=c", ("X-A=b=c",)), ("A=", ("X-A=",))]
NOT_HEADERS = ["", "A", "A B=1", "A=é", "X-Voylo-Id=1", "voylo-id=1", "A=" + "x" * 257, ",".join(["A=1"] * 21)]


def numbers(low: int, high: int) -> tuple[list[tuple[str, object]], list[str]]:
    right: list[tuple[str, object]] = [(str(low), low), (f" {high} ", high), (f"0{low}", low)]
    return right, [str(low - 1), str(high + 1), "", "abc", "1.5", "-1", "+1", "1e1", "٣", "9" * 5000]


RULES: dict[tuple[str, str], tuple[list[tuple[str, object]], list[str]]] = {
    ("Play", "loop"): numbers(0, 1000),
    ("Play", "digits"): ([("1w2W#*aD", "1w2w#*AD")], ["", "12x", "1 2", "1" * 257]),
    ("Say", "loop"): numbers(0, 1000),
    ("Say", "voice"): ([("Polly.Mathieu", "Polly.Mathieu")], ["", "x" * 129]),
    ("Say", "language"): (
        [("fr-FR", "fr-FR"), ("arb", "arb"), ("zh-Hans-CN", "zh-Hans-CN")],
        ["", "f", "fr_FR", "fr-"],
    ),
    ("Pause", "length"): numbers(1, 3600),
    ("Wait", "length"): numbers(1, 3600),
    ("Gather", "action"): (URLS, NOT_URLS),
    ("Gather", "method"): (METHODS, ["", "PUT"]),
    ("Gather", "input"): (
        [("speech", ("speech",)), ("speech  dtmf", ("dtmf", "speech")), ("dtmf", ("dtmf",))],
        ["", "keys", "dtmf,speech"],
    ),
    ("Gather", "numDigits"): numbers(1, 64),
    ("Gather", "timeout"): numbers(1, 600),
    ("Gather", "finishOnKey"): ([("", ""), ("*#", "*#"), ("11", "1")], ["A", "1 2", "w"]),
    ("Gather", "validDigits"): ([("123", "123")], ["", "A"]),
    ("Gather", "bargeIn"): (BOOLEANS, NOT_BOOLEANS),
    ("Gather", "speechTimeout"): ([("auto", "auto"), ("3", 3)], ["", "0", "601", "soon"]),
    ("Gather", "language"): ([("de-DE", "de-DE")], ["?"]),
    ("Gather", "hints"): ([("yes, no", "yes, no")], ["", "x" * 4001]),
    ("Gather", "partialResultCallback"): (URLS, NOT_URLS),
    ("Gather", "partialResultCallbackMethod"): (METHODS, ["HEAD"]),
    ("Gather", "actionOnEmptyResult"): (BOOLEANS, NOT_BOOLEANS),
    ("Dial", "action"): (URLS, NOT_URLS),
    ("Dial", "method"): (METHODS, ["HEAD"]),
    ("Dial", "timeout"): numbers(1, 600),
    ("Dial", "timeLimit"): numbers(1, 14400),
    ("Dial", "callerId"): (
        [("+1 (415) 555-0100", "+14155550100"), ("2004446", "+2004446"), ("bob", "bob")],
        ["", "a b", "<x>", "x" * 129],
    ),
    ("Dial", "confirmSound"): (URLS, NOT_URLS),
    ("Dial", "confirmKey"): ([("1", "1"), ("12", "12")], ["", "A"]),
    ("Dial", "confirmTimeout"): numbers(1, 60),
    ("Dial", "strategy"): (
        [("sequential", "sequential"), ("simultaneous", "simultaneous"), ("true", "sequential")],
        ["", "random"],
    ),
    ("Dial", "answerOnBridge"): (BOOLEANS, NOT_BOOLEANS),
    ("Dial", "hangupOnStar"): (BOOLEANS, NOT_BOOLEANS),
    ("Dial", "record"): (
        [
            *BOOLEANS,
            ("record-from-answer", True),
            ("record-from-answer-dual", True),
            ("record-from-ringing", True),
            ("record-from-ringing-dual", True),
            ("do-not-record", False),
        ],
        ["", "record"],
    ),
    ("Dial", "dialMusic"): ([*URLS, ("real", "real")], NOT_URLS),
    ("Dial", "machineDetection"): (
        [("none", "none"), ("enable", "enable"), ("detectMessageEnd", "detectMessageEnd")],
        ["", "Enable"],
    ),
    ("Dial", "machineDetectionTimeout"): numbers(1, 120),
    ("Dial", "sipHeaders"): (HEADERS, NOT_HEADERS),
    ("Number", "sendDigits"): ([("wwww1", "wwww1")], ["", "call"]),
    ("Sip", "username"): ([("bob", "bob")], ["", "x" * 129]),
    ("Sip", "password"): ([("s3cret!", "s3cret!")], ["", "x" * 129]),
    ("Sip", "headers"): (HEADERS, NOT_HEADERS),
    ("Record", "action"): (URLS, NOT_URLS),
    ("Record", "method"): (METHODS, ["PATCH"]),
    ("Record", "maxLength"): numbers(1, 14400),
    ("Record", "timeout"): numbers(0, 600),
    ("Record", "finishOnKey"): ([("", ""), ("#", "#")], ["x"]),
    ("Record", "playBeep"): (BOOLEANS, NOT_BOOLEANS),
    ("Record", "trim"): ([("trim-silence", "trim-silence"), ("do-not-trim", "do-not-trim")], ["", "true"]),
    ("Record", "recordingStatusCallback"): (URLS, NOT_URLS),
    ("Conference", "muted"): (BOOLEANS, NOT_BOOLEANS),
    ("Conference", "beep"): (
        [
            ("true", "true"),
            ("1", "true"),
            ("0", "false"),
            ("false", "false"),
            ("onEnter", "onEnter"),
            ("onExit", "onExit"),
        ],
        ["", "onenter"],
    ),
    ("Conference", "startConferenceOnEnter"): (BOOLEANS, NOT_BOOLEANS),
    ("Conference", "endConferenceOnExit"): (BOOLEANS, NOT_BOOLEANS),
    ("Conference", "maxParticipants"): numbers(2, 250),
    ("Conference", "waitSound"): ([*URLS, ("", "")], NOT_URLS[1:]),
    ("Conference", "record"): ([*BOOLEANS, ("record-from-start", True), ("do-not-record", False)], NOT_BOOLEANS),
    ("Conference", "hangupOnStar"): (BOOLEANS, NOT_BOOLEANS),
    ("Conference", "timeLimit"): numbers(1, 14400),
    ("Conference", "action"): (URLS, NOT_URLS),
    ("Conference", "method"): (METHODS, [""]),
    ("Conference", "statusCallback"): (URLS, NOT_URLS),
    ("Conference", "statusCallbackEvent"): (
        [("leave start", ("start", "leave")), ("speaker", ("speaker",))],
        ["", "mute"],
    ),
    ("Hangup", "reason"): ([("busy", "busy"), ("rejected", "rejected")], ["", "tired"]),
    ("Reject", "reason"): ([("busy", "busy"), ("rejected", "rejected")], ["", "tired"]),
    ("Redirect", "method"): (METHODS, ["", "DELETE"]),
    ("Refer", "action"): (URLS, NOT_URLS),
    ("Refer", "method"): (METHODS, [""]),
    ("Enqueue", "waitSound"): ([*URLS, ("", "")], NOT_URLS[1:]),
    ("Enqueue", "waitUrl"): (URLS, NOT_URLS),
    ("Enqueue", "waitUrlMethod"): (METHODS, [""]),
    ("Connect", "action"): (URLS, NOT_URLS),
    ("Connect", "method"): (METHODS, [""]),
    ("Enqueue", "maxQueueSize"): numbers(1, 1000),
    ("Enqueue", "action"): (URLS, NOT_URLS),
    ("Enqueue", "method"): (METHODS, [""]),
    ("Stream", "track"): (
        [
            ("inbound", "inbound"),
            ("outbound", "outbound"),
            ("both", "both"),
            ("inbound_track", "inbound"),
            ("outbound_track", "outbound"),
            ("both_tracks", "both"),
        ],
        ["", "all"],
    ),
    ("Stream", "bidirectional"): (BOOLEANS, NOT_BOOLEANS),
    ("Stream", "name"): ([("s 1", "s 1")], ["", "x" * 129]),
    ("Stream", "statusCallback"): (URLS, NOT_URLS),
}
REQUIRED: dict[tuple[str, str], tuple[list[tuple[str, object]], list[str]]] = {
    ("Stream", "url"): (
        [("wss://a.example/s", "wss://a.example/s"), ("ws://a.example", "ws://a.example")],
        ["", "https://a.example/", "/s"],
    ),
    ("Parameter", "name"): ([("a", "a")], ["", "x" * 129]),
    ("Parameter", "value"): ([("", ""), ("x", "x")], ["x" * 1025]),
}


def bound(frame: str, name: str) -> tuple[Bound, Binder]:
    """The element `name` of a document whose only verb is `frame`."""
    binder = Binder()
    verb = binder.verb(parse_document(f"<Response>{frame}</Response>").verbs[0])
    assert verb is not None
    while verb.element.name != name:
        (verb,) = verb.children
    return verb, binder


def quoted(value: str) -> str:
    return '"' + value.replace("&", "&amp;").replace("<", "&lt;") + '"'


def canonical(name: str) -> ElementSpec:
    return BY_NAME[name]


class TestTheTable:
    def test_holds_the_elements_of_the_contract_and_no_other(self) -> None:
        assert {spec.name for spec in ELEMENTS} == set(DEFAULTS)
        assert {name for name, spec in BY_NAME.items() if name != spec.name} == {"Wait", "User", "Client"}

    @pytest.mark.parametrize("name", DEFAULTS)
    def test_attributes_and_their_defaults(self, name: str) -> None:
        assert dict(canonical(name).defaults) == DEFAULTS[name]

    def test_the_tests_below_try_every_attribute(self) -> None:
        tried = {(canonical(name).name, attribute) for name, attribute in [*RULES, *REQUIRED]}
        assert tried == {(name, attribute) for name, defaults in DEFAULTS.items() for attribute in defaults}

    def test_verbs_are_what_may_stand_in_a_response(self) -> None:
        nouns = {"Number", "Sip", "Agent", "User", "Client", "Identity", "Trunk", "Queue", "Parameter"}
        assert set(VERB_NAMES) == {*FRAMES} - nouns

    def test_who_may_stand_where(self) -> None:
        places = {name: parents_of(name) for name in DEFAULTS if parents_of(name) != ("Response",)}
        prompts = ("Response", "Gather", "PreAnswer")
        assert places == {
            "Play": prompts,
            "Say": prompts,
            "Pause": prompts,
            "Number": ("Dial",),
            "Sip": ("Dial", "Refer"),
            "Agent": ("Dial",),
            "Trunk": ("Dial",),
            "Queue": ("Dial",),
            "Conference": ("Response", "Dial"),
            "Stream": ("Response", "Connect", "Start"),
            "Identity": ("Agent",),
            "Parameter": ("Agent", "Stream"),
        }

    def test_who_answers_an_inbound_call(self) -> None:
        answering = {spec.name: spec.answers_unless for spec in ELEMENTS if spec.answers}
        assert answering == {
            **dict.fromkeys(["Play", "Say", "Gather", "Record", "Conference", "Enqueue", "Stream", "Connect", "Start"]),
            "Dial": "answerOnBridge",
        }

    def test_what_ends_a_document(self) -> None:
        assert {spec.name for spec in ELEMENTS if spec.ends_document} == {"Hangup", "Redirect", "Reject"}

    def test_steps_are_those_of_the_request(self) -> None:
        steps = {spec.name: spec.step for spec in ELEMENTS if spec.step}
        assert steps == {
            "Gather": "gather",
            "Dial": "dial",
            "Record": "record",
            "Conference": "conference",
            "Enqueue": "queue",
            "Redirect": "redirect",
            "Refer": "refer",
            "Connect": "stream",
        }
        with_action = {spec.name for spec in ELEMENTS if "action" in spec.defaults}
        assert with_action == set(steps) - {"Redirect"}

    def test_every_verb_has_a_runner(self) -> None:
        assert {spec.name for spec in ELEMENTS if spec.verb} == set(RUNNERS) - {DIALLED_CONFERENCE}

    def test_a_failure_is_made_of_parameters_the_verb_has(self) -> None:
        for spec in ELEMENTS:
            assert {name for name, _ in spec.unavailable} <= {parameter.name for parameter in spec.parameters}

    def test_every_entry_is_documented(self) -> None:
        for spec in ELEMENTS:
            assert spec.summary.endswith(".")
            assert spec.section.startswith("10.")
            assert all(attribute.meaning for attribute in spec.attributes)


class TestEveryAttribute:
    @pytest.mark.parametrize(("name", "attribute", "value", "typed"), [
        (name, attribute, value, typed)
        for (name, attribute), (right, _) in {**RULES, ("Stream", "url"): REQUIRED["Stream", "url"]}.items()
        for value, typed in right
    ])  # fmt: skip
    def test_takes_what_is_right(self, name: str, attribute: str, value: str, typed: object) -> None:
        frame = FRAMES[name].replace(' url="wss://a.example/s"', "") if attribute == "url" else FRAMES[name]
        verb, binder = bound(frame.format(f"{attribute}={quoted(value)}"), name)
        assert binder.problems == []
        assert verb.values[attribute] == typed
        assert verb.usable

    @pytest.mark.parametrize(("name", "attribute", "value"), [
        (name, attribute, value) for (name, attribute), (_, wrong) in RULES.items() for value in wrong
    ], ids=short_id)  # fmt: skip
    def test_replaces_what_is_wrong_by_the_default(self, name: str, attribute: str, value: str) -> None:
        verb, binder = bound(FRAMES[name].format(f"{attribute}={quoted(value)}"), name)
        (problem,) = binder.problems
        assert problem.code.value == ("bad_url" if (name, attribute) in URL_RULES else "invalid_attribute")
        assert problem.attribute == attribute
        assert problem.message.startswith(f"{attribute} must ")
        assert len(problem.message) < 300
        assert verb.values[attribute] == DEFAULTS[canonical(name).name][attribute]
        assert verb.usable

    @pytest.mark.parametrize(("attribute", "value"), [
        (attribute, value)
        for (name, attribute), (_, wrong) in REQUIRED.items() if name == "Parameter"
        for value in wrong
    ])  # fmt: skip
    def test_parameter_without_a_right_name_and_value_is_unusable(self, attribute: str, value: str) -> None:
        given = {"name": "a", "value": "b"} | {attribute: value}
        frame = FRAMES["Parameter"].format(" ".join(f"{key}={quoted(text)}" for key, text in given.items()))
        verb, binder = bound(frame, "Parameter")
        assert [problem.attribute for problem in binder.problems] == [attribute]
        assert not verb.usable

    def test_parameter_takes_any_short_text_as_its_value(self) -> None:
        for value, typed in REQUIRED["Parameter", "value"][0]:
            verb, binder = bound(FRAMES["Parameter"].format(f'name="a" value={quoted(value)}'), "Parameter")
            assert binder.problems == []
            assert verb.values == {"name": "a", "value": typed}
            assert verb.usable

    @pytest.mark.parametrize("value", REQUIRED["Stream", "url"][1])
    def test_stream_without_a_right_url_is_unusable(self, value: str) -> None:
        verb, binder = bound(f"<Stream url={quoted(value)}/>", "Stream")
        assert [problem.code.value for problem in binder.problems] == ["bad_url"]
        assert not verb.usable

    @pytest.mark.parametrize(
        ("frame", "name", "message"),
        [
            ("<Stream/>", "Stream", "url is required: WebSocket to connect to"),
            (FRAMES["Parameter"].format('name="a"'), "Parameter", "value is required: its value"),
        ],
    )
    def test_a_required_attribute_that_is_absent(self, frame: str, name: str, message: str) -> None:
        verb, binder = bound(frame, name)
        assert [(problem.code.value, problem.message) for problem in binder.problems] == [
            ("invalid_attribute", message)
        ]
        assert not verb.usable

    def test_an_alias_is_as_good(self) -> None:
        verb, binder = bound('<Conference waitUrl="/music.mp3">room</Conference>', "Conference")
        assert verb.values["waitSound"] == "/music.mp3"
        assert binder.problems == []

    @pytest.mark.parametrize(
        ("xml", "message"),
        [
            ('<Gather numDigits="abc"/>', "numDigits must be 1 to 64, not 'abc'"),
            ('<Gather input="keys"/>', "input must be one or more of dtmf speech, separated by spaces, not 'keys'"),
            ('<Gather finishOnKey="A"/>', "finishOnKey must be one or more of the keys 0-9 * #, or empty, not 'A'"),
            ('<Gather bargeIn="yes"/>', "bargeIn must be true or false, not 'yes'"),
            ('<Gather speechTimeout="soon"/>', "speechTimeout must be 'auto' or 1 to 600, not 'soon'"),
            ('<Gather action="ftp://a/"/>', "action must be an http or https URL, absolute or relative, not 'ftp://a/'"),
            ('<Gather action="https://u@a.example/"/>',
             "action must not carry a user name or password: 'https://u@a.example/'"),
            ('<Gather action="/a b"/>',
             "action must not contain spaces or any of < > \" \\: write them percent-encoded: '/a b'"),
            ('<Reject reason="tired"/>', "reason must be rejected or busy, not 'tired'"),
            ('<Stream url="/s"/>', "url must be a ws or wss URL, not '/s'"),
            ('<Play digits="1x"/>',
             "digits must be up to 256 of the keys 0-9 * # A-D, and w for a pause of half a second, not '1x'"),
            ('<Say language="?">x</Say>', "language must be a language tag such as en-US, not '?'"),
            ('<Dial sipHeaders="A">1002</Dial>',
             "sipHeaders must be up to 20 Name=Value pairs separated by commas, not 'A'"),
            ('<Dial dialMusic="x:y">1002</Dial>',
             "dialMusic must be 'real' or an http or https URL, absolute or relative, not 'x:y'"),
        ],
    )  # fmt: skip
    def test_the_message_says_what_would_be_right(self, xml: str, message: str) -> None:
        (error,) = lint(f"<Response>{xml}</Response>").errors
        assert error.message == message


URL_RULES = {
    rule
    for rule in RULES
    if rule[1]
    in {
        "action",
        "confirmSound",
        "dialMusic",
        "waitSound",
        "waitUrl",
        "statusCallback",
        "recordingStatusCallback",
        "partialResultCallback",
    }
}

CONTENTS: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    "<Play>{}</Play>": ([(URL, URL), (" \n /x.wav \n", "/x.wav")], [("ftp://a/", "bad_url"), ("", "missing_content")]),
    "<Say>{}</Say>": ([(" Hello! ", "Hello!"), ("x" * 4000, "x" * 4000)], [(" \n ", "missing_content")]),
    "<Dial>{}</Dial>": (
        [
            ("415-123-4567", "+4151234567"),
            ("+20 (100) 144.76-77", "+201001447677"),
            ("sip:bob@example.com;transport=tls", "sip:bob@example.com;transport=tls"),
            ("sips:bob@example.com", "sips:bob@example.com"),
            ("2004446", "+2004446"),
        ],
        [("", "missing_content"), ("bob", "missing_content"), ("0123", "missing_content"), ("12", "missing_content")],
    ),
    "<Dial><Number>{}</Number></Dial>": (
        [("858-987-6543", "+8589876543")],
        [("sip:a@b", "missing_content"), ("", "missing_content"), ("+1234567890123456", "missing_content")],
    ),
    "<Dial><Sip>{}</Sip></Dial>": (
        [
            ("sip:jack@example.com?x-h=foo&amp;x-i=b", "sip:jack@example.com?x-h=foo&x-i=b"),
            ("kate@example.com", "sip:kate@example.com"),
            ("sip:10.0.0.1:5070", "sip:10.0.0.1:5070"),
        ],
        [("kate", "bad_url"), ("", "missing_content"), ("sip:a b@c", "bad_url"), ("http://x.example", "bad_url")],
    ),
    "<Dial><User>{}</User></Dial>": ([("ann", "ann")], [("", "missing_content"), ("x" * 129, "too_large")]),
    "<Dial><Trunk>{}</Trunk></Dial>": ([("Main office", "Main office")], [("", "missing_content")]),
    "<Dial><Queue>{}</Queue></Dial>": ([("support", "support")], [("", "missing_content")]),
    "<Conference>{}</Conference>": (
        [("Room 1", "Room 1"), ("x" * 128, "x" * 128)],
        [("", "missing_content"), ("x" * 129, "too_large")],
    ),
    "<Dial><Conference>{}</Conference></Dial>": ([("Room 1", "Room 1")], [("", "missing_content")]),
    "<Redirect>{}</Redirect>": ([("../next", "../next"), (URL, URL)], [("", "missing_content"), ("a b", "bad_url")]),
    "<SendDigits>{}</SendDigits>": ([("1ww2", "1ww2")], [("", "missing_content"), ("call", "missing_content")]),
    "<Refer>{}</Refer>": ([("sip:a@b.example", "sip:a@b.example")], [("", "missing_content"), ("+2012345", "bad_url")]),
    "<Refer><Sip>{}</Sip></Refer>": ([("sip:a@b.example", "sip:a@b.example")], [("", "missing_content")]),
    "<Enqueue>{}</Enqueue>": ([("support", "support")], [("", "missing_content")]),
}  # fmt: skip


class TestContents:
    @pytest.mark.parametrize(("frame", "text", "typed"), [
        (frame, text, typed) for frame, (right, _) in CONTENTS.items() for text, typed in right
    ], ids=short_id)  # fmt: skip
    def test_that_are_right(self, frame: str, text: str, typed: str) -> None:
        binder = Binder()
        verb = binder.verb(parse_document(f"<Response>{frame.format(text)}</Response>").verbs[0])
        assert verb is not None
        assert binder.problems == []
        innermost = verb.children[0] if verb.children else verb
        assert innermost.content == typed

    @pytest.mark.parametrize(("frame", "text", "code"), [
        (frame, text, code) for frame, (_, wrong) in CONTENTS.items() for text, code in wrong
    ], ids=short_id)  # fmt: skip
    def test_that_are_wrong_make_the_element_unusable(self, frame: str, text: str, code: str) -> None:
        binder = Binder()
        verb = binder.verb(parse_document(f"<Response>{frame.format(text)}</Response>").verbs[0])
        assert verb is not None
        assert [problem.code.value for problem in binder.problems] == [code]
        assert not (verb.children[0] if verb.children else verb).usable

    def test_a_text_too_long_to_speak_is_an_error_and_spoken_as_far_as_it_may_go(self) -> None:
        verb, binder = bound(f"<Say>{'x' * 4001}</Say>", "Say")
        (problem,) = binder.problems
        assert (problem.code.value, problem.message) == (
            "too_large",
            "the text of <Say> has at most 4000 characters, not 4001",
        )
        assert verb.usable
        assert verb.content == "x" * 4000

    def test_play_with_digits_needs_no_url(self) -> None:
        verb, binder = bound('<Play digits="1w"/>', "Play")
        assert binder.problems == []
        assert verb.usable

    def test_play_with_wrong_digits_and_no_url_is_unusable(self) -> None:
        verb, binder = bound('<Play digits="x"/>', "Play")
        assert [problem.code.value for problem in binder.problems] == ["invalid_attribute"]
        assert not verb.usable

    @pytest.mark.parametrize("name", ["Gather", "PreAnswer", "Record", "Hangup", "Leave", "Pause", "Reject", "Stream"])
    def test_elements_without_text_content_say_so(self, name: str) -> None:
        frame = FRAMES[name].format("").replace("/>", f">words</{name}>")
        (error,) = lint(f"<Response>{frame}</Response>").errors
        assert (error.code.value, error.message) == (
            "bad_nesting",
            f"text is not allowed directly in <{name}>: 'words'",
        )
