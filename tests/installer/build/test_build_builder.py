from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import build_programs
import pytest
from build_bench import (
    Environment,
    Environments,
    Surroundings,
    process_ends,
    sdist,
    surroundings,
    tree,
    wait_for_file,
)
from kit.archives import make_project, make_sdist, project_files, write_tar_gz

from pytest_fastenv.errors import BuildError, CycleError, FastenvError, MetadataError, MismatchError
from pytest_fastenv.installer.build.records import RECIPES
from pytest_fastenv.installer.timings import Timings
from pytest_fastenv.installer.unpacked_wheel import UnpackedWheel
from pytest_fastenv.model.events import Span

T = TypeVar("T")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def within(root: Path, work: Callable[[Surroundings], Awaitable[T]], **options: Any) -> T:
    """Do something with a builder of its own, as one run of the program would."""

    async def run() -> T:
        async with surroundings(root, **options) as around:
            return await work(around)

    return asyncio.run(run())


def build(root: Path, source: Any, name: str = "demo", version: str = "1.0", **options: Any) -> UnpackedWheel:
    return within(root, lambda around: around.builder.build(source, name, version), **options)


def packed(wheel: UnpackedWheel) -> set[str]:
    return {str(path.relative_to(wheel.tree)) for path in wheel.tree.rglob("*") if path.is_file()}


def test_an_sdist_becomes_an_unpacked_wheel_and_is_built_once(root: Path, artifacts: Path) -> None:
    log = artifacts / "log"
    source = sdist(make_sdist(artifacts, "demo", build_log=log))
    first = build(root, source)
    assert (first.name, first.version, first.provenance) == ("demo", "1.0", "built")
    assert "demo/__init__.py" in packed(first)
    second = build(root, source)
    assert second.provenance == "cache"
    assert second.sha256 == first.sha256
    assert len(log.read_text().splitlines()) == 1
    assert list((root / "tmp").glob("*/*")) == []


def test_a_source_without_a_top_directory_is_built_and_its_wheel_tells(root: Path, artifacts: Path) -> None:
    path = write_tar_gz(artifacts / "demo-1.0.tar.gz", project_files("demo", "1.0"))
    for provenance in ("built", "cache"):
        wheel = build(root, sdist(path))
        assert wheel.provenance == provenance
        assert wheel.facts.warnings == ("demo-1.0.tar.gz has no top directory, which it should have",)


def test_many_in_one_process_get_one_build(root: Path, artifacts: Path) -> None:
    log = artifacts / "log"
    source = sdist(make_sdist(artifacts, "demo", build_log=log))

    async def work(around: Surroundings) -> set[str]:
        wheels = await asyncio.gather(*(around.builder.build(source, "demo", "1.0") for _ in range(10)))
        return {wheel.sha256 for wheel in wheels}

    assert len(within(root, work)) == 1
    assert len(log.read_text().splitlines()) == 1


def test_what_changes_the_result_changes_the_key(root: Path, artifacts: Path) -> None:
    log = artifacts / "log"
    source = sdist(make_sdist(artifacts, "demo", build_log=log))

    async def work(around: Surroundings) -> None:
        await around.builder.build(source, "demo", "1.0")
        await around.builder.build(replace(source, config_settings=(("--level", ("1", "2")),)), "demo", "1.0")

    within(root, work)
    wheel = build(root, source, environ={**os.environ, "CFLAGS": "-O7"})
    assert len(log.read_text().splitlines()) == 3
    build(root, source, environ={**os.environ, "HOME": "/elsewhere"})
    assert len(log.read_text().splitlines()) == 3
    for number, value in enumerate("12", start=4):
        build(root, source, environ={**os.environ, "VENDOR": value}, build_variables=("VEND*",))
        assert len(log.read_text().splitlines()) == number
    assert wheel.provenance == "built"


