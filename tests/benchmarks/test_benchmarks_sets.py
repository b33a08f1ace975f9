from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cases import select_cases
from benchmarks.errors import BenchmarkError
from benchmarks.sets import read_sets


def test_the_project_carries_its_sets_with_what_builds_need() -> None:
    sets, pins = read_sets()
    assert {one.name: len(one.pins) for one in sets} == {"wheels-145": 145, "sdists-20": 20}
    assert len(pins) == 175  # four build requirements are also in wheels-145
    assert len({pin.sha256 for pin in pins}) == 175


def test_source_distributions_are_built_and_wheels_are_not(tmp_path: Path) -> None:
    (tmp_path / "mixed.txt").write_text(f"Spam_Eggs-1.0.tar.gz {'0' * 64}\nham-2.0-py3-none-any.whl {'1' * 64}\n")
    [mixed], _ = read_sets(tmp_path)
    assert mixed.requirements() == "--no-binary spam-eggs\nspam-eggs==1.0\nham==2.0\n"
    assert mixed.distributions == {"spam-eggs": "1.0", "ham": "2.0"}


@pytest.mark.parametrize("line", ["spam-1.0.tar.gz", "spam-1.0.tar.gz abc", f"spam.tar.gz {'0' * 64}"])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "odd.txt").write_text(f"# comment\n{line}\n")
    with pytest.raises(BenchmarkError, match=r"odd\.txt:2: "):
        read_sets(tmp_path)


def test_a_directory_without_sets(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no sets"):
        read_sets(tmp_path)


def test_cases_are_chosen_by_pattern() -> None:
    sets, _ = read_sets()
    keys = [case.key for case in select_cases(sets, [1, 8], ["wheels-*/cold/*", "*/warm/8"])]
    assert keys == ["sdists-20/warm/8", "wheels-145/cold/1", "wheels-145/cold/8", "wheels-145/warm/8"]
    with pytest.raises(BenchmarkError, match="no case fits hot"):
        select_cases(sets, [1], ["hot"])
