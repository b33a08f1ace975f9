from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.sets import read_sets


def test_the_project_carries_its_sets_with_what_builds_need() -> None:
    sets, pins = read_sets()
    assert {one.name: len(one.pins) for one in sets} == {"wheels-145": 145, "sdists-20": 20, "sdists-19": 19}
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


def test_a_set_that_is_another_one_without_some(tmp_path: Path) -> None:
    (tmp_path / "full.txt").write_text(
        "".join(f"{name}-1.0.tar.gz {'0' * 64}\n" for name in ("spam", "big_egg", "ham"))
    )
    (tmp_path / "less.txt").write_text("all of full.txt without Big.Egg ham\n")
    (full, less), pins = read_sets(tmp_path)
    assert (full.name, list(full.distributions)) == ("full", ["spam", "big-egg", "ham"])
    assert (less.name, list(less.distributions)) == ("less", ["spam"])
    assert len(pins) == 3


@pytest.mark.parametrize(
    ("line", "why"), [("all of no.txt without spam", "does not lie beside"), ("all of set.txt without eggs", "no eggs")]
)
def test_a_set_of_what_there_is_not(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "set.txt").write_text(f"spam-1.0.tar.gz {'0' * 64}\n")
    (tmp_path / "less.txt").write_text(f"# comment\n{line}\n")
    with pytest.raises(BenchmarkError, match=rf"less\.txt:2: .*{why}"):
        read_sets(tmp_path)


def test_the_set_without_the_giant_differs_in_it_alone() -> None:
    sets = {one.name: one.distributions for one in read_sets()[0]}
    assert sets["sdists-20"].items() - sets["sdists-19"].items() == {("pyyaml", "6.0.2")}
    assert sets["sdists-19"].items() < sets["sdists-20"].items()


def test_a_directory_without_sets(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no sets"):
        read_sets(tmp_path)
