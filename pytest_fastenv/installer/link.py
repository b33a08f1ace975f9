"""Link unpacked wheels into an environment's directory: files, scripts, and the records of the installation.

Runs in a worker process. Nothing is ever overwritten: what was there first stays, and whether two distributions may
bring different files to one place is judged afterwards (`overlaps`). RECORD is written last, so that a distribution
without it is not installed.

https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import time
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pytest_fastenv.archive.member_paths import NEW_FILE, shown
from pytest_fastenv.errors import SchemeError
from pytest_fastenv.filesystem.known_files import UNKNOWN, Numbers, piece_of
from pytest_fastenv.filesystem.tree import OWN_DIRECTORY, Tree, numbers_of
from pytest_fastenv.installer.bytecode import Stamp, place_bytecode
from pytest_fastenv.installer.garbage_collection import paused_collection
from pytest_fastenv.installer.manifest import MANIFEST, TREE, Manifest
from pytest_fastenv.installer.placement import Placer
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.wheel.entry_points import started_by
from pytest_fastenv.wheel.record import encode, line, quote
from pytest_fastenv.wheel.scripts import generate, rewrite

INSTALLER = "pytest-fastenv"
_MADE = 1
#: What NTFS calls our directory as well.
_SHORT_NAME = re.compile(r"fasten~[0-9]+", re.IGNORECASE)


class Destination(NamedTuple):
    """The environment to link into.

    :ivar prefix: where it is now.
    :ivar python: path of its interpreter once it is published, for scripts.
    :ivar schemes: install locations relative to the prefix, forward slashes.
    :ivar platform: ``sysconfig.get_platform()`` of its interpreter.
    :ivar mode: how files are placed.
    """

    prefix: str
    python: str
    schemes: Mapping[str, str]
    platform: str
    mode: LinkMode


class LinkOrder(NamedTuple):
    """One distribution to link.

    :ivar entry: its store entry.
    :ivar direct_url: the text of ``direct_url.json`` (PEP 610); empty when it was not asked for by URL.
    :ivar fresh: the entry was made by this run a moment ago, so its files need not be checked for changes.
    :ivar bytecode: the store entry with its compiled modules; empty where there is none.
    """

    entry: str
    name: str
    dist_info: str
    data: str
    root_is_purelib: bool
    requested: bool
    direct_url: str
    fresh: bool = False
    bytecode: str = ""


class Linked(NamedTuple):
    """What became of one order.

    :ivar changed: files of the store entry that are not what they were when it was made; then nothing was linked.
    :ivar taken: paths below the prefix where another file is already; RECORD does not have them.
    :ivar blocked: paths of directories where a file is already; then nothing was linked.
    :ivar methods: how many files were placed in which way.
    :ivar known: sizes, times and modes of what is there now.
    """

    start_ns: int
    end_ns: int
    files: int = 0
    size_bytes: int = 0
    changed: Sequence[str] = ()
    taken: Sequence[str] = ()
    blocked: Sequence[str] = ()
    methods: Mapping[LinkMode, int] = {}
    known: Tree | None = None


def link_all(orders: Sequence[LinkOrder], destination: Destination) -> list[Linked]:
    """Link several distributions, one after the other; return what became of each."""
    with paused_collection():
        return [link(order, destination) for order in orders]


def first_spoilt(entries: Sequence[str]) -> str | None:
    """Return the first of some store entries that is not as it was made."""
    for entry in entries:
        manifest = Manifest.load(f"{entry}/{MANIFEST}")
        if manifest is None or manifest.really_changed(f"{entry}/{TREE}", heals=True):
            return entry
    return None


def link(order: LinkOrder, destination: Destination) -> Linked:
    """Link one distribution.

    :raises SchemeError: it wants a place that no wheel may have; then nothing was linked.
    :raises OSError: the environment cannot be written.
    """
    start_ns = time.monotonic_ns()
    manifest = Manifest.load(f"{order.entry}/{MANIFEST}")
    if manifest is None:
        return Linked(start_ns, time.monotonic_ns(), changed=[MANIFEST])
    changed = [] if order.fresh else manifest.really_changed(f"{order.entry}/{TREE}", heals=True)
    if changed:
        return Linked(start_ns, time.monotonic_ns(), changed=changed)
    _check_places(order, destination, manifest)
    linking = _Linking(order, destination, manifest)
    linking.run()
    return Linked(
        start_ns,
        time.monotonic_ns(),
        files=len(manifest.paths),
        size_bytes=sum(manifest.sizes),
        taken=linking.taken,
        blocked=linking.blocked,
        methods=linking.placer.used,
        known=linking.known(),
    )


def location(path: str, order: LinkOrder, schemes: Mapping[str, str]) -> str:
    """Return where a file of the tree goes, relative to the environment's prefix."""
    scheme = "purelib" if order.root_is_purelib else "platlib"
    if order.data and path.startswith(f"{order.data}/"):
        scheme, _, path = path[len(order.data) + 1 :].partition("/")
    base = schemes[scheme]
    if scheme == "headers":  # a directory of its own for each project, as the schemes of sysconfig have no room for it
        base = f"{base}/{order.name}"
    return posixpath.normpath(f"{base}/{path}")


