"""The whole story on a real index on loopback: made once, reused when nothing changed, remade with a reason."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_project, make_sdist, make_wheel
from kit.server import IndexServer

from pytest_fastenv import provision
from pytest_fastenv.environment.places import Ready
from pytest_fastenv.errors import InterpreterNotFoundError, UnknownProjectError, UsageError, WheelError
from pytest_fastenv.index.page_cache import PAGES
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.provisioning.question import SessionNeeds
from pytest_fastenv.provisioning.story import reuse
from pytest_fastenv.settings.layers import load, settings_from_variables, variables
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

pytestmark = pytest.mark.slow


class Desk:
    """A user's directory, an index, and what the user asks there."""

    def __init__(self, directory: Path, artifacts: Path, server: IndexServer) -> None:
        self.directory = directory
        self.artifacts = artifacts
        self.server = server
        directory.mkdir(exist_ok=True)

    def write(self, text: str, name: str = "requirements.txt") -> None:
        (self.directory / name).write_text(text)

    def settings(self, **changes: Any) -> Settings:
        made = replace(load(variables(self.environ())).settings, sources=("requirements.txt",), project="none")
        return replace(made, **changes)

    def environ(self) -> dict[str, str]:
        return {**os.environ, "FASTENV_INDEX_URL": self.server.url}

    def ask(
        self, *, environ: Mapping[str, str] | None = None, needs: SessionNeeds | None = None, **changes: Any
    ) -> Ready:
        ready = provision(
            settings=self.settings(**changes),
            base=self.directory,
            needs=needs,
            environ={**self.environ(), **(environ or {})},
        )
        if ready.lease_fd is not None:
            os.close(ready.lease_fd)
        return ready


@pytest.fixture
def desk(tmp_path: Path, artifacts: Path, index_server: Callable[..., IndexServer]) -> Desk:
    make_wheel(artifacts, "app", requires=["lib>=1"], entry_points={"app": "app:main"})
    make_wheel(artifacts, "lib", "1.0")
    make_sdist(artifacts, "built", "1.0")
    made = Desk(tmp_path / "project", artifacts, index_server())
    made.write("app\nbuilt\n")
    return made


def test_made_reused_and_nothing_asked_twice(desk: Desk) -> None:
    first = desk.ask()
    assert first.environment.installed() == {"app": "1.0", "built": "1.0", "lib": "1.0"}
    told = first.summary
    assert (told.distributions, told.fetched, told.built, told.cached, told.reused) == (3, 2, 1, 0, False)
    asked = len(desk.server.requests)
    second = desk.ask()
    assert second.environment == first.environment
    assert second.summary.reused is True
    assert len(desk.server.requests) == asked


@pytest.mark.parametrize("variable", ["HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"])
def test_another_configuration_of_pip_is_another_request(
    desk: Desk, variable: str, tmp_path: Path, index_server: Callable[..., IndexServer]
) -> None:
    """Which files count depends on variables: those of one user are not taken for those of another."""
    other = tmp_path / "other artifacts"
    other.mkdir()
    make_wheel(other, "app", "2.0")
    servers = {"one": desk.server.url, "two": index_server(other).url}
    desk.write("app\n")
    below = {"HOME": ".config/pip", "XDG_CONFIG_HOME": "pip", "XDG_CONFIG_DIRS": "pip"}[variable]
    for name, url in servers.items():
        place = tmp_path / name / below
        place.mkdir(parents=True)
        (place / "pip.conf").write_text(f"[global]\nindex-url = {url}\n")

    def ask(name: str) -> str:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "PIP_"))}
        environ |= {"HOME": str(tmp_path / "nowhere"), variable: str(tmp_path / name)}
        settings = desk.settings(sources=("app",), index_url=None)
        ready = provision(settings=settings, base=desk.directory, environ=environ)
        if ready.lease_fd is not None:
            os.close(ready.lease_fd)
        return ready.environment.installed()["app"]

    assert [ask(name) for name in ("one", "two", "one", "two")] == ["1.0", "2.0", "1.0", "2.0"]


def test_it_runs_what_is_in_it(desk: Desk) -> None:
    environment = desk.ask().environment
    ran = environment.run(
        ["python", "-c", "import app, lib, built; print(app.__file__)"], capture_output=True, text=True
    )
    assert Path(ran.stdout.strip()).is_relative_to(environment.prefix)


