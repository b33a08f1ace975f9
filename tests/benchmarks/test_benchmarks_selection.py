"""Which cases are measured, with which tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import _command, _parser
from benchmarks.cases import select_cases
from benchmarks.errors import BenchmarkError
from benchmarks.measure import Plan, _conditions
from benchmarks.selection import Part, Who, parts_by_pattern, parts_of_page, with_tools
from benchmarks.sets import read_sets
from benchmarks.tools import Programs

PROCESSES, WORKERS = (1, 8), (1, 2, 8, 32)


def by_case(parts: list[Part]) -> dict[str, Who]:
    return {case.key: who for case, who in parts}


@pytest.fixture
def page() -> list[Part]:
    return parts_of_page(read_sets()[0], PROCESSES, WORKERS)


def test_cases_are_chosen_by_pattern() -> None:
    sets, _ = read_sets()
    keys = [case.key for case in select_cases(sets, [1, 8], [], ["wheels-*/cold/*", "*-[!1]*/warm/8"])]
    assert keys == ["sdists-20/warm/8", "wheels-145/cold/1", "wheels-145/cold/8"]
    with pytest.raises(BenchmarkError, match="no case fits hot"):
        select_cases(sets, [1], [], ["hot"])


def test_the_page_has_what_its_targets_compare(page: list[Part]) -> None:
    from benchmarks.targets import _PEAKS, _RATIOS, _WORKER_RATIOS, _WORKERS

    parts = by_case(page)
    for text, tool, case, other_tool, other_case, _ in _RATIOS:
        assert tool in parts[case].tools, text
        assert other_tool in parts[other_case].tools, text
    for text, case, _ in _PEAKS:
        assert "fastenv" in parts[case].memory, text
    for tool, peer, _ in _WORKER_RATIOS:
        assert {tool, peer} <= {*parts[_WORKERS].tools}
        assert tool in parts[_WORKERS].shared
    assert "fastenv" in parts[_WORKERS].disk


def test_the_page_has_what_its_plot_of_growth_shows(page: list[Part]) -> None:
    workers = {case.processes: who for case, who in page if case.state == "workers"}
    assert list(workers) == [1, 2, 8, 32]
    assert all({"fastenv", "fastenv-symlink", "uv"} <= {*who.tools} for who in workers.values())


def test_every_case_of_the_page_is_one() -> None:
    from benchmarks.selection import _PAGE

    assert list(by_case(parts_of_page(read_sets()[0], PROCESSES, WORKERS))) == list(_PAGE)


def test_fewer_processes_and_workers_leave_cases_out() -> None:
    parts = by_case(parts_of_page(read_sets()[0], [1], [2]))
    assert "sdists-20/cold/1" in parts
    assert not [key for key in parts if key.endswith("/8")]
    assert [key for key in parts if "/workers/" in key] == ["wheels-145/workers/2"]


def test_a_pattern_asks_for_all_tools() -> None:
    parts = by_case(parts_by_pattern(read_sets()[0], PROCESSES, WORKERS, ["sdists-19/*/8", "*/workers/32"]))
    assert list(parts) == ["sdists-19/cold/8", "sdists-19/warm/8", "wheels-145/workers/32"]
    assert parts["sdists-19/warm/8"] == Who(
        ("fastenv", "uv", "pip", "fastenv-symlink"), parts["sdists-19/warm/8"].tools
    )
    assert parts["wheels-145/workers/32"].tools == ("fastenv", "uv", "fastenv-symlink", "uv-symlink")
    assert parts["wheels-145/workers/32"].shared == ("fastenv", "fastenv-symlink")


def test_some_tools_alone(page: list[Part]) -> None:
    parts = by_case(with_tools(page, ["uv", "pip"]))
    assert parts["wheels-145/cold/1"] == Who(("uv", "pip"), memory=("uv", "pip"))
    assert parts["wheels-145/workers/8"] == Who(("uv",))
    assert "sdists-20/cold/8" not in parts
    both = by_case(with_tools(page, ["uv", "fastenv-symlink"]))
    assert both["wheels-145/workers/8"].tools == ("uv", "fastenv-symlink", "uv-symlink")


def test_many_workers_take_part_in_the_first_rounds_alone(page: list[Part]) -> None:
    plan = Plan(Path(), Programs.installed(), rounds=3, large_rounds=2, rounds_of={"pip": 1})
    cases = {case.key: [number for number in range(1, 5) if plan.has(case, number)] for case, _ in page}
    assert cases.pop("wheels-145/workers/32") == [1, 2]
    assert set(map(tuple, cases.values())) == {(1, 2, 3)}
    assert _conditions(plan, page, "a server")["rounds"] == "3, interleaved, 1 of pip, 2 of more than 8 workers"
    assert _conditions(plan, page[:-1], "a server")["rounds"] == "3, interleaved, 1 of pip"


def test_the_command_on_the_page_has_no_places_of_a_machine() -> None:
    def command(*words: str) -> str:
        return _command(_parser().parse_args(words))

    assert command() == "python -m benchmarks"
    assert command("--data", "/elsewhere", "--uv", "/bin/uv", "--report", "page.md") == "python -m benchmarks"
    asked = command("--rounds", "1", "--cases", "*/cold/1", "a", "--no-memory", "--workers", "2")
    assert asked == "python -m benchmarks --rounds 1 --cases '*/cold/1' a --workers 2 --no-memory"
