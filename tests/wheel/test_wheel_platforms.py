"""What wheels are for, in words."""

from __future__ import annotations

import pytest

from pytest_fastenv.wheel.platforms import made_for


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ("cp312-cp312-macosx_11_0_arm64", "CPython 3.12, macOS on arm64"),
        ("cp313-cp313t-win_amd64", "CPython 3.13 (free-threaded), Windows on x86_64"),
        ("cp39-abi3-win32", "CPython 3.9, Windows on x86"),
        ("pp310-pypy310_pp73-manylinux_2_17_x86_64.manylinux2014_x86_64", "PyPy 3.10, Linux with glibc on x86_64"),
        ("cp311-cp311-musllinux_1_2_aarch64", "CPython 3.11, Linux with musl on aarch64"),
        ("cp311-cp311-linux_armv7l", "CPython 3.11, Linux on armv7l"),
        ("py2.py3-none-any", "Python 2 and Python 3, any platform"),
        ("graalpy312-graalpy240_312_native-ios_13_0_arm64_iphoneos", "graalpy312, ios_13_0_arm64_iphoneos"),
    ],
)
def test_one_wheel(tags: str, text: str) -> None:
    assert made_for([f"lib-1.0-{tags}.whl"]) == text
    assert made_for([f"lib-1.0-2-{tags}.whl"]) == text


def test_several_wheels_are_told_together() -> None:
    names = [f"lib-1.0-cp31{minor}-cp31{minor}-macosx_11_0_arm64.whl" for minor in range(6)]
    assert made_for(names[:2]) == "CPython 3.10 and CPython 3.11, macOS on arm64"
    expected = "CPython 3.10, CPython 3.11, CPython 3.12, CPython 3.13 and 2 more, macOS on arm64 and Windows on arm64"
    assert made_for([*names, "lib-1.0-cp310-cp310-win_arm64.whl", "no wheel"]) == expected