def test_config_settings_reach_the_backend(root: Path, artifacts: Path) -> None:
    source = sdist(make_sdist(artifacts, "demo"), config_settings=(("one", "1"), ("two", ("2", "3"))))
    wheel = build(root, source)
    assert json.loads((wheel.tree / "demo_config_settings.json").read_text()) == {"one": "1", "two": ["2", "3"]}


FREELY_NAMED = """
def get_requires_for_build_wheel(settings=None):
    assert settings == {"colour": "red"}
    return []

get_requires_for_build_editable = get_requires_for_build_wheel

def prepare_metadata_for_build_wheel(where, settings=None):
    assert settings == {"colour": "red"}
    os.mkdir(os.path.join(where, DIST_INFO))
    for name, data in _dist_info_files().items():
        with open(os.path.join(where, name), "wb") as stream:
            stream.write(data)
    return DIST_INFO

prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel

def build_wheel(wheel_dir, settings=None, prepared=None):
    assert settings == {"colour": "red"}
    assert os.path.isfile(os.path.join(prepared, "METADATA"))
    return _write_wheel(wheel_dir, _packaged_files())

build_editable = build_wheel
"""


@pytest.mark.parametrize("editable", [False, True], ids=["wheel", "editable"])
def test_hooks_are_called_by_position_whatever_a_backend_calls_their_parameters(
    root: Path, tmp_path: Path, editable: bool
) -> None:
    project = make_project(tmp_path / "demo", "demo", backend_code=FREELY_NAMED)
    source = tree(project, editable=editable, config_settings=(("colour", "red"),))

    async def work(around: Surroundings) -> str:
        told = await around.builder.metadata(source, "demo")
        await around.builder.build(source, "demo", "1.0")
        return told.version

    assert within(root, work) == "1.0"


def test_a_build_is_recorded_as_spans_and_its_duration_is_kept(root: Path, artifacts: Path) -> None:
    source = sdist(make_sdist(artifacts, "demo"))

    async def work(around: Surroundings) -> None:
        await around.builder.build(source, "demo", "1.0")
        asked, built = around.spans()
        assert (asked.args["hook"], built.args["hook"]) == ("get_requires_for_build_wheel", "build_wheel")
        assert (built.subject, built.args["version"], built.args["source"]) == ("demo", "1.0", "built")
        Timings(around.store).learn(around.recorder.spans)
        assert Timings(around.store).build("demo") == round(built.duration_s, 4)

    within(root, work)


def test_the_longest_build_goes_first_as_far_as_that_is_known(root: Path, artifacts: Path) -> None:
    log = artifacts / "log"
    fast = "x" * 5000
    files = {
        "plain": None,
        "known": None,
        "native": {"native/fast.c": fast * 2},
        "both": {"native/fast.pyx": fast[:800], "native/fast.c": fast * 4},
        "cython": {"native/fast.pyx": fast},
    }
    sources = {name: sdist(make_sdist(artifacts, name, build_log=log, files=files[name])) for name in files}

    async def work(around: Surroundings) -> None:
        span = Span("build", "known", 0, 60 * 10**9, {"hook": "build_wheel"})
        Timings(around.store).learn([span])
        async with around.pools.build():  # until all of them wait
            jobs = [asyncio.create_task(around.builder.build(sources[name], name, "1.0")) for name in files]
            while len(around.spans("unpack")) < len(jobs) or around.pools.waiting("build") < len(jobs):
                await asyncio.sleep(0.001)
        await asyncio.gather(*jobs)

    within(root, work, concurrent_builds=1)
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["known", "cython", "both", "native", "plain"]


def test_sources_that_were_begun_are_built_before_further_ones_are_begun(root: Path, artifacts: Path) -> None:
    names = ["one", "two", "three", "four"]
    sources = [(sdist(make_sdist(artifacts, name)), name, "1.0") for name in names]

    async def work(around: Surroundings) -> list[str]:
        async with around.pools.build():  # until all of them wait
            jobs = [asyncio.create_task(around.builder.build(*source)) for source in sources]
            while around.pools.waiting("build") < len(jobs):
                await asyncio.sleep(0.001)
        await asyncio.gather(*jobs)
        return [span.args["hook"] for span in sorted(around.spans(), key=lambda span: span.start_ns)]

    done = within(root, work, concurrent_builds=1)
    steps = [1 if hook.startswith("get_requires_") else -1 for hook in done]
    # A permit is given on in the moment in which a hook ends: one further source is begun then.
    assert max(accumulate(steps)) <= 2


