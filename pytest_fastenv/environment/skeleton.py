"""Empty virtual environments: one skeleton per interpreter, made by virtualenv, and quick copies of it.

Making one costs a process and a quarter of a second; a copy costs one to two milliseconds. The places in a skeleton
that hold its own path are found once, when it is made, and listed beside it::

    skeletons-v2/ab/<key>/the skeleton/fastenv/   the virtual environment
    skeletons-v2/ab/<key>/skeleton.json           what it holds: names, digests, and where its path stands; sealed
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pytest_fastenv.environment.quoted_paths import Occurrence, occurrences, replaced
from pytest_fastenv.errors import InterpreterError, StoreError, option
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.filesystem.walks import walk
from pytest_fastenv.model.digest import bytes_sha256, key_of
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.environment import PROMPT
from pytest_fastenv.schedule.program import run_program
from pytest_fastenv.store.buckets import EntryBucket, InStore, Remaking
from pytest_fastenv.store.sealed import load, to_bytes
from pytest_fastenv.store.store import Store

CREATION_TIMEOUT_S = 120.0
#: The blank makes every generator of scripts put quotes around the path: what is replaced is then a whole word. The
#: last part is what some take for the prompt.
_TREE = f"the skeleton/{PROMPT}"
_LIST = "skeleton.json"
_RUN_VIRTUALENV = """\
import json, runpy, sys
sys.path[:] = json.loads(sys.argv.pop(1))
sys.argv[0] = "virtualenv"
runpy.run_module("virtualenv", run_name="__main__")
"""


#: Gives what is held around work on files.
Permit = Callable[[], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class SkeletonKey:
    """What decides what a skeleton holds.

    :ivar identity: of the interpreter.
    :ivar virtualenv: its release.
    :ivar system: ``os.name``.
    """

    identity: str
    virtualenv: str
    system: str = os.name


@dataclass(frozen=True, slots=True)
class SkeletonFile:
    """A file of a skeleton.

    :ivar path: relative, forward slashes.
    :ivar holds: where the skeleton's own path stands in it.
    """

    path: str
    mode: int
    holds: tuple[Occurrence, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What a skeleton holds.

    :ivar links: name and what it leads to.
    :ivar uses: the interpreter, where that lies in the store.
    """

    directories: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    files: tuple[SkeletonFile, ...]
    uses: tuple[InStore, ...] = ()


class _Contents(NamedTuple):
    """A skeleton in memory: a few dozen small files, in the order listed."""

    listed: Skeleton
    files: list[bytes]


def _check(place: Path) -> str | None:
    return None if _load(place) is not None else "a file of it is gone or damaged"


def _uses(place: Path) -> tuple[InStore, ...]:
    listed = load(place / _LIST, Skeleton)
    return listed.uses if listed is not None else ()


SKELETONS = EntryBucket(
    name="skeletons",
    version=2,
    about="empty virtual environments, one for each interpreter",
    remaking=Remaking.LINKED,
    check=_check,
    refers_to=_uses,
)


async def lay_out(
    target: Target, store: Store, prefix: Path, final: Path, permit: Permit = nullcontext
) -> tuple[InStore, ...]:
    """Make an empty virtual environment: without pip, without access to the base's packages.

    :param prefix: where it is written; made, or empty.
    :param final: where it will lie: the path that its scripts hold.
    :param permit: taken where other work of this process may go on meanwhile.
    :return: what of the store it is made of.
    :raises InterpreterError: neither virtualenv nor the interpreter's own venv can make one.
    """
    place = await skeleton(target, store, permit)
    contents = _load(place)
    if contents is None:
        # Another program or a power cut removed or changed a part of it.
        await store.withdraw(SKELETONS, place.name, only_damaged=True)
        place = await skeleton(target, store, permit)
        contents = _load(place)
        if contents is None:
            hint = f"see what else writes there, or set {option('cache_dir')} to another directory"
            raise StoreError("an empty environment in the store changes while it is used", where=str(place), hint=hint)
    async with permit():
        _write(contents, prefix, final)
    return InStore(SKELETONS.directory, place.name), *contents.listed.uses


async def skeleton(target: Target, store: Store, permit: Permit = nullcontext) -> Path:
    """Return the skeleton's place in the store; made once for an interpreter and a release of virtualenv."""
    from importlib.metadata import version  # needed only when an environment is made

    key = key_of(SkeletonKey(target.identity, version("virtualenv")))

    async def make(place: Path) -> None:
        async with permit():
            with store.recorder.span("interpreter", target.short, source="built", key=key, python=target.python):
                await _create(target, place)
                _write_list(place, store.entry_with(target.python))

    return await store.publish(SKELETONS, key, make, subject=f"an empty environment of {target.short}")


