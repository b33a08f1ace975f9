"""Requirements files are read as the installed pip reads them, over some thousand generated lines and files.

What differs is listed here with its reason, and nothing else may differ.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pip_comparison import MORE_LENIENT, STRICTER, compared, read, read_by_pip
from requirement_lines import files, lines

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.request import Request

pytestmark = pytest.mark.slow

_LINES, _FILES, _SEED = 1600, 160, 2026


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files, some to a directory, each directory with those that they name."""
    place = tmp_path_factory.mktemp("cases")
    made = []
    for number, text in enumerate((*lines(_SEED, _LINES), *files(_SEED, _FILES))):
        directory = place / str(number // 40)
        if not directory.exists():
            directory.mkdir()
            (directory / "nested.txt").write_text("nested==1\n")
            (directory / "constraints.txt").write_text("limit<2\n")
        path = directory / f"{number}.txt"
        path.write_bytes(text.encode())
        made.append(path)
    return made


@pytest.fixture(scope="module")
def theirs(base: Path, cases: list[Path]) -> list[dict[str, Any]]:
    """What pip makes of each file."""
    return read_by_pip(cases, base)


def test_files_are_read_as_pip_reads_them(base: Path, cases: list[Path], theirs: list[dict[str, Any]]) -> None:
    counts: Counter[str] = Counter()
    differences = []
    for path, pip in zip(cases, theirs, strict=True):
        text = path.read_text()
        try:
            ours: Request | RequirementsError = read(path, base)
        except RequirementsError as error:
            ours = error
        verdict = compared(text, ours, pip, base)
        counts[verdict.partition(":")[0]] += 1
        if verdict.startswith("different"):
            differences.append(f"{text!r}\n    {verdict}")
    assert not differences, f"{len(differences)} of {len(cases)}:\n" + "\n".join(differences[:20])
    # The corpus is worth something: most lines are read by both, many are refused by both.
    assert counts["read alike"] > 0.6 * len(cases)
    assert counts["refused by both"] > 0.1 * len(cases)


def test_each_listed_difference_is_one(cases: Sequence[Path], theirs: list[dict[str, Any]], base: Path) -> None:
    """A reason that no line shows any more is taken out of the lists."""
    seen: set[str] = set()
    for path, pip in zip(cases, theirs, strict=True):
        text = path.read_text()
        try:
            read(path, base)
        except RequirementsError as error:
            if "error" not in pip:
                seen.update(pattern for pattern in STRICTER if re.search(pattern, error.what))
        else:
            if "error" in pip:
                seen.update(pattern for pattern in MORE_LENIENT if re.search(pattern, text))
    assert {*STRICTER, *MORE_LENIENT} - seen == set()