def test_what_the_backend_asks_for_on_top_is_provided(root: Path, artifacts: Path) -> None:
    source = sdist(make_sdist(artifacts, "demo", build_requires=["one"], get_requires=["two", "one"]))
    environments = Environments()
    build(root, source, environments=environments)
    assert environments.asked == [(("one",), ("demo 1.0",)), (("one", "two"), ("demo 1.0",))]


def test_nothing_is_held_while_a_build_environment_is_made(root: Path, artifacts: Path) -> None:
    source = sdist(make_sdist(artifacts, "demo", get_requires=["two"]))
    held = []

    async def work(around: Surroundings) -> None:
        def during() -> None:
            (lock,) = (root / "locks" / RECIPES.directory).glob("*.lock")
            held.append((around.pools.held("build"), try_free(lock), try_free(root / "slots" / "0.lock")))

        around.environments.during = during
        await around.builder.build(source, "demo", "1.0")

    within(root, work)
    assert held == [(0, True, True)] * 2


def try_free(path: Path) -> bool:
    from pytest_fastenv.filesystem import oslock

    lock = oslock.try_lock(path)
    if lock is not None:
        lock.release()
    return lock is not None


def test_nested_builds_with_one_slot_and_one_permit_do_not_deadlock(root: Path, artifacts: Path) -> None:
    log = artifacts / "log"
    three = make_sdist(artifacts, "three", build_log=log)
    two = make_sdist(artifacts, "two", build_log=log, build_requires=["three"])
    source = sdist(make_sdist(artifacts, "demo", build_log=log, build_requires=["two"]))
    environments = Environments(sources={"two": two, "three": three})
    build(root, source, environments=environments, slots=1, concurrent=1, concurrent_downloads=1, concurrent_builds=1)
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["three", "two", "demo"]
    assert (("three",), ("demo 1.0", "two 1.0")) in environments.asked


def test_build_requirements_in_a_circle_are_shown_as_one(root: Path, artifacts: Path) -> None:
    sources = {
        "one": make_sdist(artifacts, "one", build_requires=["two"]),
        "two": make_sdist(artifacts, "two", build_requires=["three"]),
        "three": make_sdist(artifacts, "three", build_requires=["one"]),
    }
    with pytest.raises(CycleError) as caught:
        build(root, sdist(sources["one"]), "one", environments=Environments(sources=sources))
    assert "one 1.0 -> two 1.0 -> three 1.0 -> one 1.0" in caught.value.diagnosis()


def test_a_circle_begun_at_two_places_at_once_does_not_deadlock(root: Path, artifacts: Path) -> None:
    sources = {
        "one": make_sdist(artifacts, "one", build_requires=["two"]),
        "two": make_sdist(artifacts, "two", build_requires=["one"]),
    }

    async def work(around: Surroundings) -> list[Any]:
        jobs = (around.builder.build(sdist(path), name, "1.0") for name, path in sources.items())
        return await asyncio.gather(*jobs, return_exceptions=True)

    answers = within(root, work, environments=Environments(sources=sources))
    assert [type(answer) for answer in answers] == [CycleError, CycleError]


def wheel_hook(body: str) -> str:
    return f"def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):\n    {body}\n"


