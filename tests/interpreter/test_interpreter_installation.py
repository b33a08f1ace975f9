"""Interpreters come out of real archives, served by a real server, and run; whatever goes wrong, none is half there."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from interpreter_bench import altered, installing, nothing_is_left, offer_of, tools, write_archive
from kit import faults
from kit.interpreters import Found
from kit.python_archives import pack_interpreter
from kit.server import IndexServer

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.errors import (
    ArchiveError,
    BombError,
    FastenvError,
    InterpreterError,
    NotFoundError,
)
from pytest_fastenv.interpreter import installed as installed_module
from pytest_fastenv.interpreter import smoke
from pytest_fastenv.interpreter.assumed import assumed_target, differences
from pytest_fastenv.interpreter.installation import install, installed
from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="archives are packed from interpreters of Linux"),
]

_PROGRAM = str(Path(__file__).with_name("interpreter_bench.py"))
Server = Callable[..., IndexServer]


@pytest.fixture(scope="session")
def archive(interpreters: list[Found], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest interpreter of the machine; not to be changed."""
    return pack_interpreter(interpreters[-1][1], tmp_path_factory.mktemp("packed"))


@pytest.fixture
def served(archive: Path, artifacts: Path, index_server: Server) -> IndexServer:
    """A server that has the archive."""
    os.link(archive, artifacts / archive.name)
    return index_server()


def url_of(server: IndexServer, archive: Path) -> str:
    return f"{server.files_url}{archive.name}"


