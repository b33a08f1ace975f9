"""pip's own settings change the answer, and what is remembered of it, through the real door."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer

from pytest_fastenv import provision
from pytest_fastenv.environment.places import Ready
from pytest_fastenv.errors import NoSolutionError, RequestError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.requirements.pip_settings import UNHEEDED
from pytest_fastenv.settings.naming import Naming
from pytest_fastenv.settings.values import Settings

pytestmark = pytest.mark.slow


class Desk:
    """Asks an index with some of pip's variables set."""

    def __init__(self, directory: Path, server: IndexServer) -> None:
        self.directory = directory
        self.server = server
        self.told = Recorder()

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def ask(self, *sources: str, environ: Mapping[str, str] | None = None, **changes: Any) -> Ready:
        settings = replace(Settings(), index_url=self.server.url, cache_dir=self.directory / "cache", **changes)
        ready = provision(
            sources,
            settings=replace(settings, project="none"),
            base=self.directory,
            recorder=self.told,
            environ={**os.environ, **(environ or {})},
        )
        if ready.lease_fd is not None:
            os.close(ready.lease_fd)
        return ready

    def finds(self, *sources: str, **environ: str) -> dict[str, str]:
        return dict(self.ask(*sources, environ=environ).environment.installed())


@pytest.fixture
def desk(tmp_path: Path, artifacts: Path, index_server: Callable[..., IndexServer]) -> Desk:
    for version in ("1.0", "2.0", "3.0rc1"):
        make_wheel(artifacts, "lib", version)
    make_wheel(artifacts, "app", requires=["lib"])
    make_sdist(artifacts, "lib", "2.5")
    return Desk(tmp_path, index_server())


def test_the_constraint_of_the_variable_and_its_content_decide(desk: Desk) -> None:
    desk.write("c.txt", "lib<2\n")
    assert desk.finds("app") == {"app": "1.0", "lib": "2.5"}
    assert desk.finds("app", PIP_CONSTRAINT="c.txt") == {"app": "1.0", "lib": "1.0"}
    again = desk.ask("app", environ={"PIP_CONSTRAINT": "c.txt"})
    assert again.summary.reused is True
    assert again.summary.pip_settings == ("PIP_CONSTRAINT",)
    desk.write("c.txt", "lib<2.1\n")
    changed = desk.ask("app", environ={"PIP_CONSTRAINT": "c.txt"})
    assert changed.environment.installed() == {"app": "1.0", "lib": "2.0"}
    assert "c.txt changed" in (changed.summary.reason or "")
    assert desk.finds("app") == {"app": "1.0", "lib": "2.5"}


def test_the_constraint_of_a_configuration_file(desk: Desk, tmp_path: Path) -> None:
    desk.write("c.txt", "lib<2\n")
    desk.write("pip.conf", "[install]\nconstraint = c.txt\n")
    own = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    assert desk.finds("app", **own) == {"app": "1.0", "lib": "1.0"}
    desk.write("pip.conf", "")
    assert desk.finds("app", **own) == {"app": "1.0", "lib": "2.5"}


def test_rules_about_files_and_releases(desk: Desk) -> None:
    assert desk.finds("lib", PIP_ONLY_BINARY=":all:") == {"lib": "2.0"}
    assert desk.finds("lib", PIP_PREFER_BINARY="1") == {"lib": "2.0"}
    assert desk.finds("lib", PIP_PRE="1") == {"lib": "3.0rc1"}
    assert desk.finds("lib<2.5", PIP_PRE="0") == {"lib": "2.0"}
    assert desk.finds("app", PIP_NO_DEPS="1") == {"app": "1.0"}
    with pytest.raises(NoSolutionError, match="only wheels"):
        desk.finds("lib<2.5", PIP_NO_BINARY="lib")
    with pytest.raises(RequestError, match="hashes are required"):
        desk.finds("lib", PIP_REQUIRE_HASHES="1")


def test_what_has_no_say_is_said_once(desk: Desk) -> None:
    for _ in range(2):
        desk.ask("app", environ={"PIP_NO_BUILD_ISOLATION": "0"})
    (notice,) = [notice for notice in desk.told.notices if "PIP_" in notice.text]
    assert notice.text.startswith("PIP_NO_BUILD_ISOLATION is not heeded")


def test_warnings_name_options_as_their_reader_does(desk: Desk) -> None:
    environ = {f"PIP_{name.upper().replace('-', '_')}": "1" for name in UNHEEDED}
    desk.told = Recorder(Naming("run"))
    for _ in range(2):  # from pip's settings, and as kept with the answer
        summary = desk.ask("app", environ=environ).summary
        assert len([text for text in summary.warnings if "is not heeded" in text]) == len(UNHEEDED)
        told = [*summary.warning_lines, *summary.warnings, *(notice.text for notice in desk.told.notices)]
        assert [text for text in told if not text.isprintable()] == []
        assert "PIP_ABI is not heeded: an environment is for the interpreter of --python" in summary.warnings
    desk.told = Recorder(Naming("pytest"))
    (kept,) = [text for text in desk.ask("app", environ=environ).summary.warnings if text.startswith("PIP_ABI ")]
    assert kept.endswith("the interpreter of --fastenv-python")


def test_build_constraints_hold_in_build_environments(desk: Desk, artifacts: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(artifacts, "tool", version)
    make_sdist(artifacts, "built", "1.0", build_requires=["tool"])
    desk.write("c.txt", "tool==0\n")
    assert desk.finds("built", PIP_CONSTRAINT="c.txt") == {"built": "1.0"}
    with pytest.raises(NoSolutionError, match=r"tool"):
        desk.finds("built", PIP_BUILD_CONSTRAINT="c.txt")