@pytest.mark.parametrize(
    ("body", "error", "part"),
    [
        (
            "return 'demo-1.0-py3-none-any.whl'",
            BuildError,
            "claimed the wheel demo-1.0-py3-none-any.whl, found nothing",
        ),
        ("return _put(os.symlink, '/etc/passwd', wheel_directory)", BuildError, "found a symbolic link of that name"),
        ("return _put(os.mkfifo, wheel_directory)", BuildError, "found a named pipe of that name"),
        ("return 'x' * 50_000_000", BuildError, "... (50,000,002 letters), not the name of a wheel"),
        ("return '/tmp/demo-1.0-py3-none-any.whl'", BuildError, "returned the path"),
        ("return '../demo-1.0-py3-none-any.whl'", BuildError, "returned the path"),
        ("return 3", BuildError, "not the name of a wheel"),
        ("return None", BuildError, "not the name of a wheel"),
        ("return _rename(wheel_directory, 'other-1.0-py3-none-any.whl')", MismatchError, "demo 1.0 was to be built"),
        ("return _rename(wheel_directory, 'demo-1.1-py3-none-any.whl')", MismatchError, "demo 1.0 was to be built"),
        ("return _rename(wheel_directory, 'demo.whl')", BuildError, "which is no wheel's name"),
        ("return _rename(wheel_directory, 'demo-1.0-py3-none-any.whl', 'demo-2.0')", MetadataError, "2.0"),
        ("raise SystemExit(3)", BuildError, "exited with status 3"),
    ],
)
def test_what_a_backend_must_not_do_is_an_error_and_leaves_nothing(
    root: Path, artifacts: Path, body: str, error: type[FastenvError], part: str
) -> None:
    code = (
        "_REAL = build_wheel\n"
        "def _put(make, *words):\n"
        "    make(*words[:-1], os.path.join(words[-1], 'demo-1.0-py3-none-any.whl'))\n"
        "    return 'demo-1.0-py3-none-any.whl'\n"
        "def _rename(directory, name, stem=None):\n"
        "    if stem:\n"
        "        global DIST_INFO\n"
        "        CONFIG['metadata'] = CONFIG['metadata'].replace('Version: 1.0', 'Version: 2.0')\n"
        "    made = _REAL(directory)\n"
        "    os.rename(os.path.join(directory, made), os.path.join(directory, name))\n"
        "    return name\n"
    )
    source = sdist(make_sdist(artifacts, "demo", backend_code=code + wheel_hook(body)))
    for _ in range(2):  # a failure is not remembered as a success
        with pytest.raises(error) as caught:
            build(root, source)
        assert type(caught.value) is error
        assert part in caught.value.diagnosis()
    assert list((root / "tmp").glob("*/*")) == []


def test_metadata_that_the_wheel_does_not_keep_is_an_error_each_time(root: Path, artifacts: Path) -> None:
    code = "_REAL = build_wheel\n" + wheel_hook(
        "CONFIG['metadata'] = CONFIG['metadata'].replace('Version: 1.0', 'Version: 1.0\\nRequires-Dist: surprise'); "
        "return _REAL(wheel_directory)"
    )
    source = sdist(make_sdist(artifacts, "demo", static=False, backend_code=code))

    async def work(around: Surroundings) -> str:
        told = await around.builder.metadata(source, "demo")
        assert told.requires_dist == ()
        with pytest.raises(MetadataError) as caught:
            await around.builder.build(source, "demo", "1.0")
        return caught.value.diagnosis()

    for _ in range(2):
        assert "surprise was not announced" in within(root, work)


def test_metadata_is_that_of_the_build_environment_of_now(root: Path, artifacts: Path, tmp_path: Path) -> None:
    """Another version of a build requirement may tell another one: as if the file were a part of it."""
    says = tmp_path / "says"
    line = f"'Version: 1.0\\nRequires-Dist: ' + open({str(says)!r}).read()"
    code = f"CONFIG['metadata'] = CONFIG['metadata'].replace('Version: 1.0', {line})\n"
    source = sdist(make_sdist(artifacts, "demo", static=False, build_requires=["helper"], backend_code=code))

    def needs(release: str) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
        says.write_text(f"needed-by-{release}")

        async def work(around: Surroundings) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
            told = await around.builder.metadata(source, "demo")
            wheel = await around.builder.build(source, "demo", "1.0")
            hooks = [span.args["hook"] for span in around.spans()]
            return told.requires_dist, wheel.read_metadata().requires_dist, hooks

        return within(root, work, environments=Environments(releases={"helper": release}))

    all_hooks = ["get_requires_for_build_wheel", "prepare_metadata_for_build_wheel", "build_wheel"]
    assert needs("1") == (("needed-by-1",), ("needed-by-1",), all_hooks)
    assert needs("1") == (("needed-by-1",), ("needed-by-1",), [])
    assert needs("2") == (("needed-by-2",), ("needed-by-2",), all_hooks[1:])
    assert needs("1") == (("needed-by-1",), ("needed-by-1",), [])  # by the wheel that is there


