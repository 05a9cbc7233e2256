"""The `voylo` program from outside: what each command prints, where, and its exit status (contract §22.1, §22.3)."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import structlog
from typer.testing import CliRunner

from engine.model import Role
from server.cli import KeyRole, app
from voyloml import LanguageLimits, LintResult, lint

COMMANDS = [
    ["serve"],
    ["init"],
    ["key", "create"],
    ["key", "list"],
    ["key", "revoke"],
    ["workspace", "create"],
    ["user", "create"],
    ["admin", "prices", "import"],
    ["admin", "topups", "list"],
    ["admin", "topups", "settle"],
    ["admin", "wallet", "adjust"],
    ["admin", "plan", "set"],
    ["admin", "ledger", "check"],
    ["validate"],
    ["simulate"],
    ["call"],
    ["calls"],
    ["trace"],
    ["db", "upgrade"],
    ["backup"],
    ["restore"],
    ["bench"],
    ["doctor"],
]
WORKSPACE = "ws_0123456789ab"
API_KEY = "vlx_live_" + "Ab3" * 13 + "Z"
BOOTSTRAP = {
    "VOYLO_BOOTSTRAP_WORKSPACE_ID": WORKSPACE,
    "VOYLO_BOOTSTRAP_API_KEY": API_KEY,
    "VOYLO_BOOTSTRAP_EMAIL": "boss@example.com",
    "VOYLO_BOOTSTRAP_PASSWORD": "correct horse",
}
GOOD = "<Response><Say>Hello</Say></Response>"
BAD = '<Response>\n  <Gather numDigits="0"/>\n  <Sya>x</Sya>\n</Response>'
WARNED = "<Response><Hangup/><Say>x</Say></Response>"

Run = subprocess.CompletedProcess[str]


def clean_environment(**variables: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.startswith("VOYLO_")}, **variables}


def voylo_process(*arguments: str, cwd: Path, **variables: str) -> Run:
    """The program as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        cwd=cwd,
        env=clean_environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture(autouse=True)
def _logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    for name in os.environ:
        if name.startswith("VOYLO_"):
            monkeypatch.delenv(name)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def voylo(*arguments: str, cwd: Path, stdin: str = "", **variables: str) -> Run:
    """The program inside the process of the test, which saves loading the rooms each time."""
    with contextlib.chdir(cwd):
        run = CliRunner().invoke(app, list(arguments), input=stdin, env=variables, prog_name="voylo")
    if run.exception is not None and not isinstance(run.exception, SystemExit):
        raise run.exception
    return Run(arguments, run.exit_code, run.stdout, run.stderr)


def result(*arguments: str, cwd: Path, **variables: str) -> Any:
    run = voylo(*arguments, "--json", cwd=cwd, **variables)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


class TestProcess:
    """A few through a process of its own: what the others assert holds there as well."""

    def test_init_json_prints_one_document_and_nothing_else(self, tmp_path: Path) -> None:
        run = voylo_process("init", "--json", cwd=tmp_path, VOYLO_LOG__LEVEL="debug", **BOOTSTRAP)
        assert run.returncode == 0
        assert json.loads(run.stdout)["apiKey"] == API_KEY
        assert API_KEY not in run.stderr

    def test_work_that_fails_is_status_1(self, tmp_path: Path) -> None:
        run = voylo_process("key", "list", cwd=tmp_path)
        assert (run.returncode, run.stdout) == (1, "")

    def test_a_bad_configuration_is_status_2(self, tmp_path: Path) -> None:
        run = voylo_process("serve", cwd=tmp_path, VOYLO_SIP__UDP="x")
        assert (run.returncode, run.stdout) == (2, "")
        assert run.stderr.startswith("voylo: environment variable VOYLO_SIP__UDP: sip.udp: must be ")

    def test_an_unknown_command_is_status_2(self, tmp_path: Path) -> None:
        run = voylo_process("nonsense", cwd=tmp_path)
        assert (run.returncode, run.stdout) == (2, "")
        assert "Usage: " in run.stderr


