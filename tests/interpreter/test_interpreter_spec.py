"""What a request means, and which interpreters fit it."""

from __future__ import annotations

import sys

import pytest

from pytest_fastenv.errors import InterpreterNotFoundError
from pytest_fastenv.interpreter.spec import ANY, fits, is_called_python, is_version, may_fit, read
from pytest_fastenv.model.target import Target


def target(version: str, implementation: str = "cpython", *, tag: str = "", **changes: str | bool) -> Target:
    """An interpreter, as far as it is compared."""
    values: dict[str, object] = {
        "python": "/opt/bin/python3",
        "implementation": implementation,
        "version": version,
        "tags": (tag or "cp312-cp312-linux_x86_64",),
        "markers": {},
        "soabi": "",
        "platform": "linux-x86_64",
        "free_threaded": False,
        "schemes": {},
        "identity": "",
        "externals": {},
    }
    return Target(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "good", "bad"),
    [
        ("3", "3.8.1 3.14.0", "2.7.18"),
        ("3.12", "3.12.0 3.12.11 3.12.0rc1", "3.11.9 3.13.0"),
        ("3.12.4", "3.12.4", "3.12.5 3.13.4"),
        ("312", "3.12.4", "3.1.2"),
        ("python3.12", "3.12.4", "3.13.0"),
        ("cpython@3.12", "3.12.4", "3.13.0"),
        ("cpython", "3.12.4 3.8.1", ""),
        (">=3.11,<3.14", "3.11.0 3.13.9", "3.10.9 3.14.0"),
        ("cpython>=3.12", "3.12.0", "3.11.9"),
        ("cpython@>=3.12", "3.12.0", "3.11.9"),
        ("~=3.11.2", "3.11.2 3.11.9", "3.11.1 3.12.0"),
        ("==3.12.*", "3.12.0 3.12.9", "3.13.0"),
        ("==3.12", "3.12.9", "3.13.0"),
        (">3.12", "3.13.0", "3.12.4"),
        (">=3.8,!=3.9.*", "3.8.1 3.10.1", "3.9.2 3.7.1"),
        (">=3.14", "3.14.0rc2 3.14.0", "3.13.9"),
        (">=3.14.0", "3.14.0 3.14.1", "3.14.0rc2"),
        (">=3.14.0rc1", "3.14.0rc1 3.14.0rc2 3.14.0", "3.14.0b4"),
        ("3.14.0rc2", "3.14.0rc2", "3.14.0rc1 3.14.0"),
    ],
)
def test_versions(spec: str, good: str, bad: str) -> None:
    wanted = read(spec)
    assert [version for version in good.split() if not fits(wanted, target(version))] == []
    assert [version for version in bad.split() if fits(wanted, target(version))] == []


def test_a_free_threaded_build_is_for_those_who_ask() -> None:
    free, ordinary = target("3.13.0", free_threaded=True), target("3.13.0")
    for spec in ("3.13", ">=3.12", "cpython"):
        assert not fits(read(spec), free)
        assert fits(read(spec), ordinary)
    for spec in ("3.13t", ">=3.12t"):
        assert fits(read(spec), free)
        assert not fits(read(spec), ordinary)


def test_another_implementation_is_for_those_who_ask() -> None:
    other = "graalpy" if sys.implementation.name != "graalpy" else "ironpython"
    assert not fits(read("3.12"), target("3.12.1", other))
    assert fits(read(f"{other}3.12"), target("3.12.1", other))
    assert not fits(read(f"{other}3.12"), target("3.12.1"))
    assert not fits(read("pypy3.10"), target("3.10.1"))
    assert fits(read("pypy@3.10"), target("3.10.14", "pypy"))


def test_kinds_of_builds() -> None:
    debug = target("3.12.1", tag="cp312-cp312d-linux_x86_64")
    small = target("3.12.1", tag="cp312-cp312-linux_i686")
    assert [fits(read("3.12d"), item) for item in (debug, target("3.12.1"))] == [True, False]
    assert [fits(read("3.12-32"), item) for item in (small, target("3.12.1"))] == [True, False]
    assert [fits(read("3.12-64-x86_64"), item) for item in (target("3.12.1"), small)] == [True, False]
    assert not fits(read("3.12-64-arm64"), target("3.12.1"))
    assert fits(read("3.12-64-arm64"), target("3.12.1", platform="linux-aarch64"))


def test_everything_fits_anything() -> None:
    for item in (target("3.13.0", free_threaded=True), target("3.10.1", "pypy"), target("3.8.1")):
        assert fits(ANY, item)


@pytest.mark.parametrize("text", [">=3.foo", ">=3.11,,<", "==", "~=3.x"])
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(InterpreterNotFoundError, match="does not say which Python is meant"):
        read(text)


def test_names_of_files() -> None:
    for name in ("python", "python3", "python3.12", "python3.13t", "pypy3.10", "python3.12d"):
        assert is_called_python(name), name
    for name in ("python3-config", "python3.12-gdb.py", "ipython3", "mise", "pythonw"):
        assert not is_called_python(name), name
    wanted = read("3.12")
    assert [name for name in ("python", "python3", "python3.12", "python3.12.1") if not may_fit(wanted, name)] == []
    assert [name for name in ("python2", "python3.11", "pypy3.12") if may_fit(wanted, name)] == []
    assert may_fit(read("pypy3.10"), "pypy3.10")
    assert may_fit(read(">=3.11"), "python3.12")
    assert not may_fit(read(">=3.11"), "python3.9")


def test_a_version_alone() -> None:
    assert is_version(read("3.7"), "3.7.16")
    assert is_version(read("<3.8"), "3.6.15")
    assert not is_version(read("3.9"), "3.7.16")
