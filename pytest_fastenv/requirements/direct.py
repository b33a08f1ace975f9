"""Requirements that name their source themselves: archives and repositories by URL, local files and directories."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.file_urls import path_of
from pytest_fastenv.model.plan import Vcs
from pytest_fastenv.model.reference import (
    GIT_TRANSPORTS,
    ArchiveReference,
    DirectoryReference,
    Reference,
    RepositoryReference,
)
from pytest_fastenv.requirements.documents import Documents, absolute
from pytest_fastenv.requirements.excerpt import Excerpt
from pytest_fastenv.requirements.fragments import Fragment, parse_fragment
from pytest_fastenv.requirements.places import (
    candidates,
    find,
    hint_for_directory,
    hint_for_missing,
    is_archive,
    is_project,
)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):|(?:git|hg|svn|bzr)[+]", re.IGNORECASE)
#: No URL has such letters; what stays of a variable that is not set.
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_OTHER_VCS = ("hg", "svn", "bzr")
_WHOLE_URL = "write the whole address: https://HOST/PATH"


@dataclass(frozen=True, slots=True)
class Direct:
    """A source, as far as its address tells.

    :ivar name: normalized name from a wheel's file name, else ``None``.
    :ivar egg: what an ``egg=`` fragment says, unchecked.
    """

    reference: Reference
    hashes: Hashes = Hashes()
    name: str | None = None
    egg: str | None = None


class UnusableAddressError(RequirementsError):
    """An address that is well written, and leads to nothing that can be used here."""


def has_scheme(text: str) -> bool:
    """Tell whether text begins as a URL does; a drive letter is no scheme."""
    match = _SCHEME.match(text)
    if match is None:
        return False
    scheme = (match[1] or "+").lower()  # the second half: a repository's address with its scheme missing
    return scheme in {"http", "https", "file", "ftp"} or "+" in scheme or text.startswith("//", match.end())


def read_url(excerpt: Excerpt, directories: Sequence[Path], documents: Documents) -> Direct:
    """Read a URL.

    :param directories: where a ``file:`` URL with a relative path may lead from, first one first.
    :raises RequirementsError: its scheme is not supported, or it leads to nothing usable.
    """
    scheme = excerpt.text.partition(":")[0].lower()
    if scheme == "file":
        return _file_url(excerpt, directories, documents)
    if scheme in {"http", "https"}:
        return _archive_url(excerpt)
    if scheme == "git" or scheme.startswith("git+"):
        return _git_url(excerpt)
    if scheme.partition("+")[0] in _OTHER_VCS:
        what = f"repositories of {scheme.partition('+')[0]} are not supported"
        raise _unusable(excerpt, what, hint="of version-control systems git is: git+https://...")
    raise _unusable(excerpt, f"URLs of the scheme {scheme}: are not supported", hint="use https:, file: or git+https:")


def read_path(excerpt: Excerpt, directories: Sequence[Path], documents: Documents) -> Direct:
    """Read the path of a local project, wheel or source distribution.

    :param directories: what a relative path may be relative to; the first directory with such a file wins.
    :raises RequirementsError: nothing is there, or what is there cannot be installed.
    """
    text, _, fragment_text = excerpt.text.partition("#")
    fragment = parse_fragment(fragment_text, excerpt)
    text = text if fragment_text else excerpt.text  # a name may end with #
    path = find(text, directories) if text else None
    if path is None and fragment_text:
        path, fragment = find(excerpt.text, directories), Fragment()
    if path is None:
        raise _missing(text, excerpt, directories, documents)
    return _local(path, fragment, excerpt, documents)


def _missing(text: str, excerpt: Excerpt, directories: Sequence[Path], documents: Documents) -> RequirementsError:
    """Make the error for a path that leads to nothing; where the requirement has no say, it counts that it is so."""
    paths = list(dict.fromkeys(map(absolute, candidates(text, directories))))
    if not paths:
        return _unusable(excerpt, f"{text} is no URL, and a path has nothing to start from here", hint=_WHOLE_URL)
    for path in paths:
        documents.note_presence(path)
    return _unusable(excerpt, f"no such file or directory: {text}", hint=hint_for_missing(paths, text))


def _unusable(excerpt: Excerpt, what: str, *, hint: str | None = None) -> UnusableAddressError:
    error = excerpt.error(what, hint=hint)
    return UnusableAddressError(error.what, where=error.where, why=error.why, hint=error.hint)


def _local(path: Path, fragment: Fragment, excerpt: Excerpt, documents: Documents) -> Direct:
    if os.path.isdir(path):
        project = path / fragment.subdirectory if fragment.subdirectory else path
        if not is_project(project):
            what = f"{project} has no project: neither pyproject.toml nor setup.py is there"
            raise _unusable(excerpt, what, hint=hint_for_directory(project, excerpt.text))
        documents.note_project(project)
        return Direct(DirectoryReference(project), hashes=fragment.hashes, egg=fragment.egg)
    if not is_archive(path.name):
        hint = f"-r {excerpt.text} reads a requirements file" if path.suffix in {".txt", ".in"} else None
        raise _unusable(excerpt, f"{path.name} is neither a wheel nor a source distribution", hint=hint)
    try:
        documents.note(path)
    except OSError as error:
        hint = "look at its permissions"
        raise _unusable(excerpt, f"{path} cannot be read: {error.strerror}", hint=hint) from None
    return Direct(
        ArchiveReference(path.as_uri(), fragment.subdirectory),
        name=_wheel_name(path.name, excerpt),
        hashes=fragment.hashes,
        egg=fragment.egg,
    )


def _file_url(excerpt: Excerpt, directories: Sequence[Path], documents: Documents) -> Direct:
    address, _, fragment_text = excerpt.text.partition("#")
    rest = address[len("file:") :]
    if rest.startswith("//"):
        host, _, rest = rest[2:].partition("/")
        rest = "/" + rest
        if host not in {"", "localhost"}:
            if os.name != "nt":
                what = f"file: URLs of another host ({host}) are not supported"
                raise _unusable(excerpt, what, hint="write file:///PATH for a file of this machine")
            rest = f"//{host}{rest}"
    path = find(path_of(rest) if rest.startswith("/") else unquote(rest), directories)
    if path is None:
        raise _missing(unquote(rest), excerpt, directories, documents)
    return _local(path, parse_fragment(fragment_text, excerpt), excerpt, documents)


def _archive_url(excerpt: Excerpt) -> Direct:
    url, _, fragment_text = excerpt.text.partition("#")
    parts = _split(excerpt, url)
    url = url.replace("\t", "")  # as whatever takes it apart reads it
    if not parts.hostname:
        raise excerpt.error("the URL names no host", hint=_WHOLE_URL)
    fragment = parse_fragment(fragment_text, excerpt)
    filename = unquote(parts.path.rstrip("/").rpartition("/")[2])
    if url.endswith(".git"):
        raise excerpt.error("this is the address of a repository", hint=f"git+{parts.scheme}://... reads a repository")
    return Direct(
        ArchiveReference(url, fragment.subdirectory),
        name=_wheel_name(filename, excerpt),
        hashes=fragment.hashes,
        egg=fragment.egg,
    )


def _git_url(excerpt: Excerpt) -> Direct:
    """Read ``git+TRANSPORT://HOST/PATH@REVISION#FRAGMENT``."""
    address, _, fragment_text = excerpt.text.partition("#")
    url = address[len("git+") :] if address.lower().startswith("git+") else address
    transport = url.partition("://")[0].lower()
    if transport not in GIT_TRANSPORTS or "://" not in url:
        hint = None
        if scp := re.fullmatch(r"([^/\s@]+@[^/\s:]+):(.+)", url):
            hint = f"write git+ssh://{scp[1]}/{scp[2]}"
        known = ", ".join(f"git+{name}:" for name in GIT_TRANSPORTS)
        raise excerpt.error(f"this is no address of a git repository; {known} are", hint=hint)
    parts = _split(excerpt, url)
    if not parts.hostname and transport != "file":
        raise excerpt.error("the URL names no host", hint=_WHOLE_URL)
    path, at, revision = parts.path.rpartition("@") if "@" in parts.path else (parts.path, "", "")
    if at and (not revision or revision.startswith("-")):
        what = "the revision after @ is " + (f"not acceptable: {revision}" if revision else "missing")
        at_revision = excerpt.text.find(address) + len(address) - len(revision)
        raise excerpt.error(what, at_revision, hint="write a tag, a branch or a commit behind the @, or leave it out")
    fragment = parse_fragment(fragment_text, excerpt)
    if fragment.hashes:
        raise excerpt.error("a repository has no digest", hint="name a full commit after @ instead")
    vcs = Vcs(parts._replace(path=path).geturl(), unquote(revision) or None)
    return Direct(RepositoryReference(vcs, fragment.subdirectory), egg=fragment.egg)


