"""The environment server as a process: its protocol, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_project

from pytest_fastenv.environment_server.server import HANDLERS
from pytest_fastenv.errors import UsageError, error_from_json
from pytest_fastenv.plugin.handover import ENVIRONMENT_SERVER
from pytest_fastenv.settings.values import Settings, to_json

pytestmark = pytest.mark.slow


class Client:
    """Writes questions and reads answers, each by itself."""

    def __init__(self, process: subprocess.Popen[str], directory: Path) -> None:
        self.process = process
        self.directory = directory

    def write(self, *questions: Any) -> None:
        assert self.process.stdin is not None
        for question in questions:
            self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def begin(self, **settings: Any) -> None:
        made = to_json(Settings(cache_dir=self.directory / "store", offline=True, **settings))
        self.write({"do": "begin", "settings": made, "origins": {}, "base": str(self.directory)})
        assert self.read() == {"ok": {"pid": self.process.pid}}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """An environment server in a process group of its own, as a session starts it."""
    with subprocess.Popen(
        ENVIRONMENT_SERVER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield Client(process, tmp_path)
        if process.poll() is None:
            process.kill()


def test_questions_in_order(client: Client) -> None:
    client.begin()
    one = {"do": "venv", "path": str(client.directory / "one")}
    client.write(one, one, {"do": "dance"})
    made = client.read()["ok"]
    assert made["prefix"] == str(client.directory / "one")
    assert Path(made["python"]).exists()
    taken, unknown = client.read()["error"], client.read()["error"]
    assert taken["parts"]["what"].endswith("one is there already")
    error = error_from_json(unknown)
    assert type(error) is UsageError
    assert error.what == "the environment server cannot do 'dance' now"
    _, errors = client.process.communicate("", timeout=30)
    assert (client.process.returncode, errors) == (0, "")


def test_nothing_before_the_beginning(client: Client) -> None:
    client.write({"do": "venv", "path": "x"})
    assert client.read()["error"]["exit_code"] == 4


def test_settings_are_checked(client: Client) -> None:
    client.write({"do": "begin", "settings": {"link": "glue"}, "origins": {}, "base": "."})
    error = error_from_json(client.read()["error"])
    assert (error.what, error.exit_code) == ("the session's settings cannot be read", 4)
    assert error.why == ".link: expected one of 'auto', 'clone', 'hardlink', 'copy', 'symlink', found 'glue'"


def test_a_defect_costs_one_answer(client: Client) -> None:
    client.begin()
    client.write({"do": "venv"}, {"do": "venv", "path": str(client.directory / "one")})
    error = error_from_json(client.read()["error"])
    assert "has a defect: KeyError('path')" in error.what
    assert "Traceback" in (error.why or "")
    assert "ok" in client.read()


def test_advice_speaks_of_the_argument_that_the_test_gave(client: Client) -> None:
    client.begin()
    root = {"base": str(client.directory), "root": str(client.directory)}
    client.write(
        *({"do": "venv", "path": str(client.directory / how), "project": how, **root} for how in ("editable", "wheel")),
    )
    for how in ("editable", "wheel"):
        error = error_from_json(client.read()["error"])
        assert error.what == f"the project is to be installed ({how}), but {client.directory} has none"
        assert error.hint == "use project='none'"


def test_a_path_that_cannot_be_is_a_wrong_request(client: Client) -> None:
    client.begin()
    (client.directory / "file").touch()
    client.write({"do": "venv", "path": str(client.directory / "file" / "env")})
    error = error_from_json(client.read()["error"])
    assert (error.exit_code, error.what) == (4, "a path cannot be used")


@pytest.mark.parametrize("how", ["end of questions", "SIGTERM"])
def test_the_end_cancels_what_is_being_done(client: Client, how: str, tmp_path: Path) -> None:
    """A build that would take ten minutes; its backend and all that was made for it are gone afterwards."""
    log = tmp_path / "log"
    held = make_project(tmp_path / "held", "held", hold_s=600, build_log=log)
    client.begin()
    path = str(tmp_path / "env")
    client.write({"do": "venv", "path": path, "wishes": [[[str(held), False]]], "base": str(tmp_path)})
    deadline = time.monotonic() + 30
    while not (log.exists() and log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    backend = int(log.read_text().partition("pid=")[2].split()[0])
    client.process.send_signal(signal.SIGINT)  # meant for the session, which decides
    if how == "SIGTERM":
        client.process.terminate()
    output, errors = client.process.communicate(timeout=30)
    assert (output, errors) == ("", "")
    assert client.process.returncode == (143 if how == "SIGTERM" else 0)
    while time.monotonic() < deadline:
        try:
            os.kill(backend, 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)
    else:
        pytest.fail("the backend outlived the environment server")
    assert not [name for name in os.listdir(tmp_path) if "env" in name]


@pytest.mark.parametrize("name", HANDLERS.values())
def test_handlers_are_there(name: str) -> None:
    module, _, function = name.partition(":")
    assert callable(getattr(import_module(module), function))


def test_an_empty_environment_needs_no_engine(client: Client) -> None:
    """Neither the HTTP library nor the resolver is imported for it."""
    script = (
        "import asyncio, sys; from contextlib import AsyncExitStack; from pathlib import Path;"
        "from pytest_fastenv.environment_server.context import Context;"
        "from pytest_fastenv.environment_server.venvs import venv;"
        "from pytest_fastenv.model.events import Recorder; from pytest_fastenv.settings.values import Settings;"
        "from pytest_fastenv.store.store import Store; place = Path(sys.argv[1]);"
        "context = Context(Settings(), Store(place / 'store', recorder=Recorder()), Recorder(), place, {}, None);"
        "asyncio.run(venv(context, {'path': str(place / 'env')}));"
        "print(sorted({'httpx', 'nab_resolver', 'pytest_fastenv.provisioning.engine'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, client.directory], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
