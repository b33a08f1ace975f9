"""Pack interpreters of this machine the way python-build-standalone's archives are: same layout, same names.

What such an archive says of the machine it was built on is there too: the prefix ``/install``, that machine's
compilers, scripts that begin with ``/install/bin/python3.12``. The dynamic library is found relative to the executable.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

BUILD_PREFIX = "/install"
#: The compilers of the machine that built it; there are none of these names here.
BUILD_CC, BUILD_AR = "/tools/clang-linux64/bin/clang", "/tools/clang-linux64/bin/llvm-ar"

#: Nothing that is installed into an environment needs these.
_LEFT_OUT = frozenset(
    [
        "__pycache__",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "pydoc_data",
        "site-packages",
        "test",
        "tests",
        "tkinter",
        "turtledemo",
    ]
)
_NOT_NEEDED = re.compile(r"(_?test|_ctypes_test|xxlimited|_xx|_tkinter).*\.so|.*\.(a|o)|EXTERNALLY-MANAGED")
_FACTS = """
import json, platform, sys, sysconfig
names = ("Py_DEBUG", "LDLIBRARY", "INSTSONAME", "LIBDIR", "INCLUDEPY", "MULTIARCH", "CC", "AR", "CXX")
print(json.dumps({
    "version": platform.python_version(), "minor": "%d.%d" % sys.version_info[:2], "prefix": sys.base_prefix,
    "flags": sys.abiflags, "machine": platform.machine(), "os": sys.platform, "stdlib": sysconfig.get_path("stdlib"),
    "data": sysconfig._get_sysconfigdata_name(), "libc": platform.libc_ver()[0],
    "implementation": platform.python_implementation(),
    "variables": {name: sysconfig.get_config_var(name) for name in names},
}))
"""


class _Member(NamedTuple):
    """A file or a link of the archive, its path below the installation."""

    path: str
    source: Path | None = None
    content: bytes = b""
    link: str = ""
    executable: bool = False


def pack_interpreter(python: Path, into: Path, *, tag: str = "20240101") -> Path:
    """Write an archive of an interpreter into a directory and return its path.

    ``cpython-3.12.1+20240101-x86_64-unknown-linux-gnu-install_only.tar.gz``: what lies in ``python/`` runs from any
    place. Test suites, IDLE, Tk and packages are left out, and debugging symbols where there is ``strip``.

    Packing takes about a second and a half. It is done once per interpreter: the result is kept below the system's
    directory for temporary files, and later calls, of other processes too, take a copy.
    """
    facts = _facts(python)
    key = hashlib.sha256(json.dumps([facts, _stamp(python), _stamp(Path(__file__))]).encode()).hexdigest()[:16]
    target = into / f"cpython-{facts['version']}+{tag}-{_triple(facts)}-install_only.tar.gz"
    into.mkdir(parents=True, exist_ok=True)
    with _kept(f"{facts['version']}{facts['flags']}-{key}") as kept:
        if not kept.exists():
            draft = kept.with_suffix(f".{os.getpid()}")
            _write(_members(facts), draft)
            draft.rename(kept)
        shutil.copyfile(kept, target)  # a copy: tests damage archives
    return target


def write_sums(directory: Path) -> Path:
    """Write ``SHA256SUMS`` for all archives of a directory, as ``sha256sum`` does, and return its path."""
    target = directory / "SHA256SUMS"
    lines = [f"{sha256(path)}  {path.name}\n" for path in sorted(directory.iterdir()) if ".tar." in path.name]
    target.write_text("".join(lines))
    return target


def sha256(path: Path) -> str:
    """Return a file's digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _facts(python: Path) -> dict[str, object]:
    done = subprocess.run([python, "-I", "-S", "-c", _FACTS], capture_output=True, text=True, check=True)
    facts: dict[str, object] = json.loads(done.stdout)
    assert facts["implementation"] == "CPython", python
    return facts


def _stamp(path: Path) -> list[object]:
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def _triple(facts: dict[str, object]) -> str:
    machine = {"arm64": "aarch64", "AMD64": "x86_64"}.get(str(facts["machine"]), str(facts["machine"]))
    if facts["os"] == "darwin":
        return f"{machine}-apple-darwin"
    assert facts["os"] == "linux", "interpreters are packed on Linux and macOS only"
    return f"{machine}-unknown-linux-{'gnu' if facts['libc'] == 'glibc' else 'musl'}"


