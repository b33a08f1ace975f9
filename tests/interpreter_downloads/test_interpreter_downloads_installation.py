"""Interpreters come out of real archives, served by a real server, and run; many ask, one installs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.interpreter_bench import installing, nothing_is_left, offer_of, says, tools, url_of
from kit.interpreters import Found
from kit.python_archives import pack_interpreter
from kit.server import IndexServer

from pytest_fastenv.interpreter.installed import PYTHONS
from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.interpreter_downloads.assumed import assumed_target, differences
from pytest_fastenv.interpreter_downloads.installation import install, installed
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="archives are packed from interpreters of Linux"),
]

_PROGRAM = str(Path(__file__).parents[1] / "kit" / "interpreter_bench.py")
Server = Callable[..., IndexServer]


def test_every_interpreter_is_what_was_assumed_and_runs(
    interpreters: list[Found], store: Store, tmp_path: Path
) -> None:
    host = probe(Path(sys.executable))
    offers = [offer_of(pack_interpreter(python, tmp_path / "packed")) for _, python in interpreters]
    targets = installing(store, *offers)
    for offer, target in zip(offers, targets, strict=True):
        home = store.path(PYTHONS, offer.sha256) / "python"
        assumed = assumed_target(offer, host, home)
        assert differences(assumed, target) == []
        assert (target.identity, target.python) == (assumed.identity, assumed.python)
        assert says(target.python, "import sys; print(sys.prefix)") == str(home)
        maps = says(target.python, "import ssl, sqlite3, ctypes; print(open('/proc/self/maps').read())")
        libraries = [line for line in maps.splitlines() if "libpython" in line]
        assert [line for line in libraries if f"{home}/lib/libpython" not in line] == []  # those of another one
    assert [target.version for target in installed(store)] == [target.version for target in reversed(targets)]


def test_what_is_there_is_not_fetched_again(archive: Path, served: IndexServer, store: Store) -> None:
    offer = offer_of(archive, url_of(served, archive))
    first = installing(store, offer)
    (fetch, unpack) = [span for span in store.recorder.spans if span.kind == "interpreter"]
    assert fetch.args == {
        "stage": "fetch", "version": offer.version, "source": "network", "key": offer.sha256,
        "bytes": archive.stat().st_size,
    }  # fmt: skip
    assert (unpack.args["stage"], unpack.args["bytes"]) == ("unpack", archive.stat().st_size)
    assert fetch.subject == unpack.subject == f"CPython {offer.version}"
    assert fetch.end_ns <= unpack.start_ns
    again = Recorder()
    assert installing(Store(store.root, recorder=again), offer) == first == installed(store)[0]
    assert again.spans == []
    assert len(served.requests) == 1


def test_eight_processes_fetch_it_once(archive: Path, served: IndexServer, store: Store) -> None:
    served.throttle_bytes_per_s = 8 * archive.stat().st_size
    command = [sys.executable, _PROGRAM, str(store.root), str(archive), url_of(served, archive)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    said = [process.communicate(timeout=120)[0].splitlines() for process in running]
    assert [process.returncode for process in running] == [0] * 8, said
    assert len({lines[-1] for lines in said}) == 1
    assert sorted(len(lines) for lines in said) == [1] * 7 + [5]  # one of them did the work
    assert len(served.requests) == 1


def test_different_interpreters_do_not_wait_for_each_other(
    interpreters: list[Found], artifacts: Path, index_server: Server, store: Store
) -> None:
    archives = [pack_interpreter(python, artifacts) for _, python in interpreters[-2:]]
    server = index_server(throttle_bytes_per_s=20 << 20)
    first, second = installing(store, *(offer_of(archive, url_of(server, archive)) for archive in archives))
    assert first.version != second.version
    kinds = {span.kind for span in store.recorder.spans}
    assert kinds == {"interpreter"}, "one waited for the other's lock"
    fetches = [span for span in store.recorder.spans if span.args["stage"] == "fetch"]
    assert max(span.start_ns for span in fetches) < min(span.end_ns for span in fetches)


@pytest.mark.parametrize("stage", ["fetch", "unpack"])
def test_killed_in_the_middle(stage: str, archive: Path, served: IndexServer, store: Store) -> None:
    served.throttle_bytes_per_s = 4 * archive.stat().st_size
    command = [sys.executable, _PROGRAM, str(store.root), str(archive), url_of(served, archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == f"start {stage}\n":
                process.kill()
                break
        process.wait()
    assert process.returncode == -9
    assert installed(store) == []
    served.throttle_bytes_per_s = None
    target = installing(store, offer_of(archive, url_of(served, archive)))
    assert says(target.python, "import ssl, sqlite3; print('fine')") == "fine"
    assert installed(store) == [target]


def test_cancelled_in_the_middle_nothing_is_left(archive: Path, served: IndexServer, store: Store) -> None:
    served.throttle_bytes_per_s = archive.stat().st_size

    async def run() -> None:
        begun = asyncio.Event()
        store.recorder.subscribe(lambda what, _event: begun.set() if what == "progress" else None)
        async with tools(store) as given:
            offer = offer_of(archive, url_of(served, archive))
            task = asyncio.create_task(install(offer, given))
            await begun.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert nothing_is_left(store)

    asyncio.run(run())