def _split(excerpt: Excerpt, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # its text may hold a password
        raise excerpt.error("the URL cannot be read: host or port is malformed", hint=_WHOLE_URL) from None
    if reference := _VARIABLE.search(url):
        raise _unusable(excerpt, f"the URL cannot be used with {reference[0]} in it", hint=_WHOLE_URL)
    return parts


def _wheel_name(filename: str, excerpt: Excerpt) -> str | None:
    if not filename.lower().endswith(".whl"):
        return None
    try:
        return str(parse_wheel_filename(filename)[0])
    except InvalidWheelFilename as reason:
        offset = max(excerpt.text.find(filename), 0)
        hint = "a wheel is called NAME-VERSION-PYTHON-ABI-PLATFORM.whl"
        raise excerpt.error(f"not a wheel's file name: {reason}", offset, hint=hint) from None


def named(direct: Direct, name: str, excerpt: Excerpt) -> Direct:
    """Return the source under the name that the requirement gives it.

    :raises RequirementsError: the address tells another name.
    """
    if direct.name is not None and direct.name != canonicalize_name(name):
        what = f"{name} is asked for, but this is a wheel of {direct.name}"
        raise excerpt.error(what, hint=f"write {direct.name} in front of the @, or correct the address")
    return replace(direct, name=canonicalize_name(name))
