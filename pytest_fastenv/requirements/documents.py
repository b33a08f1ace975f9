"""Read files once, remember their digests, and decode them as pip does."""

from __future__ import annotations

import codecs
import hashlib
import locale
import os
import re
from pathlib import Path

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.filesystem.source_digest import source_digest
from pytest_fastenv.model.request import ReadFile

# Longer marks first: the UTF-32 one begins with the UTF-16 one.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING_COOKIE = re.compile(rb"coding[:=]\s*([-\w.]+)")
#: What decides the metadata of a local project, as far as it is written down in files with fixed names.
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_CHUNK = 1 << 20


class Documents:
    """Everything that was read for one request; a file that changes later makes the request's answer stale."""

    def __init__(self) -> None:
        self._contents: dict[Path, bytes] = {}
        self._digests: dict[Path, str] = {}

    @property
    def files(self) -> tuple[ReadFile, ...]:
        """All files noted so far, in the order of their first use."""
        return tuple(ReadFile(path, digest) for path, digest in self._digests.items())

    def read(self, path: Path) -> bytes:
        """Return a file's content; the second time without touching the file again.

        :raises OSError: it cannot be read.
        """
        path = absolute(path)
        if path not in self._contents:
            content = path.read_bytes()
            self._contents[path] = content
            self._digests[path] = hashlib.sha256(content).hexdigest()
        return self._contents[path]

    def note(self, path: Path) -> None:
        """Remember the digest of a file whose content is of no interest here (an archive).

        :raises OSError: it cannot be read.
        """
        path = absolute(path)
        if path not in self._digests:
            digest = hashlib.sha256()
            with path.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
            self._digests[path] = digest.hexdigest()

    def note_project(self, directory: Path) -> None:
        """Remember the files that decide a local project's dependencies, also that they are not there."""
        for path in (*(directory / name for name in _PROJECT_FILES), *_dependency_files(directory)):
            if path.is_file():
                self.note(path)
            else:
                self._digests.setdefault(absolute(path), "")

    def note_sources(self, directory: Path) -> None:
        """Remember everything that a build of a local project would read.

        :raises OSError: it cannot be read.
        """
        self._digests[absolute(directory)] = source_digest(directory)


def absolute(path: Path) -> Path:
    """Return an absolute path without ``.`` and ``..``; symbolic links stay."""
    return Path(os.path.abspath(path))


def decode(content: bytes, name: str) -> str:
    """Decode a requirements file: byte-order mark, else coding cookie (PEP 263), else UTF-8, else the locale's.

    :raises RequirementsError: none of them fits.
    """
    encodings, content = _encodings(content)
    reason = ""
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except LookupError:
            raise RequirementsError(f"the encoding {encoding!r} is not known", where=name) from None
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            reason = reason or f"line {line} is not {encoding}: {error.reason} (byte 0x{content[error.start]:02x})"
    hint = "save the file as UTF-8, or name its encoding in the first line: # -*- coding: latin-1 -*-"
    raise RequirementsError("the file cannot be decoded", where=name, why=reason, hint=hint)


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


def _dependency_files(directory: Path) -> list[Path]:
    """Return the files that setuptools reads dependencies from (``[tool.setuptools.dynamic]``)."""
    import tomllib  # only for local projects

    try:
        table = tomllib.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))
        dynamic = table["tool"]["setuptools"]["dynamic"]
        entries = [dynamic.get("dependencies", {}), *dynamic.get("optional-dependencies", {}).values()]
        files = [entry.get("file", []) for entry in entries]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, AttributeError):
        return []  # whoever builds the project says what is wrong with it
    return [directory / name for names in files for name in ([names] if isinstance(names, str) else names)]
