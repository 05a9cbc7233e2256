"""One line per record, secrets masked, everything through one renderer."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from server.config import LogSection
from server.logs import (
    MASK,
    MAX_ITEMS,
    MAX_VALUE_CHARS,
    configure_logging,
    effective_format,
    is_sensitive,
    mask_text,
)

API_KEY = "vlx_live_" + "Aa1" * 13 + "Z"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    for handler in list(root.handlers):
        if handler not in handlers:
            root.removeHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(
    act: Callable[[Any], object], log_format: str = "json", level: str = "debug", *, mask: bool = True
) -> list[str]:
    stream = io.StringIO()
    configure_logging(LogSection.model_validate({"level": level, "format": log_format}), mask=mask, stream=stream)
    act(structlog.get_logger("sip.transport"))
    return stream.getvalue().splitlines()


def record(act: Callable[[Any], object], *, mask: bool = True) -> dict[str, Any]:
    (line,) = lines(act, mask=mask)
    parsed = json.loads(line)
    assert isinstance(parsed, dict)
    return parsed


class TestFormat:
    def test_auto_is_console_on_a_terminal_and_json_elsewhere(self) -> None:
        assert effective_format(LogSection(), Terminal()) == "console"
        assert effective_format(LogSection(), io.StringIO()) == "json"
        assert effective_format(LogSection(format="json"), Terminal()) == "json"
        assert effective_format(LogSection(format="console"), io.StringIO()) == "console"

    def test_a_json_record_has_time_level_event_logger_and_fields(self) -> None:
        logged = record(lambda logger: logger.info("call.answered", to="+15550100", ms=12))
        timestamp = logged.pop("timestamp")
        assert timestamp.endswith("Z")
        assert "T" in timestamp
        assert logged == {
            "level": "info",
            "event": "call.answered",
            "to": "+15550100",
            "ms": 12,
            "logger": "sip.transport",
        }

    def test_a_console_record_reads_from_left_to_right(self) -> None:
        (line,) = lines(lambda logger: logger.warning("call.rejected", to="+1", why="no route", code=404), "console")
        assert line.split(" ", 1)[1] == "warning  call.rejected to=+1 why='no route' code=404 [sip.transport]"

    def test_the_level_is_coloured_on_a_terminal_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_COLOR", raising=False)
        stream = Terminal()
        configure_logging(LogSection(format="console"), stream=stream)
        structlog.get_logger().error("x")
        assert "\x1b[31m" in stream.getvalue()
        assert not any("\x1b" in line for line in lines(lambda logger: logger.error("x"), "console"))
        monkeypatch.setenv("NO_COLOR", "1")
        stream = Terminal()
        configure_logging(LogSection(format="console"), stream=stream)
        structlog.get_logger().error("x")
        assert "\x1b" not in stream.getvalue()

    @pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
    def test_less_severe_records_than_the_level_are_left_out(self, level: str) -> None:
        def act(logger: Any) -> None:
            for name in ("debug", "info", "warning", "error", "critical"):
                getattr(logger, name)(name)
                getattr(logging.getLogger("other"), name)(f"other {name}")

        names = ["debug", "info", "warning", "error", "critical"]
        expected = names[names.index(level) :]
        events = [json.loads(line)["event"] for line in lines(act, level=level)]
        assert events == [event for name in expected for event in (name, f"other {name}")]

    def test_the_last_configuration_counts_and_nothing_is_said_twice(self) -> None:
        first = io.StringIO()
        configure_logging(LogSection(), stream=first)
        assert len(lines(lambda logger: logger.info("x"))) == 1
        assert first.getvalue() == ""

    def test_logs_go_to_stderr(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging(LogSection(format="json"))
        structlog.get_logger().info("here")
        captured = capsys.readouterr()
        assert captured.out == ""
        assert json.loads(captured.err)["event"] == "here"


class TestStandardLibrary:
    def test_its_records_look_like_ours(self) -> None:
        logged = record(lambda _: logging.getLogger("aiohttp.server").error("no %s for %d", "answer", 3))
        assert (logged["event"], logged["level"], logged["logger"]) == ("no answer for 3", "error", "aiohttp.server")

    @pytest.mark.parametrize("name", ["uvicorn.access", "aiohttp.access", "sqlalchemy.engine.Engine", "numba.core.ssa"])
    def test_the_noise_of_libraries_is_left_out(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        # A uvicorn that ran before in this process may have switched it off for its own access log.
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        assert lines(lambda _: logging.getLogger(name).info("noise")) == []
        assert len(lines(lambda _: logging.getLogger(name).error("trouble"))) == 1

    def test_warnings_of_python_are_records(self) -> None:
        def act(_: Any) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                logging.captureWarnings(True)
                warnings.warn("old", DeprecationWarning, stacklevel=1)

        (line,) = lines(act)
        assert "DeprecationWarning: old" in json.loads(line)["event"]

    def test_the_call_is_named_on_every_record(self) -> None:
        def act(logger: Any) -> None:
            with structlog.contextvars.bound_contextvars(call_id="cl_0123456789ab"):
                logger.info("ours")
                logging.getLogger("other").info("theirs")
            logger.info("later")

        assert [json.loads(line).get("call_id") for line in lines(act)] == ["cl_0123456789ab", "cl_0123456789ab", None]


class TestMasking:
    @pytest.mark.parametrize(
        "name",
        ["Authorization", "authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "session_token",
         "client_secret", "owner_password"],
    )  # fmt: skip
    def test_values_of_sensitive_names_are_masked(self, name: str) -> None:
        assert is_sensitive(name)
        assert record(lambda logger: logger.info("x", **{name: "hunter2"}))[name] == MASK
        assert record(lambda logger: logger.info("x", headers={name: "hunter2"}))["headers"] == {name: MASK}
        assert record(lambda logger: logger.info("x", headers=[(name, "hunter2")]))["headers"] == [[name, MASK]]
        raw = [(name.encode(), b"hunter2")]
        assert record(lambda logger: logger.info("x", headers=raw))["headers"] == [[name, MASK]]

    @pytest.mark.parametrize("name", ["From", "Content-Type", "call_id", "to"])
    def test_others_are_not(self, name: str) -> None:
        assert not is_sensitive(name)
        assert record(lambda logger: logger.info("x", headers={name: "plain"}))["headers"] == {name: "plain"}

    def test_a_switch_is_no_secret(self) -> None:
        assert record(lambda logger: logger.info("x", has_key=True))["has_key"] is True

    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            (f"key {API_KEY} is unknown", f"key vlx_live_{MASK} is unknown"),
            ("GET /embed?token=abc&x=1", f"GET /embed?token={MASK}&x=1"),
            ("postgresql+asyncpg://voylo:hunter2@db/voylo", f"postgresql+asyncpg://voylo:{MASK}@db/voylo"),
            ("BYE sip:a\r\nAuthorization: Digest x\r\nTo: b", f"BYE sip:a\r\nAuthorization: {MASK}\r\nTo: b"),
            ("set-cookie:a=b; Path=/", f"set-cookie:{MASK}"),
            (f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'Ab+/' * 10}|2^31",
             f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{MASK}|2^31"),
            ("+15550100 pressed 5", "+15550100 pressed 5"),
        ],
    )  # fmt: skip
    def test_secrets_inside_texts_are_masked(self, text: str, masked: str) -> None:
        assert mask_text(text) == masked
        assert record(lambda logger: logger.info(text))["event"] == masked
        assert record(lambda logger: logger.info("x", what=text))["what"] == masked

    def test_masking_can_be_switched_off(self) -> None:
        logged = record(lambda logger: logger.info("x", headers={"Cookie": "a"}, what=f"?token={API_KEY}"), mask=False)
        assert logged["headers"] == {"Cookie": "a"}
        assert logged["what"] == f"?token={API_KEY}"

    def test_a_secret_of_the_configuration_is_masked_all_the_same(self) -> None:
        logged = record(lambda logger: logger.info("x", value=SecretStr("hunter2")), mask=False)
        assert logged["value"] == MASK

    def test_a_trace_is_masked_too(self) -> None:
        def act(logger: Any) -> None:
            try:
                raise ValueError(f"bad key {API_KEY}")
            except ValueError:
                logger.exception("failed")

        logged = record(act)
        assert "ValueError: bad key" in logged["exception"]
        assert API_KEY not in logged["exception"]


class TestInjection:
    @pytest.mark.parametrize("log_format", ["console", "json"])
    @given(text=st.text())
    def test_whatever_a_peer_sends_a_record_is_one_printable_line(self, log_format: str, text: str) -> None:
        def act(logger: Any) -> None:
            logger.info(f"x{text}", value=text, **{f"n{text}": 1}, nested={text: [text]})
            logging.getLogger(f"x{text}").warning("%s", text)

        stream = io.StringIO()
        configure_logging(LogSection.model_validate({"format": log_format}), stream=stream)
        act(structlog.get_logger())
        written = stream.getvalue()
        assert written.count("\n") == 2
        assert all(line.isprintable() for line in written.removesuffix("\n").split("\n"))

    def test_a_line_of_an_error_message_cannot_pass_for_a_record(self) -> None:
        def act(logger: Any) -> None:
            try:
                raise ValueError("a\n2026-01-01T00:00:00Z info     all is well\x1b[2K")
            except ValueError:
                logger.exception("failed")

        first, *trace = lines(act, "console")
        assert first.endswith("failed [sip.transport]")
        assert len(trace) > 2
        assert all(line.startswith("    ") and line.isprintable() for line in trace)


class TestBounds:
    def test_long_values_are_cut(self) -> None:
        logged = record(lambda logger: logger.info("x", body="a" * (MAX_VALUE_CHARS + 7)))
        assert logged["body"] == "a" * MAX_VALUE_CHARS + "… (7 more characters)"

    def test_long_lists_and_deep_ones_are_cut(self) -> None:
        loop: dict[str, Any] = {}
        loop["loop"] = loop
        logged = record(lambda logger: logger.info("x", many=list(range(1000)), loop=loop))
        assert len(logged["many"]) == MAX_ITEMS
        assert len(json.dumps(logged["loop"])) < 200

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (float("nan"), "nan"),
            (float("inf"), "inf"),
            (1.5, 1.5),
            (None, None),
            (b"\xffab", "\\xffab"),
            ({1: 2}, {"1": 2}),
            ({3}, [3]),
            ("\ud800", "\ud800"),
            (10**30, 10**30),
        ],
    )
    def test_every_value_can_be_written(self, value: object, shown: object) -> None:
        assert record(lambda logger: logger.info("x", value=value))["value"] == shown

    def test_an_object_that_cannot_be_shown_does_not_break_the_call_that_logs_it(self) -> None:
        class Broken:
            def __str__(self) -> str:
                raise RuntimeError

        logged = record(lambda logger: logger.info("x", value=Broken()))
        assert logged["value"] == "<Broken whose text cannot be had: RuntimeError>"


def test_what_is_set_for_good_holds_for_a_logger_that_was_used() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging(LogSection(format="json"), stream=first, for_good=True)
    used, unused = structlog.get_logger("used"), structlog.get_logger("unused")
    used.info("one")
    configure_logging(LogSection(format="json"), stream=second)
    used.info("two")
    unused.info("three")
    assert [json.loads(line)["event"] for line in first.getvalue().splitlines()] == ["one", "two"]
    assert [json.loads(line)["event"] for line in second.getvalue().splitlines()] == ["three"]
