"""``FASTENV_PYTHON_MIRROR``: where interpreters are downloaded from instead of where their projects publish them."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pytest_fastenv.errors import InterpreterError, NotFoundError, UsageError, option
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.interpreter_downloads.checksums import FILENAME, parse_checksums
from pytest_fastenv.model.file_urls import path_of
from pytest_fastenv.model.regular_files import read_regular

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # one letter before the colon is a drive on Windows

Fetch = Callable[[str], Awaitable[bytes]]
"""Reads a small file over HTTP, with the login that belongs to its origin; raises `NetworkError`."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """A place with archives of interpreters; without a place, the servers that the tables name.

    :ivar base: URL without a slash at the end and without a login; empty for a directory and without a place.
    :ivar directory: absolute path, where the mirror is one on this machine.
    :ivar checksums: digests by path below the root, as its ``SHA256SUMS`` lists them; ``None`` when it has none, or
        was not looked at yet.
    """

    base: str = ""
    directory: Path | None = None
    checksums: Mapping[str, str] | None = None

    @classmethod
    def parse(cls, text: str | None) -> Mirror:
        """Read the setting: a URL (``https:``, ``http:``, ``file:``) or a path of a directory (``~`` is known).

        A login in the URL is left out here: it belongs to the HTTP client, and must not get into what is shown.

        :param text: ``None`` for no mirror.
        :raises UsageError: it is neither, or there is no such directory.
        """
        if text is None or not text.strip():
            return cls()
        text = text.strip()
        if not _SCHEME.match(text):
            return _in_directory(os.path.expanduser(text), text)
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise _refused(text, re.sub(r"'.*'", "'...'", str(error))) from None
        if parts.query or parts.fragment:
            raise _refused(text, "file names are put at its end, so it can have neither a query nor a fragment")
        if parts.scheme == "file":
            try:
                return _in_directory(local_path(text), text)
            except ValueError as error:
                raise _refused(text, str(error)) from None
        if parts.scheme not in {"http", "https"}:
            raise _refused(text, f"{parts.scheme}: is not known; https:, http:, file: and paths are")
        if not host:
            raise _refused(text, "it names no host")
        place = f"[{host}]" if ":" in host else host
        return cls(f"{parts.scheme}://{place}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}")

    @property
    def place(self) -> str:
        """The mirror as it may be shown; empty without a place."""
        return str(self.directory) if self.directory is not None else self.base

    @property
    def is_local(self) -> bool:
        """Whether it is reached without the network."""
        return self.directory is not None

    async def consulted(self, fetch: Fetch) -> Mirror:
        """Return the same mirror with what its ``SHA256SUMS`` lists, if it has that file; one request or one read.

        :raises InterpreterError: the file cannot be read, or is not what it should be.
        :raises NetworkError: the server does not say whether the file is there.
        """
        if not self.place:
            return self
        if self.directory is None:
            place = f"{self.base}/{FILENAME}"
            try:
                content = await fetch(place)
            except NotFoundError:
                return self
        else:
            path = self.directory / FILENAME
            place = str(path)
            try:
                content = await in_thread(read_regular, path)
            except FileNotFoundError:
                return self
            except OSError as error:
                raise InterpreterError(f"{place} cannot be read", why=str(error)) from None
        return replace(self, checksums=parse_checksums(content, place))

    def address(self, path: str) -> str:
        """Return the URL of a file below the mirror's root; ``+``, ``%`` and the like are quoted.

        :param path: relative, with forward slashes.
        """
        if self.directory is not None:
            return self.directory.joinpath(*path.split("/")).as_uri()
        return f"{self.base}/{quote(path)}"

    def mirrored(self, url: str) -> str:
        """Return the mirror's address for a URL of the tables: ``<release>/<file name>`` below its root."""
        if not self.base:
            return url
        return self.address("/".join(unquote(segment) for segment in urlsplit(url).path.split("/")[-2:]))


def _in_directory(path: str | Path, text: str) -> Mirror:
    directory = Path(os.path.abspath(path))
    if not os.path.isdir(directory):
        raise _refused(text, f"there is no directory {directory}")
    return Mirror(directory=directory)


def local_path(url: str) -> Path:
    """Return the path that a ``file:`` URL names.

    :raises ValueError: the path is not absolute, or lies on another host.
    """
    parts = urlsplit(url)
    host = "" if parts.netloc == "localhost" else parts.netloc
    if not parts.path.startswith("/"):
        msg = "a file URL needs an absolute path"
        raise ValueError(msg)
    if os.name == "nt":
        return Path(path_of(f"//{host}{parts.path}" if host else parts.path))
    if host:
        msg = "it names a host: a file URL needs three slashes"
        raise ValueError(msg)
    return Path(path_of(parts.path))


def _refused(text: str, reason: str) -> UsageError:
    # A login or a signature may stand in what is wrong otherwise: everything where one could be is left out.
    shown = re.sub(r"//.*@", "//", text, flags=re.DOTALL).partition("?")[0]
    return UsageError(
        f"{option('python_mirror')}: {shown!r} is not accepted",
        why=reason,
        hint="give the URL (https:, http:, file:) or the directory below which the archives lie",
    )
