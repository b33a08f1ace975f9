"""A password goes to its origin and nowhere else: not to the screen, a file, a build, an environment, another host."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


TOKENS = {"/one/": ("first", SECRET), "/two/": ("second", f"{SECRET}-2"), "/files/two/": ("second", f"{SECRET}-2")}


def two_repositories(server: IndexServer) -> Callable[[Any], bool]:
    """Return what makes of a server one host of two repositories: each has a login, and lists one project."""

    def serve(request: Any) -> bool:
        place = next((path for path in TOKENS if request.path.startswith(path)), None)
        if place is None:
            return False
        expected = base64.b64encode(":".join(TOKENS[place]).encode()).decode()
        name = request.path.rstrip("/").rpartition("/")[2]
        if request.headers.get("Authorization") != f"Basic {expected}":
            request.answer(403, b"another token is needed")
        elif name.endswith(".whl"):
            request.answer(200, (server.directory / name).read_bytes())
        elif name in {"left", "right"} and name == {"/one/": "left", "/two/": "right"}[place]:
            files = "/files/two" if place == "/two/" else "../../files"
            link = f'<a href="{files}/{name}-1.0-py3-none-any.whl">x</a>'
            request.answer(200, link.encode(), {"Content-Type": "text/html"})
        else:
            request.answer(404, b"no such project")
        return True

    return serve


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_each_of_two_indexes_on_one_host_gets_its_own(order: tuple[str, str], seeded: Desk, tmp_path: Path) -> None:
    """The files of one lie below it; those of the other elsewhere on the host, where nothing tells whose they are."""
    server = seeded.server
    assert server is not None
    for name in ("left", "right"):
        make_wheel(server.directory, name)
    server.fault("", two_repositories(server))
    urls = [server.origin.replace("://", f"://{':'.join(TOKENS[f'/{name}/'])}@") + f"/{name}/simple/" for name in order]
    seeded.variables |= {"FASTENV_INDEX_URL": urls[0], "FASTENV_EXTRA_INDEX_URL": urls[1]}
    seeded.ask("fastenv", "left", "right").is_fine()
    for request in server.requests:
        whose = next((TOKENS[path] for path in ("/one/", "/two/") if request.path.startswith(path)), None)
        if whose:
            expected = base64.b64encode(":".join(whose).encode()).decode()
            assert request.headers["authorization"] == f"Basic {expected}", request.path
    nowhere(seeded, tmp_path)


def test_a_refusal_says_which_login_was_sent(seeded: Desk) -> None:
    server = seeded.server
    assert server is not None
    server.fault("", two_repositories(server))
    seeded.variables["FASTENV_INDEX_URL"] = f"{with_login(server.origin)}/two/simple/"
    said = seeded.ask("fastenv", "right")
    said.is_diagnosis(
        3, "403", "sent: the login of http://127.0.0.1:[0-9]+/two/simple/ in FASTENV_INDEX_URL", "next: +look"
    )
    assert "somebody" not in said.output


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
