"""Which machine it is, from an interpreter that was probed there."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.interpreter_downloads.host import Host, host_of
from pytest_fastenv.model.target import Target


def target(sys_platform: str, machine: str, name: str, tag: str, externals: dict[str, str]) -> Target:
    """A probed interpreter, as far as the machine is concerned."""
    return Target(
        python="",
        implementation="cpython",
        version="3.12.1",
        tags=(f"cp312-cp312-{tag}", "py3-none-any"),
        markers={"sys_platform": sys_platform, "platform_machine": machine},
        soabi="",
        platform=name,
        free_threaded=False,
        schemes={},
        identity="",
        externals=externals,
    )


@pytest.mark.parametrize(
    ("probed", "expected"),
    [
        (target("linux", "x86_64", "linux-x86_64", "linux_x86_64", {"libc": "glibc 2.36"}), ("linux", "x86_64", "gnu")),
        (
            target("linux", "aarch64", "linux-aarch64", "linux_aarch64", {"libc": "musl 1.2"}),
            ("linux", "aarch64", "musl"),
        ),
        # A 32-bit system on a 64-bit kernel, which is what platform and markers tell of.
        (target("linux", "x86_64", "linux-x86_64", "linux_i686", {"libc": "glibc 2.36"}), ("linux", "x86", "gnu")),
        (
            target("linux", "aarch64", "linux-aarch64", "linux_armv8l", {"libc": "glibc 2.36"}),
            ("linux", "armv7", "gnu"),
        ),
        (target("linux", "x86_64", "linux-x86_64", "linux_x86_64", {}), ("linux", "x86_64", "")),
        (target("darwin", "arm64", "macosx-10.9-universal2", "macosx_14_0_arm64", {}), ("macos", "aarch64", "")),
        (target("darwin", "x86_64", "macosx-10.9-x86_64", "macosx_14_0_x86_64", {}), ("macos", "x86_64", "")),
        (target("win32", "AMD64", "win-amd64", "win_amd64", {}), ("windows", "x86_64", "")),
        (target("win32", "AMD64", "win32", "win32", {}), ("windows", "x86", "")),
        (target("win32", "ARM64", "win-arm64", "win_arm64", {}), ("windows", "aarch64", "")),
    ],
)
def test_the_machine(probed: Target, expected: tuple[str, str, str]) -> None:
    assert host_of(probed) == expected


def test_this_machine() -> None:
    found = host_of(probe(Path(sys.executable)))
    assert found.os == {"linux": "linux", "darwin": "macos", "win32": "windows"}[sys.platform]
    if sys.platform == "linux":
        assert found.libc == ("gnu" if "CS_GNU_LIBC_VERSION" in os.confstr_names else "musl")
        if sys.maxsize > 2**32:
            assert found.arch == platform.machine()
        else:  # it may run on a kernel of 64 bits
            assert found.arch in {"x86", "armv7"}


def test_what_runs() -> None:
    gnu = Host("linux", "x86_64", "gnu")
    assert gnu.runs("linux", "x86_64", "gnu")
    assert not gnu.runs("linux", "x86_64", "musl")
    assert not gnu.runs("linux", "x86", "gnu")
    assert not gnu.runs("macos", "x86_64", "")
    windows = Host("windows", "x86_64", "")
    assert windows.runs("windows", "x86", "")
    assert not windows.runs("windows", "aarch64", "")
    assert not Host("linux", "x86_64", "").runs("linux", "x86_64", "")
    assert not Host("freebsd", "x86_64", "").runs("linux", "x86_64", "gnu")


def test_for_people() -> None:
    assert str(Host("linux", "x86_64", "musl")) == "Linux on x86_64 with musl"
    assert str(Host("macos", "aarch64", "")) == "macOS on aarch64"
    assert str(host_of(replace(target("sunos5", "i86pc", "", "solaris", {}), tags=()))) == "sunos5 on "