@contextmanager
def _kept(name: str) -> Iterator[Path]:
    """Give the place of an archive that is kept, locked; others of the same version go, they are out of date."""
    place = Path(tempfile.gettempdir(), f"fastenv-test-kit-{os.getuid()}")
    place.mkdir(mode=0o700, exist_ok=True)
    assert place.stat().st_uid == os.getuid(), f"{place} belongs to another user"
    version = name.partition("-")[0]
    with (place / f"{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = place / f"{name}.tar.gz"
        if not path.exists():
            for old in place.glob(f"{version}-*"):
                old.unlink()
        yield path


def _members(facts: dict[str, object]) -> Iterator[_Member]:
    """Yield what the archive has: links beside the executable, library, headers, pkg-config's files."""
    minor, flags = str(facts["minor"]), str(facts["flags"])
    prefix, variables = Path(str(facts["prefix"])), facts["variables"]
    assert isinstance(variables, dict)
    name = f"python{minor}{flags}"
    yield _Member(f"bin/{name}", content=_binary(prefix / "bin" / name, prefix), executable=True)
    yield _Member("bin/python3", link=name)
    yield _Member("bin/python", link=name)
    if flags:
        yield _Member(f"bin/python{minor}", link=name)
    for script in (f"pydoc{minor}", f"{name}-config"):
        if (prefix / "bin" / script).is_file():
            text = _relocated((prefix / "bin" / script).read_text(), prefix)
            yield _Member(f"bin/{script}", content=text.encode(), executable=True)
    yield from _libraries(Path(variables["LIBDIR"] or prefix / "lib"), prefix)
    for path in _files(Path(variables["INCLUDEPY"])):
        yield _Member(f"include/{path.relative_to(Path(variables['INCLUDEPY']).parent)}", source=path)
    for path in sorted((prefix / "lib" / "pkgconfig").glob("*.pc")):
        link = os.readlink(path) if path.is_symlink() else ""
        yield _Member(f"lib/pkgconfig/{path.name}", content=_relocated(path.read_text(), prefix).encode(), link=link)
    stdlib = Path(str(facts["stdlib"]))
    for path in _files(stdlib):
        inner = f"lib/python{minor}{'t' if 't' in flags else ''}/{path.relative_to(stdlib)}"
        if path.name == f"{facts['data']}.py":
            yield _Member(inner, content=_build_variables(path.read_text(), prefix, variables).encode())
        elif path.suffix == ".so":
            yield _Member(inner, content=_binary(path, prefix), executable=True)
        else:
            yield _Member(inner, source=path, executable=os.access(path, os.X_OK))
    yield _Member(f"lib/python{minor}/EXTERNALLY-MANAGED", content=b"[externally-managed]\nError=not here\n")


def _libraries(libdir: Path, prefix: Path) -> Iterator[_Member]:
    for path in sorted([*libdir.glob("libpython3*.so*"), *libdir.glob("libpython3*.dylib")]):
        if path.is_symlink():
            yield _Member(f"lib/{path.name}", link=os.readlink(path))
        else:
            yield _Member(f"lib/{path.name}", content=_binary(path, prefix), executable=True)


def _files(directory: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(set(folders) - _LEFT_OUT)
        yield from (Path(folder, name) for name in sorted(names) if not _NOT_NEEDED.fullmatch(name))


def _binary(path: Path, prefix: Path) -> bytes:
    """Return a binary without debugging symbols, whose path for libraries begins at its own place."""
    with tempfile.TemporaryDirectory() as scratch:
        stripped = Path(scratch, path.name)
        if sys.platform == "linux" and shutil.which("strip"):
            subprocess.run(["strip", "--strip-debug", "-o", stripped, path], check=True)
        else:
            shutil.copyfile(path, stripped)
        content = stripped.read_bytes()
    return re.sub(
        # Only whole strings: the path for libraries, or several of them.
        rb"\0" + re.escape(os.fsencode(prefix / "lib")) + rb"(:[^\0]*)?\0",
        lambda match: b"\0" + b"$ORIGIN/../lib".ljust(len(match[0]) - 1, b"\0"),
        content,
    )


def _relocated(text: str, prefix: Path) -> str:
    return text.replace(str(prefix), BUILD_PREFIX)


def _build_variables(text: str, prefix: Path, variables: dict[str, str | None]) -> str:
    """Return the text of ``_sysconfigdata_*.py`` as the build machine of an archive leaves it."""
    text = _relocated(text, prefix)
    for name, own, theirs in (("CC", "gcc", BUILD_CC), ("CXX", "g++", f"{BUILD_CC}++"), ("AR", "ar", BUILD_AR)):
        if variables[name]:
            text = re.sub(rf"(?<=': ')(?:gcc-)?{re.escape(own)}(?=[ '])", theirs, text)
    return text


def _write(members: Iterator[_Member], path: Path) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in members:
            info = tarfile.TarInfo(f"python/{member.path}")
            info.mode, info.mtime = 0o755 if member.executable else 0o644, 1_704_067_200
            if member.link:
                info.type, info.linkname = tarfile.SYMTYPE, member.link
                archive.addfile(info)
                continue
            content = member.source.read_bytes() if member.source else member.content
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    path.write_bytes(_squeezed(plain.getvalue()))


def _squeezed(content: bytes) -> bytes:
    try:
        from isal import igzip
    except ImportError:
        return gzip.compress(content, 1, mtime=0)
    return bytes(igzip.compress(content, 2, mtime=0))
