"""Compiled modules come with a wheel's files, and never tell of another source than the one beside them."""

from __future__ import annotations

import asyncio
import os
import py_compile
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from installing import SITE, TARGET, SomeStaging, artifact, engine, run
from kit.archives import make_wheel
from kit.tools import NOWHERE
from kit.unpacked import unpacked_at

from pytest_fastenv.installer.bytecode import BYTECODE, FILES, bytecode_key
from pytest_fastenv.installer.compilation import Compilation, Modules
from pytest_fastenv.installer.manifest import MANIFEST, TREE, Manifest
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.digest import file_sha256
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.store.store import Store

NAMES = ("demo/__init__.py", "demo/part.py", "single.py")
MODES = [LinkMode.HARDLINK, LinkMode.COPY, LinkMode.SYMLINK]


class Bench:
    """One wheel that was unpacked a while ago, and environments that hold it."""

    def __init__(self, store: Store, directory: Path, wheel: Path) -> None:
        self.store = store
        self.wheel = wheel
        self._directory = directory
        self._count = 0
        self.environment()
        unpacked_at(self.entry, 1_700_000_000)

    @property
    def entry(self) -> Path:
        return self.store.path(WHEELS, file_sha256(self.wheel))

    @property
    def key(self) -> str:
        return bytecode_key(file_sha256(self.wheel), TARGET)

    def environment(self, link: LinkMode = LinkMode.HARDLINK) -> Path:
        """Install the wheel into a new environment, and return the directory of its modules."""
        self._count += 1
        prefix = self._directory / f"env{self._count}"
        prefix.mkdir()

        async def work() -> None:
            async with engine(self.store, replace(NOWHERE, link=link)) as parts:
                await parts.install([artifact(self.wheel)], SomeStaging(prefix, prefix))

        run(work())
        return prefix / SITE

    def modules(self, base: Path, *names: str) -> Modules:
        manifest = Manifest.load(str(self.entry / MANIFEST))
        assert manifest is not None
        files = {file.path: file for file in manifest.files() if file.path in names}
        return Modules(self.key, "demo 1.0", str(self.entry / TREE), str(base), files)

    def keep(self, base: Path, *names: str, link: LinkMode = LinkMode.HARDLINK) -> int:
        kept: int = run(self.compilation(link).keep(self.modules(base, *(names or NAMES))))
        return kept

    def compilation(self, link: LinkMode = LinkMode.HARDLINK) -> Compilation:
        return Compilation(self.store, Path(sys.executable), link, os.environ)


@pytest.fixture
def bench(store: Store, artifacts: Path, tmp_path: Path) -> Bench:
    files = dict.fromkeys(NAMES, "VALUE = 'as it was'\n")
    return Bench(store, tmp_path, make_wheel(artifacts, "demo", files=files))


def cached(base: Path, name: str) -> Path:
    path = base / name
    return path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"


def compiled_by_a_session(base: Path, name: str) -> Path:
    return Path(py_compile.compile(str(base / name), doraise=True, invalidation_mode=timestamp()) or "")


def timestamp() -> py_compile.PycInvalidationMode:
    return py_compile.PycInvalidationMode.TIMESTAMP


def value(base: Path, module: str = "demo.part") -> str:
    """Return what Python imports there."""
    code = f"import sys; sys.path.insert(0, {str(base)!r}); import {module} as m; print(m.VALUE)"
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_what_a_session_compiled_is_in_the_next_environment(bench: Bench) -> None:
    """Whatever the optimization; other files that lie there are not compiled modules."""
    first = bench.environment()
    found = [compiled_by_a_session(first, name) for name in NAMES]
    found.append(Path(py_compile.compile(str(first / "single.py"), doraise=True, optimize=1) or ""))
    (first / "__pycache__" / f"single.{sys.implementation.cache_tag}.opt-typeguard.pyc").write_bytes(
        found[2].read_bytes()
    )
    assert bench.keep(first) == 4
    second = bench.environment()
    there = {path.relative_to(second): path.stat().st_ino for path in second.rglob("*.pyc")}
    assert there == {path.relative_to(first): path.stat().st_ino for path in found}, "the very files"
    assert bench.keep(second) == 0
    assert value(second) == "as it was"


