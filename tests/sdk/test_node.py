"""The Node SDK: generated from what the engine is, right with a running one, and usable as an installed package."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sdk.generate.node import FOLDER, files
from sdk.generate.node_voyloml import shape_of_value
from sdk.generate.reference import node_reference
from tests.api.client import ADMIN_TOKEN
from tests.engine.billing.book import BOOK
from tests.engine.opened import a_call
from tests.sdk.locking import Lock
from tests.sdk.nodejs import PACKAGE, build, require_modules, require_node, run, run_beside
from tests.support.engine import running_engine
from tests.support.flow import Flow
from voyloml import lint
from voyloml.attribute_types import (
    AttributeType,
    Boolean,
    Choice,
    Integer,
    IntegerOr,
    Keys,
    Language,
    PhoneNumber,
    SipHeaders,
    SipUri,
    Token,
    Tones,
    Url,
    Words,
)
from voyloml.binding import _wrong
from voyloml.schema import ElementSpec
from voyloml.signature import sign
from voyloml.verbs import ELEMENTS, parents_of

pytestmark = pytest.mark.timeout(300)

CALLS = 45


@pytest.fixture(scope="session")
def built() -> None:
    """The compiled SDK, in `sdk/node/dist`."""
    require_node()
    build()


def files_of(folder: str) -> list[str]:
    """The test files below `sdk/node/test`."""
    found = sorted(str(path) for path in (PACKAGE / "test" / folder).glob("*.test.mjs"))
    assert found
    return found


@pytest.mark.parametrize("name", files())
def test_what_is_checked_in_is_what_the_engine_is(name: str) -> None:
    assert (FOLDER / name).read_text() == files()[name], "stale: run `python -m sdk.generate.node`"


def test_nothing_else_lies_among_the_generated_files() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(files())


@pytest.mark.usefixtures("built")
def test_the_types_hold_for_tsd() -> None:
    run("npm", "run", "types")


def test_the_reference_is_written_without_a_warning(tmp_path: Path) -> None:
    require_node()
    require_modules()
    node_reference(tmp_path)
    assert (tmp_path / "classes" / "index.VoyloClient.html").is_file()
    assert (tmp_path / "functions" / "fastify.webhook.html").is_file()


@pytest.mark.usefixtures("built")
def test_by_itself() -> None:
    run("node", "--test", *files_of("unit"))


@pytest.mark.usefixtures("built")
def test_what_the_engine_signs_is_accepted_and_nothing_else() -> None:
    body, at = '{"event":"call.completed","to":"مرحبا"}', 1_750_000_000
    header = sign(("whsec_old", "whsec_new"), body.encode(), at)
    cases = [
        ["whsec_old", body, header, at], ["whsec_new", body, header, at + 300],
        ["whsec_other", body, header, at], ["whsec_new", body, header, at + 301], ["whsec_new", body + " ", header, at],
    ]  # fmt: skip
    said = json.loads(run("node", "test/support/verify.mjs", given=json.dumps(cases)))
    assert said == [True, True, False, False, False]


@pytest.mark.usefixtures("built")
async def test_with_a_running_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generous = {"requests_per_minute": 1_000_000, "request_burst": 1_000_000}
    lock = Lock(tmp_path, monkeypatch)
    billing, security = {"enabled": True}, {"admin_token": ADMIN_TOKEN}

    async def make_invoices(_: web.Request) -> web.StreamResponse:
        await engine.process.invoices.run(datetime.now(UTC) + timedelta(days=40))
        return web.Response()

    documents = lock.documents() | {"/invoices": make_invoices}
    running = running_engine(tmp_path, limits=generous, billing=billing, security=security)
    async with running as engine, Flow(documents) as locking:
        await engine.process.billing.import_prices(BOOK)
        first = engine.process.first_start
        assert first is not None
        for _ in range(CALLS):
            await engine.process.records.create(a_call(first.workspace_id))
        newest_first = [call["publicId"] for call in (await engine.client.get("/v1/calls?limit=100")).json()]
        env = {
            "VOYLO_API_URL": engine.process.bound.http,
            "VOYLO_API_KEY": first.api_key,
            "VOYLO_WORKSPACE_ID": first.workspace_id,
            "OWNER_EMAIL": first.owner_email,
            "OWNER_PASSWORD": first.owner_password or "",
            "CALLS": json.dumps(newest_first),
            "LOCK_URL": locking.url(""),
            "ADMIN_TOKEN": ADMIN_TOKEN,
        }
        assert len(newest_first) == CALLS
        await run_beside("node", "--test", *files_of("engine"), env=env)


@pytest.mark.usefixtures("built")
def test_the_package_installs_and_loads_from_both_kinds_of_module(tmp_path: Path) -> None:
    packed = json.loads(run("npm", "pack", "--json", "--pack-destination", str(tmp_path)))[0]
    inside = {each["path"] for each in packed["files"]}
    assert {"README.md", "package.json", "dist/esm/index.d.ts", "dist/cjs/index.d.ts"} <= inside
    assert not {path for path in inside if path.startswith(("src/", "test/", "node_modules/"))}
    (tmp_path / "package.json").write_text('{"name": "user", "private": true}')
    archive = str(tmp_path / packed["filename"])
    run("npm", "install", "--offline", "--no-package-lock", "--no-audit", "--no-fund", archive, cwd=tmp_path)
    assert sorted(path.name for path in (tmp_path / "node_modules").iterdir() if path.name[0] != ".") == ["@voylo"]
    use = 'const client = new VoyloClient({ apiKey: "k", baseUrl: "http://localhost" });\n'
    use += "console.log(typeof client.calls.create, String(new VoyloResponse().hangup()));\n"
    esm = commonjs = use
    for name in ("http", "express", "fastify"):
        esm = f'import * as {name} from "@voylo/sdk/{name}";\n{esm}console.log(typeof {name}.webhook);\n'
        commonjs = f'const {name} = require("@voylo/sdk/{name}");\n{commonjs}console.log(typeof {name}.webhook);\n'
    (tmp_path / "user.mjs").write_text('import { VoyloClient, VoyloResponse } from "@voylo/sdk";\n' + esm)
    (tmp_path / "user.cjs").write_text('const { VoyloClient, VoyloResponse } = require("@voylo/sdk");\n' + commonjs)
    expected = 'function <?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>\n' + "function\n" * 3
    for name in ("user.mjs", "user.cjs"):
        assert run("node", name, cwd=tmp_path) == expected
    for name in ("user.mts", "user.cts"):
        shutil.copy(PACKAGE / "test" / "types.ts", tmp_path / name)
    compiler = str(PACKAGE / "node_modules" / "typescript" / "bin" / "tsc")
    strict = (
        "--strict",
        "--exactOptionalPropertyTypes",
        "--noUncheckedIndexedAccess",
        "--noEmit",
        "--skipDefaultLibCheck",
    )
    run("node", compiler, *strict, "--module", "nodenext", "--target", "es2022", "user.mts", "user.cts", cwd=tmp_path)


def sample(of: AttributeType) -> Any:
    """An option of this type, as a caller of the builder gives it."""
    match of:
        case Integer():
            return of.high
        case IntegerOr():
            return of.words[0]
        case Boolean():
            return True
        case Choice():
            return of.words[-1]
        case Words():
            return list(of.words)
        case Keys() | Tones():
            return "1#"
        case Url():
            return f"{of.schemes[-1]}://voice.example/a?b=1&c=2"
        case SipUri():
            return "sip:alice@example.com"
        case PhoneNumber() | Token():
            return "+20223456789"
        case Language():
            return "ar-EG"
        case SipHeaders():
            return {"X-Order": "7", "Customer": "<Mona & Ali>"}
        case _:
            return "Mona & <Ali>"


def method(spec: ElementSpec) -> str:
    return spec.name[:1].lower() + spec.name[1:]


def opening(name: str) -> list[list[Any]]:
    """The steps that open an element for what goes inside."""
    spec = next(spec for spec in ELEMENTS if spec.name == name)
    required = {each.name: sample(each.type) for each in spec.attributes if each.required}
    above = next(parent for parent in parents_of(name) if parent != name)
    return [*([] if above == "Response" else opening(above)), [method(spec), *([required] if required else [])]]


def every_document() -> list[list[list[Any]]]:
    """For each element and each place where it may stand: with no option, with each by itself, and with all."""
    documents = []
    for spec in ELEMENTS:
        required = {each.name: sample(each.type) for each in spec.attributes if each.required}
        single = [{each.name: sample(each.type)} for each in spec.attributes]
        every = {name: value for one in single for name, value in one.items()}
        for parent in parents_of(spec.name):
            before = [] if parent == "Response" else opening(parent)
            for options in ({}, *single, every):
                text = [] if spec.content is None else [sample(spec.content.type)]
                given = required | options
                steps = [*before, [method(spec), *text, *([given] if given else [])]]
                if spec.needs_child is not None and spec.content is None:
                    child = next(each for each in ELEMENTS if each.name == spec.needs_child)
                    needed = {each.name: sample(each.type) for each in child.attributes if each.required}
                    steps.append([method(child), needed])
                if spec.name == "Parameter" and parent == "Agent":
                    steps.insert(-1, ["identity", "mona"])
                documents.append(steps)
    return documents


@pytest.mark.usefixtures("built")
def test_every_verb_and_noun_with_every_option_is_valid_for_the_linter() -> None:
    documents = every_document()
    made = json.loads(run("node", "test/support/build.mjs", given=json.dumps(documents)))
    assert len(documents) > 180
    for steps, document in zip(documents, made, strict=True):
        assert "xml" in document, (steps, document)
        found = lint(document["xml"], base_url=...)
        assert (found.valid, found.errors, found.warnings) == (True, (), ()), (steps, document["xml"])


TEXTS = (
    "", "0", "1", "2", "64", "65", "12", "007", "-1", "1.5", "١", "99999999999", "true", "false", "TRUE", "yes",
    "POST", "post", "GET", "dtmf", "speech", "dtmf speech", "speech dtmf", "dtmf tone", "tone", "auto", "real",
    "#", "*#", "12A", "1w2", "1W2", "abcd", "e", "x" * 41, "y" * 128, "y" * 129, "z" * 257, "é" * 128, "😀" * 129,
    "it's", 'a"b', 'a"b\'c', "a\\b", "a\nb", "a b", "/menu", "menu?a=1", "http://", "https://voice.example/a.wav",
    "HTTP://voice.example", "https://u:p@voice.example/", "//voice.example/a", "//", "ftp://voice.example/",
    "wss://voice.example/s", "http:/a", "https://[2001:db8::1]:8080/", "https://[2001:db8::1/",
    "https://voice.example:99999/", "https://voice.example:x/", "https://voice.example/" + "a" * 2048,
    "https://voice.example/a b", "sip:alice@example.com", "SIPS:alice@example.com", "alice@example.com",
    "sip:example.com", "alice", "sip:a b@c", "+20223456789", "20223456789", "+20 (22) 345-6789", "0223456789",
    "+1", "++20223456789", "a@b", "a;b", "a,b", "en", "en-US", "en_US", "e", "X-A=1", "A=1,B=2", "A", "A=",
    "Voylo-A=1", "X-Voylo-A=1", "A=é", "A=" + "v" * 257, ",".join(f"H{index}=1" for index in range(20)),
    ",".join(f"H{index}=1" for index in range(21)), "onEnter", "record-from-answer", "do-not-record",
    "trim-silence",
)  # fmt: skip


@pytest.mark.usefixtures("built")
def test_the_builder_takes_and_refuses_what_the_linter_does_in_the_same_words() -> None:
    every = [attribute.type for spec in ELEMENTS for attribute in spec.attributes]
    types = list(dict.fromkeys([*every, *(spec.content.type for spec in ELEMENTS if spec.content is not None)]))
    asked: list[Any] = []
    expected: list[str | None] = []
    for of in types:
        for text in TEXTS:
            asked.append(["it", shape_of_value(of), text])
            try:
                of.parse(text)
            except ValueError as error:
                expected.append(_wrong("it", of, text, error))
            else:
                expected.append(None)
    judged = json.loads(run("node", "test/support/judge.mjs", given=json.dumps(asked)))
    assert len(types) > 15
    different = [
        (each[1:], said, right) for each, said, right in zip(asked, judged, expected, strict=True) if said != right
    ]
    assert different == []