async def _create(target: Target, place: Path) -> None:
    """Let virtualenv make it, or the interpreter's own venv where virtualenv does not know that interpreter."""
    tree = place / _TREE
    tree.parent.mkdir()
    data = place / "virtualenv"
    command = [sys.executable, "-I", "-c", _RUN_VIRTUALENV, json.dumps(sys.path)]
    options = ["--no-seed", "--no-periodic-update", "--prompt", PROMPT]
    options += ["--app-data", str(data), "--python", target.python, str(tree)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUALENV_", "PYTHON"))}
    environ["VIRTUALENV_CONFIG_FILE"] = str(data / "none.ini")  # the user's defaults are not for our skeletons
    environ["XDG_CACHE_HOME"] = str(data)  # older releases make their directory there, although --app-data names one
    first = await run_program([*command, *options], environ, limit_s=CREATION_TIMEOUT_S)
    await in_thread(shutil.rmtree, data, ignore_errors=True)
    if first.code == 0:
        if sys.platform == "linux" and _mixes_links_and_copies(tree / target.schemes["scripts"]):
            raise InterpreterError(
                f"virtualenv made a part of an environment for {target.short} in another way than the rest",
                where=target.python,
                why="it copied an interpreter beside links to it, as it does where the system refuses it something",
                hint="run again",
            )
        return
    if first.code is None or first.code < 0:
        # That says nothing about virtualenv and this interpreter, and what is made here is kept.
        raise InterpreterError(
            f"virtualenv was ended while it made an environment for {target.short}",
            where=target.python,
            why=f"it {first.how}",
            hint="run again; the system may be short of memory",
        )
    if refusal := first.refusal():
        # The interpreter's own venv copies what it cannot link: what came of that would be kept as well.
        raise InterpreterError(
            f"virtualenv cannot make an environment for {target.short}: {refusal}",
            where=target.python,
            why=first.reason(),
            hint="the system refused it: see to what is short, and run again",
        )
    await in_thread(shutil.rmtree, tree, ignore_errors=True)
    own = [target.python, "-I", "-m", "venv", "--without-pip", "--prompt", PROMPT, str(tree)]
    second = await run_program(own, environ, limit_s=CREATION_TIMEOUT_S)
    python = tree / target.schemes["scripts"] / ("python.exe" if os.name == "nt" else "python")
    if second.code != 0 or not os.access(python, os.X_OK):  # some releases end with 0 when they gave up
        raise InterpreterError(
            f"no virtual environment can be made for {target.short}",
            where=target.python,
            why=f"virtualenv: {first.reason()}\nits own venv: {second.reason()}",
            hint="install the interpreter's venv module, or use another interpreter",
        )


def _mixes_links_and_copies(scripts: Path) -> bool:
    """Tell whether some names of the interpreter are links and others files: on Linux virtualenv makes all alike."""
    names = [name for name in os.listdir(scripts) if name.startswith(("python", "pypy"))]
    return len({os.path.islink(scripts / name) for name in names}) > 1


def _write_list(place: Path, python: InStore | None) -> None:
    """Write the list of what the skeleton holds and where that is its path."""
    tree = place / _TREE
    _without_command(tree / "pyvenv.cfg")
    directories: list[str] = []
    links: list[tuple[str, str]] = []
    files: list[SkeletonFile] = []
    for folder, folders, names in walk(tree):
        base = Path(folder).relative_to(tree)
        for name in sorted(folders):
            if os.path.islink(os.path.join(folder, name)):
                names.append(name)
            else:
                directories.append((base / name).as_posix())
        for name in sorted(names):
            path, relative = os.path.join(folder, name), (base / name).as_posix()
            if os.path.islink(path):
                links.append((relative, os.readlink(path)))
            else:
                mode = stat.S_IMODE(os.lstat(path).st_mode)
                holds, digest = _holds(path, str(tree))
                files.append(SkeletonFile(relative, mode, holds, digest))
    uses = (python,) if python is not None else ()
    listed = Skeleton(tuple(directories), tuple(links), tuple(files), uses)
    (place / _LIST).write_bytes(to_bytes(listed))


def _holds(path: str, tree: str) -> tuple[tuple[Occurrence, ...], str]:
    with open(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return (), bytes_sha256(content)  # a launcher: those hold no path
    return tuple(occurrences(os.path.basename(path), text, tree)), bytes_sha256(content)


def _without_command(configuration: Path) -> None:
    """Take the line out that says how the skeleton was made: it is not true of the copies."""
    lines = configuration.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not re.match(r"command\s*=", line)]
    configuration.write_text("".join(kept), encoding="utf-8")


def _load(place: Path) -> _Contents | None:
    """Read a skeleton; ``None`` when it is not as it was made."""
    listed = load(place / _LIST, Skeleton)
    if listed is None:
        return None
    try:
        contents = [(place / _TREE / file.path).read_bytes() for file in listed.files]
    except OSError:
        return None
    if any(file.sha256 != bytes_sha256(content) for file, content in zip(listed.files, contents, strict=True)):
        return None
    return _Contents(listed, contents)


def _write(contents: _Contents, prefix: Path, final: Path) -> None:
    """Write a copy of a skeleton, with the path that the copy will have."""
    into, path = os.fspath(prefix), os.fspath(final)
    os.makedirs(into, exist_ok=True)
    for name in contents.listed.directories:
        os.mkdir(f"{into}/{name}")
    for name, leads_to in contents.listed.links:
        os.symlink(leads_to, f"{into}/{name}")
    for file, content in zip(contents.listed.files, contents.files, strict=True):
        _write_file(f"{into}/{file.path}", file, content, path)


def _write_file(into: str, file: SkeletonFile, content: bytes, path: str) -> None:
    if file.holds:
        content = replaced(content.decode(), list(file.holds), path).encode("utf-8", "surrogateescape")
    writing = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), file.mode)
    with open(writing, "wb") as stream:
        stream.write(content)
