"""An interpreter that can be downloaded: what the catalogue knows of it before a byte is fetched."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_fastenv.model.target import short_name


@dataclass(frozen=True, slots=True)
class Offer:
    """An archive with an interpreter in it, and where it can be had.

    :ivar implementation: ``cpython`` or ``pypy``.
    :ivar version: version of the language, such as ``3.12.7`` or ``3.14.0rc2``.
    :ivar free_threaded: whether this is a ``t`` build (PEP 703).
    :ivar os: ``linux``, ``macos`` or ``windows``.
    :ivar arch: ``x86_64``, ``aarch64``, ``x86``, ``armv7``, ``ppc64le``, ``riscv64`` or ``s390x``.
    :ivar libc: what the interpreter is linked to on Linux, ``gnu`` or ``musl``; empty elsewhere.
    :ivar filename: last segment of the URL's path, unquoted; its ending tells how it is packed.
    :ivar url: absolute; ``https:``, ``http:`` or ``file:``; never with a login in it.
    :ivar sha256: what the archive's bytes must be. Always known of an offer that was chosen. Empty only in a list of
        what lies in a directory without ``SHA256SUMS``: it is computed when the offer is chosen.
    """

    implementation: str
    version: str
    free_threaded: bool
    os: str
    arch: str
    libc: str
    filename: str
    url: str
    sha256: str

    @property
    def python(self) -> str:
        """The executable's path below the installation that is unpacked, with forward slashes.

        The file itself, not one of the links to it that lie beside it (``bin/python3``): the running interpreter
        names that file.
        """
        major, minor = self.version_info
        suffix = "t" if self.free_threaded else ""
        if self.os == "windows":
            return f"python{major}.{minor}t.exe" if self.free_threaded else "python.exe"
        name = "pypy" if self.implementation == "pypy" else "python"
        return f"bin/{name}{major}.{minor}{suffix}"

    @property
    def version_info(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)

    @property
    def short(self) -> str:
        """A name for people: ``CPython 3.12.7``, ``CPython 3.13.0t``, ``PyPy 3.10.14``."""
        return short_name(self.implementation, self.version, free_threaded=self.free_threaded)
