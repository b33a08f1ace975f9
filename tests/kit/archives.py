"""Make wheels, source distributions and projects, byte for byte the same for the same arguments."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal

from kit.release import Content, Release, stem

Row = tuple[str, str, str]
Backend = Literal["intree", "setuptools", "legacy"]

_BACKEND_TEXT = (Path(__file__).parent / "intree_backend.py").read_text(encoding="utf-8")


def wheel_metadata(tag: str, *, root_is_purelib: bool = True) -> str:
    """Return the text of WHEEL; compressed tag sets are spelled out."""
    *build, pythons, abis, platforms = tag.split("-")
    lines = ["Wheel-Version: 1.0", "Generator: kit", f"Root-Is-Purelib: {str(root_is_purelib).lower()}"]
    lines += [f"Tag: {p}-{a}-{q}" for p in pythons.split(".") for a in abis.split(".") for q in platforms.split(".")]
    lines += [f"Build: {part}" for part in build]
    return "\n".join(lines) + "\n\n"


def record_rows(files: Mapping[str, bytes]) -> list[Row]:
    """Return RECORD's rows: path, ``sha256=...``, size."""
    rows = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        rows.append((path, f"sha256={digest}", str(len(data))))
    return rows


def write_zip(path: Path, members: Mapping[str, Content] | Iterable[tuple[str, Content]]) -> Path:
    """Write an archive with fixed times and modes, members in the order given (a name may come twice)."""
    pairs = members.items() if isinstance(members, Mapping) else members
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in pairs:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, _bytes(data))
    return path


def write_tar_gz(path: Path, members: Mapping[str, Content]) -> Path:
    """Write a gzipped tar archive of regular files with fixed times, owners and modes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(_bytes(data))
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(_bytes(data)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(buffer.getvalue(), mtime=0))
    return path


@dataclass(frozen=True)
class Packing:
    """How a wheel is packed.

    :ivar data_files: paths below ``name-version.data/``.
    :ivar record: given the correct rows (without RECORD's own), returns the rows or the text to write; ``None``
        leaves RECORD out.
    :ivar dist_info_files: further files of dist-info, or other contents for the usual ones.
    """

    data_files: Mapping[str, Content] | None = None
    record: Callable[[list[Row]], list[Row] | Content | None] | None = None
    root_is_purelib: bool = True
    dist_info_files: Mapping[str, Content] | None = None


@dataclass(frozen=True)
class InTreeBackend:
    """What a project's own build backend does: of the standard library, nothing to install, a few milliseconds.

    All of the project's files go into the wheel.

    :ivar get_requires: what ``get_requires_for_build_wheel`` answers.
    :ivar backend_code: appended to the backend: a hook defined here wins over its own.
    :ivar prepare: whether it has ``prepare_metadata_for_build_wheel``.
    :ivar build_log: a line is appended at the beginning of each ``build_wheel``: ``name version pid=N ns=N``.
    :ivar exclusive: a file held locked during ``build_wheel``; the build fails if another process holds it. The lock
        of a killed holder is free at once.
    :ivar hold_s: how long each ``build_wheel`` sleeps.
    """

    get_requires: Sequence[str] = ()
    backend_code: str | None = None
    prepare: bool = True
    build_log: Path | None = None
    exclusive: Path | None = None
    hold_s: float = 0.0

    def files(self, release: Release, packaged: Sequence[str]) -> dict[str, Content]:
        """Return the backend's own files, by path."""
        config = {
            "name": release.name,
            "version": release.version,
            "stem": release.stem,
            "tag": release.tag,
            "files": packaged,
            "metadata": release.core_metadata(),
            "wheel": wheel_metadata(release.tag),
            "entry_points": release.scripts_text(),
            "get_requires": list(self.get_requires),
            "prepare": self.prepare,
            "build_log": str(self.build_log) if self.build_log else None,
            "exclusive": str(self.exclusive) if self.exclusive else None,
            "hold_s": self.hold_s,
        }
        code = f"\n\n{self.backend_code}\n" if self.backend_code else ""
        return {
            "intree_backend.json": json.dumps(config, indent=1, sort_keys=True),
            "intree_backend.py": _BACKEND_TEXT + code,
        }


@dataclass(frozen=True)
class Build:
    """How a project is built.

    :ivar backend: ``intree``: see `InTreeBackend`; ``setuptools``: pyproject.toml that names it; ``legacy``: setup.py
        alone.
    :ivar build_requires: ``build-system.requires`` (setuptools is added for that backend).
    :ivar pyproject: instead of the whole pyproject.toml.
    :ivar static: whether PKG-INFO may be trusted (metadata 2.2 without Dynamic); else it is version 2.1.
    """

    backend: Backend = "intree"
    build_requires: Sequence[str] = ()
    pyproject: str | None = None
    static: bool = True

    def files(self, release: Release, intree: InTreeBackend, packaged: Sequence[str]) -> dict[str, Content]:
        """Return what makes some files of a release a project that can be built, by path."""
        is_intree = self.backend == "intree"
        files: dict[str, Content] = {"PKG-INFO": release.core_metadata("2.2" if self.static and is_intree else "2.1")}
        files |= intree.files(release, packaged) if is_intree else {"setup.py": _setup_py(release, packaged)}
        requires = json.dumps([*([] if is_intree else ["setuptools"]), *self.build_requires])
        backend = "intree_backend" if is_intree else "setuptools.build_meta"
        path = 'backend-path = ["."]\n' if is_intree else ""
        if self.pyproject is not None:
            files["pyproject.toml"] = self.pyproject
        elif self.backend != "legacy":
            files["pyproject.toml"] = f'[build-system]\nrequires = {requires}\nbuild-backend = "{backend}"\n{path}'
        return files


def make_wheel(directory: Path, name: str, version: str = "1.0", **options: Any) -> Path:
    """Write a wheel into a directory and return its path.

    :param options: fields of `Release` and of `Packing`.
    """
    release, packing = _values(options, partial(Release, name, version), Packing)
    dist_info = f"{release.stem}.dist-info"
    content = release.content()
    content |= {f"{release.stem}.data/{path}": data for path, data in (packing.data_files or {}).items()}
    content[f"{dist_info}/METADATA"] = release.core_metadata()
    content[f"{dist_info}/WHEEL"] = wheel_metadata(release.tag, root_is_purelib=packing.root_is_purelib)
    if release.entry_points:
        content[f"{dist_info}/entry_points.txt"] = release.scripts_text()
    content |= {f"{dist_info}/{path}": data for path, data in (packing.dist_info_files or {}).items()}
    whole = {path: _bytes(data) for path, data in content.items()}
    rows: Any = record_rows(whole)
    rows = packing.record(rows) if packing.record else rows
    if rows is not None:
        whole[f"{dist_info}/RECORD"] = _record_text(rows, f"{dist_info}/RECORD")
    return write_zip(directory / f"{release.stem}-{release.tag}.whl", whole)


def make_sdist(directory: Path, name: str, version: str = "1.0", **options: Any) -> Path:
    """Write a source distribution ``name-version.tar.gz`` into a directory; options as for `project_files`."""
    base = stem(name, version)
    content = project_files(name, version, **options)
    return write_tar_gz(directory / f"{base}.tar.gz", {f"{base}/{path}": data for path, data in content.items()})


def make_project(directory: Path, name: str, version: str = "1.0", **options: Any) -> Path:
    """Write the same files as `make_sdist` into a directory (made if missing) and return it."""
    for path, data in project_files(name, version, **options).items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_bytes(data))
    return directory


