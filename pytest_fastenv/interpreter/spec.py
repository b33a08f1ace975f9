"""What a request for an interpreter means: read by python-discovery, and compared with what is known of interpreters.

Imports python-discovery: not on the warm path.
"""

from __future__ import annotations

import os
import re
import sys

from python_discovery import KNOWN_IMPLEMENTATIONS, PythonSpec

from pytest_fastenv.errors import InterpreterNotFoundError
from pytest_fastenv.interpreter.probe import OLDEST
from pytest_fastenv.model.target import Target

ANY = PythonSpec("", None, None, None, None, None, None)
"""Any version of any implementation."""

_NAMES = ANY.generate_re(windows=os.name == "nt", all_implementations=True)

_IMPLEMENTATION_AT = re.compile(r"([A-Za-z]+)@")
#: A full version with a pre-release part: python-discovery reads it in a specifier only.
_PRE_RELEASE = re.compile(r"^([A-Za-z]*)([0-9]+\.[0-9]+\.[0-9]+(?:a|b|rc)[0-9]+)(.*)", re.ASCII)
_MOST_MINORS = 100
_32_BITS = ("i686", "i386", "ppc", "win32", "armv7l", "armv8l")


def read(text: str) -> PythonSpec:
    """Read a request by version, implementation or kind of build, or a program's name (then its ``path`` is set).

    :raises InterpreterNotFoundError: it cannot be read.
    """
    plain = _PRE_RELEASE.sub(r"\1==\2\3", _IMPLEMENTATION_AT.sub(r"\1", text.strip()))
    try:
        spec = PythonSpec.from_string_spec(plain)
    except ValueError as error:
        raise InterpreterNotFoundError(
            f"{text!r} does not say which Python is meant",
            why=str(error),
            hint="write a version (3.12), specifiers (>=3.11,<3.14), an implementation (pypy3.10) or a path",
        ) from None
    if spec.major is None and not spec.version_specifier and _is_unheard_of(spec.implementation):
        return PythonSpec(text, None, None, None, None, None, text)
    return spec


def fits(spec: PythonSpec, target: Target) -> bool:
    """Tell whether an interpreter of this machine fits a request.

    A version is compared as exactly as it was written: 3.12.4 is not above ``>3.12``. Versions say nothing about the
    kind of build or the implementation. A free-threaded build has few wheels, and so have other implementations: they
    only fit where one is asked for, or is running. A program that was named is meant, whatever it is.
    """
    if spec.path is not None or spec is ANY:
        return True
    if target.implementation not in _implementations(spec):
        return False
    if target.free_threaded != bool(spec.free_threaded) or (spec.debug and not _is_debug(target)):
        return False
    bits = 32 if target.tags[0].endswith(_32_BITS) else 64
    mine = _like(spec, target.version, architecture=bits, machine=_machine(target))
    return mine.satisfies(spec) and _exactly_fits(spec, target.version)


def is_version(spec: PythonSpec, version: str) -> bool:
    """Tell whether a version fits a request, whatever the implementation and the kind of build are."""
    return _like(spec, version, architecture=spec.architecture, machine=spec.machine).satisfies(spec)


def is_too_old(spec: PythonSpec) -> bool:
    """Tell whether a request fits only versions that are too old."""
    return not any(is_version(spec, f"3.{minor}") for minor in range(OLDEST[1], _MOST_MINORS))


def may_fit(spec: PythonSpec, name: str) -> bool:
    """Tell whether a file may fit a request, by its name: ``python3.9`` is no 3.12, ``python3`` may be."""
    called = PythonSpec.from_string_spec(name.removesuffix(".exe"))
    if called.path is not None or spec.path is not None or spec is ANY:
        return True
    if called.implementation is not None and called.implementation.lower() not in _implementations(spec):
        return False
    if called.major is None:
        return True
    version = ".".join(str(part) for part in (called.major, called.minor, called.micro) if part is not None)
    return is_version(spec, version)


def is_called_python(name: str) -> bool:
    """Tell whether a file is named like an interpreter: ``python3``, ``python3.13t``, ``pypy3.10``."""
    return _NAMES.fullmatch(name) is not None


def _is_unheard_of(implementation: str | None) -> bool:
    return implementation is not None and implementation.lower() not in KNOWN_IMPLEMENTATIONS


def _implementations(spec: PythonSpec) -> set[str]:
    return {spec.implementation.lower()} if spec.implementation else {"cpython", sys.implementation.name}


def _is_debug(target: Target) -> bool:
    return target.implementation == "cpython" and target.tags[0].split("-")[1].endswith("d")


def _machine(target: Target) -> str:
    """Return the machine in the words of a request, which python-discovery has made its own."""
    spec = PythonSpec.from_string_spec(f"python3-64-{target.platform.rpartition('-')[2]}")
    return "x86" if target.platform == "win32" else spec.machine or ""


def _like(spec: PythonSpec, version: str, *, architecture: int | None, machine: str | None) -> PythonSpec:
    """Return the request for this version that in all else is like another request."""
    numbers = [int(part) for part in re.findall(r"\d+", re.split(r"a|b|rc|\+", version)[0])]
    major, minor, micro, *_ = [*numbers, None, None, None]
    return PythonSpec(
        "", spec.implementation, major, minor, micro, architecture, None,
        free_threaded=spec.free_threaded, machine=machine,
    )  # fmt: skip


def _exactly_fits(spec: PythonSpec, version: str) -> bool:
    """Tell whether specifiers that are exact enough to tell a pre-release from its release admit a version."""
    exact = (
        item
        for item in spec.version_specifier or ()
        if item.version is not None and (item.version.pre_type is not None or item.version_str.count(".") == 2)
    )
    return all(item.contains(version.partition("+")[0]) for item in exact)