def says(python: str, code: str) -> str:
    command = [python, "-I", "-B", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def stages(recorder: Recorder) -> list[str]:
    return [str(span.args["stage"]) for span in recorder.spans if span.kind == "interpreter"]


def test_every_interpreter_is_what_was_assumed_and_runs(
    interpreters: list[Found], store: Store, tmp_path: Path
) -> None:
    host = probe(Path(sys.executable))
    offers = [offer_of(pack_interpreter(python, tmp_path / "packed")) for _, python in interpreters]
    targets = installing(store, *offers)
    for offer, target in zip(offers, targets, strict=True):
        home = store.path(Bucket.PYTHONS, offer.sha256) / "python"
        assumed = assumed_target(offer, host, home)
        assert differences(assumed, target) == []
        assert (target.identity, target.python) == (assumed.identity, assumed.python)
        assert says(target.python, "import sys; print(sys.prefix)") == str(home)
        maps = says(target.python, "import ssl, sqlite3, ctypes; print(open('/proc/self/maps').read())")
        assert "libpython" not in maps or f"{home}/lib/libpython" in maps, "the library of another interpreter is used"
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
    assert installing(store, offer, recorder=again) == first == installed(store)[0]
    assert again.spans == []
    assert len(served.requests) == 1


@pytest.mark.parametrize("damage", ["gone", "replaced", "library", "record"])
def test_what_was_changed_is_made_anew(damage: str, archive: Path, served: IndexServer, store: Store) -> None:
    offer = offer_of(archive, url_of(served, archive))
    target = installing(store, offer)
    python, entry = Path(target.python), store.path(Bucket.PYTHONS, offer.sha256)
    if damage == "gone":
        python.unlink()
    elif damage == "replaced":
        python.write_bytes(bytes(python.stat().st_size))  # as many bytes: only its time tells
    elif damage == "library":
        next(python.parents[1].glob("lib/python3*/ssl.py")).write_text("")
    else:
        (entry / "interpreter.json").write_bytes(b"{}")
    assert installed(store) == ([target] if damage == "library" else [])
    assert installing(store, offer) == target
    assert installed(store) == [target]
    assert [notice.text for notice in store.recorder.notices] == [
        f"the store's CPython {offer.version} was damaged: made anew"
    ]
    assert says(target.python, "import ssl; print(ssl.OPENSSL_VERSION[:7])") == "OpenSSL"
    assert len(served.requests) == 2


def test_use_does_not_count_as_damage(archive: Path, store: Store) -> None:
    target = installing(store, offer_of(archive))
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([target.python, "-c", "import json, tarfile"], check=True, env=environ)
    library = next(Path(target.python).parents[1].glob("lib/python3*"))
    assert list(library.glob("__pycache__/tarfile.*"))
    (library / "site-packages").mkdir(exist_ok=True)
    (library / "site-packages" / "added.py").touch()
    again = Recorder()
    assert installing(store, offer_of(archive), recorder=again) == target
    assert again.notices == []


def test_another_host_asks_the_interpreter_again(archive: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store may be shared by machines whose C libraries, and so whose wheel tags, differ."""
    offer = offer_of(archive)
    target = installing(store, offer)
    monkeypatch.setattr(installed_module, "host_facts", lambda: ["linux", "x86_64", None, "glibc 9.9"])
    assert installed(store) == []
    again = Recorder()
    assert installing(store, offer, recorder=again) == target
    assert stages(again) == []


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
        async with tools(store, store.recorder) as given:
            offer = offer_of(archive, url_of(served, archive))
            task = asyncio.create_task(install(offer, store, given, store.recorder))
            await begun.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert nothing_is_left(store)

    asyncio.run(run())


TROUBLES = {
    "cut short": (faults.cut(100_000), "broke off"),
    "wrong checksum": (faults.corrupt(), "is not the file that was announced"),
    "missing": (faults.answer(404), "is not there"),
    "refused": (faults.answer(403), "403"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_with_the_transfer(trouble: str, archive: Path, served: IndexServer, store: Store) -> None:
    misbehave, text = TROUBLES[trouble]
    broken = [True]
    served.fault(archive.name, lambda handler: broken[0] and misbehave(handler))
    offer = offer_of(archive, url_of(served, archive))
    with pytest.raises(FastenvError) as caught:
        installing(store, offer)
    assert caught.value.exit_code == 3
    assert text in caught.value.diagnosis()
    assert archive.name in caught.value.diagnosis().replace("%2B", "+")
    assert nothing_is_left(store)
    broken[0] = False
    assert installing(store, offer).version == offer.version


def test_a_mirror_without_the_file_says_which(archive: Path, served: IndexServer, store: Store) -> None:
    offer = replace(offer_of(archive), filename="cpython-3.99.0.tar.gz", url=f"{served.files_url}cpython-3.99.0.tar.gz")
    with pytest.raises(NotFoundError) as caught:
        installing(store, offer)
    assert "cpython-3.99.0.tar.gz is not there" in caught.value.what
    assert served.origin in caught.value.diagnosis()
    assert "FASTENV_PYTHON_MIRROR" in str(caught.value.hint)


_FULL = """
place=$1 options=$2; shift 2
mkdir -p "$place"; mount -t tmpfs -o "$options" tmpfs "$place"
"$@" && code=0 || code=$?
echo "== exit code $code"
(cd "$place"; find . -name .ready -o -path './tmp/*/*' | sed 's/^/== left: /')
mount -o remount,size=400m,nr_inodes=100000 "$place"
"$@" && code=0 || code=$?
echo "== then exit code $code"
"""


def _no_mounts() -> str:
    """Return why there are no small file systems here; nothing when there are."""
    if shutil.which("unshare") is None:
        return "NO SMALL FILE SYSTEM: unshare is missing"
    done = subprocess.run(["unshare", "-rm", "true"], capture_output=True, text=True)
    return f"NO SMALL FILE SYSTEM: {done.stderr.strip()}" if done.returncode else ""


@pytest.mark.skipif(bool(_no_mounts()), reason=_no_mounts())
@pytest.mark.parametrize(
    "options", ["size=3m", "size=20m", "size=38m", "size=200m,nr_inodes=300"], ids=["fetch", "plain", "files", "inodes"]
)
def test_the_disk_is_full(options: str, archive: Path, store: Store) -> None:
    work = [sys.executable, _PROGRAM, str(store.root), str(archive), archive.as_uri()]
    command = ["unshare", "-rm", "sh", "-uc", _FULL, "sh", str(store.root), options, *work]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120)
    output = said.stdout + said.stderr
    first, _, second = said.stdout.partition("== exit code 3")
    assert second, output
    assert "o space left" in first, output
    assert "  next: " in first, output
    assert "Traceback" not in output
    assert "== left" not in output
    assert "== then exit code 0" in second, output
    assert "\ninstalled " in second


def test_a_module_that_the_archive_lacks(archive: Path, tmp_path: Path, store: Store) -> None:
    def change(member: Any, content: bytes) -> bytes | None:
        return None if "/_sqlite3." in member.name else content

    lacking = altered(archive, tmp_path, change)
    with pytest.raises(InterpreterError) as caught:
        installing(store, offer_of(lacking))
    assert "does not pass its first test" in caught.value.what
    assert "No module named '_sqlite3'" in str(caught.value.why)
    assert "made without _sqlite3" in str(caught.value.hint)
    assert nothing_is_left(store)


def test_a_system_library_that_is_missing(archive: Path, tmp_path: Path, store: Store) -> None:
    """The real loader's words: the archive's module is linked to a library that is nowhere."""

    def change(member: Any, content: bytes) -> bytes:
        if "/_sqlite3." not in member.name:
            return content
        assert b"\0libsqlite3.so.0\0" in content, "this machine's interpreter has SQLite in it"
        return content.replace(b"\0libsqlite3.so.0\0", b"\0libnowhere.so.7\0")

    lacking = altered(archive, tmp_path, change)
    with pytest.raises(InterpreterError) as caught:
        installing(store, offer_of(lacking))
    assert "libnowhere.so.7: cannot open shared object file" in str(caught.value.why)
    assert "install the package that has libnowhere.so.7" in str(caught.value.hint)


def script(tmp_path: Path, text: bytes) -> Path:
    """Write an archive whose interpreter is something else."""
    return write_archive(tmp_path / "cpython-3.12.1+1-x.tar.gz", [("python/bin/python3.12", text)])


@pytest.mark.parametrize(
    ("text", "expected", "hint"),
    [
        (
            b"#!/bin/sh\necho much too wrong; exit 7\n",
            "exit code 7\nmuch too wrong",
            "name an interpreter that is here",
        ),
        (b"#!/bin/sh\nkill -ILL $$\n", "ended by SIGILL", "built for a newer processor"),
        (b'#!/bin/sh\necho "version \\`GLIBC_2.99\' not found"; exit 1\n', "GLIBC_2.99", "older than GLIBC_2.99"),
        (b"\x7fELF no program", "Exec format error", "built for another processor"),
        (b"#!/no/such/loader\n", "No such file", "its loader is not on this system"),
        (b"#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' x; exit 1\n", "exit code 1\nxxx", ""),
        (b"#!/bin/sh\nexit 0\n", "exit code 0", ""),
    ],
)
def test_what_does_not_start_is_not_published(
    text: bytes, expected: str, hint: str, tmp_path: Path, store: Store
) -> None:
    with pytest.raises(InterpreterError) as caught:
        installing(store, offer_of(script(tmp_path, text)))
    assert expected in str(caught.value.why)
    assert len(str(caught.value.why)) < 2200
    assert hint in str(caught.value.hint)
    assert nothing_is_left(store)


def test_what_never_ends(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its children end with it: they would go on in a directory that is removed."""
    monkeypatch.setattr(smoke, "SMOKE_TIMEOUT_S", 0.5)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        text = f"#!/bin/sh\nexec 3>{pipe}\necho begun >&3\nsleep 60 & sleep 60\n"
        begin = time.monotonic()
        with pytest.raises(InterpreterError, match="gave no answer within"):
            installing(store, offer_of(script(tmp_path, text.encode())))
        assert time.monotonic() - begin < 30
        assert nothing_is_left(store)
        assert os.read(held, 100) == b"begun\n"
        assert select.select([held], [], [], 10)[0], "a child still has the pipe open"
        assert os.read(held, 100) == b""
    finally:
        os.close(held)


PYTHON = ("python/bin/python3.12", b"#!/bin/sh\n")
HOSTILE: dict[str, tuple[list[tuple[str, bytes | str]], dict[str, Any], str]] = {
    "leaves the root": ([PYTHON, ("python/../../evil", b"x")], {}, "leaves the archive's root"),
    "absolute": ([PYTHON, ("/tmp/evil", b"x")], {}, "is an absolute path"),
    "link out": ([PYTHON, ("python/lib", "../../..")], {}, "is a link that leaves the archive's root"),
    "link out of its part": (
        [("python/PYTHON.json", b"{}"), ("python/install/bin/python3.12", b""), ("python/install/x", "../PYTHON.json")],
        {},
        "is a link that leaves the archive's root",
    ),
    "device": ([PYTHON, ("python/null", b"")], {"python/null": {"type": b"3"}}, "is a device"),
    "two tops": ([PYTHON, ("other/x", b"")], {}, "exactly one top directory"),
    "no interpreter": ([("python/bin/ruby", b"")], {}, "there is no bin/python3.12 in its directory python"),
    "empty": ([], {}, "is empty"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_hostile_archives_are_refused(fault: str, tmp_path: Path, store: Store) -> None:
    members, fields, text = HOSTILE[fault]
    archive = write_archive(tmp_path / "cpython-3.12.1+1-x.tar.gz", members, **fields)
    with pytest.raises(ArchiveError) as caught:
        installing(store, offer_of(archive))
    assert type(caught.value) is ArchiveError
    assert text in caught.value.diagnosis()
    assert archive.name in caught.value.diagnosis()
    assert nothing_is_left(store)


def test_a_bomb_is_refused(tmp_path: Path, store: Store) -> None:
    archive = write_archive(tmp_path / "cpython-3.12.1+1-x.tar.gz", [PYTHON, ("python/zeros", bytes(8 << 20))])
    with pytest.raises(BombError):
        installing(store, offer_of(archive), limits=Limits(expanded_bytes=1 << 20))
    assert nothing_is_left(store)


def test_the_list_passes_over_what_cannot_be_used(archive: Path, store: Store) -> None:
    assert installed(store) == []  # nothing there at all
    target: Target = installing(store, offer_of(archive))
    place = store.root / "pythons-v1"
    (place / "stray").write_text("")
    unfinished = place / "ab" / f"ab{62 * '0'}"
    unfinished.mkdir(parents=True)
    assert installed(store) == [target]
    (unfinished / ".ready").touch()
    assert installed(store) == [target]
    (unfinished / "interpreter.json").write_text('{"host": []}')
    assert installed(store) == [target]


def test_the_list_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; import pytest_fastenv.interpreter.installed; "
        "print(sorted({'asyncio', 'httpx', 'packaging', 'dataclasses', 'subprocess'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "asyncio" not in done.stdout
    assert "httpx" not in done.stdout
    assert "packaging" not in done.stdout