def test_other_requirements_mean_another_environment_and_back_again(desk: Desk) -> None:
    first = desk.ask()
    desk.write("app\n")
    second = desk.ask()
    assert second.environment.prefix != first.environment.prefix
    assert second.summary.reason == f"{desk.directory}/requirements.txt changed: -built 1.0"
    desk.write("app\nbuilt\n")
    third = desk.ask()
    assert third.environment.prefix == first.environment.prefix
    assert third.summary.reused is True


def test_an_edited_environment_is_remade_with_the_same_versions_and_goes(desk: Desk) -> None:
    first = desk.ask()
    edited = first.environment.purelib / "lib" / "__init__.py"
    os.unlink(edited)
    edited.write_text("edited = True\n")
    make_wheel(desk.artifacts, "lib", "2.0")  # released in between: the resolution still stands
    second = desk.ask()
    assert second.environment.prefix != first.environment.prefix
    assert "lib/__init__.py" in second.summary.reason
    assert not edited.exists()
    assert second.environment.installed()["lib"] == "1.0"
    assert desk.ask(upgrade=True).environment.installed()["lib"] == "2.0"


def test_the_index_is_followed_when_the_resolution_is_too_old(desk: Desk) -> None:
    desk.ask()
    make_wheel(desk.artifacts, "lib", "2.0")
    assert desk.ask(max_age_s=3600.0).environment.installed()["lib"] == "1.0"
    newer = desk.ask(max_age_s=0.0, upgrade=True)
    assert newer.environment.installed()["lib"] == "2.0"


def test_offline_uses_what_there_is_and_makes_no_request(desk: Desk) -> None:
    desk.ask()
    asked = len(desk.server.requests)
    desk.write("app\n")
    ready = desk.ask(offline=True, max_age_s=0.0)
    assert ready.environment.installed() == {"app": "1.0", "lib": "1.0"}
    assert len(desk.server.requests) == asked


def test_what_was_resolved_offline_is_no_younger_than_the_pages_it_was_made_of(desk: Desk, store: Store) -> None:
    desk.ask()
    for kept in store.kept(PAGES):
        page = store.read_record(PAGES, kept.key)
        assert page is not None
        store.write_record(PAGES, kept.key, replace(page, asked_at=page.asked_at - 7200.0))
    make_wheel(desk.artifacts, "lib", "2.0")
    desk.write("app\n")
    offline = desk.ask(offline=True)
    assert offline.environment.installed()["lib"] == "1.0"
    assert offline.summary.age_s >= 7200.0
    assert desk.ask(max_age_s=3600.0).environment.installed()["lib"] == "2.0"


_BUILT_WITH = """
build_without_note = build_wheel

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import importlib.metadata
    with open("noted/__init__.py", "w") as file:
        file.write("TOOL = %r" % importlib.metadata.version("tool"))
    return build_without_note(wheel_directory, config_settings, metadata_directory)
"""


def test_an_upgrade_builds_with_upgraded_tools_and_its_environment_has_that(desk: Desk, tmp_path: Path) -> None:
    make_wheel(desk.artifacts, "tool", "1.0")
    make_sdist(desk.artifacts, "noted", build_requires=["tool"], backend_code=_BUILT_WITH)
    desk.write("noted\n")

    def built_with(ready: Ready) -> str:
        return (ready.environment.purelib / "noted" / "__init__.py").read_text()

    first = desk.ask()
    assert built_with(first) == "TOOL = '1.0'"
    assert desk.ask(upgrade=True).environment.prefix == first.environment.prefix, "nothing is new"
    make_wheel(desk.artifacts, "tool", "2.0")
    upgraded = desk.ask(upgrade=True)
    assert (built_with(upgraded), upgraded.summary.reused) == ("TOOL = '2.0'", False)
    assert desk.ask().environment.prefix == upgraded.environment.prefix


def test_recreate_makes_another_one(desk: Desk) -> None:
    first, second = desk.ask(), desk.ask(recreate=True)
    assert second.environment.prefix != first.environment.prefix
    assert desk.ask().environment.prefix == second.environment.prefix


def test_a_variable_that_a_file_refers_to_counts(desk: Desk) -> None:
    desk.write("${WHICH}\n")
    assert "app" in desk.ask(environ={"WHICH": "app"}).environment.installed()
    ready = desk.ask(environ={"WHICH": "lib"})
    assert ready.environment.installed() == {"lib": "1.0"}
    assert ready.summary.reason.startswith("the variable WHICH changed: ")