class TestUsage:
    def test_help_lists_every_command_and_no_other(self, tmp_path: Path) -> None:
        run = voylo("--help", cwd=tmp_path)
        assert run.returncode == 0
        listed = re.findall(r"^  ([a-z]+)  ", run.stdout.partition("Commands:")[2], flags=re.MULTILINE)
        assert listed == [
            *("serve", "init", "validate", "simulate", "call", "calls", "trace", "backup", "restore", "bench"),
            *("doctor", "key", "workspace", "user", "db", "admin"),
        ]

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_every_command_has_help(self, command: list[str], tmp_path: Path) -> None:
        run = voylo(*command, "--help", cwd=tmp_path)
        assert run.returncode == 0
        assert run.stdout.startswith(f"Usage: voylo {' '.join(command)}")
        if command != ["serve"]:
            assert "--json" in run.stdout

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["nonsense"],
            ["simulate"],
            ["simulate", "a.xml", "b.xml"],
            ["serve", "--nonsense"],
            ["serve", "extra"],
            ["key"],
            ["key", "create", "--name", "x"],
            ["key", "create", "--workspace", "ws_1", "--name", "x", "--role", "king"],
            ["key", "revoke"],
            ["validate"],
            ["doctor", "extra"],
        ],
        ids=" ".join,
    )
    def test_wrong_usage_is_status_2_with_nothing_on_stdout(self, arguments: list[str], tmp_path: Path) -> None:
        run = voylo(*arguments, cwd=tmp_path)
        assert run.returncode == 2
        assert run.stdout == ""
        assert "Usage: " in run.stderr

    def test_help_loads_no_room(self, tmp_path: Path) -> None:
        program = (
            "import sys\n"
            "from server import cli\n"
            "rooms = {'engine', 'sip', 'media', 'voyloml', 'api', 'server.config', 'numpy', 'sqlalchemy'}\n"
            "print(sorted(rooms & set(sys.modules)))"
        )
        run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert run.stdout == "[]\n"

    def test_the_version_is_printed(self, tmp_path: Path) -> None:
        run = voylo("--version", cwd=tmp_path)
        assert re.fullmatch(r"voylo \d+\.\d+\.\d+\n", run.stdout)

    def test_the_roles_are_those_of_the_engine(self) -> None:
        assert [role.value for role in KeyRole] == list(get_args(Role))


class TestConfiguration:
    @pytest.mark.parametrize("command", [["serve"], ["init"], ["key", "list"], ["doctor"]], ids=" ".join)
    def test_a_bad_one_is_status_2_with_every_fault_on_a_line(self, command: list[str], tmp_path: Path) -> None:
        (tmp_path / "mine.toml").write_text("[sip]\nudp = 'x'\n[http]\nbund = 1\n")
        run = voylo(*command, "--config", "mine.toml", cwd=tmp_path, VOYLO_LOG__LEVEL="loud")
        assert run.returncode == 2
        assert run.stdout == ""
        assert run.stderr.splitlines() == [
            "voylo: environment variable VOYLO_LOG__LEVEL: log.level: must be one of debug, info, warning, error or "
            "critical, not 'loud'",
            'voylo: mine.toml:2: sip.udp: must be address:port, like "0.0.0.0:5060" or "[::]:5060", not \'x\'',
            "voylo: mine.toml:4: http.bund: unknown key; did you mean http.bind?",
        ]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.toml"]

    def test_a_file_that_is_missing_is_status_2(self, tmp_path: Path) -> None:
        run = voylo("serve", "--config", "missing.toml", cwd=tmp_path)
        assert (run.returncode, run.stdout) == (2, "")
        assert run.stderr == "voylo: missing.toml: cannot be read: No such file or directory\n"


