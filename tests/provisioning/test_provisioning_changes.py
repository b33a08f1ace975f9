"""Environments that are changed after they were made: what came, what went, and what is said of it later."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_project, make_wheel
from kit.server import IndexServer

from pytest_fastenv.environment import manifest
from pytest_fastenv.errors import NoSolutionError, UsageError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.changes import Changed, Wishes, install, uninstall
from pytest_fastenv.provisioning.story import provision
from pytest_fastenv.requirements.lines import Lines
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

pytestmark = pytest.mark.slow


class Bench:
    """An environment in a directory of its own, and an index."""

    def __init__(self, base: Path, settings: Settings) -> None:
        self.base, self.settings = base, replace(settings, project="none")
        self.prefix = base / "env"

    def create(self, *sources: str, **changes: Any) -> Any:
        settings = replace(self.settings, **changes)
        ready = provision(sources, settings=settings, base=self.base, directory=self.prefix)
        assert ready.lease_fd is not None
        os.close(ready.lease_fd)  # the run ended
        return ready

    def install(self, *lines: str, no_deps: bool = False, dry_run: bool = False, **wishes: Any) -> Changed:
        asked = Wishes(Lines(lines, self.base, "the test", no_deps=no_deps), **wishes)
        return install(self.prefix, asked, settings=self.settings, recorder=Recorder(), dry_run=dry_run)

    def uninstall(self, *names: str) -> list[str]:
        return [one.name for one in uninstall(self.prefix, names, settings=self.settings)]

    def held(self) -> dict[str, str]:
        code = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
        python = self.prefix / "bin" / "python"
        done = subprocess.run([python, "-Ic", code], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)


@pytest.fixture
def bench(tmp_path: Path, store: Store, index_server: Callable[..., IndexServer]) -> Bench:
    server = index_server()
    return Bench(tmp_path, Settings(cache_dir=store.root, index_url=server.url))


def test_what_is_wanted_comes_and_what_was_there_stays(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    make_wheel(artifacts, "beta", requires=["gamma"])
    make_wheel(artifacts, "gamma")
    bench.create("alpha")
    changed = bench.install("beta")
    assert [one.name for one in changed.brought] == ["beta", "gamma"]
    assert bench.held() == {"alpha": "1.0", "beta": "1.0", "gamma": "1.0"}
    plan = manifest.read_plan(bench.prefix)
    assert plan is not None
    assert {one.name for one in plan.distributions} == {"alpha", "beta", "gamma"}


def test_a_version_that_will_do_stays_unless_an_upgrade_is_wanted(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha", requires=["beta"])
    make_wheel(artifacts, "beta")
    bench.create("alpha")
    make_wheel(artifacts, "alpha", "2.0", requires=["beta"])
    make_wheel(artifacts, "beta", "2.0")
    bench.install("alpha")
    assert bench.held() == {"alpha": "1.0", "beta": "1.0"}
    bench.install("alpha", upgrade="only-if-needed")
    assert bench.held() == {"alpha": "2.0", "beta": "1.0"}
    bench.install("alpha", upgrade="eager")
    assert bench.held() == {"alpha": "2.0", "beta": "2.0"}


def test_a_local_project_stays_where_something_needs_it(bench: Bench, artifacts: Path, tmp_path: Path) -> None:
    make_project(tmp_path / "mine", "alpha", "3.0")
    make_wheel(artifacts, "alpha", "9.0")
    make_wheel(artifacts, "beta", requires=["alpha"])
    bench.create("beta", "alpha @ " + (tmp_path / "mine").as_uri())
    bench.install("beta", reinstall=True)
    assert bench.held()["alpha"] == "3.0"
    bench.install("alpha>=9")
    assert bench.held()["alpha"] == "9.0"


def test_what_is_said_when_the_environment_is_made_again(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    make_wheel(artifacts, "beta")
    bench.create("alpha")
    bench.install("beta")
    known = manifest.read(bench.prefix)
    assert known is not None
    assert manifest.difference(bench.prefix, known) is None
    again = bench.create("alpha")
    assert again.summary.reason == "it was changed by fastenv pip: -beta 1.0"
    assert bench.held() == {"alpha": "1.0"}


def test_an_edit_is_not_hidden_by_a_change(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    make_wheel(artifacts, "beta")
    made = bench.create("alpha")
    (module,) = Path(made.environment.purelib).glob("alpha*/__init__.py")
    os.unlink(module)
    module.write_text("edited = 1\n")
    bench.install("beta")
    known = manifest.read(bench.prefix)
    assert known is not None
    assert manifest.difference(bench.prefix, known) is not None


def test_uninstalled_with_its_edits_and_without_files_of_others(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    make_wheel(artifacts, "beta")
    made = bench.create("alpha", "beta")
    (module,) = Path(made.environment.purelib).glob("alpha*/__init__.py")
    (module.parent / "notes.txt").write_text("mine")
    assert bench.uninstall("alpha", "nothing") == ["alpha"]
    assert bench.held() == {"beta": "1.0"}
    assert os.listdir(module.parent) == ["notes.txt"]
    plan = manifest.read_plan(bench.prefix)
    assert plan is not None
    assert [one.name for one in plan.distributions] == ["beta"]
    assert bench.create("alpha", "beta").summary.reason == "alpha/__init__.py is missing"  # it was edited before


def test_what_fails_leaves_it_as_it_was(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    bench.create("alpha")
    with pytest.raises(NoSolutionError):
        bench.install("alpha>1")
    assert bench.held() == {"alpha": "1.0"}
    assert bench.create("alpha").summary.reused


def test_a_dry_run_changes_nothing(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    make_wheel(artifacts, "beta", requires=["gamma"])
    make_wheel(artifacts, "gamma")
    bench.create("alpha")
    assert [one.name for one in bench.install("beta", dry_run=True).brought] == ["beta", "gamma"]
    assert bench.install("beta", dry_run=True, no_deps=True).brought[0].name == "beta"
    assert bench.held() == {"alpha": "1.0"}
    assert bench.create("alpha").summary.reused


def test_an_environment_of_others_can_be_changed(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bench.prefix], check=True)
    bench.install("alpha")
    assert bench.held() == {"alpha": "1.0"}
    assert bench.install("alpha").brought == ()
    assert bench.uninstall("alpha") == ["alpha"]
    assert bench.held() == {}


def test_a_shared_one_cannot(bench: Bench, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    ready = provision(["alpha"], settings=bench.settings, base=bench.base)
    bench.prefix = ready.environment.prefix
    with pytest.raises(UsageError, match="environment of the store"):
        bench.install("alpha")
    with pytest.raises(UsageError, match="environment of the store"):
        bench.uninstall("alpha")


def test_what_is_none_is_told(bench: Bench) -> None:
    bench.prefix = bench.base / "nothing"
    with pytest.raises(UsageError, match="no virtual environment"):
        bench.install("alpha")