def test_a_project_that_is_built_is_looked_at_every_time(desk: Desk) -> None:
    project = make_project(desk.directory / "mine", "mine")
    desk.write("./mine\n")
    first = desk.ask()
    (project / "mine" / "__init__.py").write_text("changed = True\n")
    second = desk.ask()
    assert "changed" in second.summary.reason
    assert second.environment.prefix != first.environment.prefix
    assert (second.environment.purelib / "mine" / "__init__.py").read_text() == "changed = True\n"


def test_an_editable_project_is_followed_without_being_remade(desk: Desk) -> None:
    project = make_project(desk.directory / "mine", "mine", requires=["lib"])
    desk.write("-e ./mine\n")
    first = desk.ask()
    assert first.environment.installed() == {"lib": "1.0", "mine": "1.0"}
    (project / "mine" / "__init__.py").write_text("print('edited')\n")
    second = desk.ask()
    assert second.environment == first.environment
    ran = second.environment.run(["python", "-c", "import mine"], capture_output=True, text=True)
    assert ran.stdout == "edited\n"


def test_the_project_in_the_root_comes_along_as_editable(desk: Desk) -> None:
    root = make_project(desk.directory / "root", "mine")
    ready = provision(settings=desk.settings(project="auto"), base=desk.directory, root=root, environ=desk.environ())
    assert ready.environment.installed() == {"app": "1.0", "built": "1.0", "lib": "1.0", "mine": "1.0"}


def test_groups_extras_and_constraints(desk: Desk) -> None:
    """Each has its effect, through the key of the request, too."""
    make_wheel(desk.artifacts, "lib", "2.0")
    make_wheel(desk.artifacts, "tool")
    desk.write("app\n")
    assert desk.ask().environment.installed() == {"app": "1.0", "lib": "2.0"}
    desk.write("lib<2\n", "c.txt")
    assert desk.ask(constraints=("c.txt",)).environment.installed() == {"app": "1.0", "lib": "1.0"}
    assert desk.ask(constraints=("lib>1",)).environment.installed() == {"app": "1.0", "lib": "2.0"}
    desk.write("lib>1\n", "c.txt")
    assert desk.ask(constraints=("c.txt",)).environment.installed()["lib"] == "2.0"
    make_project(desk.directory, "mine", extras={"more": ["tool"]})
    settings = {"sources": (), "project": "editable"}
    assert desk.ask(**settings).environment.installed() == {"mine": "1.0"}
    assert desk.ask(**settings, extras=frozenset({"more"})).environment.installed() == {"mine": "1.0", "tool": "1.0"}
    pyproject = desk.directory / "pyproject.toml"
    groups = "[dependency-groups]\ntest = ['lib<2', {include-group = 'other'}]\nother = ['tool']\n"
    pyproject.write_text(pyproject.read_text() + groups)
    found = desk.ask(sources=(), groups=frozenset({"test"})).environment.installed()
    assert found == {"lib": "1.0", "tool": "1.0"}
    pyproject.write_text(pyproject.read_text().replace("lib<2", "lib"))
    assert desk.ask(sources=(), groups=frozenset({"test"})).environment.installed()["lib"] == "2.0"


