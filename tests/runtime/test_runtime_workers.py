"""What is sent to a worker's interpreter, run there through a real gateway; and which gateways are refused."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import execnet
import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.runtime import worker_start
from pytest_fastenv.runtime.worker_start import KEY, moved
from pytest_fastenv.runtime.workers import end_session

#: Stands for xdist's program: reads its first message and more, and tells where it is.
PROGRAM = """\
import os, sys
assert __name__ == "__channelexec__"

def told():
    return sys.path, dict(os.environ), told.__code__.co_filename

first = channel.receive()
sys.path = first[-1]
channel.send([first[0]["workerid"], *told()])
channel.send(channel.receive())
"""


def test_a_program_is_at_home(tmp_path: Path) -> None:
    session, worker = str(tmp_path / "session"), str(tmp_path / "worker's own")
    home = {
        "prefix": worker,
        "prefixes": [session],
        "scripts": f"{worker}/bin",
        "variables": {"VIRTUAL_ENV": worker, "OF_THE_WORKER": "1"},
    }
    path = ["", f"{session}/lib/site-packages", *sys.path, f"{session}-beside/lib", "relative"]
    spec = f"popen//python={sys.executable}//env:PATH={session}/bin{os.pathsep}/usr/bin"
    group = execnet.Group()
    try:
        source = f"{inspect.getsource(worker_start)}\nstart(channel, {PROGRAM!r}, {session + '/lib/remote.py'!r})\n"
        channel = group.makegateway(spec).remote_exec(source)
        channel.send(({"workerid": "gw7", KEY: home}, ["args"], {}, path))
        worker_id, found, variables, filename = channel.receive(30)
        channel.send("the second message is its own")
        assert channel.receive(30) == "the second message is its own"
    finally:
        group.terminate(5)
    assert worker_id == "gw7"
    assert found == ["", f"{worker}/lib/site-packages", *sys.path, f"{session}-beside/lib", "relative"]
    assert filename == f"{worker}/lib/remote.py"
    assert variables["VIRTUAL_ENV"] == worker
    assert variables["OF_THE_WORKER"] == "1"
    assert variables["PATH"] == os.pathsep.join([f"{worker}/bin", "/usr/bin"])


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("/envs/a", "/w"),
        ("/envs/a/lib/x.py", "/w/lib/x.py"),
        ("/real/a/lib", "/w/lib"),
        ("/envs/ab/lib", "/envs/ab/lib"),
        ("/other/envs/a", "/other/envs/a"),
        ("", ""),
        ("envs/a", "envs/a"),
    ],
)
def test_paths_move_with_their_environment(path: str, result: str) -> None:
    assert moved(path, ["/real/a", "/envs/a"], "/w") == result


def test_what_is_sent_imports_nothing_of_ours() -> None:
    """It runs before ``sys.path`` is right."""
    imported = [line for line in inspect.getsource(worker_start).splitlines() if line.startswith(("import ", "from "))]
    standard = ["import os", "import re", "import sys", "from typing import Any, Sequence"]
    assert imported == ["from __future__ import annotations", *standard]


def test_a_session_ends_with_an_error_as_the_outside_does(capsys: pytest.CaptureFixture[str]) -> None:
    error = UsageError("what happened", where="here", why="two\nlines", hint="do this")
    with pytest.raises(pytest.exit.Exception) as caught:
        end_session(error)
    assert caught.value.returncode == 4
    assert capsys.readouterr().err == f"\nfastenv: error: {error.diagnosis()}\n"


def test_it_needs_no_xdist_to_be_imported() -> None:
    script = "import sys, pytest_fastenv.runtime.workers; print([m for m in sys.modules if m in ('xdist', 'execnet')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