def test_the_users_tree_is_not_written_to(root: Path, artifacts: Path) -> None:
    code = wheel_hook("_append('written-by-the-build', 'x'); return _write_wheel(wheel_directory, {})")
    project = make_project(artifacts / "demo", "demo", backend_code=code)
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    wheel = build(root, tree(project))
    assert wheel.name == "demo"
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before


def test_a_project_in_a_subdirectory_is_built_with_what_is_around_it(root: Path, artifacts: Path) -> None:
    code = wheel_hook("assert os.path.isfile('../../LICENSE'); return _write_wheel(wheel_directory, {})")
    project = make_project(artifacts / "repository" / "python" / "demo", "demo", backend_code=code)
    (artifacts / "repository" / "LICENSE").touch()
    assert build(root, tree(project, subdirectory="python/demo")).name == "demo"


def test_an_sdist_with_a_subdirectory(root: Path, artifacts: Path) -> None:
    files = {f"top/inner/{path}": data for path, data in project_files("demo").items()}
    archive = write_tar_gz(artifacts / "demo-1.0.tar.gz", files)
    assert build(root, sdist(archive, subdirectory="inner")).name == "demo"
    for wrong in ("missing", "../.."):
        with pytest.raises(BuildError, match="no subdirectory"):
            build(root, sdist(archive, subdirectory=wrong))


def test_an_editable_build_runs_in_the_users_tree(root: Path, artifacts: Path) -> None:
    project = make_project(artifacts / "demo", "demo")
    wheel = build(root, tree(project, editable=True))
    (pth,) = wheel.tree.glob("*.pth")
    assert os.path.realpath(pth.read_text().strip()) == os.path.realpath(project)
    other = make_project(artifacts / "other", "demo")
    (pth,) = build(root, tree(other, editable=True)).tree.glob("*.pth")
    assert os.path.realpath(pth.read_text().strip()) == os.path.realpath(other)


def test_a_backend_without_editable_builds_says_so(root: Path, artifacts: Path) -> None:
    project = make_project(artifacts / "demo", "demo", backend_code="del build_editable")
    with pytest.raises(BuildError, match="has no build_editable") as caught:
        build(root, tree(project, editable=True))
    assert "PEP 660" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("options", "hooks"),
    [
        ({"static": True}, []),
        ({"static": False}, ["get_requires_for_build_wheel", "prepare_metadata_for_build_wheel"]),
        (
            {"static": False, "prepare": False},
            ["get_requires_for_build_wheel", "prepare_metadata_for_build_wheel", "build_wheel"],
        ),
    ],
)
def test_metadata_costs_as_little_as_the_source_allows(
    root: Path, artifacts: Path, options: dict[str, Any], hooks: list[str]
) -> None:
    source = sdist(make_sdist(artifacts, "demo", requires=["one>1"], requires_python=">=3.8", **options))

    async def work(around: Surroundings) -> list[str]:
        told = [await around.builder.metadata(source, "demo") for _ in range(2)]
        assert {(t.name, t.version, t.requires_dist, t.requires_python) for t in told} == {
            ("demo", "1.0", ("one>1",), ">=3.8")
        }
        return [span.args["hook"] for span in around.spans()]

    assert within(root, work) == hooks
    assert within(root, work) == []


