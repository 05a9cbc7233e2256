"""What the doctor says of calls by browsers."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.webrtc import companion
from server.config import Config
from server.doctor.browsers import check_browsers


def config(folder: Path, *listeners: str) -> Config:
    pem = folder / "some.pem"
    pem.write_text("")
    sip = {"udp": "127.0.0.1:0", "tcp": "", **dict.fromkeys(listeners, "127.0.0.1:0")}
    return Config.model_validate({"sip": sip | {"tls_cert": str(pem), "tls_key": str(pem)}})


@pytest.mark.parametrize(
    ("listeners", "statuses"), [((), []), (("ws",), ["warn"]), (("wss",), ["ok"]), (("ws", "wss"), ["ok"])]
)
def test_whether_pages_can_be_phones(tmp_path: Path, listeners: tuple[str, ...], statuses: list[str]) -> None:
    assert [found.status for found in check_browsers(config(tmp_path, *listeners))] == statuses


def test_a_system_that_divides_no_port_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companion, "_SO_ATTACH_REUSEPORT_CBPF", 9999)  # what no kernel knows
    (found,) = check_browsers(config(tmp_path, "wss"))
    assert (found.status, found.check) == ("fail", "browsers")
    assert found.what.startswith("browsers have no audio: a UDP port cannot be divided into RTP and DTLS: ")
