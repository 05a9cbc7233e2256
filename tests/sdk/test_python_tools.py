"""The Python SDK as its users' tools see it: type checkers, the oldest Python, the reference, installed packages."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from sdk.generate.reference import MODULES, python_reference
from tests.sdk.nodejs import PYTHON_SOURCES, require_node, run, run_python
from tests.sdk.servers import Answer, Answering, serving

pytestmark = pytest.mark.timeout(300)

PYTHON = PYTHON_SOURCES.parent
OLDEST = (3, 10)
UNREACHABLE = re.compile(r"NewConnectionError|NameResolutionError|Temporary failure|Network is unreachable")
USE = """
import sys
from voylo import AsyncVoyloClient, VoyloClient, VoyloResponse, parse_event
client = VoyloClient("vlx_live_k", "ws_0123456789ab", sys.argv[1])
placed = client.calls.create(from_="+1", to="+2", application_id="a")
print(sys.version_info[:2] == (3, 10), placed.public_id, VoyloResponse().say("Hello").hangup())
print(parse_event('{"event": "webhook.test", "event_id": "e", "created_at": "", "workspace_id": "w",'
                  '"data": {"webhook_id": "a", "message": "b"}}').data.webhook_id)
try:
    import voylo.integrations.flask
except ModuleNotFoundError as error:
    print(error.name)
"""


def test_python_types_hold_for_mypy() -> None:
    run(sys.executable, "-m", "mypy", "--python-version", "3.10", "--no-incremental", cwd=PYTHON)


def test_python_types_hold_for_pyright() -> None:
    require_node()
    run(sys.executable, "-m", "pyright", "--pythonpath", sys.executable, cwd=PYTHON)


def test_everything_in_the_python_package_is_there_in_the_oldest_version() -> None:
    for path in (*PYTHON.glob("src/**/*.py"), *PYTHON.glob("examples/*.py")):
        ast.parse(path.read_text(), feature_version=OLDEST)
    strictly = ("--target=3.10-", "--violations", "--eval-annotations")
    command = (str(Path(sys.executable).with_name("vermin")), *strictly, "src", "examples")
    assert "Minimum required versions: 3.10" in run(*command, cwd=PYTHON)


def test_the_python_reference_is_written_without_a_warning(tmp_path: Path) -> None:
    python_reference(tmp_path)
    for module in MODULES:
        assert (tmp_path / f"{module.replace('.', '/')}.html").stat().st_size > 5000
    assert "Calls.create" in (tmp_path / "voylo" / "generated" / "resources.html").read_text()


def test_the_code_of_the_readme_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (PYTHON / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 6
    of_a_client = [block for block in blocks if "client" in block]
    for block in of_a_client:
        ast.parse(block, feature_version=OLDEST)
    names: dict[str, object] = {}
    for block in blocks:
        if block not in of_a_client:
            exec(compile(block, "README.md", "exec", dont_inherit=True), names)  # what it has is this repository's
    assert {"menu", "told", "code"} <= set(names)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is made of the source distribution's own files."""
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--directory", str(dist), cwd=PYTHON)
    assert [path.suffixes[-2:] for path in dist.glob("*.gz")] == [[".tar", ".gz"]]
    (made,) = dist.glob("*.whl")
    return made


def test_the_wheel_has_the_package_and_its_types_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {path.relative_to(PYTHON_SOURCES).as_posix() for path in PYTHON_SOURCES.rglob("*.py")}
    assert sources | {"voylo/py.typed"} == {name for name in names if ".dist-info/" not in name}


def environment(folder: Path, python: str = sys.executable) -> str:
    """The Python of a new, empty virtual environment."""
    if python == sys.executable:
        venv.create(folder, symlinks=True)
    else:
        run(python, "-m", "venv", "--without-pip", str(folder))
    return str(folder / "bin" / "python")


def used(python: str) -> list[str]:
    """What USE prints there, isolated from everything around it."""
    placed = Answer(202, {"publicId": "cl_a1b2c3d4e5f6", "status": "dialing"})
    with serving(Answering([placed])) as server:
        lines = run(python, "-I", "-c", USE, server.url, cwd=Path("/")).splitlines()
        assert server.seen[0].headers["x-workspace-id"] == "ws_0123456789ab"
    return lines


EXPECTED = [
    'cl_a1b2c3d4e5f6 <?xml version="1.0" encoding="UTF-8"?><Response><Say>Hello</Say><Hangup/></Response>',
    "a",
    "flask",
]


def test_the_wheel_works_where_only_its_dependencies_are(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv")
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel))
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for name in dependencies("httpx"):
        link(name, site)
    run(*pip, "check")
    assert used(python) == [f"{sys.version_info[:2] == OLDEST} {EXPECTED[0]}", *EXPECTED[1:]]


def dependencies(name: str) -> set[str]:
    """A distribution and, without extras, all it needs."""
    found: set[str] = set()
    open_ = [name]
    while open_:
        each = open_.pop()
        if each in found:
            continue
        try:
            needed = importlib.metadata.requires(each) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another version of Python
        found.add(each)
        open_ += [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in needed if "extra ==" not in line]
    return found


def link(name: str, site: Path) -> None:
    """Makes one distribution of this environment visible in another."""
    files = importlib.metadata.files(name) or []
    for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
        target = Path(sysconfig.get_path("purelib")) / top
        if not (site / top).exists():
            (site / top).symlink_to(target)


def test_the_wheel_installs_from_the_index_into_the_oldest_python(wheel: Path, tmp_path: Path) -> None:
    oldest = python_of(OLDEST)
    if oldest is None:
        pytest.skip("Python 3.10 is not installed")
    python = environment(tmp_path / "venv", oldest)
    command = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--retries", "0", str(wheel))
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip("the package index is out of reach")
    assert done.returncode == 0, done.stderr
    assert used(python) == [f"True {EXPECTED[0]}", *EXPECTED[1:]]


def python_of(version: tuple[int, int]) -> str | None:
    """A Python of this version: on the path, or one of pyenv's."""
    name = f"python{version[0]}.{version[1]}"
    candidates = [name]
    if shutil.which("pyenv"):
        root = Path(run("pyenv", "root").strip())
        candidates += [str(path) for path in sorted(root.glob(f"versions/{version[0]}.{version[1]}.*/bin/{name}"))]
    for candidate in candidates:
        if shutil.which(candidate) is None:
            continue
        code = "import sys; print(list(sys.version_info[:2]))"
        said = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False, env=os.environ)
        if said.returncode == 0 and json.loads(said.stdout) == list(version):
            return candidate
    return None


def test_no_framework_is_imported_with_the_package() -> None:
    code = "import sys, voylo; print(sorted({'starlette', 'fastapi', 'flask', 'pydantic'} & set(sys.modules)))"
    assert run_python(sys.executable, "-c", code) == "[]\n"
