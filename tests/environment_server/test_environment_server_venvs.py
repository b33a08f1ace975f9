"""Environments that tests ask for: made, changed, and left as they were where that fails."""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_project, make_sdist, make_wheel, write_zip
from kit.server import IndexServer
from kit.unpacked import unpacked_at

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment_server.context import Context
from pytest_fastenv.environment_server.venvs import install, venv
from pytest_fastenv.errors import (
    ConflictError,
    FastenvError,
    InterpreterNotFoundError,
    NoSolutionError,
    PublishError,
    RequestError,
    UsageError,
)
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.digest import file_sha256
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.provisioning.bytecode import keep_bytecode
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.imported import keep
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

pytestmark = pytest.mark.slow


class Session:
    """An environment server's life without its process."""

    def __init__(self, context: Context) -> None:
        self.context = context

    async def make(self, name: str, *sources: str, **values: Any) -> Environment:
        path = self.context.base / name
        made = await venv(self.context, {"path": str(path), "wishes": [[[s, False] for s in sources]], **values})
        return Environment.from_json(made)

    async def install(self, made: Environment, *sources: str, before: tuple[str, ...] = (), **values: Any) -> Any:
        editable = values.pop("editable", False)
        wishes = [[[s, False] for s in before], [[s, editable] for s in sources]]
        return await install(self.context, {"path": str(made.prefix), "wishes": wishes, **values})


Play = Callable[[Session], Awaitable[None]]


@pytest.fixture
def play(
    tmp_path: Path, store: Store, recorder: Recorder, index_server: Callable[..., IndexServer]
) -> Callable[..., IndexServer]:
    """Run a coroutine function with a session whose index has what is in ``artifacts``; return the index."""

    def run(part: Play, **changes: Any) -> IndexServer:
        server = index_server()
        settings = Settings(**{"cache_dir": store.root, "index_url": server.url, **changes})

        async def session() -> None:
            async with AsyncExitStack() as stack:
                await part(Session(Context(settings, store, recorder, tmp_path, dict(os.environ), stack)))

        asyncio.run(session())
        return server

    return run


def content(made: Environment) -> dict[str, bytes]:
    """Every file of an environment but those of its own directory."""
    return {
        path.relative_to(made.prefix).as_posix(): path.read_bytes()
        for path in sorted(made.prefix.rglob("*"))
        if path.is_file() and ".fastenv" not in path.parts and path.suffix != ".pyc"
    }