def _check_places(order: LinkOrder, destination: Destination, manifest: Manifest) -> None:
    """Refuse a distribution that brings files of our own: what says what an environment holds, and that it is whole."""
    below_data = f"{order.data}/" if order.data else "\0"
    directories = [directory for directory in manifest.directories if directory.startswith(below_data)]
    for path in [*directories, *manifest.paths[manifest.data_from :]]:
        place = location(path, order, destination.schemes)
        if _is_own(place.partition("/")[0]):
            raise SchemeError(
                f"{order.name} brings {shown(place)}, which is for what pytest-fastenv knows of an environment",
                where=f"{order.name}: {shown(path)}",
                hint="no wheel may write there: do without this one, and report it to its authors",
            )


def _is_own(name: str) -> bool:
    """Tell whether a name at an environment's top is that of our directory, on any file system.

    Some do not tell upper from lower case, some leave out invisible letters or dots at the end, some have short names.
    """
    if name.isascii() and "~" not in name:
        return name.rstrip(". ").lower() == OWN_DIRECTORY
    seen = "".join(letter for letter in name if unicodedata.category(letter) != "Cf").rstrip(". ")
    return unicodedata.normalize("NFKC", seen).casefold() == OWN_DIRECTORY or bool(_SHORT_NAME.fullmatch(seen))