def project_files(name: str, version: str = "1.0", **options: Any) -> dict[str, Content]:
    """Return the files of a project by path.

    :param options: fields of `Release`, `Build` and `InTreeBackend`.
    """
    release, build, intree = _values(options, partial(Release, name, version), Build, InTreeBackend)
    content = release.content()
    return content | build.files(release, intree, sorted(content))


def _values(options: Mapping[str, Any], *kinds: Any) -> list[Any]:
    """Return a value of each kind, with those of the options that are its fields.

    :raises TypeError: an option is a field of none.
    """
    left, values = dict(options), []
    for kind in kinds:
        names = {field.name for field in fields(getattr(kind, "func", kind))}
        values.append(kind(**{name: left.pop(name) for name in names & left.keys()}))
    if left:
        msg = f"not known here: {', '.join(left)}"
        raise TypeError(msg)
    return values


def _setup_py(release: Release, packaged: Sequence[str]) -> str:
    keywords: dict[str, Any] = {
        "name": release.name,
        "version": release.version,
        "packages": sorted({path.rpartition("/")[0].replace("/", ".") for path in packaged if "/" in path}),
        "py_modules": sorted(path[:-3] for path in packaged if "/" not in path and path.endswith(".py")),
        "install_requires": list(release.requires),
        "extras_require": {extra: list(needs) for extra, needs in (release.extras or {}).items()},
        "entry_points": {"console_scripts": [f"{k}={v}" for k, v in (release.entry_points or {}).items()]},
    }
    if release.requires_python:
        keywords["python_requires"] = release.requires_python
    arguments = "".join(f"    {key}={value!r},\n" for key, value in keywords.items())
    return f"from setuptools import setup\n\nsetup(\n{arguments})\n"


def _record_text(rows: list[Row] | Content, own: str) -> bytes:
    if isinstance(rows, (str, bytes)):
        return _bytes(rows)
    quoted = [(f'"{path}"' if "," in path else path, digest, size) for path, digest, size in [*rows, (own, "", "")]]
    return "".join(",".join(row) + "\n" for row in quoted).encode()


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content
