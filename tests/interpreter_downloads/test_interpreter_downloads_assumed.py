"""What is assumed of an interpreter that is not there yet is what it says of itself once it is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kit.interpreters import Found

from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.interpreter_downloads.assumed import assumed_target, differences
from pytest_fastenv.interpreter_downloads.host import host_of
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.model.target import Target

HOME = Path("/nowhere/python")


def offer_of(target: Target, *, filename: str = "") -> Offer:
    """The offer of an archive with an interpreter like one that is there."""
    machine = host_of(target)
    return Offer(
        target.implementation,
        target.version,
        target.free_threaded,
        machine.os,
        machine.arch,
        machine.libc,
        filename,
        f"https://example.invalid/{filename}",
        "a" * 64,
    )


@pytest.fixture(scope="module")
def host() -> Target:
    """The interpreter that runs the tests."""
    return probe(Path(sys.executable))


@pytest.mark.slow
def test_every_interpreter_of_the_machine_is_what_was_assumed(interpreters: list[Found], host: Target) -> None:
    for version, python in interpreters:
        probed = probe(python)
        assumed = assumed_target(offer_of(probed), host, HOME)
        assert assumed.tags == probed.tags, python
        assert assumed.markers == probed.markers, python
        assert assumed.schemes == probed.schemes, python
        assert (assumed.version, assumed.implementation) == (probed.version, "cpython")
        assert (assumed.version_info, assumed.free_threaded) == (version[:2], probed.free_threaded)
        assert assumed.externals == probed.externals, python
        if sys.platform == "linux":
            assert (assumed.soabi, assumed.platform) == (probed.soabi, probed.platform), python
        assert differences(assumed, probed) == []


@pytest.mark.slow
def test_whichever_interpreter_is_the_host(interpreters: list[Found], host: Target) -> None:
    """What depends on the machine is the same from each of its interpreters."""
    offer = offer_of(host)
    for _, python in interpreters:
        assert assumed_target(offer, probe(python), HOME) == assumed_target(offer, host, HOME), python


def _others() -> Iterator[Path]:
    """PyPys and free-threaded builds of this machine."""
    root = Path(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")), "versions")
    yield from (path for name in ("pypy3*", "*t", "*t-*") for path in sorted(root.glob(f"{name}/bin/python3")))
    names = ("pypy3", "python3.13t", "python3.14t", "python3.15t")
    yield from (Path(found) for name in names if (found := shutil.which(name)))


def test_pypy_and_free_threaded_builds(host: Target) -> None:
    """Only with one on the machine."""
    found = list(_others())
    if not found:
        pytest.skip("no PyPy and no free-threaded CPython on this machine")
    for python in found:
        command = [python, "-I", "-c", "import sys; print(*sys.implementation.version[:3], sep='.')"]
        release = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        probed = probe(python)
        filename = f"{probed.implementation}3-v{release}-x.tar.bz2"
        assert differences(assumed_target(offer_of(probed, filename=filename), host, HOME), probed) == []


def _for(arch: str, version: str = "3.12.7", libc: str = "gnu") -> Offer:
    return Offer("cpython", version, False, "linux", arch, libc, "", "", "a" * 64)


def linux(offer: Offer | None = None, libc: str = "glibc 2.36", arch: str = "x86_64", **changes: object) -> Target:
    """What is assumed on a Linux machine."""
    host = Target(
        python="/usr/bin/python3",
        implementation="cpython",
        version="3.11.2",
        tags=(f"cp311-cp311-linux_{arch}",),
        markers={
            "implementation_name": "cpython",
            "implementation_version": "3.11.2",
            "os_name": "posix",
            "platform_machine": arch,
            "platform_python_implementation": "CPython",
            "platform_release": "6.1",
            "platform_system": "Linux",
            "platform_version": "#1",
            "python_full_version": "3.11.2",
            "python_version": "3.11",
            "sys_platform": "linux",
        },
        soabi="",
        platform=f"linux-{arch}",
        free_threaded=False,
        schemes={},
        identity="",
        externals={"libc": libc},
    )
    return assumed_target(replace(offer or _for(arch), **changes), host, HOME)  # type: ignore[arg-type]


def test_cpython() -> None:
    found = linux()
    assert found.python == os.path.realpath(HOME / "bin" / "python3.12")
    assert found.short == "CPython 3.12.7"
    assert found.soabi == "cpython-312-x86_64-linux-gnu"
    assert found.tags[:2] == ("cp312-cp312-linux_x86_64", "cp312-cp312-manylinux_2_36_x86_64")
    assert found.markers["python_full_version"] == found.markers["implementation_version"] == "3.12.7"
    assert (found.markers["python_version"], found.markers["platform_release"]) == ("3.12", "6.1")
    assert found.schemes["purelib"] == "lib/python3.12/site-packages"
    early = linux(version="3.15.0rc1")
    assert early.markers["python_full_version"] == "3.15.0rc1"
    assert early.markers["python_version"] == "3.15"


def test_free_threaded() -> None:
    found = linux(version="3.13.1", free_threaded=True)
    assert found.python == os.path.realpath(HOME / "bin" / "python3.13t")
    assert (found.short, found.free_threaded) == ("CPython 3.13.1t", True)
    assert found.soabi == "cpython-313t-x86_64-linux-gnu"
    assert found.tags[0] == "cp313-cp313t-linux_x86_64"
    assert found.schemes["platlib"] == "lib/python3.13t/site-packages"
    assert found.schemes["headers"] == "include/site/python3.13"


@pytest.mark.parametrize(("version", "libc"), [("3.10.9", "gnu"), ("3.11.9", "musl"), ("3.13.1", "musl")])
def test_musl_is_in_the_suffix_of_extension_modules_since_3_11(version: str, libc: str) -> None:
    found = linux(_for("x86_64", version, "musl"), libc="musl 1.2")
    assert found.soabi == f"cpython-{''.join(version.split('.')[:2])}-x86_64-linux-{libc}"
    assert found.tags[1].endswith("musllinux_1_2_x86_64")
    assert found.externals == {"libc": "musl 1.2"}


@pytest.mark.parametrize(
    ("arch", "machine", "soabi", "tag"),
    [
        ("aarch64", "aarch64", "aarch64-linux-gnu", "manylinux_2_36_aarch64"),
        ("x86", "i686", "i386-linux-gnu", "manylinux_2_36_i686"),
        ("armv7", "armv7l", "arm-linux-gnueabihf", "manylinux_2_36_armv7l"),
        ("ppc64le", "ppc64le", "powerpc64le-linux-gnu", "manylinux_2_36_ppc64le"),
    ],
)
def test_architectures(arch: str, machine: str, soabi: str, tag: str) -> None:
    found = linux(_for(arch), arch=machine)
    assert found.soabi == f"cpython-312-{soabi}"
    assert f"cp312-cp312-{tag}" in found.tags


def test_pypy() -> None:
    archive = "pypy3.10-v7.3.17-linux64.tar.bz2"
    found = linux(Offer("pypy", "3.10.14", False, "linux", "x86_64", "gnu", archive, "", "a" * 64))
    assert found.python == os.path.realpath(HOME / "bin" / "pypy3.10")
    assert found.soabi == "pypy310-pp73-x86_64-linux-gnu"
    assert found.tags[0] == "pp310-pypy310_pp73-linux_x86_64"
    assert found.markers["implementation_version"] == "7.3.17"
    assert found.markers["python_full_version"] == "3.10.14"
    assert found.markers["platform_python_implementation"] == "PyPy"
    assert found.schemes["purelib"] == "lib/pypy3.10/site-packages"


def test_macos() -> None:
    markers = {**linux().markers, "sys_platform": "darwin", "platform_machine": "arm64"}
    host = replace(linux(), externals={"macos": "14.2"}, markers=markers)
    found = assumed_target(Offer("cpython", "3.12.7", False, "macos", "aarch64", "", "", "", "a" * 64), host, HOME)
    assert found.tags[0] == "cp312-cp312-macosx_14_0_arm64"
    assert found.soabi == "cpython-312-darwin"
    assert differences(found, replace(found, platform="macosx-12.0-arm64", soabi="")) == []


def test_windows() -> None:
    host = replace(linux(), externals={}, markers={**linux().markers, "sys_platform": "win32", "os_name": "nt"})
    found = assumed_target(Offer("cpython", "3.13.1", True, "windows", "x86_64", "", "", "", "a" * 64), host, HOME)
    assert found.python.endswith("python3.13t.exe")
    assert found.tags[0] == "cp313-cp313t-win_amd64"
    assert (found.soabi, found.platform) == ("cp313t-win_amd64", "win-amd64")
    assert found.schemes == {
        "purelib": "Lib/site-packages",
        "platlib": "Lib/site-packages",
        "scripts": "Scripts",
        "data": ".",
        "headers": "include/site/python3.13",
    }
    small = assumed_target(Offer("cpython", "3.12.1", False, "windows", "x86", "", "", "", "a" * 64), host, HOME)
    assert small.tags[0] == "cp312-cp312-win32"
    assert small.python.endswith("python.exe")
    other = replace(found, markers={**found.markers, "platform_release": "11", "platform_version": "10.0.1"})
    assert differences(found, other) == []


def test_the_identity_is_known_before() -> None:
    assert linux().identity == linux().identity
    assert linux().identity != linux(sha256="b" * 64).identity
    assert linux().identity != linux(libc="glibc 2.31").identity
    assert len(linux().identity) == 64


def test_differences_show_both_values() -> None:
    assumed = linux()
    markers = {**assumed.markers, "platform_machine": "aarch64"}
    del markers["os_name"]
    probed = replace(
        assumed,
        version="3.12.8",
        implementation="pypy",
        free_threaded=True,
        tags=(assumed.tags[0], "cp312-cp312-other", *assumed.tags[2:]),
        markers=markers,
        schemes={**assumed.schemes, "purelib": "lib64/python3.12/site-packages"},
        soabi="cpython-312-x86_64-linux-musl",
        platform="linux-i686",
        python="/elsewhere",
        identity="another",
    )
    assert differences(assumed, probed) == [
        "version: assumed 3.12.7, found 3.12.8",
        "implementation: assumed cpython, found pypy",
        "free-threaded build: assumed False, found True",
        f"wheel tags: assumed {assumed.tags[1]}, found cp312-cp312-other (number 2, the first that differs)",
        "marker os_name: assumed posix, found none",
        "marker platform_machine: assumed x86_64, found aarch64",
        "install location purelib: assumed lib/python3.12/site-packages, found lib64/python3.12/site-packages",
        "ABI suffix: assumed cpython-312-x86_64-linux-gnu, found cpython-312-x86_64-linux-musl",
        "platform: assumed linux-x86_64, found linux-i686",
    ]
    assert differences(assumed, assumed) == []


def test_fewer_or_reordered_tags_are_a_difference() -> None:
    assumed = linux()
    (line,) = differences(assumed, replace(assumed, tags=assumed.tags[:-1]))
    assert line.startswith(f"wheel tags: assumed {len(assumed.tags)} of them, found {len(assumed.tags) - 1} ")
    assert len(differences(assumed, replace(assumed, tags=assumed.tags[::-1]))) == 1