@pytest.mark.parametrize("link", MODES)
def test_what_no_session_kept_is_compiled(bench: Bench, link: LinkMode) -> None:
    """And is taken for true by Python, in the first environment as well."""
    first = bench.environment(link)
    assert bench.keep(first, "demo/part.py", link=link) == 1
    second = bench.environment(link)
    for base in (first, second):
        assert [path.relative_to(base) for path in base.rglob("*.pyc")] == [cached(Path(), "demo/part.py")]
        code = f"import sys; sys.path.insert(0, {str(base)!r}); import demo.part"
        ran = subprocess.run([sys.executable, "-I", "-v", "-c", code], capture_output=True, text=True, check=True)
        assert f"code object from '{cached(base, 'demo/part.py')}'" in ran.stderr
        code = f"{code}; print(demo.part.__loader__.get_code('demo.part').co_filename)"
        said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
        assert said.strip() == str(base / "demo/part.py"), "a traceback names the environment's own file"


@pytest.mark.parametrize("link", MODES)
def test_an_edit_is_seen(bench: Bench, link: LinkMode) -> None:
    """Of the same size, as a replacement and in place."""
    bench.keep(bench.environment(link), link=link)
    base = bench.environment(link)
    (base / "new.py").write_text("VALUE = 'as it  is'\n")
    (base / "new.py").replace(base / "demo/part.py")
    assert value(base) == "as it  is"
    if link is LinkMode.COPY:
        (base / "single.py").write_text("VALUE = 'as it  is'\n")
        assert value(base, "single") == "as it  is"
    assert bench.keep(base, link=link) == 0
    assert value(base) == "as it  is"
    assert value(bench.environment(link)) == "as it was"


def put_back(path: Path) -> None:
    """Edit a module, compile it, and put it back as it was: nothing of its content, size and time tells."""
    before, status = path.read_bytes(), path.stat()
    for content in (before.replace(b"as it was", b"forgeries"), before):
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        if content != before:
            py_compile.compile(str(path), doraise=True, invalidation_mode=timestamp())


@pytest.mark.parametrize("link", MODES)
def test_an_edit_that_was_put_back_reaches_no_other_environment(bench: Bench, link: LinkMode) -> None:
    first = bench.environment(link)
    put_back(first / "demo/part.py")
    assert value(first) == "forgeries", "Python cannot know"
    bench.keep(first, link=link)
    assert value(bench.environment(link)) == "as it was"


