"""How users use the public interface, for a type checker: `test_public_types` runs it, nothing imports this.

What must be accepted stands plainly, what must be found has a ``type: ignore`` that a strict checker finds unused
if it is not.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import assert_type

import pytest

import pytest_fastenv
from pytest_fastenv import (
    CommandError,
    Environment,
    FailureGroup,
    FastenvError,
    InstalledDistribution,
    LinkMode,
    MakeVenv,
    Notice,
    PlannedDistribution,
    Ready,
    Recorder,
    SessionEnvironment,
    SessionNeeds,
    Settings,
    Span,
    VirtualEnvironment,
)


def listen(what: str, event: Span | Notice) -> None:
    if isinstance(event, Notice):
        assert_type(event.text, str)
    else:
        assert_type(event.duration_s, float)


def provide(directory: Path) -> Environment:
    recorder = Recorder()
    recorder.subscribe(listen)
    settings = Settings(link=LinkMode.COPY, max_age_s=0, find_links=("wheels",))
    needs = SessionNeeds(requirements=("pytest==9",))
    try:
        ready = pytest_fastenv.provision(
            ["six"], settings=settings, base=directory, directory=directory / "env", recorder=recorder, needs=needs
        )
    except FailureGroup as group:
        assert_type(group.failures, tuple[FastenvError, ...])
        raise
    except FastenvError as error:
        assert_type(error.what, str)
        assert_type(error.hint, str | None)
        assert_type(error.exit_code, int)
        raise
    assert_type(ready, Ready)
    assert_type(ready.lease_fd, int | None)
    assert_type(recorder.spans, list[Span])
    return ready.environment


def provide_wrongly() -> None:
    Settings(link="glue")  # type: ignore[arg-type]
    pytest_fastenv.provision(["six"], Settings())  # type: ignore[call-arg]
    pytest_fastenv.provision(3)  # type: ignore[arg-type]
    Settings().link = LinkMode.COPY  # type: ignore[misc]


@pytest.mark.fastenv(requirements=["six"], python=["3.12", "3.13"])
def test_it(fastenv: SessionEnvironment, venv: VirtualEnvironment, make_venv: MakeVenv, tmp_path: Path) -> None:
    assert_type(venv.python, Path)
    assert_type(venv.installed(), dict[str, str])
    done = venv.run(["python", tmp_path / "x.py"], check=False, timeout=3, input="y")
    assert_type(done, subprocess.CompletedProcess[str])
    venv.install("six", tmp_path, editable=True, upgrade=True)
    venv.env["A"] = "1"
    assert_type(make_venv(["six", tmp_path], python="3.12", project="wheel", path="x"), VirtualEnvironment)
    assert_type(make_venv("six"), VirtualEnvironment)
    assert_type(fastenv.make_venv(), VirtualEnvironment)
    assert_type(fastenv.plan, tuple[PlannedDistribution, ...] | None)
    assert_type(venv.distributions(), dict[str, InstalledDistribution])


def test_errors(venv: VirtualEnvironment, make_venv: MakeVenv) -> None:
    with pytest.raises(venv.Error) as caught:
        venv.install("absent")
    assert_type(caught.value, FastenvError)
    with pytest.raises(make_venv.Error) as unmade:
        make_venv("absent")
    assert_type(unmade.value, FastenvError)
    with pytest.raises(venv.CommandError) as failed:
        venv.run("false")
    assert_type(failed.value, CommandError)
    assert_type(failed.value.returncode, int)
    either: tuple[subprocess.CalledProcessError, FastenvError] = (failed.value, failed.value)
    assert either


def test_it_wrongly(venv: VirtualEnvironment, make_venv: MakeVenv) -> None:
    venv.install(3)  # type: ignore[arg-type]
    venv.python = Path("x")  # type: ignore[misc]
    make_venv("six", "3.12")  # type: ignore[call-arg]
