"""Tell what kind each source is, and read all of them into one request."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_fastenv.errors import THE_REQUEST, RequestError, RequirementsError, UsageError, option, place_of
from pytest_fastenv.model.request import Request, Resolution, Wanted
from pytest_fastenv.requirements.collection import Collection
from pytest_fastenv.requirements.direct import has_scheme
from pytest_fastenv.requirements.documents import absolute
from pytest_fastenv.requirements.excerpt import Excerpt
from pytest_fastenv.requirements.inline_script import has_inline_metadata, read_script
from pytest_fastenv.requirements.pip_settings import PipSettings
from pytest_fastenv.requirements.places import LOCK_NAME, hint_for_directory, hint_for_missing, is_archive, is_project
from pytest_fastenv.requirements.project import PROJECT, Extras, apply_project
from pytest_fastenv.requirements.pyproject import group_dependencies, project_dependencies, read_pyproject
from pytest_fastenv.requirements.requirements_txt import Fetch, RequirementsFiles, as_constraint, check_hashes
from pytest_fastenv.requirements.specifiers import Surroundings, read_requirement, split_extras
from pytest_fastenv.requirements.variables import ObservedVariables
from pytest_fastenv.settings.values import Project

_GROUP = "group:"
_REQUIREMENTS_URL = re.compile(r"(https?|file):.*\.(txt|in)", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"[\w.-]+")
_READS_LIKE_FILE = re.compile(r".*\.(txt|in|toml|py|cfg|ini|lock|json|ya?ml)", re.IGNORECASE)

#: Names that files have which say what to install: somebody who writes one alone means no project of an index, though
#: some indexes have projects called so, not all of them with good intentions.
_ROLE = "all|base|build|ci|dev|develop|docs?|extra|install|lint|main|min|optional|prod|production|tests?|testing"
_NAMED_LIKE_FILE = re.compile(
    rf"Pipfile|Makefile|Dockerfile|Gemfile|setup_py|requirements?|(?:{_ROLE})[-_]requirements?"
    rf"|requirements?[-_](?:{_ROLE}|in|txt)"
)


@dataclass(frozen=True, slots=True)
class Additions:
    """What is asked for besides the sources.

    :ivar groups: dependency groups of the pyproject.toml in the root directory (PEP 735).
    :ivar extras: extras of the project in the root directory.
    :ivar constraints: files of constraints, as paths and URLs, and constraints as they would stand in one.
    :ivar resolution: which releases are chosen.
    :ivar lock: a lock file that says what is taken: nothing that it does not lock.
    """

    groups: AbstractSet[str] = frozenset()
    extras: AbstractSet[str] = frozenset()
    constraints: Sequence[str] = ()
    resolution: Resolution = "highest"
    lock: Path | None = None


_NOTHING_MORE = Additions()


def read_sources(
    sources: Sequence[str],
    *,
    base: Path,
    environ: Mapping[str, str],
    project: Project = "none",
    additions: Additions = _NOTHING_MORE,
    root: Path | None = None,
    requested: Sequence[str] = (),
    requested_by: str = "",
    fetch: Fetch | None = None,
) -> Request:
    """Read all sources; they add up.

    A source is a requirements file (``.txt``, ``.in``), ``pyproject.toml`` (its dependencies), ``group:NAME`` of the
    base directory's pyproject.toml, or of another one (``group:PATH:NAME``), a script with inline metadata, a wheel, a
    source distribution or a project's directory (each with extras behind it if need be), a URL, or a requirement as it
    would stand in a file.

    :param base: absolute directory that sources, and paths in requirements files, are relative to.
    :param environ: for ``${NAME}`` in requirements files.
    :param project: whether and how the project in the root directory is installed.
    :param additions: dependency groups, the project's extras, and constraints.
    :param root: that directory; the base directory when not given.
    :param requested: further requirements, as lines of a requirements file in the root directory; pytest plugins'.
    :param requested_by: who asked for those, for messages.
    :param fetch: gets requirements files that are named by an http(s) URL; without it they are an error.
    :raises RequestError: a source is missing or cannot be read; the text names file, line and column.
    """
    variables = ObservedVariables(environ)
    reader = Reader(absolute(base), variables, fetch, additions)
    pip = PipSettings(environ)
    pip.apply(reader.collection, reader.read_constraints)
    with _placed("sources"):
        for source in sources:
            reader.read(source)
    if additions.lock is not None:
        reader.read_lock(additions.lock, os.path.relpath(additions.lock, reader.base))
    for group in sorted(set(additions.groups) - reader.locked_groups):
        reader.read_group(group, absolute(root or base) / "pyproject.toml", "pyproject.toml")
    with _placed("constraints"):
        for constraint in additions.constraints:
            reader.read_constraint(constraint)
    for line in requested:
        reader.read_requested(Excerpt.of(line, requested_by), absolute(root or base))
    collection, extras = reader.collection, Extras(sorted(additions.extras), reader.locked_extras)
    apply_project(collection, absolute(root or base), project, extras, reader.from_sources)
    check_hashes(collection, exempt=lambda wanted: wanted.location.file == PROJECT)
    reader.note_sources()
    is_sealed = additions.lock is not None or (bool(sources) and reader.locks == len(sources))
    request = replace(collection.finish(variables.observed), resolution=additions.resolution, is_sealed=is_sealed)
    return pip.finish(request, named_in={THE_REQUEST, PROJECT})


@contextmanager
def _placed(field: str) -> Iterator[None]:
    """Say of an error about what a setting itself says where that was given."""
    try:
        yield
    except RequestError as error:
        if error.where == THE_REQUEST:
            error.where = place_of(field)
        raise


@dataclass(slots=True)
class Reader:
    """Reads sources into a collection."""

    base: Path
    environ: Mapping[str, str]
    fetch: Fetch | None
    additions: Additions = _NOTHING_MORE
    collection: Collection = field(default_factory=Collection)
    from_sources: list[Wanted] = field(default_factory=list)
    files: RequirementsFiles = field(init=False)
    locks: int = 0
    locked_groups: set[str] = field(default_factory=set)
    locked_extras: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.files = RequirementsFiles(self.collection, base=self.base, environ=self.environ, fetch=self.fetch)

    def read(self, source: str) -> None:
        """Tell what a source is, and read it."""
        excerpt = Excerpt.of(source, THE_REQUEST).part(0)
        text = excerpt.text
        if not text:
            raise UsageError("a source is empty", where=THE_REQUEST)
        if "\0" in text:
            raise UsageError("a source has a NUL in it", where=THE_REQUEST)
        if text.startswith("-"):
            what = f"{text.split()[0]} is an option of requirements files, not a source"
            raise UsageError(what, where=THE_REQUEST, hint="name the file or directory alone")
        if text.startswith(_GROUP):
            self._group(text.removeprefix(_GROUP).strip())
            return
        path = absolute(self.base / os.path.expanduser(text))
        if os.path.isfile(path) and not is_archive(path.name):
            self._file(path, excerpt)
        elif _REQUIREMENTS_URL.fullmatch(text):
            self.files.read(text, excerpt)
        else:
            self._requirement(excerpt, path)

    def read_constraints(self, file: str, at: Excerpt, *, for_builds: bool) -> None:
        """Read a file of constraints that something besides the sources names."""
        if not for_builds:
            self.files.read(file, at, constraint=True)
            return
        builds = Collection(self.collection.documents)
        RequirementsFiles(builds, base=self.base, environ=self.environ, fetch=self.fetch).read(
            file, at, constraint=True
        )
        if builds != Collection(builds.documents, constraints=builds.constraints, hashed=builds.hashed):
            raise at.error(f"{file} has more in it than constraints", hint="options have no say in build environments")
        self.collection.build_constraints += builds.constraints

    def read_requested(self, excerpt: Excerpt, directory: Path) -> None:
        """Read a requirement that no source has, but something that goes with them."""
        wanted = read_requirement(excerpt, Surroundings((directory,), self.collection.documents))
        wanted = replace(wanted, implied=True)
        self.from_sources.append(wanted)
        self.collection.wanted.append(wanted)

    def note_sources(self) -> None:
        """Remember everything that builds of the local projects would read."""
        for wanted in (*self.collection.wanted, *self.collection.constraints):
            if wanted.reference.tree_to_build is not None:
                self.collection.documents.note_sources(wanted.reference.tree_to_build)

    def _group(self, text: str) -> None:
        """Read ``NAME``, or ``PATH:NAME`` as pip's ``--group`` has it."""
        file, _, name = text.rpartition(":")
        file = file or "pyproject.toml"
        if not name:
            raise UsageError("group: names no dependency group", where=THE_REQUEST)
        path = absolute(self.base / os.path.expanduser(file))
        if path.name != "pyproject.toml":
            what = f"a dependency group is in a file pyproject.toml, not in {file}"
            raise UsageError(what, where=THE_REQUEST, hint=f"write {_GROUP}{file}/pyproject.toml:{name}")
        self.read_group(name, path, file)

    def read_group(self, name: str, path: Path, file: str) -> None:
        """Read a dependency group of a pyproject.toml.

        :param file: what the file is called in messages.
        """
        self._specifiers(group_dependencies(read_pyproject(path, file, self.collection.documents), name), path.parent)

    def read_lock(self, path: Path, name: str) -> None:
        """Read a lock file.

        :param name: what it is called in messages.
        """
        from pytest_fastenv.requirements.lock_file import read_lock, those_in  # only where there is one

        groups, extras = self.additions.groups, self.additions.extras
        lock, locked = read_lock(path, name, self.collection.documents, groups=groups, extras=extras)
        self.locked_groups.update(those_in(groups, lock.groups))
        self.locked_extras.update(those_in(extras, lock.extras))
        self.collection.locks.append(lock)
        self.collection.wanted += locked

    def read_constraint(self, text: str) -> None:
        """Read a file of constraints, or one constraint."""
        excerpt = Excerpt.of(text, THE_REQUEST).part(0)
        if "\0" in text:
            raise UsageError("a source has a NUL in it", where=THE_REQUEST)
        if text.startswith("-"):
            what = f"{text.split(maxsplit=1)[0]} is an option of requirements files, not a constraint"
            raise UsageError(what, where=THE_REQUEST, hint="name the file alone")
        path = absolute(self.base / os.path.expanduser(excerpt.text))
        if os.path.isfile(path) or _REQUIREMENTS_URL.fullmatch(excerpt.text):
            self.files.read(excerpt.text, excerpt, constraint=True)
            return
        _check_no_file(path, excerpt.text, self.base)
        if _PLAIN_NAME.fullmatch(excerpt.text):  # as a constraint it would say nothing
            hint = f"{hint_for_missing([path], text)}; a constraint is {text}<2, or a file of such lines"
            raise RequirementsError(f"no such file: {text}", where=str(path), hint=hint)
        wanted = read_requirement(excerpt, Surroundings((self.base,), self.collection.documents))
        self.collection.constraints.append(as_constraint(wanted, excerpt, self.collection.documents))

    def _file(self, path: Path, excerpt: Excerpt) -> None:
        name, documents = excerpt.text, self.collection.documents
        if LOCK_NAME.fullmatch(path.name):
            self.locks += 1
            self.read_lock(path, name)
        elif path.name == "pyproject.toml":
            self._specifiers(project_dependencies(read_pyproject(path, name, documents)), path.parent)
        elif path.suffix.lower() in {".txt", ".in"}:
            self.files.read(name, excerpt)
        elif path.suffix == ".py" or self._is_script(path):
            script = read_script(path, name, documents)
            if script.requires_python:
                self.collection.requires_python.append(script.requires_python)
            self._specifiers(script.dependencies, path.parent)
        else:
            what = f"it is not known how to read {name}"
            hint = "a requirements file ends in .txt or .in; a script has inline metadata (PEP 723)"
            raise RequirementsError(what, where=str(path), hint=hint)

    def _is_script(self, path: Path) -> bool:
        try:
            return has_inline_metadata(path.read_bytes())
        except OSError as reason:
            raise RequirementsError(f"{path.name} cannot be read: {reason.strerror}", where=str(path)) from None

    def _requirement(self, excerpt: Excerpt, path: Path) -> None:
        """Read a place, or what is none: a source is a place first, so a directory beats the index's project."""
        text = excerpt.text
        if not os.path.exists(path):
            _check_no_file(path, text, self.base)
        name, _ = split_extras(text.partition(";")[0].strip())
        place = path if os.path.exists(path) else absolute(self.base / os.path.expanduser(name))
        if os.path.exists(place):
            _check_place(place, text if place == path else name)
            if os.sep not in name and not name.startswith((".", "~")):
                excerpt = Excerpt.of(f".{os.sep}{text}", THE_REQUEST)
        elif _PLAIN_NAME.fullmatch(name):
            self.collection.documents.note_presence(place)
        wanted = read_requirement(excerpt, Surroundings((self.base,), self.collection.documents))
        self.from_sources.append(wanted)
        self.collection.wanted.append(wanted)

    def _specifiers(self, excerpts: Iterable[Excerpt], directory: Path) -> None:
        surroundings = Surroundings((directory,), self.collection.documents, specifiers_only=True)
        self.collection.wanted.extend(read_requirement(excerpt, surroundings) for excerpt in excerpts)


