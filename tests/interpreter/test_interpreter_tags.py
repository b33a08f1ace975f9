"""Wheel tags made here are those that the interpreter makes for itself."""

from __future__ import annotations

import os
import subprocess
from itertools import groupby
from pathlib import Path
from typing import Any

import packaging
import pytest
from kit.installed import supports
from kit.interpreters import Found
from packaging.version import Version

from pytest_fastenv import Settings, provision
from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.interpreter.tags import platform_names, wheel_tags

_SAYS = "import {0} as p; from {0} import tags; print(p.__version__, *tags.sys_tags(), sep='\\n')"
#: Since this release of packaging, the plain platform comes before those of manylinux and musllinux.
_NATIVE_FIRST = Version("26.3")


def says(python: Path, *options: str, package: str = "packaging", **variables: str) -> list[str]:
    """Return the tags that an interpreter's own packaging makes, in the order of today's releases."""
    command = [python, *options, "-c", _SAYS.format(package)]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, (python, done.stderr)
    version, *tags = done.stdout.split()
    return tags if Version(version) >= _NATIVE_FIRST else native_first(tags)


def native_first(tags: list[str]) -> list[str]:
    """Put the plain platform first among the tags of one interpreter and ABI, and leave all other order alone."""
    groups = groupby(tags, key=lambda tag: tag.split("-")[:2])
    return [tag for _, group in groups for tag in sorted(group, key=lambda tag: "-linux_" not in tag)]


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


class TestEachInterpreterOfTheMachine:
    """What packaging says when the interpreter itself runs it: a release of packaging that supports the interpreter."""

    @pytest.mark.slow
    def test_the_same_as_the_packaging_beside_the_tests_says(self, interpreters: list[Found]) -> None:
        supported = [python for version, python in interpreters if supports("packaging", version)]
        beside = str(Path(packaging.__file__).parent.parent)
        for python in supported:
            assert says(python, "-S", PYTHONPATH=beside) == list(probe(python).tags), python
        assert supported

    @pytest.mark.slow
    def test_an_old_release_knows_most_of_them(self, interpreters: list[Found]) -> None:
        """The one in the interpreter's own pip, where the packaging beside the tests is too new for it."""
        too_old = [python for version, python in interpreters if not supports("packaging", version)]
        with_pip = [python for python in too_old if subprocess.run([python, "-I", "-c", "import pip"]).returncode == 0]
        if not with_pip:
            pytest.skip(f"no interpreter with pip that packaging {packaging.__version__} is too new for")
        for python in with_pip:
            ours, known = list(probe(python).tags), says(python, "-I", package="pip._vendor.packaging")
            assert [tag for tag in ours if tag in known] == known, python
            assert len(known) > len(ours) * 0.9, python

    @pytest.mark.slow
    @pytest.mark.network  # an interpreter that the packaging beside the tests does not support needs an older release
    def test_the_same_as_the_newest_packaging_for_it_says(self, interpreters: list[Found], tmp_path: Path) -> None:
        for _, python in interpreters:
            settings = Settings(python=str(python), project="none", cache_dir=tmp_path / "cache")
            inside = provision(["packaging>=24"], settings=settings).environment.python
            assert says(inside, "-I") == list(probe(python).tags), python


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
