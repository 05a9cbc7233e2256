"""The checks of RFC 3261 §8.2 one by one."""

from __future__ import annotations

import pytest

from sip.core.inspection import (
    Refusal,
    inspect_content,
    inspect_extensions,
    inspect_target,
    session_description,
)
from sip.message import Request, parse_message
from tests.sip.support import OFFER, invite, request

SCHEMES = frozenset({"sip", "sips"})


def parsed(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def with_type(content_type: str | None, *headers: str) -> Request:
    line = b"" if content_type is None else f"Content-Type: {content_type}\r\n".encode()
    return parsed(invite(headers=headers).replace(b"Content-Type: application/sdp\r\n", line))


def status(refusal: Refusal | None) -> int | None:
    return None if refusal is None else refusal.status


class TestTarget:
    @pytest.mark.parametrize("method", ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO"])
    def test_our_methods_pass(self, method: str) -> None:
        assert inspect_target(parsed(request(method, branch="z9hG4bK1")), SCHEMES) is None

    def test_an_unknown_method_counts_before_the_scheme(self) -> None:
        assert status(inspect_target(parsed(request("FOO", branch="z9hG4bK1", uri="x:y")), SCHEMES)) == 501

    def test_schemes_are_configurable(self) -> None:
        tel = parsed(invite(uri="tel:+15550100"))
        assert status(inspect_target(tel, SCHEMES)) == 416
        assert inspect_target(tel, SCHEMES | {"tel"}) is None


class TestExtensions:
    def test_each_unsupported_tag_is_named_as_sent(self) -> None:
        assert inspect_extensions(parsed(invite(headers=["Require: Foo , bar"]))) == Refusal(
            420, (("Unsupported", "Foo, bar"),)
        )

    @pytest.mark.parametrize("headers", [[], ["Require:"], ["Supported: 100rel"], ["Proxy-Require: foo"]])
    def test_nothing_required_is_nothing_refused(self, headers: list[str]) -> None:
        assert inspect_extensions(parsed(invite(headers=headers))) is None


class TestContent:
    @pytest.mark.parametrize("content_type", ["application/sdp", "APPLICATION/SDP ; charset=utf-8", None])
    def test_sdp_passes(self, content_type: str | None) -> None:
        made = with_type(content_type)
        assert inspect_content(made) is None
        assert session_description(made) == OFFER

    @pytest.mark.parametrize("content_type", ["text/plain", "application/sdpx", "multipart/mixed"])
    def test_anything_else_does_not(self, content_type: str) -> None:
        made = with_type(content_type)
        assert status(inspect_content(made)) == 415
        assert session_description(made) is None

    def test_handling_optional_excuses_another_type_only(self) -> None:
        optional = "Content-Disposition: signal;handling=optional"
        assert inspect_content(with_type("application/isup", optional)) is None
        assert status(inspect_content(with_type("application/isup", optional.replace("optional", "required")))) == 415

    @pytest.mark.parametrize(("encoding", "wanted"), [("identity", None), ("Identity", None), ("gzip", 415)])
    def test_encodings(self, encoding: str, wanted: int | None) -> None:
        assert status(inspect_content(with_type("application/sdp", f"Content-Encoding: {encoding}"))) == wanted

    def test_an_empty_body_may_have_any_type(self) -> None:
        made = parsed(invite(body=b"", headers=["Content-Type: text/plain"]))
        assert inspect_content(made) is None
        assert session_description(made) is None

    @pytest.mark.parametrize(
        ("accept", "wanted"),
        [
            ("application/sdp", None),
            ("application/SDP;q=0.3, text/plain", None),
            ("application / sdp", None),
            ("*/*;q=0.1", None),
            ("text/plain", 406),
            ("application/sdp;q=0", 406),
            ("application/sdp;q=0.000", 406),
            ("", 406),
        ],
    )
    def test_accept(self, accept: str, wanted: int | None) -> None:
        """RFC 3261 §20.1: an empty Accept means that nothing is acceptable."""
        assert status(inspect_content(parsed(invite(headers=[f"Accept: {accept}"])))) == wanted