def test_an_edit_that_stays_is_not_compiled_for_others(bench: Bench) -> None:
    first = bench.environment(LinkMode.COPY)
    path, status = first / "demo/part.py", (first / "demo/part.py").stat()
    path.write_bytes(path.read_bytes().replace(b"as it was", b"forgeries"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    compiled_by_a_session(first, "demo/part.py")
    assert bench.keep(first, "demo/part.py", link=LinkMode.COPY) == 1
    assert value(bench.environment()) == "as it was"


def test_more_modules_come_beside_those_that_are_there(bench: Bench) -> None:
    first = bench.environment()
    assert bench.keep(first, "single.py") == 1
    before = cached(bench.environment(), "single.py").stat().st_ino
    assert bench.keep(first, "demo/part.py", "single.py") == 1
    base = bench.environment()
    assert cached(base, "single.py").stat().st_ino == before
    assert cached(base, "demo/part.py").exists()
    assert not cached(base, "demo/__init__.py").exists()
    assert bench.store.check(BYTECODE, bench.key) is None


def test_several_at_once(bench: Bench) -> None:
    """Each adds what it has; what another one has added is not compiled again."""
    first, second = bench.environment(), bench.environment(LinkMode.COPY)

    async def work() -> list[int]:
        parts = [bench.modules(first, *NAMES[:2]), bench.modules(second, *NAMES[1:]), bench.modules(second, *NAMES)]
        return await asyncio.gather(*(bench.compilation().keep(modules) for modules in parts))

    assert sum(run(work())) == 3
    assert all(cached(bench.environment(), name).exists() for name in NAMES)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def other_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES: list[Callable[[Path], object]] = [cut_off, other_byte, Path.unlink, lambda path: path.chmod(0)]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_in_the_store_is_not_linked_and_made_again(
    bench: Bench, damage: Callable[[Path], object]
) -> None:
    first = bench.environment()
    bench.keep(first)
    victim = bench.store.path(BYTECODE, bench.key) / FILES / "1"
    damage(victim)
    assert "has changed" in (bench.store.check(BYTECODE, bench.key) or "")
    base = bench.environment()
    assert len(list(base.rglob("*.pyc"))) == 2
    assert bench.keep(bench.environment(LinkMode.COPY)) == 1
    assert bench.store.check(BYTECODE, bench.key) is None
    assert len(list(bench.environment().rglob("*.pyc"))) == 3


def test_a_wheel_that_was_unpacked_again_has_other_times(bench: Bench) -> None:
    bench.keep(bench.environment())
    unpacked_at(bench.entry, 1_600_000_000)
    base = bench.environment()
    assert list(base.rglob("*.pyc")) == [], "Python would not believe them"
    assert bench.keep(base) == 3
    assert len(list(bench.environment().rglob("*.pyc"))) == 3


@pytest.mark.parametrize("link", MODES)
def test_what_was_unpacked_in_this_second_comes_without(bench: Bench, link: LinkMode) -> None:
    """An edit within the second has the same time."""
    unpacked_at(bench.entry, int(time.time()) + 3600)
    base = bench.environment(link)
    assert bench.keep(base, link=link) == 3
    assert list(base.rglob("*.pyc")) == list(bench.environment(link).rglob("*.pyc")) == []


@pytest.mark.parametrize("first", ["alpha", "omega"])
def test_of_a_place_that_several_want_only_what_lies_there_is_compiled(
    store: Store, artifacts: Path, tmp_path: Path, first: str
) -> None:
    """Also where size and time of the other file are the same, and whichever was linked first."""
    benches = []
    for name in ("alpha", "omega"):
        size = 1000 if name == first else 1
        files = {"tests/__init__.py": f"VALUE = {name!r}\n", f"{name}.py": "#" * size}
        directory = tmp_path / name
        directory.mkdir()
        benches.append(Bench(store, directory, make_wheel(artifacts, name, files=files)))
        benches[-1].keep(benches[-1].environment(), "tests/__init__.py")
    for number in range(2):
        prefix = tmp_path / str(number)
        prefix.mkdir()

        async def work(prefix: Path = prefix) -> None:
            async with engine(store) as parts:
                await parts.install([artifact(bench.wheel) for bench in benches], SomeStaging(prefix, prefix))

        run(work())
        assert value(prefix / SITE, "tests") == "alpha"
        run(store.withdraw(BYTECODE, benches[0].key))  # then nothing that is compiled is in the way


def test_what_cannot_be_compiled_is_left_out(store: Store, artifacts: Path, tmp_path: Path) -> None:
    wheel = make_wheel(artifacts, "demo", files={"demo/__init__.py": "", "demo/part.py": "print 'two'\n"})
    bench = Bench(store, tmp_path, wheel)
    base = bench.environment()
    assert bench.keep(base, "demo/__init__.py", "demo/part.py") == 1
    assert [path.parent.parent for path in bench.environment().rglob("*.pyc")] == [tmp_path / "env3" / SITE / "demo"]
    without = Compilation(store, tmp_path / "no python", LinkMode.HARDLINK, os.environ)
    assert run(without.keep(bench.modules(base, "demo/part.py"))) == 0


def test_another_form_of_bytecode_is_another_entry(bench: Bench) -> None:
    targets = [
        TARGET,
        replace(TARGET, version="3.12.1"),
        replace(TARGET, version="3.13.1"),
        replace(TARGET, version="3.13.1", free_threaded=True),
        replace(TARGET, version="3.14.0rc1"),
        replace(TARGET, version="3.14.0rc2"),
        replace(TARGET, implementation="pypy", version="3.11.7", markers={"implementation_version": "7.3.18"}),
        replace(TARGET, implementation="pypy", version="3.11.7", markers={"implementation_version": "7.3.19"}),
    ]
    assert len({bytecode_key("", target) for target in targets}) == len(targets)
    assert bytecode_key("", replace(TARGET, version="3.11.9")) == bytecode_key("", TARGET)


def test_what_came_back_with_other_times_is_linked_as_before(bench: Bench) -> None:
    """An archive that keeps whole seconds gives the store back."""
    assert bench.keep(bench.environment(), "single.py") == 1
    files = list((bench.store.root / BYTECODE.directory).rglob("files/*"))
    assert files
    for path in files:
        os.utime(path, (int(path.stat().st_mtime), int(path.stat().st_mtime)))
    assert cached(bench.environment(), "single.py").exists()
    assert bench.store.check(BYTECODE, bench.key) is None


def test_what_has_another_content_does_not_get_its_time_back(bench: Bench) -> None:
    bench.keep(bench.environment(), "single.py")
    for path in (bench.store.root / BYTECODE.directory).rglob("files/*"):
        path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    assert not cached(bench.environment(), "single.py").exists()
    assert bench.store.check(BYTECODE, bench.key) is not None
