"""Bring into the store what sessions compiled, and compile what they imported and did not keep.

What Python wrote in an environment is taken as it is where it is certain to be true: nothing has touched the source
since it was compiled, and the source is as it was unpacked. All else is compiled from the store's own file, so that
nothing that was edited, not even edited and put back, gets into other environments.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pytest_fastenv.errors import ProvideError
from pytest_fastenv.filesystem import bytecode, file_copies
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.filesystem.tree import numbers_of
from pytest_fastenv.installer.bytecode import BYTECODE, FILES, Compiled, Index, Stamp, place_bytecode
from pytest_fastenv.installer.manifest import ManifestFile
from pytest_fastenv.model.digest import file_sha256
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.schedule.program import run_program
from pytest_fastenv.store.store import Store
from pytest_fastenv.wheel.record import encode

TIMEOUT_S = 300.0
#: By time and size even where SOURCE_DATE_EPOCH is set: the sources' times are the same in all environments (PEP 552).
_PROGRAM = """\
import os, py_compile, sys
words = os.fsdecode(sys.stdin.buffer.read()).split("\\0")
for source, path, target in zip(words[::3], words[1::3], words[2::3]):
    try:
        mode = py_compile.PycInvalidationMode.TIMESTAMP
        py_compile.compile(source, target, path, doraise=True, optimize=0, invalidation_mode=mode)
    except (OSError, ValueError, py_compile.PyCompileError):
        pass
print(sys.implementation.cache_tag)
"""


class Modules(NamedTuple):
    """Modules of one distribution that an environment should find compiled.

    :ivar key: of their entry (`bytecode_key`).
    :ivar subject: the distribution, for people.
    :ivar tree: where they lie as they were unpacked.
    :ivar base: where they lie in the environment.
    :ivar files: by path relative to both.
    """

    key: str
    subject: str
    tree: str
    base: str
    files: Mapping[str, ManifestFile]


class Compilation:
    """Keeps what is compiled in one environment.

    :param python: the environment's interpreter.
    :param mode: how files got into the environment.
    :param environ: variables for the interpreter.
    """

    def __init__(self, store: Store, python: Path, mode: LinkMode, environ: Mapping[str, str]) -> None:
        self._store = store
        self._python = python
        self._mode = mode
        self._environ = environ

    async def keep(self, modules: Modules) -> int:
        """See that some modules are compiled in the store, and beside their sources in the environment.

        Nothing fails because of a module that cannot be compiled; it is left out.

        :return: how many compiled files came into the store.
        :raises StoreError: the store cannot be written.
        """
        kept = 0
        if self._missing(modules):
            async with self._store.lock(BYTECODE, modules.key, subject=f"compiled modules of {modules.subject}"):
                kept = await self._add(modules)
        await in_thread(self._place, modules)
        return kept

    def _known(self, modules: Modules) -> list[Compiled]:
        """Return what is in the store and true of the sources."""
        entry = self._store.lookup(BYTECODE, modules.key)
        index = Index.load(entry) if entry is not None else None
        if entry is None or index is None:
            return []
        files = modules.files
        return [
            one
            for one in index.files(entry)
            if one.source not in files or one.of == Stamp.of(files[one.source].size, files[one.source].mtime_ns)
        ]

    def _missing(self, modules: Modules) -> list[ManifestFile]:
        known = {one.source for one in self._known(modules)}
        return [file for path, file in modules.files.items() if path not in known]

    async def _add(self, modules: Modules) -> int:
        """Put what is missing beside what is there; the entry's lock is held."""
        known, missing = self._known(modules), self._missing(modules)
        async with self._store.temporary("bytecode") as private:
            found = await in_thread(lambda: list(_compiled(modules, missing)))
            taken = {one.source for one in found}
            found += await self._compile(modules, [file for file in missing if file.path not in taken], private)
            if found:
                fill = partial(_fill, [*known, *found], shares=self._mode.shares_files)
                await self._store.supersede(BYTECODE, modules.key, partial(in_thread, fill))
        return len(found)

    async def _compile(self, modules: Modules, missing: Iterable[ManifestFile], private: Path) -> list[Compiled]:
        drafts = {
            f"{private}/{number}": file
            for number, file in enumerate(missing)
            if await in_thread(_is_as_unpacked, f"{modules.tree}/{file.path}", file)
        }
        if not drafts:
            return []
        words = [
            word
            for draft, file in drafts.items()
            for word in (f"{modules.tree}/{file.path}", f"{modules.base}/{file.path}", draft)
        ]
        given = os.fsencode("\0".join(words))
        argv = [str(self._python), "-I", "-S", "-B", "-c", _PROGRAM]
        try:
            ran = await run_program(argv, self._environ, limit_s=TIMEOUT_S, given=given, errors="dropped")
        except ProvideError:  # no process is left for it
            return []
        tag = ran.output.decode("utf-8", "replace").strip()
        made = await in_thread(os.listdir, private) if ran.code == 0 and tag else []
        return [
            Compiled(file.path, Stamp.of(file.size, file.mtime_ns), f"{_stem(file.path)}.{tag}.pyc", draft)
            for draft, file in drafts.items()
            if os.path.basename(draft) in made
        ]

    def _place(self, modules: Modules) -> None:
        """Bring what is compiled beside the sources in the environment that are as they were."""
        sources = {}
        for path, file in modules.files.items():
            with suppress(OSError):
                status = os.stat(f"{modules.base}/{path}")
                if (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns):
                    sources[path] = Stamp.of(file.size, file.mtime_ns)
        if sources:
            place_bytecode(self._store.path(BYTECODE, modules.key), sources, modules.base, self._mode)


