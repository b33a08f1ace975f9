"""Make wheels, source distributions and projects, byte for byte the same for the same arguments."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

Content = str | bytes
Row = tuple[str, str, str]
Backend = Literal["intree", "setuptools", "legacy"]

_BACKEND_TEXT = (Path(__file__).parent / "intree_backend.py").read_text(encoding="utf-8")


def stem(name: str, version: str) -> str:
    """Return ``name-version`` as file names of artifacts have it (PEP 625, binary distribution format)."""
    return f"{re.sub(r'[-_.]+', '_', name).lower()}-{version.replace('-', '_')}"


def package_name(name: str) -> str:
    """Return the importable name of a project's default package."""
    return re.sub(r"[-_.]+", "_", name).lower()


def default_files(name: str, version: str) -> dict[str, Content]:
    """Return what a project holds when nothing else is said: a package that knows its version."""
    return {f"{package_name(name)}/__init__.py": f"__version__ = {version!r}\n"}


def core_metadata(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
    requires_python: str | None = None,
    metadata: str = "",
    metadata_version: str = "2.2",
) -> str:
    """Return the text of METADATA or PKG-INFO; `metadata` are further header lines."""
    lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    for extra, requirements in (extras or {}).items():
        lines.append(f"Provides-Extra: {extra}")
        for requirement in requirements:
            bare, _, marker = requirement.partition(";")
            condition = f"({marker.strip()}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
            lines.append(f"Requires-Dist: {bare.strip()} ; {condition}")
    lines += metadata.strip("\n").splitlines() if metadata else []
    return "\n".join(lines) + "\n\n"


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


def make_wheel(
    directory: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, Content] | None = None,
    requires: Iterable[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
    requires_python: str | None = None,
    entry_points: Mapping[str, str] | None = None,
    tag: str = "py3-none-any",
    metadata: str = "",
    data_files: Mapping[str, Content] | None = None,
    record: Callable[[list[Row]], list[Row] | Content | None] | None = None,
    root_is_purelib: bool = True,
    dist_info_files: Mapping[str, Content] | None = None,
) -> Path:
    """Write a wheel into a directory and return its path.

    :param files: instead of the default package; paths from the wheel's root.
    :param extras: requirements by extra; a marker of theirs is joined with the extra's.
    :param entry_points: console scripts by name.
    :param tag: what follows the version in the file name; may begin with a build tag.
    :param metadata: further header lines of METADATA.
    :param data_files: paths below ``name-version.data/``.
    :param record: given the correct rows (without RECORD's own), returns the rows or the text to write; ``None``
        leaves RECORD out.
    :param dist_info_files: further files of dist-info, or other contents for the usual ones.
    """
    base = stem(name, version)
    dist_info = f"{base}.dist-info"
    content = dict(default_files(name, version) if files is None else files)
    content |= {f"{base}.data/{path}": data for path, data in (data_files or {}).items()}
    text = core_metadata(
        name, version, requires=requires, extras=extras, requires_python=requires_python, metadata=metadata
    )
    content[f"{dist_info}/METADATA"] = text
    content[f"{dist_info}/WHEEL"] = wheel_metadata(tag, root_is_purelib=root_is_purelib)
    if entry_points:
        content[f"{dist_info}/entry_points.txt"] = _entry_points(entry_points)
    content |= {f"{dist_info}/{path}": data for path, data in (dist_info_files or {}).items()}
    whole = {path: _bytes(data) for path, data in content.items()}
    rows: Any = record_rows(whole)
    rows = record(rows) if record else rows
    if rows is not None:
        whole[f"{dist_info}/RECORD"] = _record_text(rows, f"{dist_info}/RECORD")
    return write_zip(directory / f"{base}-{tag}.whl", whole)


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


