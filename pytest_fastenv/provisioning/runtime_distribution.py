"""The runtime as an installed distribution: the files that make it one.

It is named like this project, since ini files may say ``required_plugins = pytest-fastenv``. Requirements that bring
the project itself do not need it: then the whole plugin does the same.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "pytest_fastenv_runtime"
_HERE = Path(__file__).parents[1]
#: What the runtime needs of the other rooms, at the same places.
_SHARED = ("errors.py", "model/__init__.py", "model/link.py", "settings/__init__.py", "settings/options.py")
_DIST_INFO = "pytest_fastenv-{}.dist-info"


def runtime_files(version: str) -> dict[str, bytes]:
    """Return the files below an environment's ``purelib``, with forward slashes; RECORD is the last one.

    RECORD and INSTALLER follow https://packaging.python.org/en/latest/specifications/recording-installed-packages/.

    :param version: this project's version.
    """
    files = {f"{PACKAGE}/{name}": content for name, content in _modules()}
    dist_info = _DIST_INFO.format(version)
    files[f"{dist_info}/METADATA"] = (
        "Metadata-Version: 2.1\n"
        "Name: pytest-fastenv\n"
        f"Version: {version}\n"
        "Summary: The part of pytest-fastenv that runs inside the environments it provides\n"
        "Requires-Python: >=3.8\n"
    ).encode()
    files[f"{dist_info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: pytest-fastenv {version}\nRoot-Is-Purelib: true\nTag: py3-none-any\n".encode()
    )
    files[f"{dist_info}/entry_points.txt"] = f"[pytest11]\nfastenv = {PACKAGE}.runtime.inside\n".encode()
    files[f"{dist_info}/INSTALLER"] = b"pytest-fastenv\n"
    rows = [f"{path},{_digest(content)},{len(content)}\n" for path, content in files.items()]
    record = f"{dist_info}/RECORD"
    files[record] = "".join([*rows, f"{record},,\n"]).encode()
    return files


def _modules() -> Iterator[tuple[str, bytes]]:
    yield "__init__.py", b""
    for name in _SHARED:
        yield name, (_HERE / name).read_bytes()
    for name in sorted(os.listdir(_HERE / "runtime")):
        if name.endswith(".py"):
            yield f"runtime/{name}", (_HERE / "runtime" / name).read_bytes()


def runtime_digest(version: str) -> str:
    """Return a digest of the runtime's content: an environment with another runtime is another environment."""
    return hashlib.sha256(runtime_files(version)[f"{_DIST_INFO.format(version)}/RECORD"]).hexdigest()


def _digest(content: bytes) -> str:
    """Write a hash as RECORD wants it: urlsafe base64 without padding."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
