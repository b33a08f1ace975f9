"""What happened in each of several environments: the table at a session's end, and its exit code."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from functools import cached_property
from typing import Any, Generator, Sequence

import pytest

from ..errors import FastenvError, printable
from .named_environments import NamedEnvironments, NamedState
from .node_names import name_of

_INTERRUPTED = 130
_COUNTED = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


class _Row:
    """One environment's."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.seconds = 0.0
        self.began: float | None = None
        self.took_s: float | None = None
        self.collected: int | None = None
        self.remark = ""
        self.runs = True
        self.fails = False
        self.refused = False
        self.missing: frozenset[str] = frozenset()


class Outcomes:
    """The plugin that counts; it does not matter how the tests are run."""

    def __init__(self, config: pytest.Config, environments: NamedEnvironments) -> None:
        self._config = config
        self._environments = environments
        self._rows = {name: _Row() for name in environments.names}
        self._errors: list[FastenvError] = []
        self._told: set[str] = set()
        self._is_interrupted = False
        self._has_begun = False

    def known(self, state: NamedState) -> None:
        """Tell what became of an environment, once."""
        if state.name in self._told:
            return
        self._told.add(state.name)
        row = self._rows[state.name]
        if state.error is not None:
            row.remark, row.runs = "not provided: {}".format(state.error.what), False
            self._say("fastenv: {}: error: {}".format(state.name, state.error.diagnosis()))
            if not state.allow_failure:
                self._errors.append(state.error)
        elif state.skipped:
            row.remark, row.runs = "skipped: {}".format(state.skipped), False
            self._say("fastenv: {}: skipped: {}".format(state.name, state.skipped))
        elif state.summary is not None:
            same = ", the same as {}".format(state.same_as) if state.same_as else ""
            line = state.summary.line.replace("fastenv: ", "", 1)
            row.remark = "the same environment as {}".format(state.same_as) if state.same_as else ""
            self._say("fastenv: {}: {}{}".format(state.name, line, same))

    def begins(self, name: str) -> None:
        """Note that the tests of an environment begin."""
        self._rows[name].began = time.monotonic()

    def over(self, name: str) -> None:
        """Note that the tests of an environment are over."""
        row = self._rows[name]
        if row.began is not None and row.took_s is None:
            row.took_s = time.monotonic() - row.began

    def collected(self, name: str, count: int) -> None:
        """Note how many tests an environment has."""
        self._rows[name].collected = count

    def expected(self) -> int:
        """Return how many tests there will be in all environments, for the progress that is shown.

        Of one whose tests are not known yet it is taken that it has as many as the one before.
        """
        total = latest = 0
        for row in self._rows.values():
            if row.collected is not None:
                latest = row.collected
            elif not row.runs or row.took_s is not None:
                continue
            total += latest
        return total

    def ended_with(self, name: str, code: int) -> None:
        """Note the exit code of an environment's pytest; one that nothing else accounts for is told."""
        row = self._rows[name]
        if code == pytest.ExitCode.USAGE_ERROR and not row.fails:
            row.refused = True
            row.remark = "pytest refused its command line or its configuration"
        elif code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) and not row.fails:
            self.failed(name, "pytest ended with exit code {}".format(code))
        self.over(name)

    def left_out(self, name: str, why: str) -> None:
        """Note that no tests are run in an environment."""
        self._rows[name].remark, self._rows[name].runs = "left out: {}".format(why), False

    def not_found(self, name: str, words: Sequence[str]) -> None:
        """Note that an environment does not have some of what was asked for."""
        self._rows[name].remark = "does not have {}".format(", ".join(words))
        self._rows[name].missing = frozenset(words)

    def ended(self, name: str, why: str) -> None:
        """Note that an environment's tests ended early, for something that was told already."""
        row = self._rows[name]
        row.fails = True
        row.remark = why
        self.over(name)

    def failed(self, name: str, why: str) -> None:
        """Tell, and note, that an environment's tests ended early."""
        self.ended(name, why.splitlines()[0])
        self._say("fastenv: {}: error: {}".format(name, why))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count an outcome."""
        row = self._row(report)
        if row is None:
            return
        row.seconds += report.duration
        status = self._config.hook.pytest_report_teststatus(report=report, config=self._config)
        if status and status[0] in _COUNTED:
            row.counts[status[0]] += 1
        row.fails = row.fails or report.failed

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count what could not be collected."""
        row = self._row(report)
        if row is not None and report.failed:
            row.counts["error"] += 1
            row.fails = True

    def _row(self, report: Any) -> _Row | None:
        name = getattr(report, "fastenv_environment", "") or name_of(report.nodeid, self._rows)
        return self._rows.get(name)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note Ctrl-C; ``-x`` and the like come here as other kinds of it."""
        self._is_interrupted = excinfo.type is KeyboardInterrupt

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, None, None]:
        """Note that tests are collected: a session may also show fixtures or the cache."""
        self._has_begun = True
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Decide about the exit code before it is shown."""
        self._environments.finish()
        for error in self._environments.errors:
            self._say("fastenv: error: {}".format(error.diagnosis()))
        self._errors += self._environments.errors
        session.exitstatus = self._exit_status(int(session.exitstatus))
        yield
        path = self._config.getoption("xmlpath", None)
        if path:
            from . import matrix_junit  # only where such a file is asked for

            states = [self._environments.state(name) or NamedState(name) for name in self._environments.names]
            matrix_junit.split_suites(os.path.expanduser(os.path.expandvars(path)), states, self._versions)
        self._environments.close()

    def _exit_status(self, status: int) -> int:
        """Return the exit code: a failed test's first, then that of an environment that could not be provided."""
        tested = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
        if self._is_interrupted or status not in tested or not self._has_begun:
            return _INTERRUPTED if self._is_interrupted else status
        allowed = {name for name in self._rows if self._allows_failure(name)}
        if any(row.fails for name, row in self._rows.items() if name not in allowed):
            return int(pytest.ExitCode.TESTS_FAILED)
        codes = {error.exit_code for error in self._errors}
        if any(row.refused for name, row in self._rows.items() if name not in allowed):
            codes.add(int(pytest.ExitCode.USAGE_ERROR))
        if codes:
            return 3 if 3 in codes else max(codes)
        missing = [row.missing for row in self._rows.values() if row.collected is not None]
        if missing and frozenset.intersection(*missing):
            for word in sorted(frozenset.intersection(*missing)):
                sys.stderr.write("ERROR: not found in any environment: {}\n".format(word))
            return int(pytest.ExitCode.USAGE_ERROR)
        if status == pytest.ExitCode.TESTS_FAILED and not any(row.fails for row in self._rows.values()):
            return status  # something else than a test
        ran = any(row.collected or row.counts for row in self._rows.values())
        return int(pytest.ExitCode.OK if ran else pytest.ExitCode.NO_TESTS_COLLECTED)

    @cached_property
    def _versions(self) -> dict[str, dict[str, str]]:
        """What each environment holds: versions by name."""
        found = {}
        for name in self._rows:
            state = self._environments.state(name)
            if state is not None and state.environment is not None:
                found[name] = dict(state.environment.installed())
        return found

    def _differing(self) -> dict[str, str]:
        """Return what tells environments apart: versions that differ, for each of them in one line.

        Empty where nothing does, and where there is one alone.
        """
        held = self._versions
        names = sorted(set().union(*held.values())) if held else []
        differing = [name for name in names if len({versions.get(name) for versions in held.values()}) > 1]
        if not differing:
            return {}
        return {
            environment: ", ".join(
                "{} {}".format(name, versions[name]) if name in versions else "no {}".format(name) for name in differing
            )
            for environment, versions in held.items()
        }

    def _allows_failure(self, name: str) -> bool:
        state = self._environments.state(name)
        return state is not None and state.allow_failure

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the table: environments, outcomes, time."""
        if self._config.getoption("verbose") < -1 or not (self._has_begun or self._told):
            return
        terminalreporter.section("environments")
        if self._config.getoption("collectonly", False):
            listed = [[name, str(row.collected or "-"), row.remark] for name, row in self._rows.items()]
            for line in _aligned([["", "tests", ""], *listed]):
                terminalreporter.line(line)
            return
        shown = [kind for kind in _COUNTED if any(row.counts[kind] for row in self._rows.values())] or ["passed"]
        table = [["", *shown, "time", ""]]
        for name, row in self._rows.items():
            seconds = row.seconds if row.took_s is None else row.took_s
            counts = [str(row.counts[kind] or "-") for kind in shown]
            remark = row.remark or ("no tests" if row.collected == 0 else "")
            ran = bool(row.counts) or row.took_s is not None
            table.append([name, *counts, "{:.2f} s".format(seconds) if ran else "-", remark])
        for line in _aligned(table):
            terminalreporter.line(line)
        if self._config.getoption("verbose") >= 0:
            for name, versions in self._differing().items():
                terminalreporter.line(printable("{}: {}".format(name, versions)))

    def _say(self, text: str) -> None:
        text = printable(text, but="\n\t")
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None and self._config.getoption("verbose") >= 0:
            reporter.ensure_newline()
            reporter.write_line(text)
        elif "error" in text:
            sys.stderr.write(text + "\n")


def nothing_to_do(config: pytest.Config, names: Sequence[str]) -> dict[str, str]:
    """Return environments in which ``--lf`` and ``--sw`` leave nothing to do, and why.

    pytest by itself would run everything where nothing failed the last time.
    """
    cache = getattr(config, "cache", None)
    if cache is None:
        return {}
    if config.getoption("lf", False):
        failed = {name_of(nodeid, names) for nodeid in cache.get("cache/lastfailed", {})}
        if failed and "" not in failed:
            return {name: "nothing failed the last time" for name in names if name not in failed}
    if config.getoption("stepwise", False):
        known = cache.get("cache/stepwise", None)
        last = known.get("last_failed") if isinstance(known, dict) else known
        name = name_of(last, names) if isinstance(last, str) else ""
        if name:
            return dict.fromkeys(names[: names.index(name)], "passed the last time")
    return {}


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Return a table's lines: names on the left, figures on the right, remarks as they are."""
    shown = [[printable(cell) for cell in row] for row in table]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]) - 1)]
    lines = []
    for row in shown:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:]))]  # noqa: B905 - Python 3.8
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return lines
