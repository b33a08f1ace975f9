"""Interpreters are downloaded without a plan: side by side, once each, and found afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import combinations
from pathlib import Path

import pytest
from kit.interpreters import Found, hide_interpreters
from kit.python_archives import pack_interpreter, write_sums
from kit.server import IndexServer

from pytest_fastenv.errors import InterpreterNotFoundError, NetworkError
from pytest_fastenv.interpreter.discovery import find, find_target
from pytest_fastenv.interpreter.installed import PYTHONS
from pytest_fastenv.model.events import Recorder, Span
from pytest_fastenv.provisioning.interpreters import Installed, downloadable, install_all
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.settings.layers import command_line, load, variables
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store


@pytest.fixture(autouse=True)
def bin_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on PATH, on a machine without version managers."""
    return hide_interpreters(tmp_path, monkeypatch)


@pytest.fixture
def others(interpreters: list[Found]) -> list[Found]:
    """Interpreters of other minor versions than the running one, newest first."""
    found = [item for item in reversed(interpreters) if item[0][:2] != sys.version_info[:2]]
    if len(found) < 2:
        pytest.skip("fewer than three CPythons on this machine")
    return found


@pytest.fixture
def mirror(others: list[Found], tmp_path: Path) -> Path:
    """A directory with archives of two interpreters of this machine, which are not found here otherwise."""
    directory = tmp_path / "mirror"
    for _, python in others[:2]:
        pack_interpreter(python, directory)
    write_sums(directory)
    return directory


def minor(found: Found) -> str:
    return "{}.{}".format(*found[0])


def settings(place: Path | str, **given: str) -> Settings:
    return load(
        variables({**os.environ, "FASTENV_PYTHON_MIRROR": str(place)}), command_line(given, "install", Path.cwd())
    ).settings


def run(settings: Settings, recorder: Recorder, **environ: str) -> Run:
    return Run.of(settings, store_of(settings, recorder), {**os.environ, **environ})


def stages(recorder: Recorder, stage: str) -> list[Span]:
    return [span for span in recorder.spans if span.args.get("stage") == stage]


def overlap(one: Span, other: Span) -> bool:
    return one.start_ns < other.end_ns and other.start_ns < one.end_ns


@pytest.mark.slow
def test_side_by_side(others: list[Found], mirror: Path, recorder: Recorder) -> None:
    with IndexServer(mirror, throttle_bytes_per_s=30_000_000) as server:
        job = install_all([*map(minor, others[:2])], run(settings(server.files_url), recorder))
        outcomes = asyncio.run(job)
    assert [type(outcome) for outcome in outcomes] == [Installed, Installed]
    assert overlap(*stages(recorder, "fetch"))


@pytest.mark.slow
def test_strictly_one_after_the_other(others: list[Found], mirror: Path, recorder: Recorder) -> None:
    wanted = settings(mirror, concurrent="1")
    asyncio.run(install_all([*map(minor, others[:2])], run(wanted, recorder)))
    spans = stages(recorder, "fetch") + stages(recorder, "unpack")
    assert len(spans) == 4
    assert [pair for pair in combinations(spans, 2) if overlap(*pair)] == []


@pytest.mark.slow
def test_found_afterwards_where_nothing_else_is(
    others: list[Found], mirror: Path, store: Store, recorder: Recorder, bin_directory: Path
) -> None:
    """What was downloaded comes last; by its path it is the same interpreter, with the same identity."""
    version = minor(others[0])
    with pytest.raises(InterpreterNotFoundError):
        find(version, store)
    (outcome,) = asyncio.run(install_all([version], run(settings(mirror), recorder)))
    assert isinstance(outcome, Installed)
    for _ in range(2):  # looked for, then remembered
        assert find(version, store) == ("downloaded", outcome.target)
    assert find_target(outcome.target.python, store) == outcome.target
    assert asyncio.run(downloadable(run(settings(mirror), recorder)))[0].version.startswith(minor(others[1]))
    (bin_directory / "python3").symlink_to(others[0][1])
    for _ in range(2):
        assert find(version, store)[0] == "PATH"
    (bin_directory / "python3").unlink()
    Path(outcome.target.python).write_bytes(b"")
    with pytest.raises(InterpreterNotFoundError):
        find(version, store)


@pytest.mark.slow
def test_giving_up_in_the_middle_leaves_nothing(others: list[Found], mirror: Path, store: Store) -> None:
    recorder = Recorder()

    async def scenario() -> None:
        with IndexServer(mirror, throttle_bytes_per_s=1_000_000) as server:
            wanted = settings(server.files_url)
            job = asyncio.create_task(install_all([minor(others[0])], run(wanted, recorder)))
            received = asyncio.Event()
            loop = asyncio.get_running_loop()

            def listen(what: str, _: object) -> None:
                if what == "progress":
                    loop.call_soon_threadsafe(received.set)

            recorder.subscribe(listen)
            await received.wait()
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job

    asyncio.run(scenario())
    assert [*store.root.glob(f"{PYTHONS.directory}/*/*")] == []
    assert [path for path in store.root.glob("tmp/*/*") if path.is_dir()] == []


def test_what_cannot_be_had(mirror: Path, recorder: Recorder, others: list[Found]) -> None:
    """Each failure stands in its place; what the mirror lists is asked once for all."""
    offline = settings("http://127.0.0.1:9/", offline="true")
    (failure,) = asyncio.run(install_all([minor(others[0])], run(offline, recorder)))
    assert isinstance(failure, InterpreterNotFoundError)
    with IndexServer(mirror) as server:
        place = settings(server.files_url)
        outcomes = asyncio.run(install_all(["4.2", ">=3.x", "4.3"], run(place, recorder)))
        asked = [request.path for request in server.requests]
    assert [type(outcome) for outcome in outcomes] == [InterpreterNotFoundError] * 3
    assert ["'4.2'" in str(outcomes[0]), "'4.3'" in str(outcomes[2])] == [True, True]
    assert asked == ["/files/SHA256SUMS"]


def test_a_mirror_that_does_not_answer(recorder: Recorder) -> None:
    place = settings("http://127.0.0.1:9/")
    (failure,) = asyncio.run(install_all(["3.99"], run(place, recorder, PIP_RETRIES="0")))
    assert isinstance(failure, NetworkError)


def test_nothing_missing_needs_no_connection(recorder: Recorder) -> None:
    running = "{}.{}".format(*sys.version_info)
    (outcome,) = asyncio.run(install_all([running], run(settings("http://127.0.0.1:9/"), recorder)))
    assert isinstance(outcome, Installed)
    assert outcome.where == "running"
