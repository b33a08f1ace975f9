"""File names of python-build-standalone's archives."""

from __future__ import annotations

import pytest

from pytest_fastenv.interpreter_downloads.archive_names import Named, named, preference
from pytest_fastenv.interpreter_downloads.tables import rows

_312 = "cpython-3.12.7+20241016-"


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        (
            f"{_312}x86_64-unknown-linux-gnu-install_only.tar.gz",
            Named("cpython", "3.12.7", False, "linux", "x86_64", "gnu"),
        ),
        (
            "cpython-3.12.9+20250311-x86_64-unknown-linux-musl-install_only_stripped.tar.gz",
            Named("cpython", "3.12.9", False, "linux", "x86_64", "musl"),
        ),
        (
            "cpython-3.13.0+20241016-aarch64-unknown-linux-gnu-freethreaded+pgo+lto-full.tar.zst",
            Named("cpython", "3.13.0", True, "linux", "aarch64", "gnu"),
        ),
        (
            "cpython-3.14.0rc2+20250828-aarch64-apple-darwin-install_only.tar.gz",
            Named("cpython", "3.14.0rc2", False, "macos", "aarch64", ""),
        ),
        (f"{_312}i686-pc-windows-msvc-install_only.tar.gz", Named("cpython", "3.12.7", False, "windows", "x86", "")),
        (
            f"{_312}armv7-unknown-linux-gnueabihf-install_only.tar.gz",
            Named("cpython", "3.12.7", False, "linux", "armv7", "gnu"),
        ),
        (
            f"{_312}ppc64le-unknown-linux-gnu-lto-full.tar.zst",
            Named("cpython", "3.12.7", False, "linux", "ppc64le", "gnu"),
        ),
    ],
)
def test_what_a_name_says(filename: str, expected: Named) -> None:
    assert named(filename) == expected


@pytest.mark.parametrize(
    "filename",
    [
        f"{_312}x86_64-unknown-linux-gnu-debug-full.tar.zst",
        f"{_312}x86_64-unknown-linux-musl-install_only.tar.gz",  # static, as all were then
        "cpython-3.14.6+20260623-x86_64-unknown-linux-musl-lto+static-full.tar.zst",
        f"{_312}x86_64_v3-unknown-linux-gnu-install_only.tar.gz",
        f"{_312}armv7-unknown-linux-gnueabi-install_only.tar.gz",
        f"{_312}x86_64-unknown-linux-gnu-install_only.tar.gz.sha256",
        f"{_312}x86_64-unknown-linux-gnu-symbols.tar.gz",
        "cpython-3.12+20241016-x86_64-unknown-linux-gnu-install_only.tar.gz",
        "Python-3.12.7.tgz",
        "pypy3.10-v7.3.17-linux64.tar.bz2",
        "SHA256SUMS",
        "",
    ],
)
def test_what_is_no_interpreter_that_can_be_used(filename: str) -> None:
    assert named(filename) is None


def test_names_agree_with_the_tables() -> None:
    """What is read from a name is what the tables say of the same archive, in all of them."""
    compared = [(named(row.filename), row) for row in rows()]
    told = [(told, row.holds) for told, row in compared if told is not None]
    assert len(told) > 1000
    assert [pair for pair in told if pair[0] != pair[1]] == []


def test_the_latest_release_and_the_smallest_archive_are_preferred() -> None:
    best_first = [
        f"{_312}x86_64-unknown-linux-gnu-install_only_stripped.tar.gz",
        f"{_312}x86_64-unknown-linux-gnu-install_only.tar.gz",
        f"{_312}x86_64-unknown-linux-gnu-pgo+lto-full.tar.zst",
        f"{_312}x86_64-unknown-linux-gnu-pgo-full.tar.zst",
        f"{_312}x86_64-unknown-linux-gnu-lto-full.tar.zst",
        f"{_312}x86_64-unknown-linux-gnu-noopt-full.tar.zst",
        "cpython-3.12.7+20241002-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz",
    ]
    assert sorted(best_first, key=preference, reverse=True) == best_first
