from __future__ import annotations

from pathlib import Path

import pytest

from pytest_fastenv.installer.build.expected_time import guess_seconds


@pytest.mark.parametrize(
    ("sizes", "seconds"),
    [
        ({"demo/code.py": 9000, "README.rst": 100}, 0.0),
        ({"src/fast.c": 50_000, "src/other.cpp": 100_000}, 1.5),
        ({"demo/fast.pyx": 7_000}, 1.0),
        ({"demo/fast.pyx": 7_000, "demo/fast.c": 200_000}, 2.0),
        ({"demo/fast.pyx": 7_000, "other/fast.c": 200_000}, 3.0),
        ({".git/fast.c": 100_000}, 0.0),
    ],
    ids=["pure Python", "C and C++", "Cython", "Cython with its C", "of two modules", "version control"],
)
def test_a_guess_goes_by_what_there_is_to_compile(sizes: dict[str, int], seconds: float, tmp_path: Path) -> None:
    for name, size in sizes.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    assert guess_seconds(tmp_path) == pytest.approx(seconds)
