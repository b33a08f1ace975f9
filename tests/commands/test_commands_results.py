"""How a run of commands is told, and its exit code."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_fastenv.commands.results import CommandResult, EnvironmentResult, Outcome, exit_code, summary_lines, to_json
from pytest_fastenv.errors import UnknownProjectError, argument


def _result(outcome: Outcome, code: int = 0, **fields: Any) -> EnvironmentResult:
    return EnvironmentResult(fields.pop("name", "a"), outcome, exit_code=code, **fields)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([], 0),
        ([_result("ok")], 0),
        ([_result("ok"), _result("failed", 7)], 7),
        ([_result("failed", 7), _result("failed", 7)], 1),
        ([_result("failed", 7, allow_failure=True), _result("ok")], 0),
        ([_result("failed", 7, allow_failure=True), _result("failed", 5)], 5),
        ([_result("not provided", 3), _result("ok")], 3),
        ([_result("not provided", 4), _result("not provided", 4)], 4),
        ([_result("not provided", 4), _result("not provided", 3)], 3),
        ([_result("not provided", 4), _result("failed", 9)], 1),
        ([_result("skipped"), _result("ok")], 0),
        ([_result("skipped"), _result("skipped")], 4),
        ([_result("failed", 6), _result("stopped")], 6),
    ],
)
def test_exit_code(results: list[EnvironmentResult], code: int) -> None:
    assert exit_code(results) == code


def test_lines() -> None:
    commands = (
        CommandResult("commands", ("pytest", "-k", "a b"), 2, False, 1.25),
        CommandResult("commands-post", ("clean",), 3, False, 0.25),
    )
    error = UnknownProjectError("no index has x")
    results = [
        _result("ok", provided_s=0.01),
        _result("failed", 2, name="b", provided_s=0.5, commands=commands),
        _result("failed", 2, name="c", provided_s=0.5, commands=commands, allow_failure=True),
        _result("not provided", 4, name="d", error=error),
        _result("skipped", name="e", error=error),
        _result("stopped", name="f"),
    ]
    assert summary_lines(results, 3.0) == [
        "a: OK in 10 ms (environment 10 ms, no commands)",
        "b: FAILED with exit code 2 in 2.0 s (environment 500 ms, commands 1.5 s): pytest -k 'a b'",
        "c: FAILED with exit code 2, which is allowed in 2.0 s (environment 500 ms, commands 1.5 s): pytest -k 'a b'",
        "d: NOT PROVIDED: no index has x",
        "e: skipped: no index has x",
        "f: stopped",
        "1 OK, 2 failed, 1 not provided, 1 skipped, 1 stopped in 3.0 s",
    ]
    assert len(summary_lines(results[:1], 3.0)) == 1


def test_the_documented_keys_are_there() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "reference" / "command.md").read_text("utf-8")
    section = page.partition("### `--json`")[2].partition("\n## ")[0]
    commands = (CommandResult("commands", ("x",), 0, True, 0.1),)
    result = to_json([_result("ok", commands=commands)], code=0, seconds=1.0, naming=argument)
    keys = [*result, *result["environments"][0], *result["environments"][0]["commands"][0]]
    assert [key for key in keys if f"`{key}`" not in section] == []