def _check_no_file(path: Path, written: str, base: Path) -> None:
    """Refuse what is not there and has the name of a file: it is no project of an index.

    :raises RequirementsError: it is so.
    """
    if _NAMED_LIKE_FILE.fullmatch(written):
        hint = f"{hint_for_missing([path], written)}; for the project of that name at the index write {written}>=0"
    elif _READS_LIKE_FILE.fullmatch(written) and not has_scheme(written):
        several = [name for name in re.split(r"[,;\s]+", written) if name]
        if len(several) > 1 and all(os.path.isfile(base / os.path.expanduser(name)) for name in several):
            hint = f"write {' '.join(option('sources', name) for name in several)}"
        else:
            hint = hint_for_missing([path], written)
    else:
        return
    raise RequirementsError(f"no such file: {written}", where=str(path), hint=hint)


def _check_place(place: Path, written: str) -> None:
    """Refuse what is there and cannot be a source.

    :raises RequirementsError: a directory without a project, or something that is neither file nor directory.
    """
    if os.path.isfile(place) or is_project(place):
        return
    if not os.path.isdir(place):
        what = f"{written} is neither a file nor a directory"
        raise RequirementsError(what, where=str(place), hint="write its content into a file, and name that")
    what = f"{written} is a directory without a project: neither pyproject.toml nor setup.py is there"
    raise RequirementsError(what, where=str(place), hint=hint_for_directory(place, written))