def test_pips_configuration_counts(desk: Desk, tmp_path: Path, index_server: Callable[..., IndexServer]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_wheel(other, "lib", "5.0")
    environ = {"FASTENV_INDEX_URL": "", "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    desk.write("lib\n")
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {desk.server.url}\n")
    assert desk.ask(environ=environ, index_url=None).environment.installed() == {"lib": "1.0"}
    assert desk.ask(environ=environ, index_url=None).summary.reused is True
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {index_server(other).url}\n")
    changed = desk.ask(environ=environ, index_url=None)
    assert changed.environment.installed() == {"lib": "5.0"}
    assert "pip.conf changed" in changed.summary.reason


def test_what_the_session_needs_is_added_unless_it_is_named(desk: Desk) -> None:
    for version in ("7.0", "8.0", "9.0"):
        make_wheel(desk.artifacts, "pytest", version)
    needs = SessionNeeds(("pytest==8.0",), {"hello.py": b"said = 1\n"})
    ready = desk.ask(needs=needs)
    assert ready.environment.installed()["pytest"] == "8.0"
    assert (ready.environment.purelib / "hello.py").read_bytes() == b"said = 1\n"
    desk.write("pytest<9,!=8.0\n")
    assert desk.ask(needs=needs).environment.installed()["pytest"] == "7.0"
    desk.write("pytest\n")
    assert desk.ask(needs=needs).environment.installed()["pytest"] == "9.0"
    desk.write("app\n")
    desk.write("pytest>8\n", "constraints.txt")
    desk.write("app\n-c constraints.txt\n")
    assert desk.ask(needs=needs).environment.installed()["pytest"] == "9.0"


def test_remote_requirements_files_are_read(desk: Desk) -> None:
    (desk.artifacts / "remote.txt").write_text("lib\n")
    desk.write(f"-r {desk.server.files_url}remote.txt\n")
    assert desk.ask().environment.installed() == {"lib": "1.0"}


def test_an_interpreter_that_a_script_excludes_is_refused(desk: Desk) -> None:
    desk.write('# /// script\n# requires-python = "<3"\n# dependencies = ["app"]\n# ///\n', "script.py")
    with pytest.raises(InterpreterNotFoundError, match="requires Python <3"):
        desk.ask(sources=("script.py",))


def test_a_chosen_directory(desk: Desk, tmp_path: Path) -> None:
    place = tmp_path / "here"
    made = provision(settings=desk.settings(), base=desk.directory, directory=place, environ=desk.environ())
    assert made.environment.prefix == place
    assert made.lease_fd is not None
    os.close(made.lease_fd)
    again = provision(settings=desk.settings(), base=desk.directory, directory=place, environ=desk.environ())
    assert again.summary.reused is True


def test_a_failure_leaves_nothing_that_passes_for_whole(desk: Desk) -> None:
    desk.write("app\nmissing-project\n")
    with pytest.raises(UnknownProjectError, match="missing-project"):
        desk.ask()
    store = Path(os.environ["FASTENV_CACHE_DIR"])
    assert not list((store / "environments").glob("*-*"))
    assert reuse(desk.settings(), base=desk.directory, environ=desk.environ()) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"strict": True},
        {"expansion_mib": 1, "expansion_ratio": 1},
        {"unchecked_records": frozenset({"app"})},
        {"link": LinkMode.COPY},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_environment_that_was_made_under_other_rules_is_not_taken(desk: Desk, changes: dict[str, Any]) -> None:
    """Also where the question is new, and only the fingerprint leads to it."""
    first = desk.ask().environment.prefix
    other = desk.ask(**changes)
    assert other.summary.reused is False
    assert other.environment.prefix != first
    assert desk.ask(**changes).summary.reused is True
    assert desk.ask().environment.prefix == first


def test_strict_refuses_what_was_accepted_before(desk: Desk) -> None:
    make_wheel(desk.artifacts, "hooked", files={"hooked.pth": "import sys\n"})
    desk.write("hooked\n")
    assert desk.ask().summary.distributions == 1
    with pytest.raises(WheelError, match="runs code whenever the interpreter starts"):
        desk.ask(strict=True)


@pytest.mark.parametrize("line", ["./own", "-e ./own"])
def test_code_in_a_pth_file_of_the_users_own_project_is_accepted(desk: Desk, line: str) -> None:
    """Backends make editable projects known by such files."""
    hook = "    files['hook.pth'] = b'import sys\\n'\n"
    project = make_project(desk.directory / "own", "own", files={"own.py": "", "hook.pth": "import sys\n"})
    backend = project / "intree_backend.py"
    text = backend.read_text()
    found = "    files.update(_dist_info_files())\n"
    backend.write_text(text.replace(found, found + hook))
    assert hook in backend.read_text()
    desk.write(f"{line}\n")
    made = desk.ask(strict=True)
    assert (made.environment.purelib / "hook.pth").exists()


def test_strict_is_for_environments_that_tests_run_in(desk: Desk) -> None:
    """What a build environment holds never reaches them; and the store's state decides nothing."""
    make_wheel(desk.artifacts, "hooked", files={"hooked.pth": "import sys\n"})
    make_sdist(desk.artifacts, "plain", build_requires=["hooked"])
    desk.write("plain\n")
    assert desk.ask(strict=True).environment.installed() == {"plain": "1.0"}


@pytest.mark.parametrize("changes", [{"project": "bogus"}, {"link": "glue"}, {"python_downloads": "perhaps"}], ids=str)
def test_settings_are_choices_without_any_door(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="is not accepted"):
        Settings(**changes)


def test_settings_take_the_words_of_choices(desk: Desk) -> None:
    settings = replace(settings_from_variables(desk.environ()), link="copy", project="none")  # type: ignore[arg-type]
    assert settings.link is LinkMode.COPY
    assert provision(["lib"], settings=settings, base=desk.directory, environ=desk.environ()).summary.distributions == 1


def test_one_text_is_no_list_of_sources(desk: Desk) -> None:
    with pytest.raises(UsageError, match="give a list"):
        provision("lib", base=desk.directory)


def test_what_decides_nothing_about_the_answer_leads_to_it(desk: Desk) -> None:
    desk.ask()
    for changes in ({"concurrent_builds": 1}, {"offline": True}, {"max_age_s": 60.0}, {"inherit_pythonpath": True}):
        assert reuse(desk.settings(**changes), base=desk.directory, environ=desk.environ()) is not None, changes


def test_a_warm_run_imports_nothing_heavy_and_makes_no_request(desk: Desk) -> None:
    desk.ask()
    asked = len(desk.server.requests)
    code = f"""
import sys, json
from pathlib import Path
from pytest_fastenv.provisioning.story import reuse
from pytest_fastenv.settings.layers import load, variables
from dataclasses import replace
import os
settings = replace(load(variables(os.environ)).settings, sources=("requirements.txt",), project="none")
assert reuse(settings, base=Path({str(desk.directory)!r}), environ=os.environ) is not None
print(json.dumps(sorted(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", code], env=desk.environ(), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    modules = set(json.loads(ran.stdout))
    heavy = {"asyncio", "httpx", "packaging", "virtualenv", "rich", "resolvelib", "nab_resolver", "ssl", "socket"}
    assert not heavy & modules
    ours = {name for name in modules if name.startswith("pytest_fastenv.")}
    assert not [name for name in ours if re.search(r"\.(index|resolve|installer|requirements|report|engine)\b", name)]
    assert len(desk.server.requests) == asked


def test_a_warm_run_writes_nothing(desk: Desk) -> None:
    desk.ask()
    store = Path(os.environ["FASTENV_CACHE_DIR"])

    def state() -> list[tuple[str, int, int]]:
        return sorted((str(p), p.lstat().st_size, p.lstat().st_mtime_ns) for p in store.rglob("*"))

    before = state()
    assert reuse(desk.settings(), base=desk.directory, environ=desk.environ()) is not None
    after = state()
    assert (set(before) - set(after), set(after) - set(before)) == (set(), set())


def test_reports_are_written(desk: Desk) -> None:
    desk.ask(reports=(Path("trace.json"), Path("timeline.html")))
    events = json.loads((desk.directory / "trace.json").read_text())["traceEvents"]
    kinds = {event["cat"] for event in events if event["ph"] == "X"}
    assert {"resolve", "fetch", "build", "unpack", "link"} <= kinds
    assert "<svg" in (desk.directory / "timeline.html").read_text()


def test_what_is_all_in_the_store_is_put_together_without_what_fetches_searches_or_builds(desk: Desk) -> None:
    desk.write("app\n")
    desk.ask()
    code = (
        "import os, sys; from pathlib import Path\n"
        "from pytest_fastenv import Settings, provision\n"
        "from pytest_fastenv.settings.layers import load, variables\n"
        "from dataclasses import replace\n"
        "made = replace(load(variables(os.environ)).settings, sources=('requirements.txt',), recreate=True)\n"
        "ready = provision(settings=made, base=Path.cwd(), environ=os.environ)\n"
        "assert not ready.summary.reused\n"
        "heavy = {'httpx', 'http.client', 'urllib.request', 'nab_resolver', 'pytest_fastenv.installer.build.builder',"
        " 'pytest_fastenv.interpreter_downloads.supply', 'pytest_fastenv.resolve.resolution'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=desk.directory, env=desk.environ(), capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX systems")
def test_a_store_that_is_not_used_is_told_each_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    home = desk.directory / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    store = desk.directory / "written by all"
    store.mkdir()
    store.chmod(0o777)
    for _ in range(2):
        ready = desk.ask(cache_dir=store)
        assert " ".join(ready.summary.warnings).count("everybody may write there") == 1
        assert home in ready.environment.prefix.parents or sys.platform == "darwin"
    found = reuse(desk.settings(cache_dir=store), base=desk.directory, environ=desk.environ())
    assert found is not None
    assert "everybody may write there" in " ".join(found.summary.warnings)
    assert list(store.iterdir()) == []
