"""A password goes to its origin and nowhere else: not to the screen, a file, a build, an environment, another host."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from front_doors import DOORS, SECRET, Desk
from kit import faults
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer

pytestmark = pytest.mark.slow

LOGIN = f"somebody:{SECRET}@"


@pytest.fixture
def locked(seeded: Desk, index_server: Callable[..., IndexServer], tmp_path: Path) -> Desk:
    """The index asks for credentials; a source distribution tells what its backend sees."""
    seen = tmp_path / "seen"
    code = f"open({str(seen)!r}, 'w').write(str(dict(os.environ)))"
    server = seeded.server
    assert server is not None
    make_sdist(server.directory, "built", backend_code=code)
    server.credentials = ("somebody", SECRET)
    return seeded


def with_login(url: str) -> str:
    return url.replace("://", f"://{LOGIN}")


def files_with_the_secret(*places: Path) -> list[Path]:
    files = [path for place in places for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if SECRET.encode() in path.read_bytes()]


def nowhere(desk: Desk, tmp_path: Path) -> None:
    """Check every file of store, environment, reports and what the backend saw, but those the user wrote."""
    (desk.directory / "requirements.txt").unlink(missing_ok=True)
    assert files_with_the_secret(tmp_path) == []


@pytest.mark.parametrize("door", DOORS)
def test_in_the_variable(locked: Desk, door: str, tmp_path: Path) -> None:
    locked.variables["FASTENV_INDEX_URL"] = with_login(locked.variables["FASTENV_INDEX_URL"])
    locked.ask(door, "good", "built", report="trace.json").is_fine()
    assert (tmp_path / "seen").exists()
    nowhere(locked, tmp_path)


@pytest.mark.parametrize("door", DOORS)
def test_in_a_requirements_file(locked: Desk, door: str, tmp_path: Path) -> None:
    url = with_login(locked.variables.pop("FASTENV_INDEX_URL"))
    locked.write("requirements.txt", f"--index-url {url}\ngood\nbuilt\n")
    locked.ask(door, "requirements.txt", report="timeline.html").is_fine()
    nowhere(locked, tmp_path)


@pytest.mark.parametrize("door", DOORS)
def test_in_a_direct_url(locked: Desk, door: str, tmp_path: Path) -> None:
    assert locked.server is not None
    wheel = make_wheel(locked.server.directory, "direct")
    locked.variables["FASTENV_INDEX_URL"] = with_login(locked.variables["FASTENV_INDEX_URL"])
    locked.write("requirements.txt", f"direct @ {with_login(locked.server.files_url)}{wheel.name}\ngood\n")
    locked.ask(door, "requirements.txt", report="trace.json").is_fine()
    nowhere(locked, tmp_path)


@pytest.mark.parametrize("door", DOORS)
def test_in_pips_configuration(locked: Desk, door: str, tmp_path: Path) -> None:
    url = with_login(locked.variables.pop("FASTENV_INDEX_URL"))
    configuration = Path(os.environ["PIP_CONFIG_FILE"])
    assert configuration.parent == tmp_path  # the test's own file, which it may remove
    configuration.write_text(f"[global]\nindex-url = {url}\n")
    locked.ask(door, "good").is_fine()
    configuration.unlink()
    nowhere(locked, tmp_path)


FAULTS = {
    "404": lambda server: server.fault("direct-1.0-py3-none-any.whl", faults.answer(404)),
    "403": lambda server: server.fault("direct-1.0-py3-none-any.whl", faults.answer(403)),
    "500": lambda server: server.fault("direct-1.0-py3-none-any.whl", faults.answer(500)),
    "garbage": lambda server: server.fault("direct-1.0-py3-none-any.whl", faults.answer(200, b"no wheel")),
    "hang-up": lambda server: server.fault("direct-1.0-py3-none-any.whl", faults.hang_up()),
    "loop": lambda server: server.fault("direct-1.0-py3-none-any.whl", faults.redirect("direct-1.0-py3-none-any.whl")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_not_in_a_diagnosis(locked: Desk, fault: str, tmp_path: Path) -> None:
    server = locked.server
    assert server is not None
    FAULTS[fault](server)
    locked.variables["FASTENV_INDEX_URL"] = with_login(locked.variables["FASTENV_INDEX_URL"])
    locked.write("requirements.txt", f"direct @ {with_login(server.files_url)}direct-1.0-py3-none-any.whl\n")
    locked.ask("fastenv", "requirements.txt").is_diagnosis(3, "direct")
    locked.nothing_is_left()
    nowhere(locked, tmp_path)


def test_not_to_another_origin(locked: Desk, index_server: Callable[..., IndexServer], tmp_path: Path) -> None:
    server = locked.server
    assert server is not None
    other = index_server(server.directory)
    server.fault("/files/good-1.0-py3-none-any.whl", faults.redirect(f"{other.files_url}good-1.0-py3-none-any.whl"))
    locked.variables["FASTENV_INDEX_URL"] = with_login(locked.variables["FASTENV_INDEX_URL"])
    locked.ask("fastenv", "good").is_fine()
    assert other.requests
    assert not [request for request in other.requests if "authorization" in request.headers]
    assert any("authorization" in request.headers for request in server.requests)