class TestInit:
    def test_it_prints_the_fixed_values_once(self, tmp_path: Path) -> None:
        assert result("init", cwd=tmp_path, **BOOTSTRAP) == {
            "workspaceId": WORKSPACE,
            "apiKey": API_KEY,
            "ownerEmail": "boss@example.com",
            "ownerPassword": "correct horse",
        }
        assert result("init", cwd=tmp_path, **BOOTSTRAP) == {
            "workspaceId": WORKSPACE,
            "apiKey": None,
            "ownerEmail": None,
            "ownerPassword": None,
        }

    def test_generated_values_have_the_forms_of_the_contract(self, tmp_path: Path) -> None:
        made = result("init", cwd=tmp_path)
        assert re.fullmatch(r"ws_[0-9a-f]{12}", made["workspaceId"])
        assert re.fullmatch(r"vlx_live_[A-Za-z0-9]{40}", made["apiKey"])
        assert made["ownerEmail"] == "owner@localhost"
        assert len(made["ownerPassword"]) >= 12

    def test_as_text_it_says_the_same(self, tmp_path: Path) -> None:
        run = voylo("init", cwd=tmp_path, **BOOTSTRAP)
        assert run.returncode == 0
        assert {WORKSPACE, API_KEY, "boss@example.com"} <= set(run.stdout.split())
        again = voylo("init", cwd=tmp_path, **BOOTSTRAP)
        assert again.returncode == 0
        assert WORKSPACE in again.stdout
        assert API_KEY not in again.stdout

    def test_the_data_directory_is_for_its_owner_only(self, tmp_path: Path) -> None:
        result("init", cwd=tmp_path, VOYLO_STORAGE__DATA_DIR=str(tmp_path / "a/b"))
        assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "a/b/voylo.db").is_file()

    def test_malformed_fixed_values_are_wrong_usage(self, tmp_path: Path) -> None:
        run = voylo("init", cwd=tmp_path, VOYLO_BOOTSTRAP_WORKSPACE_ID="ws_X", VOYLO_BOOTSTRAP_API_KEY="short")
        assert (run.returncode, run.stdout) == (2, "")
        assert "VOYLO_BOOTSTRAP_WORKSPACE_ID: " in run.stderr
        assert "VOYLO_BOOTSTRAP_API_KEY: " in run.stderr
        assert "short" not in run.stderr

    def test_a_data_directory_that_cannot_be_made_is_told_with_its_key(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        run = voylo("init", cwd=tmp_path, VOYLO_STORAGE__DATA_DIR="file/data")
        assert (run.returncode, run.stdout) == (1, "")
        assert run.stderr.startswith("voylo: storage.data_dir file/data: ")
        assert len(run.stderr.splitlines()) == 1

    def test_a_database_that_is_none_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data/voylo.db").write_text("this is no database, however long it may be" * 100)
        run = voylo("init", cwd=tmp_path)
        assert (run.returncode, run.stdout) == (1, "")
        assert "Traceback" not in run.stderr


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a database in it."""
    home = tmp_path_factory.mktemp("prepared")
    result("init", cwd=home, **BOOTSTRAP)
    return home


class TestAccounts:
    @pytest.fixture
    def home(self, prepared: Path, tmp_path: Path) -> Path:
        return shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)

    def test_a_key_can_be_created_listed_and_revoked(self, home: Path) -> None:
        made = result("key", "create", "--workspace", WORKSPACE, "--name", "shop", "--role", "viewer", cwd=home)
        assert list(made) == ["id", "name", "prefix", "role", "key"]
        assert (made["name"], made["role"], made["prefix"]) == ("shop", "viewer", made["key"][:13])
        newest, first = result("key", "list", cwd=home)
        assert newest["id"] == made["id"]
        assert "key" not in newest
        assert newest["revokedAt"] is None
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", newest["createdAt"])
        assert (first["name"], first["role"], first["workspaceId"]) == ("bootstrap", "owner", WORKSPACE)
        assert result("key", "revoke", made["id"], cwd=home) == {"id": made["id"], "revoked": True}
        assert result("key", "list", cwd=home)[0]["revokedAt"] is not None

    def test_the_default_role_is_developer(self, home: Path) -> None:
        made = result("key", "create", "--workspace", WORKSPACE, "--name", "x", cwd=home)
        assert made["role"] == "developer"

    def test_as_text_a_key_is_shown_in_clear_only_when_it_is_made(self, home: Path) -> None:
        run = voylo("key", "create", "--workspace", WORKSPACE, "--name", "my shop", cwd=home)
        (key,) = re.findall(r"vlx_live_[A-Za-z0-9]{40}", run.stdout)
        listed = voylo("key", "list", cwd=home)
        assert listed.stdout.splitlines()[1].endswith("my shop")
        assert key not in listed.stdout
        assert key[:13] in listed.stdout

    @pytest.mark.parametrize(
        ("arguments", "status", "complaint"),
        [
            (["key", "create", "--workspace", "ws_ffffffffffff", "--name", "x"], 1, "voylo: Workspace not found"),
            (["key", "create", "--workspace", WORKSPACE, "--name", ""], 2, "voylo: name: must be "),
            (["key", "list", "--workspace", "ws_ffffffffffff"], 1, "voylo: Workspace not found"),
            (["key", "revoke", "b7a5dd5e-4d3c-4d39-a9f1-6f1c3cf7a4ce"], 1, "voylo: API key not found"),
            (["user", "create", "boss@example.com"], 1, "voylo: A user with this e-mail address exists"),
            (["user", "create", "nobody"], 2, "voylo: email: must be "),
            (["workspace", "create", ""], 2, "voylo: name: must be "),
        ],
    )
    def test_what_cannot_be_done_is_told(self, home: Path, arguments: list[str], status: int, complaint: str) -> None:
        run = voylo(*arguments, cwd=home)
        assert (run.returncode, run.stdout) == (status, "")
        assert run.stderr.startswith(complaint)
        assert len(run.stderr.splitlines()) == 1

    def test_a_workspace_and_a_user_can_be_created(self, home: Path) -> None:
        user = result("user", "create", "ann@example.com", "--role", "admin", cwd=home)
        assert list(user) == ["id", "email", "workspaceId", "role", "password"]
        assert (user["email"], user["workspaceId"], user["role"]) == ("ann@example.com", WORKSPACE, "admin")
        workspace = result("workspace", "create", "Branch", cwd=home)
        assert list(workspace) == ["id", "name", "accountId"]
        assert workspace["name"] == "Branch"
        run = voylo("user", "create", "bob@example.com", cwd=home)
        assert run.returncode == 2
        assert "--workspace" in run.stderr
        bob = result("user", "create", "bob@example.com", "--workspace", workspace["id"], cwd=home)
        assert bob["workspaceId"] == workspace["id"]

    def test_listing_makes_no_database(self, tmp_path: Path) -> None:
        run = voylo("key", "list", cwd=tmp_path)
        assert run.returncode == 1
        assert "voylo init" in run.stderr
        assert list(tmp_path.iterdir()) == []


class TestValidate:
    def test_a_good_document_is_status_0(self, tmp_path: Path) -> None:
        (tmp_path / "good.xml").write_text(GOOD)
        run = voylo("validate", "good.xml", cwd=tmp_path)
        assert (run.returncode, run.stdout, run.stderr) == (0, "", "1 file: 0 errors, 0 warnings\n")

    def test_findings_are_lines_with_file_line_column_severity_and_code(self, tmp_path: Path) -> None:
        (tmp_path / "bad.xml").write_text(BAD)
        (tmp_path / "good.xml").write_text(GOOD)
        run = voylo("validate", "bad.xml", "good.xml", cwd=tmp_path)
        assert run.returncode == 1
        first, second = run.stdout.splitlines()
        assert re.match(r"bad\.xml:2:\d+: error invalid_attribute .*numDigits", first)
        assert re.match(r"bad\.xml:3:3: error unknown_verb .*Sya", second)
        assert run.stderr == "2 files: 2 errors, 0 warnings\n"

    def test_a_warning_alone_is_status_0(self, tmp_path: Path) -> None:
        (tmp_path / "warned.xml").write_text(WARNED)
        run = voylo("validate", "warned.xml", cwd=tmp_path)
        assert run.returncode == 0
        assert re.match(r"warned\.xml:1:20: warning unreachable_verb ", run.stdout)

    def test_a_document_can_come_from_stdin(self, tmp_path: Path) -> None:
        run = voylo("validate", "-", cwd=tmp_path, stdin=BAD)
        assert run.returncode == 1
        assert run.stdout.startswith("<stdin>:2:")

    def test_a_file_that_cannot_be_read_is_status_2_and_the_others_are_linted(self, tmp_path: Path) -> None:
        (tmp_path / "bad.xml").write_text(BAD)
        run = voylo("validate", "missing.xml", "bad.xml", cwd=tmp_path)
        assert run.returncode == 2
        assert "voylo: missing.xml: cannot be read: No such file or directory" in run.stderr
        assert "bad.xml:3:3: error" in run.stdout

    def test_of_a_huge_file_no_more_is_read_than_shows_that_it_is_too_large(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        allowed = LanguageLimits().document_bytes
        with (tmp_path / "huge.xml").open("wb") as stream:
            stream.truncate(allowed * 10)
        sizes: list[int] = []

        def note(document: bytes, **options: Any) -> LintResult:
            sizes.append(len(document))
            return lint(document, **options)

        monkeypatch.setattr("server.commands.validate.lint", note)
        run = voylo("validate", "huge.xml", cwd=tmp_path)
        assert run.returncode == 1
        assert "error too_large" in run.stdout
        assert sizes == [allowed + 1]

    def test_json_has_the_findings_as_the_api_gives_them(self, tmp_path: Path) -> None:
        (tmp_path / "bad.xml").write_text(BAD)
        run = voylo("validate", "--json", "bad.xml", cwd=tmp_path)
        assert (run.returncode, run.stderr) == (1, "")
        (document,) = json.loads(run.stdout)
        assert (document["file"], document["valid"], document["warnings"]) == ("bad.xml", False, [])
        assert set(document["errors"][0]) == {"line", "column", "path", "code", "message"}

    def test_with_twiml_each_name_of_twilio_is_compared(self, tmp_path: Path) -> None:
        (tmp_path / "twiml.xml").write_text('<Response><Dial timeout="5"><Client>joe</Client></Dial><Pay/></Response>')
        run = voylo("validate", "--twiml", "twiml.xml", cwd=tmp_path)
        assert run.returncode == 1
        assert [line.split(": ", 1)[1].split(":")[0] for line in run.stdout.splitlines()] == [
            "error unknown_verb <Pay> is not a verb of VoyloML; it is TwiML that is not offered here (there are no "
            "payments; collect digits with <Gather>)",
            "different",
            "different",
            "different",
            "not offered",
        ]
        (document,) = json.loads(voylo("validate", "--twiml", "--json", "twiml.xml", cwd=tmp_path).stdout)
        names = [(one["element"], one["attribute"], one["standing"]) for one in document["twiml"]]
        assert names == [
            ("Dial", "", "different"),
            ("Dial", "timeout", "different"),
            ("Client", "", "different"),
            ("Pay", "", "not offered"),
        ]

    def test_with_twiml_a_file_that_is_no_document_has_just_its_error(self, tmp_path: Path) -> None:
        (tmp_path / "broken.xml").write_text("<Response><Say></Response>")
        run = voylo("validate", "--twiml", "broken.xml", cwd=tmp_path)
        assert (run.returncode, len(run.stdout.splitlines())) == (1, 1)

    def test_a_bad_configuration_nearby_does_not_matter(self, tmp_path: Path) -> None:
        (tmp_path / "config.toml").write_text("nonsense")
        (tmp_path / "good.xml").write_text(GOOD)
        assert voylo("validate", "good.xml", cwd=tmp_path).returncode == 0


MENU = '<Response><Gather numDigits="1" action="/pressed"><Say>one or two</Say></Gather></Response>'


class TestSimulate:
    @pytest.fixture
    def flow(self, tmp_path: Path) -> Path:
        (tmp_path / "menu.xml").write_text(MENU)
        (tmp_path / "two.xml").write_text("<Response><Say>two it is</Say></Response>")
        (tmp_path / "call.txt").write_text("wait for prompt\npress 2\nurl /pressed Digits=2 two.xml\n")
        return tmp_path

    def test_a_script_gives_the_timeline(self, flow: Path) -> None:
        run = voylo("simulate", "menu.xml", "--script", "call.txt", cwd=flow)
        assert (run.returncode, run.stderr) == (0, "")
        assert "    1.20  does     presses 2\n" in run.stdout
        assert "hears    “two it is” (1.2 s)\n" in run.stdout
        assert run.stdout.splitlines()[-1] == "    2.40  end      completed"

    def test_json_is_the_timeline_and_nothing_else(self, flow: Path) -> None:
        run = voylo("simulate", "--json", "menu.xml", "--script", "call.txt", cwd=flow)
        moments = json.loads(run.stdout)
        assert [moment["key"] for moment in moments if moment["what"] == "does"] == ["2"]

    def test_an_application_error_is_status_1(self, flow: Path) -> None:
        (flow / "call.txt").write_text("press 1")
        run = voylo("simulate", "menu.xml", "--script", "call.txt", cwd=flow)
        assert run.returncode == 1
        assert "application_error" in run.stdout

    def test_a_wrong_script_is_status_2_and_says_what_a_line_can_be(self, flow: Path) -> None:
        (flow / "call.txt").write_text("press 1\ndance")
        run = voylo("simulate", "menu.xml", "--script", "call.txt", cwd=flow)
        assert (run.returncode, run.stdout) == (2, "")
        assert run.stderr.startswith("voylo: call.txt: line 2: 'dance' is none of\n")

    @pytest.mark.parametrize("arguments", [("menu.xml", "--script", "none.txt"), ("none.xml", "--script", "call.txt")])
    def test_a_file_that_cannot_be_read_is_status_2(self, flow: Path, arguments: tuple[str, ...]) -> None:
        run = voylo("simulate", *arguments, cwd=flow)
        assert (run.returncode, run.stdout) == (2, "")
        assert re.match(r"voylo: none\.\w+: cannot be read: No such file", run.stderr)

    def test_without_a_script_the_terminal_is_the_phone(self, flow: Path) -> None:
        # One key more is wanted, so that nothing happens before the next line is read.
        (flow / "menu.xml").write_text(MENU.replace('numDigits="1"', 'numDigits="2" timeout="50"'))
        run = voylo("simulate", "menu.xml", cwd=flow, stdin="what?\n2\nhang up\n")
        assert run.returncode == 0
        assert "does     presses 2" in run.stdout
        assert run.stdout.splitlines()[-1].split()[1:] == ["end", "caller"]
        assert run.stderr.count("Type keys") == 2

    def test_when_the_terminal_ends_the_caller_hangs_up(self, flow: Path) -> None:
        (flow / "long.xml").write_text("<Response><Pause length='3600'/></Response>")
        run = voylo("simulate", "--json", "long.xml", cwd=flow)
        assert run.returncode == 0
        assert json.loads(run.stdout)[-1]["ended"] == "caller"

    def test_the_examples_run_from_the_command_line(self, tmp_path: Path) -> None:
        flow = Path(__file__).parents[2] / "examples" / "call_flows" / "ivr_menu"
        run = voylo("simulate", "--json", str(flow / "main.xml"), "--script", str(flow / "call.txt"), cwd=tmp_path)
        assert json.loads(run.stdout) == json.loads((flow / "timeline.json").read_text())


QUIET_MACHINE = {
    "VOYLO_HTTP__BIND": "127.0.0.1:0",
    "VOYLO_SIP__UDP": "127.0.0.1:0",
    "VOYLO_SIP__TCP": "",
    "VOYLO_MEDIA__RTP_PORTS": "22000-22399",
    "VOYLO_SPEECH__TTS": "none",
}


class TestDoctor:
    def test_a_machine_that_is_fit_is_status_0(self, tmp_path: Path) -> None:
        run = voylo("doctor", cwd=tmp_path, **QUIET_MACHINE)
        assert run.returncode == 0, run.stdout
        *lines, _, summary = run.stdout.splitlines()
        assert all(re.match(r"(ok  |warn)  \w+ +\S|  +→ ", line) for line in lines)
        assert re.fullmatch(r"\d+ ok, \d+ warn, 0 fail", summary)
        assert list(tmp_path.iterdir()) == []

    def test_an_occupied_port_is_status_1_and_says_what_to_change(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            bind = f"127.0.0.1:{other.getsockname()[1]}"
            run = voylo("doctor", cwd=tmp_path, **{**QUIET_MACHINE, "VOYLO_SIP__UDP": bind})
        assert run.returncode == 1
        assert re.search(rf"^fail  ports +sip\.udp {bind}/UDP: in use .*\n +→ .*sip\.udp$", run.stdout, re.MULTILINE)

    def test_json_is_a_list_of_findings(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        settings = {**QUIET_MACHINE, "VOYLO_STORAGE__DATA_DIR": "file/data"}
        run = voylo("doctor", "--json", cwd=tmp_path, **settings)
        assert run.returncode == 1
        findings = json.loads(run.stdout)
        assert all(list(finding) == ["status", "check", "what", "change"] for finding in findings)
        failed = {finding["check"]: finding["change"] for finding in findings if finding["status"] == "fail"}
        assert set(failed) == {"storage", "database"}
        assert all("storage.data_dir" in change for change in failed.values())
