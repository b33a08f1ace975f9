"""Read requirements and constraints files, with the files that they name in turn."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.file_urls import path_of
from pytest_fastenv.model.request import Fault, Wanted, config_settings
from pytest_fastenv.requirements.collection import Collection
from pytest_fastenv.requirements.direct import has_scheme
from pytest_fastenv.requirements.documents import Documents, absolute, decode
from pytest_fastenv.requirements.excerpt import Excerpt, error_at
from pytest_fastenv.requirements.fragments import check_digest
from pytest_fastenv.requirements.logical_lines import LogicalLine, logical_lines
from pytest_fastenv.requirements.options import Given, ParsedLine, parse_line
from pytest_fastenv.requirements.places import find, hint_for_directory, hint_for_missing
from pytest_fastenv.requirements.pyproject import static_name
from pytest_fastenv.requirements.redaction import masked
from pytest_fastenv.requirements.specifiers import Surroundings, read_requirement
from pytest_fastenv.requirements.variables import unset_named, with_unset

#: Returns the content of a URL; raises a `pytest_fastenv.errors.FastenvError` if it cannot be had.
Fetch = Callable[[str], bytes]

_REMOTE = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _File:
    """A file being read.

    :ivar name: for display, as the user would write it.
    :ivar address: its absolute path, or its URL.
    :ivar directory: what its own relative names are relative to; for a remote file the base directory.
    """

    name: str
    address: str
    directory: Path


class RequirementsFiles:
    """Reads files into a collection; a file that several others name is read once.

    :param base: what paths of local projects and archives are relative to, as the current directory is for pip;
        where nothing is there, the directory of the file is tried.
    :param environ: for ``${NAME}``.
    :param fetch: gets files that are named by an http(s) URL; without it they are an error.
    """

    def __init__(
        self, collection: Collection, *, base: Path, environ: Mapping[str, str], fetch: Fetch | None = None
    ) -> None:
        self._collection = collection
        self._base = base
        self._environ = environ
        self._fetch = fetch
        self._seen: set[tuple[str, bool]] = set()
        self._open: list[_File] = []

    def read(self, name: str, source: Excerpt, *, constraint: bool = False) -> None:
        """Read a file and everything it names.

        :param name: path or URL; a relative path is relative to the file being read, else to the base.
        :param source: where it is named, for errors.
        :raises RequirementsError: anything in it that cannot be read, or files that name each other in a circle.
        """
        file = self._locate(name, source)
        names = [opened.address for opened in self._open]
        if file.address in names:
            circle = [opened.name for opened in self._open[names.index(file.address) :]] + [file.name]
            what = f"files include each other in a circle: {' -> '.join(circle)}"
            raise source.error(what, hint="take one of these lines out")
        if (file.address, constraint) in self._seen:
            return
        self._seen.add((file.address, constraint))
        self._lines(file, decode(self._content(file, source), file.name), constraint=constraint)

    def read_text(self, text: str, name: str) -> None:
        """Read lines that stand in no file; see `read`.

        :param name: where they stand, for messages.
        """
        self._lines(_File(name, "", self._base), text)

    def _lines(self, file: _File, text: str, *, constraint: bool = False) -> None:
        self._open.append(file)
        for line in logical_lines(text, file.name, self._environ):
            with unset_named(line.expanded.unset):
                self._line(line, parse_line(line.excerpt), constraint=constraint)
        self._open.pop()

    def _locate(self, name: str, source: Excerpt) -> _File:
        including = self._open[-1] if self._open and self._open[-1].address else None
        if including and _REMOTE.match(including.address) and not has_scheme(name):
            name = urljoin(including.address, name)
        if _REMOTE.match(name):
            return _File(masked(name), name, self._base)
        if name.lower().startswith("file:"):
            name = path_of(urlsplit(name).path)
        elif has_scheme(name):
            what = f"a requirements file cannot be read from {masked(name)}"
            raise source.error(what, hint="name a path, or a URL with https:, http: or file:")
        directory = including.directory if including else self._base
        path = absolute(directory / os.path.expanduser(name))
        shown = name
        if including and not os.path.isabs(name) and not _REMOTE.match(including.address):
            shown = posixpath.normpath(posixpath.join(posixpath.dirname(including.name), name))
        return _File(shown, str(path), path.parent)

    def _content(self, file: _File, source: Excerpt) -> bytes:
        if _REMOTE.match(file.address):
            if self._fetch is None:
                what = f"{file.name} is not read over the network by this version"
                raise source.error(what, hint="download it and name the local copy")
            return self._fetch(file.address)
        try:
            return self._collection.documents.read(Path(file.address))
        except FileNotFoundError:
            hint = hint_for_missing([Path(file.address)], file.name)
            raise source.error(f"no such file: {file.name}", hint=hint) from None
        except OSError as reason:
            hint = (
                "look at its permissions"
                if not os.path.isdir(file.address)
                else hint_for_directory(Path(file.address), file.name)
            )
            raise source.error(f"{file.name} cannot be read: {reason.strerror}", hint=hint) from None

    def _line(self, line: LogicalLine, parsed: ParsedLine, *, constraint: bool) -> None:
        if parsed.requirement.text:
            begin = parsed.requirement.offset
            shown = line.as_written(begin, begin + len(parsed.requirement.text))
            self._requirement(parsed.requirement, parsed, shown, line.expanded.unset, constraint=constraint)
        for given in parsed.options:
            if given.option.name == "--editable":
                self._editable(line, given, parsed, constraint=constraint)
            elif given.option.scope == "file":
                self._file_option(given)

    def _editable(self, line: LogicalLine, given: Given, parsed: ParsedLine, *, constraint: bool) -> None:
        if constraint:
            raise given.name.error("a constraint cannot be editable", hint="put it into a requirements file")
        if parsed.requirement.text:
            raise given.name.error("-e stands behind a requirement", hint="write it on a line of its own")
        shown = line.as_written(given.name.offset, given.end)
        self._requirement(given.value, parsed, shown, line.expanded.unset, editable=True)

    def _requirement(
        self,
        excerpt: Excerpt,
        parsed: ParsedLine,
        shown: str,
        unset: Sequence[str],
        *,
        constraint: bool = False,
        editable: bool = False,
    ) -> None:
        collection = self._collection
        digests = [_digest(given) for given in parsed.options if given.option.name == "--hash"]
        collection.hashed |= bool(digests)
        surroundings = Surroundings(
            directories=(self._base, self._open[-1].directory),
            documents=collection.documents,
            editable=editable,
            hashes=Hashes.one_of(digests),
            config_settings=_config_settings(parsed),
            shown=shown,
        )
        wanted = read_requirement(excerpt, surroundings)
        if wanted.fault is not None and unset:
            wanted = replace(wanted, fault=Fault.of(with_unset(wanted.fault.error, unset)))
        if constraint:
            collection.constraints.append(as_constraint(wanted, excerpt, collection.documents))
        else:
            collection.wanted.append(wanted)

    def _file_option(self, given: Given) -> None:
        collection, value = self._collection, given.value.text
        match given.option.name:
            case "--requirement" | "--constraint" as name:
                self.read(value, given.value, constraint=name == "--constraint")
            case "--index-url":
                collection.index_url = self._index_address(given)
            case "--extra-index-url":
                collection.extra_index_urls.append(self._index_address(given))
            case "--find-links":
                collection.find_links.append(self._find_links(given))
            case "--trusted-host":
                collection.trusted_hosts.append(value)
            case "--no-index":
                collection.no_index = True
            case name:
                if value.startswith("-"):
                    raise given.error(f"{name} needs project names, :all: or :none:")
                collection.apply(name.removeprefix("--"), value)

    def _index_address(self, given: Given) -> str:
        value = given.value.text
        if has_scheme(value):
            return value
        path = find(value, (self._open[-1].directory, self._base))
        if path is None:
            hint = "an index is https://..., or a directory with one directory for each project"
            raise given.error(f"{value} is neither a URL nor a directory", hint=hint)
        return path.as_uri()

    def _find_links(self, given: Given) -> str:
        value = given.value.text
        if has_scheme(value):
            return value
        path = find(value, (self._open[-1].directory, self._base))
        if path is None:
            hint = "write the directory that has the archives, or the URL of a page that links to them"
            raise given.error(f"no such file or directory: {value}", hint=hint)
        return str(path)


def _digest(given: Given) -> tuple[str, str]:
    algorithm, colon, digest = given.value.text.partition(":")
    if not colon:
        raise given.error("--hash needs an algorithm and a digest", hint="write --hash=sha256:0123...")
    check_digest(algorithm.lower(), digest, given.value)
    return algorithm.lower(), digest


def _config_settings(parsed: ParsedLine) -> tuple[tuple[str, str | tuple[str, ...]], ...]:
    """Gather ``KEY=VALUE`` pairs; a key that is given again makes a list of values."""
    values: dict[str, str | list[str]] = {}
    for given in parsed.options:
        if given.option.name != "--config-settings":
            continue
        key, equals, value = given.value.text.partition("=")
        if not equals or not key.strip():
            raise given.error(f"{given.value.text!r} is no KEY=VALUE", hint="write --config-settings=KEY=VALUE")
        earlier = values.get(key)
        if earlier is None:
            values[key] = value
        else:
            values[key] = [*([earlier] if isinstance(earlier, str) else earlier), value]
    return config_settings(values)


def as_constraint(wanted: Wanted, excerpt: Excerpt, documents: Documents) -> Wanted:
    """Return a requirement as a constraint: with a name, which a directory's ``pyproject.toml`` may tell (PEP 621).

    :raises RequirementsError: it cannot be one.
    """
    if wanted.extras:
        raise excerpt.error("a constraint cannot have extras", hint="put the extras into a requirements file")
    if wanted.name is not None or wanted.fault is not None:
        return wanted
    directory = wanted.reference.directory
    name = static_name(directory, documents) if directory is not None else None
    if name is None:
        hint = f"write NAME @ {directory.as_uri()}" if directory is not None else "write NAME @ URL"
        raise excerpt.error("a constraint needs a name", hint=hint)
    return replace(wanted, name=name)


def check_hashes(collection: Collection, exempt: Callable[[Wanted], bool]) -> None:
    """Make sure that every requirement has a digest once one has; with ``--require-hashes`` also a pin.

    The pin and the digest may also stand in a constraint. A requirement with a marker is left to the resolver, which
    knows whether it applies.

    :param exempt: tells requirements that no file asked for (the project under test).
    :raises RequirementsError: some have not; all of them are named.
    """
    if not collection.requires_hashes:
        return
    complaints = []
    for wanted in collection.wanted:
        constraints = [c for c in collection.constraints if c.name == wanted.name and wanted.name is not None]
        reason = _lacks([wanted, *constraints], pins=collection.require_hashes)
        if reason is not None and not exempt(wanted) and wanted.marker is None:
            complaints.append((wanted, reason))
    if not complaints:
        return
    first = complaints[0][0]
    lines = "\n".join(f"{_place(wanted)}: {wanted.text}: {reason}" for wanted, reason in complaints)
    error = error_at(replace(first.location, text=""), "hashes are required of all requirements, and some lack them")
    raise RequirementsError(
        error.what,
        where=error.where,
        why=lines,
        hint="give each a version (==) and --hash=sha256:... (pip-compile --generate-hashes writes such files)",
    )


def _place(wanted: Wanted) -> str:
    return str(wanted.location) if wanted.location.line else wanted.location.file


def _lacks(together: list[Wanted], *, pins: bool) -> str | None:
    if any(not wanted.reference.has_digest for wanted in together):
        return "directories and repositories have no digest"
    if not any(wanted.hashes for wanted in together):
        return "no --hash"
    if pins and not any(wanted.reference.is_direct or _is_pin(wanted.specifier) for wanted in together):
        return "not pinned with =="
    return None


def _is_pin(specifier: str) -> bool:
    return any(part.startswith("==") and not part.endswith(".*") for part in specifier.split(","))