def test_a_build_goes_on_where_telling_the_metadata_stopped(root: Path, artifacts: Path) -> None:
    log = artifacts / "log"
    code = wheel_hook(f"_append({str(log)!r}, str(metadata_directory)); return _write_wheel(wheel_directory, {{}})")
    source = sdist(make_sdist(artifacts, "demo", static=False, backend_code=code))

    async def work(around: Surroundings) -> list[str]:
        await around.builder.metadata(source, "demo")
        await around.builder.build(source, "demo", "1.0")
        assert len([s for s in around.spans("unpack") if s.args["source"] != "built"]) == 1
        return [span.args["hook"] for span in around.spans()]

    hooks = within(root, work)
    assert hooks == ["get_requires_for_build_wheel", "prepare_metadata_for_build_wheel", "build_wheel"]
    assert log.read_text().endswith("demo-1.0.dist-info")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_tree_that_cannot_be_read_is_a_diagnosis(root: Path, artifacts: Path) -> None:
    project = make_project(artifacts / "demo", "demo")
    (project / "secret").touch(0o000)
    with pytest.raises(BuildError, match="source tree cannot be copied") as caught:
        build(root, tree(project))
    assert caught.value.where == str(project / "secret")


def test_metadata_of_a_tree_is_read_from_its_project_table(root: Path, artifacts: Path) -> None:
    project = artifacts / "demo"
    project.mkdir()
    text = '[project]\nname = "demo"\nversion = "3.0"\ndependencies = ["one"]\n[build-system]\nrequires = ["no-such"]\n'
    (project / "pyproject.toml").write_text(text)

    async def work(around: Surroundings) -> Any:
        return await around.builder.metadata(tree(project), None)

    told = within(root, work)
    assert (told.name, told.version, told.requires_dist) == ("demo", "3.0", ("one",))


def test_an_sdist_that_is_another_project_is_told(root: Path, artifacts: Path) -> None:
    path = make_sdist(artifacts, "other")
    path = path.rename(artifacts / "demo-1.0.tar.gz")

    async def work(around: Surroundings) -> None:
        for _ in range(2):
            with pytest.raises(MismatchError, match=r"its source is other 1\.0"):
                await around.builder.metadata(sdist(path), "demo")

    within(root, work)


def test_a_wheel_that_is_gone_from_the_store_is_built_again(root: Path, artifacts: Path) -> None:
    log = artifacts / "log"
    source = sdist(make_sdist(artifacts, "demo", build_log=log))
    wheel = build(root, source)
    os.unlink(wheel.entry / ".ready")
    assert build(root, source).sha256 == wheel.sha256
    assert len(log.read_text().splitlines()) == 2


def test_cancelling_one_of_two_who_wait_does_not_end_the_build(root: Path, artifacts: Path) -> None:
    log = artifacts / "log"
    source = sdist(make_sdist(artifacts, "demo", build_log=log, hold_s=0.05))

    async def work(around: Surroundings) -> str:
        one, two = (asyncio.create_task(around.builder.build(source, "demo", "1.0")) for _ in range(2))
        await asyncio.to_thread(wait_for_file, log)
        one.cancel()
        return (await two).provenance

    assert within(root, work) == "built"


