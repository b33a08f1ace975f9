"""Read files once, remember what was seen, and decode them as pip does."""

from __future__ import annotations

import codecs
import errno
import locale
import os
import re
from pathlib import Path

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.filesystem.observations import observe, observe_file
from pytest_fastenv.model.observation import Observation

# Longer marks first: the UTF-32 one begins with the UTF-16 one.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING_COOKIE = re.compile(rb"coding[:=]\s*([-\w.]+)")
_HINT = "save the file as UTF-8, or name its encoding in the first line: # -*- coding: latin-1 -*-"
#: What decides about a local project, as far as it is written down in files with fixed names.
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")


class Documents:
    """Everything that was read for one request; a file that changes later makes the request's answer stale."""

    def __init__(self) -> None:
        self._contents: dict[Path, bytes] = {}
        self._observed: dict[Path, Observation] = {}

    @property
    def observed(self) -> tuple[Observation, ...]:
        """All that was looked at so far, in the order of its first use."""
        return tuple(self._observed.values())

    def read(self, path: Path) -> bytes:
        """Return a file's content; the second time without touching the file again.

        :raises OSError: it cannot be read.
        """
        path = absolute(path)
        if path not in self._contents:
            observation, content = observe_file(path, keep=True)
            if not observation.state:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            self._contents[path], self._observed[path] = content, observation
        return self._contents[path]

    def note(self, path: Path) -> None:
        """Remember a file whose content is of no interest here (an archive), or that it is not there.

        :raises OSError: it cannot be read.
        """
        path = absolute(path)
        if path not in self._observed:
            self._observed[path] = observe_file(path)[0]

    def note_presence(self, path: Path) -> None:
        """Remember that something is there, or that it is not."""
        path = absolute(path)
        if path not in self._observed:
            self._observed[path] = observe("presence", path)

    def note_project(self, directory: Path) -> None:
        """Remember the files that decide how a local project is built, also that they are not there."""
        for name in _PROJECT_FILES:
            self.note(directory / name)

    def note_sources(self, directory: Path) -> None:
        """Remember everything that a build of a local project would read.

        :raises OSError: it cannot be read.
        """
        self._observed[absolute(directory)] = observe("tree", absolute(directory))


def absolute(path: Path) -> Path:
    """Return an absolute path without ``.`` and ``..``; symbolic links stay."""
    return Path(os.path.abspath(path))


def decode(content: bytes, name: str) -> str:
    """Decode a requirements file: byte-order mark, else coding cookie (PEP 263), else UTF-8, else the locale's.

    :raises RequirementsError: none of them fits, or it has NULs, which no text has.
    """
    text = _decoded(content, name)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise RequirementsError("the file is not text", where=name, why=f"line {line} has a NUL", hint=_HINT)
    return text


def _decoded(content: bytes, name: str) -> str:
    encodings, content = _encodings(content)
    reason = ""
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except LookupError:
            hint = "name one that Python knows, such as utf-8, or leave the line out"
            raise RequirementsError(f"the encoding {encoding!r} is not known", where=name, hint=hint) from None
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            reason = reason or f"line {line} is not {encoding}: {error.reason} (byte 0x{content[error.start]:02x})"
    raise RequirementsError("the file cannot be decoded", where=name, why=reason, hint=_HINT)


def _encodings(content: bytes) -> tuple[list[str], bytes]:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return [encoding], content[len(mark) :]
    for line in content.split(b"\n", 2)[:2]:
        if line.startswith(b"#") and (match := _CODING_COOKIE.search(line)):
            return [match[1].decode("ascii")], content
    preferred = locale.getpreferredencoding(False)
    is_utf8 = codecs.lookup(preferred).name in {"utf-8", "ascii"}
    return ["utf-8"] if is_utf8 else ["utf-8", preferred], content
