"""The interpreter that an environment is made for: facts, wheel tags and marker environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_fastenv.model.codec import encode_for_key

_OF_THIS_MACHINE = frozenset({"python", "identity", "schemes", "tags", "markers"})


@dataclass(frozen=True, slots=True)
class Target:
    """What must be known of an interpreter to choose artifacts and to make an environment for it.

    A value of text and numbers only, so that it can be kept as JSON and read without importing ``packaging``.

    :ivar python: absolute path of the base interpreter (never one inside a virtual environment).
    :ivar implementation: ``cpython`` or ``pypy``.
    :ivar version: full version, such as ``3.12.1`` or ``3.14.0rc2``.
    :ivar tags: wheel tags as text, most preferred first (PEP 425).
    :ivar markers: marker environment (PEP 508) without ``extra``.
    :ivar soabi: ABI suffix of extension modules; with `version` and `platform` it keys builds.
    :ivar platform: ``sysconfig.get_platform()``.
    :ivar free_threaded: whether this is a ``t`` build.
    :ivar externals: further facts that change what a build gives (``libc``: ``glibc 2.36``, ``macos``: ...).
    :ivar schemes: install locations relative to a virtual environment's root (``purelib``, ``platlib``, ``scripts``,
        ``data``, ``headers``), forward slashes.
    :ivar identity: digest of path, size, mtime and build string: another interpreter at the same path differs.
    """

    python: str
    implementation: str
    version: str
    tags: tuple[str, ...]
    markers: Mapping[str, str]
    soabi: str
    platform: str
    free_threaded: bool
    schemes: Mapping[str, str]
    identity: str
    externals: Mapping[str, str]

    @property
    def build_facts(self) -> dict[str, Any]:
        """What decides a build for this interpreter, as JSON can hold it; nothing of where it lies on this machine.

        Tags and the marker environment follow from the rest, but for what a build should not ask: the host's kernel.
        """
        return {name: fact for name, fact in encode_for_key(self).items() if name not in _OF_THIS_MACHINE}

    @property
    def version_info(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)

    @property
    def bytecode(self) -> str:
        """What files compiled by this interpreter are told from others by.

        Releases of one minor version of CPython have one form of bytecode (PEP 3147); a pre-release, and a release of
        another implementation, may have one of its own.
        """
        release = self.version
        if self.implementation != "cpython":
            release += f" {self.markers.get('implementation_version', '')}"
        elif release.replace(".", "").isdecimal():
            release = release.rpartition(".")[0]
        return f"{self.implementation} {release}{'t' if self.free_threaded else ''}"

    @property
    def short(self) -> str:
        """A name for people: ``CPython 3.12.1``, ``CPython 3.13.0t``, ``PyPy 3.10.14``."""
        return short_name(self.implementation, self.version, free_threaded=self.free_threaded)


def short_name(implementation: str, version: str, *, free_threaded: bool) -> str:
    """Return an interpreter's name for people: ``CPython 3.12.1``, ``CPython 3.13.0t``, ``PyPy 3.10.14``."""
    family = {"cpython": "CPython", "pypy": "PyPy"}.get(implementation, implementation)
    return f"{family} {version}{'t' if free_threaded else ''}"