Start = Callable[[Path, Path], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start programs that build one sdist; what is left of them is ended after the test."""
    processes = []

    def begin(root: Path, archive: Path) -> subprocess.Popen[str]:
        command = [sys.executable, build_programs.__file__, str(root), str(archive)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_eight_processes_make_one_build(root: Path, artifacts: Path, start: Start) -> None:
    log, exclusive = artifacts / "log", artifacts / "exclusive"
    archive = make_sdist(artifacts, "demo", build_log=log, exclusive=exclusive, hold_s=0.1)
    processes = [start(root, archive) for _ in range(8)]
    answers = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        answers.append(json.loads(out))
    assert len(log.read_text().splitlines()) == 1
    assert sorted(answer["provenance"] for answer in answers) == ["built"] + ["cache"] * 7
    assert sum(answer["builds"] for answer in answers) == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="an owner's lock ends with it there, its job's processes just after")
def test_a_killed_owner_is_followed_within_a_second_and_no_two_builders_overlap(
    root: Path, artifacts: Path, start: Start
) -> None:
    log, exclusive = artifacts / "log", artifacts / "exclusive"
    archive = make_sdist(artifacts, "demo", build_log=log, exclusive=exclusive, hold_s=6)
    first = start(root, archive)
    wait_for_file(log)
    second = start(root, archive)
    assert not wait_for_lock_waiter(second)
    first.send_signal(signal.SIGKILL)
    killed_ns = time.monotonic_ns()
    first.communicate()
    out, err = second.communicate(timeout=30)
    assert second.returncode == 0, err  # the backend fails where another build holds its sentinel file
    assert json.loads(out)["provenance"] == "built"
    one, two = (int(line.rpartition("ns=")[2]) for line in log.read_text().splitlines())
    assert one < killed_ns < two
    assert two - killed_ns < 1e9


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_owner_leaves_no_process_and_no_lock(
    root: Path, artifacts: Path, start: Start, number: signal.Signals
) -> None:
    log = artifacts / "log"
    archive = make_sdist(artifacts, "demo", build_log=log, hold_s=30)
    owner = start(root, archive)
    wait_for_file(log)
    owner.send_signal(number)
    owner.communicate(timeout=10)
    assert process_ends(int(log.read_text().split("pid=")[1].split()[0]))
    (lock,) = (root / "locks" / RECIPES.directory).glob("*.lock")
    deadline = time.monotonic() + 2
    while not try_free(lock):
        assert time.monotonic() < deadline
        time.sleep(0.002)  # the owner was ended: no process hears when its supervisor is done


def wait_for_lock_waiter(process: subprocess.Popen[str]) -> bool:
    """Wait until a process waits for a lock; true when it has ended instead."""
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        with open("/proc/locks") as file:
            if any(" -> " in line and f" {process.pid} " in line for line in file):
                return False
        time.sleep(0.005)  # the kernel sends no notice
    return True


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["auto", "process"])
@pytest.mark.parametrize("backend", ["setuptools", "legacy"])
def test_setuptools_with_and_without_pyproject(
    root: Path, artifacts: Path, setuptools_environment: Environment, backend: Any, isolation: str
) -> None:
    files = {"demo/__init__.py": "", "demo/inner.py": "", "single.py": ""}
    source = sdist(make_sdist(artifacts, "demo", backend=backend, files=files, requires=["one>1"]))
    environments = Environments(setuptools_environment)

    async def work(around: Surroundings) -> UnpackedWheel:
        told = await around.builder.metadata(source, "demo")
        assert told.requires_dist == ("one>1",)
        return await around.builder.build(source, "demo", "1.0")

    wheel = within(root, work, environments=environments, build_isolation=isolation)
    assert set(files) <= packed(wheel)
    assert environments.asked[0][0] == (("setuptools>=40.8.0",) if backend == "legacy" else ("setuptools",))


@pytest.mark.slow
def test_setuptools_makes_editable_wheels(root: Path, artifacts: Path, setuptools_environment: Environment) -> None:
    project = make_project(artifacts / "demo", "demo", backend="setuptools")
    wheel = build(root, tree(project, editable=True), environments=Environments(setuptools_environment))
    assert wheel.name == "demo"
    assert str(project) in "".join(p.read_text() for p in wheel.tree.iterdir() if p.suffix in {".pth", ".py"})


@pytest.mark.parametrize("kind", ["sdist", "subdirectory", "tree"])
@pytest.mark.parametrize("wrong", ["backend", "hook"])
def test_a_missing_backend_names_the_projects_file(kind: str, wrong: str, root: Path, artifacts: Path) -> None:
    """The place where it was unpacked means nothing to anybody, and is gone by then."""
    pyproject = '[build-system]\nrequires = []\nbuild-backend = "not_there"\n' if wrong == "backend" else None
    options: dict[str, Any] = {"pyproject": pyproject, "backend_code": "del build_wheel\n"}
    source: Any
    if kind == "tree":
        project = make_project(artifacts / "demo", "demo", **options)
        source, where = tree(project), project
    elif kind == "sdist":
        source, where = sdist(make_sdist(artifacts, "demo", **options)), Path("demo-1.0")
    else:
        inner = {f"demo-1.0/inner/{name}": data for name, data in project_files("demo", **options).items()}
        archive = write_tar_gz(artifacts / "demo-1.0.tar.gz", inner)
        source, where = sdist(archive, subdirectory="inner"), Path("demo-1.0", "inner")
    with pytest.raises(BuildError) as caught:
        build(root, source)
    assert caught.value.where == str(where / "pyproject.toml")


BESIDE = "beside @ file:///etc/passwd"


@pytest.mark.parametrize("options", [{"build_requires": [BESIDE]}, {"get_requires": [BESIDE]}], ids=["static", "asked"])
def test_build_requirements_on_this_machine_are_for_what_lies_on_it(
    root: Path, artifacts: Path, options: dict[str, Any]
) -> None:
    project = make_project(artifacts / "demo", "demo", **options)
    assert build(root, tree(project)).facts.name == "demo"
    with pytest.raises(BuildError, match="beside @ file:///etc/passwd, a place on this machine"):
        build(root, tree(project, "other-content", checkout=True))


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.parametrize("leads_to", ["private.toml", "/dev/zero"])
def test_what_comes_from_elsewhere_does_not_lead_to_other_files_by_links(
    leads_to: str, root: Path, artifacts: Path
) -> None:
    """An error quotes the line of a pyproject.toml that is wrong, and a device has no end."""
    (artifacts / "private.toml").write_text("private = ]the-content-of-another-file\n")
    project = make_project(artifacts / "demo", "demo")
    (project / "pyproject.toml").unlink()
    (project / "pyproject.toml").symlink_to(artifacts / leads_to)
    with pytest.raises(BuildError, match=r"its pyproject\.toml leads out of it") as caught:
        build(root, tree(project, checkout=True))
    assert "the-content-of-another-file" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_what_else_is_read_of_a_project_need_not_be_a_file(root: Path, artifacts: Path) -> None:
    project = make_project(artifacts / "demo", "demo")
    (project / "setup.cfg").symlink_to("/dev/zero")
    assert build(root, tree(project, checkout=True)).facts.name == "demo"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_inside_what_comes_from_elsewhere_is_followed(root: Path, artifacts: Path) -> None:
    project = make_project(artifacts / "demo" / "inner", "demo")
    (project / "pyproject.toml").rename(artifacts / "demo" / "shared.toml")
    (project / "pyproject.toml").symlink_to("../shared.toml")
    assert build(root, tree(project, checkout=True, subdirectory="inner")).facts.name == "demo"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_subdirectory_is_none_that_a_link_leads_to(root: Path, artifacts: Path) -> None:
    make_project(artifacts / "own", "demo")
    (artifacts / "demo").mkdir()
    (artifacts / "demo" / "inner").symlink_to(artifacts / "own")
    with pytest.raises(BuildError, match="has no subdirectory inner"):
        build(root, tree(artifacts / "demo" / "inner", checkout=True, subdirectory="inner"))


@pytest.mark.parametrize(
    "address",
    [
        "/etc/passwd",
        "~/x.whl",
        "~/x://y.whl",
        "../x.whl",
        "C:\\x.whl",
        "file://localhost/etc/passwd",
        "FILE:/etc/passwd",
    ],
)
def test_no_spelling_of_a_place_gets_past(address: str, root: Path, artifacts: Path) -> None:
    project = make_project(artifacts / "demo", "demo", build_requires=[f"beside @ {address}"])
    with pytest.raises(BuildError, match="a place on this machine"):
        build(root, tree(project, "other-content", checkout=True))
