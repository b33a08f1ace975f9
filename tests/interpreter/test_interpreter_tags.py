"""Wheel tags made here are those that the interpreter makes for itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import packaging
import pytest
from kit.interpreters import Found

from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.interpreter.tags import platform_names, wheel_tags

_OWN_TAGS = "from packaging import tags; print(*tags.sys_tags(), sep='\\n')"
_VENDORED = "from pip._vendor.packaging import tags; print(*tags.sys_tags(), sep='\\n')"


def facts(**changes: Any) -> dict[str, Any]:
    """What a CPython 3.12 on x86-64 with glibc 2.28 says, with changes."""
    found: dict[str, Any] = {
        "implementation": "cpython",
        "version_nodot": "312",
        "ext_suffix": ".cpython-312-x86_64-linux-gnu.so",
        "platform": "linux-x86_64",
        "bits": 64,
        "free_threaded": False,
        "debug": False,
        "elf": {"bits": 64, "machine": 62, "flags": 0, "loader": "/lib64/ld-linux-x86-64.so.2"},
        "libc": "glibc 2.28",
        "refused_manylinux": None,
        "macos": None,
        "markers": {"python_version": "3.12"},
    }
    return {**found, **changes}


@pytest.mark.slow
def test_equal_to_what_each_interpreter_says(interpreters: list[Found]) -> None:
    """In the same order, with the same packaging; one that is too old for it has fewer tags, of an older release."""
    environ = {**os.environ, "PYTHONPATH": str(Path(packaging.__file__).parent.parent)}
    compared = 0
    for version, python in interpreters:
        ours = list(probe(python).tags)
        if version >= (3, 9):
            done = subprocess.run(
                [python, "-S", "-c", _OWN_TAGS], env=environ, capture_output=True, text=True, check=False
            )
            assert done.stdout.split() == ours, (python, done.stderr)
            compared += 1
        else:
            done = subprocess.run([python, "-I", "-c", _VENDORED], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                assert set(done.stdout.split()) <= set(ours)
    assert compared


def test_manylinux_down_to_the_oldest_of_the_architecture() -> None:
    names = list(platform_names(facts()))
    assert names[:3] == ["linux_x86_64", "manylinux_2_28_x86_64", "manylinux_2_27_x86_64"]
    assert names[-2:] == ["manylinux_2_5_x86_64", "manylinux1_x86_64"]
    arm = list(platform_names(facts(platform="linux-aarch64")))
    assert arm[-2:] == ["manylinux_2_17_aarch64", "manylinux2014_aarch64"]


def test_musl_gives_no_manylinux() -> None:
    names = list(platform_names(facts(libc="musl 1.2")))
    expected = ["musllinux_1_2_x86_64", "musllinux_1_1_x86_64", "musllinux_1_0_x86_64"]
    assert names == ["linux_x86_64", *expected]


def test_no_libc_known_leaves_the_plain_platform() -> None:
    assert list(platform_names(facts(libc=None, elf=None))) == ["linux_x86_64"]


def test_a_distributor_may_refuse_some_manylinux() -> None:
    names = list(platform_names(facts(refused_manylinux=[28, 17])))
    assert not {"manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"} & {*names}
    assert "manylinux_2_27_x86_64" in names


@pytest.mark.parametrize(
    ("elf", "expected"),
    [
        ({"bits": 32, "machine": 40, "flags": 0x05000400, "loader": ""}, True),
        ({"bits": 32, "machine": 40, "flags": 0x05000200, "loader": ""}, False),
        (None, False),
    ],
)
def test_arm_needs_hard_float(elf: dict[str, Any] | None, expected: bool) -> None:
    names = list(platform_names(facts(platform="linux-armv7l", bits=32, elf=elf)))
    assert ("manylinux_2_28_armv7l" in names) is expected


def test_a_small_interpreter_on_a_large_kernel() -> None:
    elf = {"bits": 32, "machine": 3, "flags": 0, "loader": ""}
    names = list(platform_names(facts(bits=32, elf=elf)))
    assert names[:2] == ["linux_i686", "manylinux_2_28_i686"]
    arm = list(platform_names(facts(platform="linux-aarch64", bits=32, elf=None)))
    assert arm == ["linux_armv8l", "linux_armv7l"]


def test_macos_and_windows() -> None:
    names = list(platform_names(facts(platform="macosx-11.0-arm64", libc=None, macos=["14.2", "arm64"])))
    assert names[:2] == ["macosx_14_0_arm64", "macosx_14_0_universal2"]
    old = list(platform_names(facts(platform="macosx-10.9-x86_64", libc=None, macos=["10.15", "x86_64"])))
    assert old[0] == "macosx_10_15_x86_64"
    assert list(platform_names(facts(platform="win-amd64", libc=None))) == ["win_amd64"]


def test_abis() -> None:
    assert wheel_tags(facts())[0] == "cp312-cp312-linux_x86_64"
    free = wheel_tags(facts(free_threaded=True, version_nodot="313", markers={"python_version": "3.13"}))
    assert free[0] == "cp313-cp313t-linux_x86_64"
    assert not any("abi3-" in tag for tag in free)
    debug = wheel_tags(facts(debug=True))
    assert debug[0] == "cp312-cp312d-linux_x86_64"
    assert "cp312-cp312-linux_x86_64" in debug
    assert "py3-none-any" in debug


def test_pypy() -> None:
    tags = wheel_tags(
        facts(
            implementation="pypy",
            version_nodot="310",
            ext_suffix=".pypy310-pp73-x86_64-linux-gnu.so",
            markers={"python_version": "3.10"},
        )
    )
    assert tags[0] == "pp310-pypy310_pp73-linux_x86_64"
    assert "pp310-none-manylinux_2_28_x86_64" in tags
    assert "pp3-none-any" in tags
    assert not any(tag.startswith("cp") for tag in tags)
