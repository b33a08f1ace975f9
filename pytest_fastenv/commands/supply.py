"""Environments for a run of commands: those that are there first, then the others out of one pipeline."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.commands.afterwards import keep_bytecode
from pytest_fastenv.commands.execution import Standing
from pytest_fastenv.commands.sequence import Wanted
from pytest_fastenv.errors import FastenvError
from pytest_fastenv.provisioning.story import answer, reuse

if TYPE_CHECKING:
    from pytest_fastenv.commands.output import Terminal
    from pytest_fastenv.commands.runs import Runs
    from pytest_fastenv.environment.places import Ready
    from pytest_fastenv.provisioning.several import Outcome


class Supply:
    """Provides environments and lets their commands begin; blocks, in the main thread.

    :param root: the project's directory.
    """

    def __init__(
        self, runs: Runs, terminal: Terminal, *, root: Path, environ: Mapping[str, str], quiet: bool, redraws: bool
    ) -> None:
        self._runs = runs
        self._terminal = terminal
        self._root = root
        self._environ = environ
        self._quiet = quiet
        self._redraws = redraws
        self._warnings: set[str] = set()

    def provide(self, all_wanted: Sequence[Wanted]) -> None:
        """Let the commands of each environment begin as soon as it is there."""
        missing: list[Wanted] = []
        for wanted in all_wanted:
            began = time.monotonic()
            try:
                ready = self._find(wanted)
            except FastenvError as error:
                self._runs.refuse(wanted.named, error, time.monotonic() - began)
                continue
            if ready is None:
                missing.append(wanted)
            else:
                self._begin(wanted, ready)
        if len(missing) == 1 and not self._runs.is_over:
            self._make_one(missing[0], redraws=self._redraws and len(all_wanted) == 1)
        elif missing and not self._runs.is_over:
            self._make_several({wanted.named.name: wanted for wanted in missing})

    def _find(self, wanted: Wanted) -> Ready | None:
        base = wanted.loaded.directory_of("sources", self._root)
        return reuse(wanted.loaded.settings, base=base, root=self._root, environ=self._environ, naming=wanted.naming)

    def _begin(self, wanted: Wanted, ready: Ready) -> None:
        name = wanted.named.name
        for line in ready.summary.warning_lines:
            if line not in self._warnings:  # several environments may have the same cause
                self._warnings.add(line)
                self._terminal.tell(f"{name}: {line.removeprefix('fastenv: ')}", always=True)
        self._terminal.tell(f"{name}: {ready.summary.line.removeprefix('fastenv: ')}")
        inherit = wanted.loaded.settings.inherit_pythonpath
        standing = Standing(
            wanted.named,
            ready.environment,
            ready.summary.seconds,
            inherit_pythonpath=inherit,
            when_over=partial(keep_bytecode, wanted.loaded.settings, ready),
        )
        if not ready.summary.reused:
            from pytest_fastenv.provisioning.ahead import compile_ahead  # only for a new environment

            compile_ahead(wanted.loaded.settings, ready, self._root)
        self._runs.begin(standing)

    def _make_one(self, wanted: Wanted, *, redraws: bool) -> None:
        from pytest_fastenv.model.events import Recorder  # only where something is made
        from pytest_fastenv.provisioning.question import Question
        from pytest_fastenv.report.progress import Progress

        began = time.monotonic()
        recorder = Recorder(wanted.naming)
        settings, base = wanted.loaded.settings, wanted.loaded.directory_of("sources", self._root)
        try:
            with Progress(recorder, sys.stderr, quiet=self._quiet, interactive=redraws):
                asked = Question.of(settings, base, self._root, None, None, self._environ, wanted.named.name)
                ready = answer(asked, recorder)
        except FastenvError as error:
            self._runs.refuse(wanted.named, error, time.monotonic() - began)
        else:
            self._begin(wanted, ready)

    def _make_several(self, missing: Mapping[str, Wanted]) -> None:
        from pytest_fastenv.model.events import Recorder  # only where something is made
        from pytest_fastenv.provisioning.question import Question
        from pytest_fastenv.provisioning.several import provision_several
        from pytest_fastenv.report.progress import Progress

        began = time.monotonic()
        questions = {
            name: Question.of(
                wanted.loaded.settings,
                wanted.loaded.directory_of("sources", self._root),
                self._root,
                None,
                None,
                self._environ,
                name,
            )
            for name, wanted in missing.items()
        }

        def on_outcome(outcome: Outcome) -> None:
            wanted = missing[outcome.name]
            if isinstance(outcome.result, FastenvError):
                self._runs.refuse(wanted.named, outcome.result, time.monotonic() - began)
            else:
                if outcome.same_as:
                    self._terminal.tell(f"{outcome.name}: the same environment as {outcome.same_as}")
                self._begin(wanted, outcome.result)
            if self._runs.is_over:
                raise _EnoughError

        recorder = Recorder(next(iter(missing.values())).naming)
        try:
            # Lines that are redrawn would be in the way of what the first commands say.
            with Progress(recorder, sys.stderr, quiet=self._quiet, interactive=False):
                provision_several(questions, recorder, on_outcome)
        except _EnoughError:
            pass


class _EnoughError(Exception):
    """No further environment is wanted."""