class _Linking:
    """One distribution on its way into one environment."""

    def __init__(self, order: LinkOrder, destination: Destination, manifest: Manifest) -> None:
        self._order = order
        self._destination = destination
        self._manifest = manifest
        self._tree = f"{order.entry}/{TREE}"
        self._root = destination.schemes["purelib" if order.root_is_purelib else "platlib"]
        self._lines: list[str] = []
        self._placed: list[tuple[int, str]] = []
        self._written: dict[str, Numbers] = {}
        self._directories: dict[str, int] = {}
        self.taken: list[str] = []
        self.blocked: list[str] = []
        self.placer = Placer(destination.mode, self._tree, destination.prefix)

    def run(self) -> None:
        self._make_directories()
        if not self.blocked:
            self._place_root()
            if self._order.bytecode:
                self._place_bytecode()
            self._place_data()
            self._write_scripts()
            self._write_records()

    def known(self) -> Tree:
        """Return what is known of what was written, by its paths below the prefix."""
        manifest, placer, skip = self._manifest, self.placer, len(self._destination.prefix) + 1
        copies, met = ({path[skip:] for path in paths} for paths in (placer.copies, placer.met))
        executable = set(manifest.executable)
        known = dict(self._written)
        directories = self._directories
        for index, place in self._placed:
            if place in met:
                directories[posixpath.dirname(place)] = UNKNOWN
            elif place in copies:
                known[place] = numbers_of(os.lstat(f"{self._destination.prefix}/{place}"))
            else:
                access = manifest.executable_access if index in executable else manifest.plain_access
                known[place] = (manifest.sizes[index], manifest.mtimes_ns[index], access)
        for path, made in directories.items():
            if made:
                directories[path] = os.stat(f"{self._destination.prefix}/{path}").st_mtime_ns
        return piece_of(known, directories)

    def _make_directories(self) -> None:
        prefix, order, schemes = self._destination.prefix, self._order, self._destination.schemes
        os.makedirs(f"{prefix}/{self._root}", exist_ok=True)
        below_data = f"{order.data}/" if order.data else "\0"
        for directory in self._manifest.directories:
            if directory.startswith(below_data):
                self._make_all(location(directory, order, schemes))
            elif directory != order.data:
                self._make(f"{self._root}/{directory}")

    def _make_all(self, path: str) -> None:
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            self._make("/".join(parts[:count]))

    def _make(self, path: str) -> None:
        full = f"{self._destination.prefix}/{path}"
        try:
            os.mkdir(full)
            self._directories[path] = _MADE
        except FileExistsError:
            self._directories.setdefault(path, UNKNOWN)
            if not os.path.isdir(full):
                self.blocked.append(path)

    def _place_root(self) -> None:
        manifest, place = self._manifest, self.placer.place
        base = f"{self._destination.prefix}/{self._root}"
        end = manifest.data_from
        taken = set()
        for index, path in enumerate(manifest.paths[:end]):
            if not place(f"{self._tree}/{path}", f"{base}/{path}"):
                taken.add(index)
                self.taken.append(f"{self._root}/{path}")
        placed = enumerate(manifest.paths[:end])
        self._placed += [(index, f"{self._root}/{path}") for index, path in placed if index not in taken]
        lines = manifest.lines[:end]
        self._lines += [line for index, line in enumerate(lines) if index not in taken] if taken else lines

    def _place_bytecode(self) -> None:
        manifest, end = self._manifest, self._manifest.data_from
        stamps = map(Stamp.of, manifest.sizes[:end], manifest.mtimes_ns[:end])
        sources = dict(zip(manifest.paths[:end], stamps, strict=True))
        for path in self.taken:  # the file of another distribution
            sources.pop(path.removeprefix(f"{self._root}/"), None)
        base = f"{self._destination.prefix}/{self._root}"
        place_bytecode(self._order.bytecode, sources, base, self._destination.mode)

    def _place_data(self) -> None:
        manifest, destination = self._manifest, self._destination
        generated = {script.name for script in manifest.scripts}
        rewritten = set(manifest.rewritten)
        for index in range(manifest.data_from, len(manifest.paths)):
            path = manifest.paths[index]
            place = location(path, self._order, destination.schemes)
            if path.startswith(f"{self._order.data}/scripts/") and started_by(path.rpartition("/")[2]) in generated:
                continue  # the entry point of that name says how it is started here
            if index in rewritten:
                with open(f"{self._tree}/{path}", "rb") as file:
                    self._write(place, rewrite(file.read(), destination.python), executable=True)
            elif self.placer.place(f"{self._tree}/{path}", f"{destination.prefix}/{place}"):
                self._placed.append((index, place))
                _, digest, size = manifest.lines[index].rsplit(",", 2)
                self._lines.append(f"{quote(self._relative(place))},{digest},{size}")
            else:
                self.taken.append(place)

    def _write_scripts(self) -> None:
        scripts = self._destination.schemes["scripts"]
        if self._manifest.scripts:
            self._make_all(scripts)
        for script in self._manifest.scripts:
            name, content = generate(script, self._destination.python, self._destination.platform)
            self._write(f"{scripts}/{name}", content, executable=True)

    def _write_records(self) -> None:
        dist_info = f"{self._root}/{self._order.dist_info}"
        self._write(f"{dist_info}/INSTALLER", f"{INSTALLER}\n".encode())
        if self._order.requested:
            self._write(f"{dist_info}/REQUESTED", b"")
        if self._order.direct_url:
            self._write(f"{dist_info}/direct_url.json", self._order.direct_url.encode())
        own = f"{self._order.dist_info}/RECORD"
        text = "\n".join([*self._lines, f"{quote(own)},,", ""])
        self._write(f"{self._root}/{own}", text.encode())

    def _write(self, path: str, content: bytes, *, executable: bool = False) -> None:
        """Write a file of our own making, and note it for RECORD."""
        full = f"{self._destination.prefix}/{path}"
        try:
            file = os.open(full, NEW_FILE, 0o777 if executable else 0o666)
        except (FileExistsError, NotADirectoryError):
            while not _holds(full, content):
                if not self.placer.awaits(full, len(content)):
                    self.taken.append(path)
                    return
            self._directories[posixpath.dirname(path)] = UNKNOWN
        else:
            with open(file, "wb") as stream:
                stream.write(content)
                stream.flush()
                self._written[path] = numbers_of(os.fstat(file))
        self._lines.append(line(self._relative(path), encode(hashlib.sha256(content).digest()), len(content)))

    def _relative(self, path: str) -> str:
        return posixpath.relpath(path, self._root)


def _holds(path: str, content: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(content) + 1) == content
    except OSError:
        return False