def _compiled(modules: Modules, files: Iterable[ManifestFile]) -> Iterator[Compiled]:
    """Yield what Python compiled in the environment and is certain to be true of the sources as they were unpacked."""
    caches: dict[str, list[str]] = {}
    for file in files:
        source = f"{modules.base}/{file.path}"
        directory, name = os.path.split(source)
        if directory not in caches:
            caches[directory] = bytecode.compiled(directory)
        places = (f"{directory}/{bytecode.CACHE}/{one}" for one in caches[directory] if bytecode.source_of(one) == name)
        true = [place for place in places if bytecode.is_true(place, file.size, file.mtime_ns)]
        if true and _is_as_unpacked(source, file):
            for place in true:
                if _is_younger(place, source):
                    yield Compiled(file.path, Stamp.of(file.size, file.mtime_ns), os.path.basename(place), place)


def _is_as_unpacked(path: str, file: ManifestFile) -> bool:
    """Tell whether a file is what the wheel has, by every byte."""
    try:
        status = os.stat(path)
        if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
            return False
        with open(path, "rb") as content:
            return encode(hashlib.file_digest(content, "sha256").digest()) == file.digest
    except OSError:
        return False


def _is_younger(compiled: str, source: str) -> bool:
    """Tell whether nothing has touched a source since it was compiled: neither its content nor its times or links."""
    try:
        status = os.lstat(compiled)
        return stat.S_ISREG(status.st_mode) and status.st_mtime_ns >= os.stat(source).st_ctime_ns
    except OSError:
        return False


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".py")


def _fill(compiled: Iterable[Compiled], entry: Path, *, shares: bool) -> None:
    """Fill an entry with compiled files.

    :param shares: files of the environment and of the store may be the same.
    """
    os.mkdir(entry / FILES)
    rows: list[tuple[Any, ...]] = []
    for one in compiled:
        target = f"{entry}/{FILES}/{len(rows)}"
        try:
            _bring(one.place, target, shares=shares)
        except FileNotFoundError:  # removed, or replaced, by a session just now
            continue
        rows.append((one.source, *one.of, one.name, *numbers_of(os.lstat(target)), file_sha256(target)))
    columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
    Index(*columns or ([] for _ in Index._fields)).save(entry)


def _bring(source: str, target: str, *, shares: bool) -> None:
    if shares:
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in file_copies.NOT_LINKED:
                raise
        else:
            return
    file_copies.copy(source, target)