def test_made_as_all_others_are(play: Any, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha", requires=["beta"])
    make_wheel(artifacts, "beta")

    async def part(session: Session) -> None:
        made = await session.make("env", "alpha")
        assert made.installed() == {"alpha": "1.0", "beta": "1.0"}
        known = manifest.read(made.prefix)
        assert known is not None
        assert manifest.difference(made.prefix, known) is None
        assert Environment.standing(made.prefix) == made
        plan = manifest.read_plan(made.prefix)
        assert plan is not None
        names = [one.name for one in plan.distributions]
        assert names == ["alpha", "beta"]
        assert sorted(os.listdir(session.context.base)) == ["artifacts", "cache", "env", "pip.conf"]

    play(part)


def test_the_second_of_a_kind_asks_no_index(play: Any, artifacts: Path, recorder: Recorder) -> None:
    make_wheel(artifacts, "alpha")
    asked: list[int] = []

    async def part(session: Session) -> None:
        await session.make("one", "alpha>=1")
        asked.append(len([span for span in recorder.spans if span.kind == "resolve"]))
        make_wheel(artifacts, "alpha", "2.0")  # released while the session lasts: it is not for this session
        second = await session.make("two", "alpha>=1")
        asked.append(len([span for span in recorder.spans if span.kind == "resolve"]))
        assert second.installed() == {"alpha": "1.0"}

    server = play(part, max_age_s=0.0)
    assert asked == [1, 1]
    assert len([path for path in server.paths() if "/simple/alpha" in path]) == 1


def test_what_is_published_meanwhile_is_found_when_it_is_needed(play: Any, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")

    async def part(session: Session) -> None:
        made = await session.make("env", "alpha")
        make_wheel(artifacts, "alpha", "2.0")
        await session.install(made, "alpha>1", before=("alpha",))
        assert made.installed() == {"alpha": "2.0"}
        make_wheel(artifacts, "alpha", "3.0")
        await session.install(made, "alpha", before=("alpha",))
        assert made.installed() == {"alpha": "2.0"}
        answer = await session.install(made, "alpha", before=("alpha",), upgrade=True)
        assert made.installed() == {"alpha": "3.0"}
        assert answer == {"added": [], "replaced": [("alpha", "3.0")]}

    play(part)


def test_a_project_under_test_is_built_again_when_it_changed(play: Any, tmp_path: Path) -> None:
    files = {"demo.py": "VALUE = 1\n"}
    project = make_project(tmp_path / "project", "demo", files=files)

    async def part(session: Session) -> None:
        made = await session.make("one", str(project))
        assert content(made)[f"{made.purelib.relative_to(made.prefix).as_posix()}/demo.py"] == b"VALUE = 1\n"
        (project / "demo.py").write_text("VALUE = 2\n")
        again = await session.make("two", str(project))
        assert (again.purelib / "demo.py").read_text() == "VALUE = 2\n"
        await session.install(made, str(project))
        assert (made.purelib / "demo.py").read_text() == "VALUE = 2\n"

    play(part)


def test_who_asks_again_means_the_last_wish(play: Any, artifacts: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(artifacts, "alpha", version)
    make_wheel(artifacts, "beta", requires=["alpha<2"])

    async def part(session: Session) -> None:
        made = await session.make("env", "alpha==2.0")
        await session.install(made, "alpha==1.0", before=("alpha==2.0",))
        assert made.installed() == {"alpha": "1.0"}
        await session.install(made, "beta", before=("alpha==1.0",))
        with pytest.raises(NoSolutionError, match="beta"):
            await session.install(made, "alpha==2.0", before=("alpha==1.0", "beta"))
        with pytest.raises(NoSolutionError):
            await session.install(made, "alpha==2.0", "alpha==1.0")
        assert made.installed() == {"alpha": "1.0", "beta": "1.0"}

    play(part)


def test_options_of_all_files_count(play: Any, artifacts: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    make_wheel(links, "alpha")
    make_wheel(artifacts, "beta", "1.0")
    make_wheel(artifacts, "beta", "2.0")
    (tmp_path / "requirements.txt").write_text("--find-links links\nalpha\n-c constraints.txt\n")
    (tmp_path / "constraints.txt").write_text("beta<2\n")

    async def part(session: Session) -> None:
        made = await session.make("env", "requirements.txt")
        await session.install(made, "beta", before=("requirements.txt",))
        assert made.installed() == {"alpha": "1.0", "beta": "1.0"}

    play(part)


def test_editable(play: Any, tmp_path: Path, artifacts: Path) -> None:
    project = make_project(tmp_path / "project", "demo")
    make_wheel(artifacts, "alpha")

    async def part(session: Session) -> None:
        made = await session.make("env")
        await session.install(made, "project", editable=True)
        assert made.installed() == {"demo": "1.0"}
        assert not (made.purelib / "demo").exists()
        assert (
            str(project)
            in made.run(["python", "-c", "import demo; print(demo.__file__)"], capture_output=True, text=True).stdout
        )
        with pytest.raises(UsageError, match="alpha cannot be editable"):
            await session.install(made, "alpha", editable=True)

    play(part)


def test_it_names_what_it_uses_of_the_store(play: Any, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    make_wheel(artifacts, "beta")

    async def part(session: Session) -> None:
        made = await session.make("env", "alpha")
        before = manifest.read(made.prefix)
        assert before is not None
        await session.install(made, "beta", before=("alpha",))
        after = manifest.read(made.prefix)
        assert after is not None
        assert [used.bucket for used in set(after.uses) - set(before.uses)] == [WHEELS.directory]
        assert set(before.uses) < set(after.uses)
        assert Environment.standing(made.prefix) == made
        wheels = [used.key for used in after.uses if used.bucket == WHEELS.directory]
        read = {session.context.store.path(WHEELS, key) for key in wheels}
        assert read == {path.parent for path in (session.context.store.root / WHEELS.directory).glob("*/*/.ready")}

    play(part)


def test_a_failure_changes_nothing(play: Any, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    make_wheel(artifacts, "beta", requires=["alpha>1"])
    make_wheel(artifacts, "thief", files={"alpha/__init__.py": "stolen = True\n", "thief.py": ""})
    make_sdist(artifacts, "broken", backend_code="def build_wheel(*args):\n    raise SystemExit('no')\n")

    async def part(session: Session) -> None:
        made = await session.make("env", "alpha")
        before = content(made)
        for source, kind in (("beta", NoSolutionError), ("thief", ConflictError), ("broken", FastenvError)):
            with pytest.raises(kind):
                await session.install(made, source, before=("alpha",))
            assert content(made) == before
            assert not [name for name in os.listdir(made.prefix / ".fastenv") if name.startswith("amendment")]
        await session.install(made, "alpha")
        assert content(made) == before
        with pytest.raises(NoSolutionError, match="this test"):
            await session.make("other", "beta")
        assert not (session.context.base / "other").exists()
        assert await session.make("other", "alpha")

    play(part)


def test_what_nobody_can_mean_gives_way_to_what_is_there(play: Any, artifacts: Path) -> None:
    for name in ("alpha", "beta"):
        files = {f"{name}/__init__.py": "", "tests/__init__.py": f"# {name}", "ns/__init__.py": f"# {name}"}
        make_wheel(artifacts, name, files=files, entry_points={"tool": f"{name}:main"})

    async def part(session: Session) -> None:
        made = await session.make("env", "beta")
        await session.install(made, "alpha", before=("beta",))
        site = made.purelib
        assert (site / "tests" / "__init__.py").read_text() == (site / "ns" / "__init__.py").read_text() == "# beta"
        assert "from beta import" in (made.scripts / "tool").read_text()
        listed = (site / "alpha-1.0.dist-info" / "RECORD").read_text()
        assert not [path for path in ("tests/__init__.py", "ns/__init__.py", "bin/tool") if path in listed]
        texts = {notice.text for notice in session.context.recorder.notices if notice.level == "warning"}
        assert len(texts) == 1
        assert texts.pop().endswith("with different contents: those of beta are used")
        make_wheel(artifacts, "beta", "2.0", files={"beta/__init__.py": ""})
        await session.install(made, "beta>=2", before=("beta", "alpha"))
        assert not (site / "tests").exists()

    play(part)


def test_an_old_directory_with_a_hyphen_in_the_name_is_known(play: Any, artifacts: Path) -> None:
    old = {"foo-baz-1.0.dist-info": "foo_baz-1.0.dist-info"}
    path = make_wheel(artifacts, "foo-baz")
    with zipfile.ZipFile(path) as wheel:
        members = {name: wheel.read(name).decode() for name in wheel.namelist()}
    for new, was in old.items():
        members = {name.replace(was, new): text.replace(was, new) for name, text in members.items()}
    write_zip(path, members)
    make_wheel(artifacts, "other")

    async def part(session: Session) -> None:
        made = await session.make("env", "foo-baz")
        assert made.installed() == {"foo-baz": "1.0"}
        await session.install(made, "other", before=("foo-baz",))
        assert made.installed() == {"foo-baz": "1.0", "other": "1.0"}
        make_wheel(artifacts, "foo-baz", "2.0")
        answer = await session.install(made, "foo-baz>=2", before=("foo-baz", "other"))
        assert [name for name, _ in answer["replaced"]] == ["foo-baz"]
        assert made.installed() == {"foo-baz": "2.0", "other": "1.0"}

    play(part)


def test_conflict_names_the_owner(play: Any, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    make_wheel(artifacts, "thief", files={"alpha/__init__.py": "stolen = True\n"})

    async def part(session: Session) -> None:
        made = await session.make("env", "alpha")
        with pytest.raises(ConflictError) as caught:
            await session.install(made, "thief")
        assert caught.value.why == "alpha 1.0 has brought it"

    play(part)


def test_replacing_takes_all_of_the_old_one_away(play: Any, artifacts: Path) -> None:
    old = {"alpha/__init__.py": "", "alpha/gone/__init__.py": "", "alpha/gone/data.txt": "x"}
    make_wheel(artifacts, "alpha", files=old, entry_points={"old-tool": "alpha:main"}, data_files={"data/etc/a": "1"})
    make_wheel(artifacts, "alpha", "2.0", files={"alpha/__init__.py": "new = True\n"})

    async def part(session: Session) -> None:
        made = await session.make("env", "alpha<2")
        made.run(["python", "-c", "import alpha.gone"], env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""}, check=True)
        assert (made.purelib / "alpha" / "gone" / "__pycache__").is_dir()
        (made.purelib / "alpha" / "of_the_test.py").write_text("")
        await session.install(made, "alpha>=2")
        names = sorted(path.relative_to(made.purelib).as_posix() for path in made.purelib.rglob("*") if path.is_file())
        assert [name for name in names if "dist-info" not in name and not name.startswith("_virtualenv")] == [
            "alpha/__init__.py",
            "alpha/of_the_test.py",
        ]
        assert not (made.scripts / "old-tool").exists()
        assert not (made.prefix / "etc").exists()
        assert (made.purelib / "alpha" / "__init__.py").read_text() == "new = True\n"
        assert not (made.purelib / "alpha-1.0.dist-info").exists()

    play(part)


def test_compiled_modules_are_in_nobodys_way(play: Any, artifacts: Path, store: Store) -> None:
    """Of a file that two distributions bring alike, or that gives way to what stands, what stands there is kept."""
    for name in ("alpha", "beta"):
        files = {f"{name}/__init__.py": "", "space/__init__.py": "", "tests/__init__.py": f"NAME = {name!r:7}\n"}
        make_wheel(artifacts, name, files=files)

    async def part(session: Session) -> None:
        await session.make("unpacked with", "alpha")
        await session.make("unpacked, too, with", "beta")
        for number, kept in enumerate(store.kept(WHEELS)):
            unpacked_at(kept.path, 1_700_000_000 + number)
        for made in (await session.make("first", "alpha"), await session.make("other", "beta")):
            sources = [str(path.relative_to(made.prefix)) for path in made.purelib.rglob("__init__.py")]
            keep(str(made.prefix), sources)
            assert await keep_bytecode(made.prefix, store, os.environ) == 3
        made = await session.make("env", "alpha")
        assert len(list(made.purelib.rglob("__init__.*.pyc"))) == 3
        await session.install(made, "beta")
        assert len(list(made.purelib.rglob("__init__.*.pyc"))) == 4
        code = "import space, tests; print(tests.NAME)"
        assert made.run(["python", "-c", code], capture_output=True, text=True, check=True).stdout == "alpha\n"

    play(part)


def test_what_gives_way_leaves_nothing_compiled(play: Any, artifacts: Path, store: Store) -> None:
    """Python would believe it beside a file of the same size and time."""
    for name in ("alpha", "omega"):
        make_wheel(artifacts, name, files={f"{name}/__init__.py": "", "tests/__init__.py": f"NAME = {name!r}\n"})

    async def part(session: Session) -> None:
        made = await session.make("env", "alpha")
        await session.make("unpacked with", "omega")
        for kept in store.kept(WHEELS):
            unpacked_at(kept.path, 1_700_000_000)
        other = await session.make("other", "omega")
        keep(str(other.prefix), [str((other.purelib / "tests/__init__.py").relative_to(other.prefix))])
        assert await keep_bytecode(other.prefix, store, os.environ) == 1
        await session.install(made, "omega")
        assert list((made.purelib / "tests").rglob("*.pyc")) == []

    play(part)


def test_a_distribution_without_record_is_not_replaced(play: Any, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    make_wheel(artifacts, "alpha", "2.0")

    async def part(session: Session) -> None:
        made = await session.make("env", "alpha<2")
        (made.purelib / "alpha-1.0.dist-info" / "RECORD").unlink()
        before = content(made)
        with pytest.raises(PublishError, match=r"alpha 1\.0 cannot be replaced"):
            await session.install(made, "alpha>=2")
        assert content(made) == before

    play(part)


def test_an_edit_in_one_does_not_reach_the_next(play: Any, artifacts: Path) -> None:
    """Though the session's engine has only just unpacked it, and its files may be hard links to the store's."""
    make_wheel(artifacts, "alpha", files={"alpha.py": "VALUE = 1\n"})

    async def part(session: Session) -> None:
        first = await session.make("one", "alpha")
        (first.purelib / "alpha.py").write_text("VALUE = 2\n")
        second = await session.make("two", "alpha")
        assert (second.purelib / "alpha.py").read_text() == "VALUE = 1\n"

    play(part, link=LinkMode.HARDLINK)


def test_refusals(play: Any, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "script.py").write_text('# /// script\n# requires-python = ">=3.99"\n# ///\n')
    cases: list[tuple[type[RequestError], Mapping[str, Any]]] = [
        (UsageError, {"path": str(tmp_path / "full")}),
        (UsageError, {"project": "somehow"}),
        (InterpreterNotFoundError, {"python": "3.99"}),
        (InterpreterNotFoundError, {"wishes": [[["script.py", False]]]}),
        (RequestError, {"wishes": [[["nothing >< 1", False]]]}),
        (RequestError, {"wishes": [[["absent.txt", False]]]}),
    ]

    async def part(session: Session) -> None:
        for kind, values in cases:
            with pytest.raises(kind):
                await session.make("env", **values) if "wishes" not in values else await venv(
                    session.context, {"path": str(tmp_path / "env"), **values}
                )
        assert not (tmp_path / "env").exists()
        assert (await session.make("empty")).python.exists()

    play(part, python_downloads="never", offline=True)


def test_system_site_packages(play: Any) -> None:
    async def part(session: Session) -> None:
        for name, expected in (("closed", "false"), ("open", "true")):
            made = await session.make(name, system_site_packages=name == "open")
            lines = (made.prefix / "pyvenv.cfg").read_text().splitlines()
            assert [line for line in lines if "site-packages" in line] == [f"include-system-site-packages = {expected}"]

    play(part)


def test_other_interpreters(play: Any, artifacts: Path, interpreters: list[tuple[tuple[int, ...], Path]]) -> None:
    make_wheel(artifacts, "alpha")

    async def part(session: Session) -> None:
        for number, (version, path) in enumerate((interpreters[0], interpreters[-1])):
            made = await session.make(f"env{number}", "alpha", python=str(path))
            assert made.python_version.startswith(".".join(map(str, version[:2])))
            assert made.run(["python", "-c", "import alpha"]).returncode == 0

    play(part)


def test_cancelled_while_it_changes(play: Any, artifacts: Path) -> None:
    """A question whose asker is gone: what was begun is finished or undone, and nothing private stays."""
    make_wheel(artifacts, "alpha", files={f"alpha/m{number}.py": "" for number in range(300)})
    make_wheel(artifacts, "alpha", "2.0", files={f"alpha/m{number}.py": "new = 1\n" for number in range(300)})

    async def part(session: Session) -> None:
        made = await session.make("env", "alpha<2")
        before = content(made)
        await session.make("filled", "alpha>=2")
        for _ in range(30):
            task = asyncio.create_task(session.install(made, "alpha>=2"))
            while not task.done() and not list((made.prefix / ".fastenv").glob("amendment-*/old")):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert not list((made.prefix / ".fastenv").glob("amendment-*"))
            if made.installed() == {"alpha": "2.0"}:
                break
            assert content(made) == before
        assert {(made.purelib / "alpha" / f"m{number}.py").read_text() for number in range(300)} == {"new = 1\n"}

    play(part)


def test_what_other_means_put_there_does_not_meet_a_demanded_hash(play: Callable[[Play], None]) -> None:
    async def script(session: Session) -> None:
        wheel = session.context.base / "artifacts" / "one-1.0-py3-none-any.whl"
        make_wheel(wheel.parent, "one")
        made = await session.make("env", "one")
        (by,) = made.prefix.rglob("one-1.0.dist-info/INSTALLER")
        by.unlink()
        by.write_text("something\n")
        assert await session.install(made, "one==1.0", before=("one",)) == {"added": [], "replaced": []}
        digest = file_sha256(wheel)
        text = f"one==1.0 --hash=sha256:{digest}\n"
        (session.context.base / "held.txt").write_text(text)
        found = await session.install(made, "held.txt", before=("one",))
        assert found == {"added": [], "replaced": [("one", "1.0")]}
        (session.context.base / "held.txt").write_text(text.replace(digest, "0" * 64))
        with pytest.raises(NoSolutionError, match="0" * 64):
            await session.install(made, "held.txt", before=("one",))

    play(script)
