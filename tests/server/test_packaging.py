"""Image and compose file agree with each other and with the configuration. Neither is built here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.config import Config, load_config

PROJECT = Path(__file__).resolve().parents[2]
ROOMS = ("server", "api", "engine", "voyloml", "sip", "media")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as pairs of instruction and arguments, continued lines joined."""
    text = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [tuple(line.split(maxsplit=1)) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    start = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return found[start:]


def image_environment() -> dict[str, str]:
    text = " ".join(arguments for name, arguments in last_stage() if name == "ENV")
    return dict(re.findall(r"(\w+)=(\S+)", text))


@pytest.fixture
def service() -> dict[str, Any]:
    compose = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    assert list(compose["services"]) == ["voylo"]
    return compose["services"]["voylo"]  # type: ignore[no-any-return]


def test_the_image_runs_the_engine_as_an_ordinary_user() -> None:
    stage = dict(last_stage())
    assert stage["USER"] not in {"root", "0"}
    assert stage["ENTRYPOINT"] == '["voylo"]'
    assert stage["CMD"] == '["serve"]'
    assert stage["FROM"].startswith("python:3.11-slim")
    names = [name for name, _ in last_stage()]
    assert "RUN" not in names[names.index("USER") :]


def test_no_compiler_gets_into_the_image() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    assert not re.search(r"apt-get|build-essential|\bgcc\b|\bapk\b", text)


def test_the_image_is_built_with_the_tested_versions_of_everything_it_needs() -> None:
    copied = " ".join(arguments for name, arguments in instructions() if name == "COPY").split()
    assert {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", *ROOMS} <= set(copied)
    assert "-c constraints.txt" in (PROJECT / "Dockerfile").read_text()
    assert all((PROJECT / name).exists() for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"))


def test_what_the_image_is_built_from_is_not_ignored() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert kept == {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", *ROOMS}


def test_the_variables_of_the_image_are_keys_of_the_configuration() -> None:
    config = load_config(Path("/dev/null"), image_environment())
    assert config.http.bind.is_wildcard
    assert config.storage.data_dir == Path("/data")


def test_the_data_is_on_a_volume_together_with_the_compiled_code() -> None:
    stage = dict(last_stage())
    assert stage["VOLUME"] == "/data"
    assert image_environment()["NUMBA_CACHE_DIR"].startswith("/data/")


def test_the_image_exposes_the_ports_of_the_defaults() -> None:
    config = Config()
    exposed = dict(last_stage())["EXPOSE"].split()
    assert config.sip.udp is not None
    assert config.sip.tcp is not None
    assert exposed == [
        f"{config.http.bind.port}/tcp",
        f"{config.sip.udp.port}/udp",
        f"{config.sip.tcp.port}/tcp",
        f"{config.media.rtp_ports}/udp",
    ]


def test_the_health_check_needs_nothing_but_python() -> None:
    check = dict(last_stage())["HEALTHCHECK"]
    assert 'CMD ["python", "-c",' in check
    assert "/healthz" in check
    assert f"127.0.0.1:{Config().http.bind.port}" in check
    code = re.search(r'"-c", "([^"]+)"\]', check)
    assert code is not None
    compile(code[1], "healthcheck", "exec")


def test_compose_publishes_what_the_image_exposes(service: dict[str, Any]) -> None:
    exposed = dict(last_stage())["EXPOSE"].split()
    published = {port.rpartition(":")[2] for port in service["ports"]}
    assert published == set(exposed)
    # Peers are told the port inside, so the port outside must be the same.
    for port in service["ports"]:
        outside, inside = port.rpartition("/")[0].split(":")[-2:]
        assert outside == inside


def test_compose_sets_known_keys_only(service: dict[str, Any]) -> None:
    environment = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for name, value in service["environment"].items()}
    config = load_config(Path("/dev/null"), environment)
    assert config.http.bind.is_wildcard
    assert config.sip.advertised_address is None


def test_compose_keeps_the_data_and_lets_calls_finish(service: dict[str, Any]) -> None:
    assert service["volumes"] == ["data:/data"]
    seconds = int(re.fullmatch(r"(\d+)s", service["stop_grace_period"])[1])  # type: ignore[index]
    assert seconds > Config().limits.drain_seconds
