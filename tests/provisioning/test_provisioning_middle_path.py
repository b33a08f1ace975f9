"""What filled an environment fills another one: when that is taken, when not, and that it is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_project, make_sdist, make_wheel
from kit.server import IndexServer

from pytest_fastenv import provision
from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.places import Ready
from pytest_fastenv.filesystem import tree
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning import cold_path
from pytest_fastenv.provisioning.question import SessionNeeds
from pytest_fastenv.settings.layers import load, variables
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

pytestmark = pytest.mark.slow
#: What the middle path has no use for.
HEAVY = (
    "httpx",
    "packaging",
    "virtualenv",
    "resolvelib",
    "pytest_fastenv.index.http",
    "pytest_fastenv.installer.build",
    "pytest_fastenv.installer.distributions",
    "pytest_fastenv.provisioning.cold_path",
    "pytest_fastenv.provisioning.engine",
    "pytest_fastenv.requirements.sources",
    "pytest_fastenv.resolve.resolution",
)


class Bench:
    """A directory with requirements, and what is asked there."""

    def __init__(self, directory: Path, artifacts: Path, server: IndexServer) -> None:
        self.directory, self.artifacts, self.server = directory, artifacts, server
        self.recorder = Recorder()
        directory.mkdir()
        self.write("app\nbuilt\n")

    def write(self, text: str) -> None:
        (self.directory / "requirements.txt").write_text(text)

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "FASTENV_INDEX_URL": self.server.url}

    @property
    def settings(self) -> Settings:
        return replace(load(variables(self.environ)).settings, sources=("requirements.txt",), project="none")

    @property
    def store(self) -> Store:
        return Store(Path(os.environ["FASTENV_CACHE_DIR"]), recorder=Recorder())

    def ask(self, directory: str | None = None, *, needs: SessionNeeds | None = None, **changes: Any) -> Ready:
        self.recorder = Recorder()
        ready = provision(
            settings=replace(self.settings, **changes),
            base=self.directory,
            needs=needs,
            directory=Path(directory) if directory else None,
            environ=self.environ,
            recorder=self.recorder,
        )
        if ready.lease_fd is not None:
            os.close(ready.lease_fd)
        return ready


@pytest.fixture
def bench(tmp_path: Path, artifacts: Path, index_server: Callable[..., IndexServer]) -> Bench:
    main = {"app/__init__.py": b"def main():\n    return 0\n"}
    make_wheel(artifacts, "app", requires=["lib>=1"], entry_points={"app": "app:main"}, files=main)
    make_wheel(artifacts, "lib", "1.0")
    make_sdist(artifacts, "built", "1.0")
    return Bench(tmp_path / "project", artifacts, index_server())


@contextmanager
def gone(monkeypatch: pytest.MonkeyPatch, *, all_through: bool) -> Iterator[None]:
    """See that inside a block all is gone through, or that it is not."""
    made: list[object] = []
    make = cold_path.make

    def noted(*given: Any, **named: Any) -> Any:
        made.append(given)
        return make(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(cold_path, "make", noted)
        yield
    assert bool(made) is all_through


def contents(prefix: Path) -> dict[str, bytes]:
    """Return all files of an environment; its own path is left out of what they hold."""
    paths = [path for path in prefix.rglob("*") if path.is_file() and not path.is_symlink()]
    own = (".fastenv/tree", ".fastenv/manifest.json", ".fastenv/ready", ".fastenv/lease")
    return {
        name: path.read_bytes().replace(str(prefix).encode(), b"PREFIX")
        for path in paths
        if (name := path.relative_to(prefix).as_posix()) not in own and "__pycache__" not in name
    }


def test_elsewhere_it_is_the_same_and_nothing_is_asked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bench.ask("one")
    asked = len(bench.server.requests)
    with gone(monkeypatch, all_through=False):
        second = bench.ask("two")
    assert len(bench.server.requests) == asked
    one, two = Path(first.environment.prefix), Path(second.environment.prefix)
    assert (one.name, two.name) == ("one", "two")
    # Digests of scripts, which hold their environment's path, stand in RECORD: those lines differ.
    ours, theirs = contents(one), contents(two)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name] and not name.endswith("RECORD")] == []
    known, again = manifest.read(one), manifest.read(two)
    assert known is not None
    assert again is not None
    assert (again.fingerprint, again.parts, set(again.uses)) == (known.fingerprint, known.parts, set(known.uses))
    told = second.summary
    assert (told.distributions, told.cached, told.fetched, told.built, told.reused) == (3, 3, 0, 0, False)
    assert manifest.read_tree(two, again) == tree.snapshot(two)
    ran = second.environment.run(["app"], capture_output=True, text=True)
    assert ran.returncode == 0


def test_what_is_made_is_found_by_the_next_run(bench: Bench) -> None:
    bench.ask("one")
    second = bench.ask("two")
    third = bench.ask("two")
    assert third.summary.reused is True
    assert third.environment.prefix == second.environment.prefix


def test_it_is_made_anew_when_that_is_asked_for_or_it_was_changed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.ask()
    with gone(monkeypatch, all_through=False):
        second = bench.ask(recreate=True)
    assert second.environment.prefix != first.environment.prefix
    edited = second.environment.purelib / "lib" / "__init__.py"
    os.unlink(edited)
    edited.write_text("edited = True\n")
    with gone(monkeypatch, all_through=False):
        third = bench.ask()
    assert str(third.summary.reason).endswith("lib/__init__.py changed since")
    assert "edited" not in (third.environment.purelib / "lib" / "__init__.py").read_text()


@pytest.mark.parametrize("changes", [{"upgrade": True}, {"max_age_s": 0.0}, {"strict": True}], ids=str)
def test_other_grounds_mean_that_all_is_gone_through(
    bench: Bench, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.ask("one")
    with gone(monkeypatch, all_through=True):
        bench.ask("two", **changes)


def test_other_requirements_mean_that_all_is_gone_through(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.ask("one")
    bench.write("app\n")
    with gone(monkeypatch, all_through=True):
        assert bench.ask("two").environment.installed() == {"app": "1.0", "lib": "1.0"}


def test_offline_any_age_is_good(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.ask("one")
    with gone(monkeypatch, all_through=False):
        bench.ask("two", offline=True, max_age_s=0.0)


def test_a_wheel_that_is_gone_is_fetched_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.ask("one")
    for entry in bench.store.kept(WHEELS):
        if (entry.path / "tree" / "lib").exists():
            (entry.path / ".ready").unlink()
    with gone(monkeypatch, all_through=True):
        told = bench.ask("two").summary
    assert (told.fetched, told.cached) == (1, 2)


def test_a_wheel_that_was_edited_is_healed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    one = bench.ask("one", link=bench.settings.link.HARDLINK)
    (one.environment.purelib / "lib" / "__init__.py").write_text("edited = True\n")
    with gone(monkeypatch, all_through=True):
        two = bench.ask("two", link=bench.settings.link.HARDLINK)
    assert "edited" not in (two.environment.purelib / "lib" / "__init__.py").read_text()
    assert any("was changed" in text for text in two.summary.warnings)
    assert bench.recorder.notices


def test_a_users_own_tree_is_built_when_it_is_made_anew(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(bench.directory / "own", "own")
    bench.write("app\n./own\n")
    bench.ask()
    with gone(monkeypatch, all_through=True):
        bench.ask(recreate=True)
    with gone(monkeypatch, all_through=False):
        bench.ask("elsewhere")
    source = next((bench.directory / "own").rglob("__init__.py"))
    source.write_text("changed = True\n")
    with gone(monkeypatch, all_through=True):
        bench.ask("another")


def test_warnings_are_told_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(bench.artifacts, "ant", files={"tests/x.py": b"ant"})
    make_wheel(bench.artifacts, "bee", files={"tests/x.py": b"bee"})
    bench.write("ant\nbee\n")
    first = bench.ask("one")
    assert any("tests/x.py" in text for text in first.summary.warnings)
    with gone(monkeypatch, all_through=False):
        second = bench.ask("two")
    assert second.summary.warnings == first.summary.warnings
    assert (second.environment.purelib / "tests" / "x.py").read_bytes() == b"ant"


def test_what_a_session_needs_is_in_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = SessionNeeds(("lib==1.0",), {"runtime_of_ours/__init__.py": b"here = 1\n"})
    bench.ask("one", needs=needs)
    with gone(monkeypatch, all_through=False):
        second = bench.ask("two", needs=needs)
    assert (second.environment.purelib / "runtime_of_ours" / "__init__.py").read_bytes() == b"here = 1\n"


def test_nothing_heavy_is_imported(bench: Bench, tmp_path: Path) -> None:
    program = (
        "import sys, pytest_fastenv.cli.main as main\n"
        "code = main.main(['create', '-q', 'requirements.txt', sys.argv[1]])\n"
        "print('\\n'.join(sys.modules))\n"
        "sys.exit(code)\n"
    )

    def run(name: str) -> set[str]:
        command = [sys.executable, "-c", program, str(tmp_path / name)]
        ran = subprocess.run(
            command, cwd=bench.directory, env=bench.environ, capture_output=True, text=True, check=True
        )
        return set(ran.stdout.split())

    assert run("one") >= {name for name in HEAVY if name.startswith("pytest_fastenv.provisioning")}
    assert run("two").intersection(HEAVY) == set()
    assert (tmp_path / "two" / "pyvenv.cfg").exists()
