"""Options in the words of somebody who has a tox file."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.archives import make_wheel
from kit.tox_project import Project

pytest.importorskip("tox")

from pytest_fastenv.errors import PLACE, UsageError, option
from pytest_fastenv.integrations.tox.telling import diagnosis, in_words_of_tox
from pytest_fastenv.settings.options import OPTIONS


def test_an_error_names_keys_of_tox_and_variables() -> None:
    hint = f"name a newer one, such as {option('python', '>=3.9')}, or set {option('concurrent', '4')}"
    text = diagnosis(UsageError("Python 3.6 is too old", hint=hint))
    assert "such as base_python = >=3.9, or set FASTENV_CONCURRENT=4" in text


def test_every_option_has_a_name() -> None:
    for one in OPTIONS:
        assert in_words_of_tox(one.field)
        assert "Settings" not in in_words_of_tox(one.field, "x")
    assert in_words_of_tox("python", PLACE) == "the request"
    assert in_words_of_tox("something") == "something"


#: The system's own answer, given to the threads of one of the two works that tox hands over.
_NO_THREADS = """
import sys
import threading

begin = threading.Thread.start

def start(thread):
    frame, modules = sys._getframe(), set()
    while frame is not None:
        modules.add(frame.f_globals.get("__name__"))
        frame = frame.f_back
    if thread.name.startswith("asyncio_") and "{module}" in modules:
        raise RuntimeError("can't start new thread")
    begin(thread)

threading.Thread.start = start
"""


@pytest.mark.parametrize(
    "module", ["pytest_fastenv.integrations.tox.creation", "pytest_fastenv.provisioning.changes"], ids=["make", "fill"]
)
def test_a_shortage_is_told_as_one_and_no_traceback_is_shown(project: Project, artifacts: Path, module: str) -> None:
    make_wheel(artifacts, "some")
    project.write("deps = some\nskip_install = true\ncommands = python -c pass")
    (project.directory / "toxfile.py").write_text(_NO_THREADS.format(module=module))
    output = project.tox("run", code=None)
    assert "no threads or processes left" in output, output
    assert "ulimit -u" in output
    assert "a: FAIL" in output