def project_files(
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, Content] | None = None,
    requires: Sequence[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
    requires_python: str | None = None,
    entry_points: Mapping[str, str] | None = None,
    backend: Backend = "intree",
    build_requires: Sequence[str] = (),
    get_requires: Sequence[str] = (),
    pyproject: str | None = None,
    backend_code: str | None = None,
    prepare: bool = True,
    static: bool = True,
    tag: str = "py3-none-any",
    metadata: str = "",
    build_log: Path | None = None,
    exclusive: Path | None = None,
    hold_s: float = 0.0,
) -> dict[str, Content]:
    """Return the files of a project by path.

    :param files: instead of the default package; with the in-tree backend all of them go into the wheel.
    :param backend: ``intree``: a backend of the standard library, nothing to install, a few milliseconds;
        ``setuptools``: pyproject.toml that names it; ``legacy``: setup.py alone.
    :param build_requires: ``build-system.requires`` (setuptools is added for that backend).
    :param get_requires: what ``get_requires_for_build_wheel`` answers.
    :param pyproject: instead of the whole pyproject.toml.
    :param backend_code: appended to the in-tree backend: a hook defined here wins over its own.
    :param prepare: whether the backend has ``prepare_metadata_for_build_wheel``.
    :param static: whether PKG-INFO may be trusted (metadata 2.2 without Dynamic); else it is version 2.1.
    :param metadata: further header lines of METADATA and PKG-INFO.
    :param build_log: a line is appended at the beginning of each ``build_wheel``: ``name version pid=N ns=N``.
    :param exclusive: a file held locked during ``build_wheel``; the build fails if another process holds it.
        The lock of a killed holder is free at once.
    :param hold_s: how long each ``build_wheel`` sleeps.
    """
    content = dict(default_files(name, version) if files is None else files)
    fields: dict[str, Any] = {"requires": requires, "extras": extras, "requires_python": requires_python}
    text = core_metadata(name, version, metadata=metadata, **fields)
    packaged = sorted(content)
    intree = backend == "intree"
    info_version = "2.2" if static and intree else "2.1"
    content["PKG-INFO"] = core_metadata(name, version, metadata=metadata, metadata_version=info_version, **fields)
    if intree:
        config = {
            "name": name,
            "version": version,
            "stem": stem(name, version),
            "tag": tag,
            "files": packaged,
            "metadata": text,
            "wheel": wheel_metadata(tag),
            "entry_points": _entry_points(entry_points) if entry_points else "",
            "get_requires": list(get_requires),
            "prepare": prepare,
            "build_log": str(build_log) if build_log else None,
            "exclusive": str(exclusive) if exclusive else None,
            "hold_s": hold_s,
        }
        content["intree_backend.json"] = json.dumps(config, indent=1, sort_keys=True)
        content["intree_backend.py"] = _BACKEND_TEXT + (f"\n\n{backend_code}\n" if backend_code else "")
        content["pyproject.toml"] = (
            f'[build-system]\nrequires = {json.dumps(list(build_requires))}\nbuild-backend = "intree_backend"\n'
            'backend-path = ["."]\n'
        )
    else:
        content |= _setuptools_files(name, version, packaged, entry_points=entry_points, **fields)
        if backend == "setuptools":
            names = ["setuptools", *build_requires]
            content["pyproject.toml"] = (
                f'[build-system]\nrequires = {json.dumps(names)}\nbuild-backend = "setuptools.build_meta"\n'
            )
    if pyproject is not None:
        content["pyproject.toml"] = pyproject
    return content


def _setuptools_files(
    name: str,
    version: str,
    packaged: Sequence[str],
    *,
    requires: Sequence[str],
    extras: Mapping[str, Sequence[str]] | None,
    requires_python: str | None,
    entry_points: Mapping[str, str] | None,
) -> dict[str, Content]:
    keywords: dict[str, Any] = {
        "name": name,
        "version": version,
        "packages": sorted({path.rpartition("/")[0].replace("/", ".") for path in packaged if "/" in path}),
        "py_modules": sorted(path[:-3] for path in packaged if "/" not in path and path.endswith(".py")),
        "install_requires": list(requires),
        "extras_require": {extra: list(needs) for extra, needs in (extras or {}).items()},
        "entry_points": {"console_scripts": [f"{k}={v}" for k, v in (entry_points or {}).items()]},
    }
    if requires_python:
        keywords["python_requires"] = requires_python
    arguments = "".join(f"    {key}={value!r},\n" for key, value in keywords.items())
    return {"setup.py": f"from setuptools import setup\n\nsetup(\n{arguments})\n"}


def _entry_points(scripts: Mapping[str, str]) -> str:
    return "[console_scripts]\n" + "".join(f"{name} = {target}\n" for name, target in scripts.items())


def _record_text(rows: list[Row] | Content, own: str) -> bytes:
    if isinstance(rows, (str, bytes)):
        return _bytes(rows)
    quoted = [(f'"{path}"' if "," in path else path, digest, size) for path, digest, size in [*rows, (own, "", "")]]
    return "".join(",".join(row) + "\n" for row in quoted).encode()


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content
