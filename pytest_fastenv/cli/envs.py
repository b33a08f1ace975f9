"""``fastenv envs``: the environments that a project's files declare, and how each stands."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_fastenv.cli.results import show
from pytest_fastenv.cli.settings import add_options, read_settings
from pytest_fastenv.errors import FastenvError, InterpreterNotFoundError
from pytest_fastenv.settings.layers import Loaded
from pytest_fastenv.settings.naming import Naming
from pytest_fastenv.settings.values import current_directory

if TYPE_CHECKING:
    from pytest_fastenv.environment.questions import AnsweredQuestion
    from pytest_fastenv.matrix.declaration import NamedEnvironment
    from pytest_fastenv.model.target import Target
    from pytest_fastenv.provisioning.question import Question
    from pytest_fastenv.provisioning.standing import Standing
    from pytest_fastenv.store.store import Store

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


class _Row(NamedTuple):
    """An environment, and how it stands."""

    environment: NamedEnvironment
    python: str
    target: Target | None
    standing: Standing
    error: str = ""


def add_arguments(envs: argparse.ArgumentParser) -> None:
    """Say what ``fastenv envs`` takes."""
    envs.usage = "fastenv envs [--json] [WORD...]"
    envs.description = (
        "List the environments that [tool.fastenv.envs] declares: interpreter, state, age, place. Nothing is made."
    )
    envs.add_argument("words", nargs="*", metavar="WORD", help="a name, a pattern, tag:NAME, all (default)")
    kinds = envs.add_mutually_exclusive_group()
    kinds.add_argument("--json", action="store_true", help="a list of objects")
    kinds.add_argument("--schema", action="store_true", help="print the JSON schema of fastenv.toml, for editors")
    add_options(envs, "envs")
    envs.set_defaults(run=_run)


def _run(options: argparse.Namespace, _: Loaded) -> int:
    """List them; each has settings of its own."""
    if options.schema:
        from pytest_fastenv.matrix.schema import FILE

        print(FILE.read_text(encoding="utf-8"), end="")
        return 0
    from pytest_fastenv.matrix.inheritance import ALL
    from pytest_fastenv.matrix.selection import declared, none_declared, select

    here = current_directory()
    known = declared(here)
    if not known and not options.words:
        if options.json:
            print("[]")
            return 0
        raise none_declared()
    rows = list(_rows(options, select(known, options.words or [ALL]), here))
    if options.json:
        print(json.dumps([_to_json(row) for row in rows], indent=2))
    else:
        show("\n".join(_lines(rows)))
    return 0


def _rows(options: argparse.Namespace, environments: Sequence[NamedEnvironment], here: Path) -> Iterable[_Row]:
    from pytest_fastenv.environment.questions import answered  # help needs none of this
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.provisioning.question import Question
    from pytest_fastenv.provisioning.standing import Standing

    known: list[AnsweredQuestion] | None = None
    for environment in environments:
        try:
            loaded = read_settings(options, {}, environment.layer)
        except FastenvError as error:
            yield _Row(environment, "", None, Standing("never made"), error.diagnosis(Naming("envs")))
            continue
        base = loaded.directory_of("sources", here)
        asked = Question.of(loaded.settings, base, here, None, None, os.environ, environment.name)
        store = asked.store(Recorder(Naming("envs", loaded.origins)))
        if known is None:
            known = list(answered(store, asked.root))
        yield _row(environment, asked, known, store)


def _row(environment: NamedEnvironment, asked: Question, known: Sequence[AnsweredQuestion], store: Store) -> _Row:
    from pytest_fastenv.interpreter.missing import NothingFitsError
    from pytest_fastenv.provisioning.standing import standing
    from pytest_fastenv.provisioning.story import interpreter_of

    python = asked.settings.python or ""
    target = interpreter_of(asked, store)
    if isinstance(target, InterpreterNotFoundError):
        found = standing(asked, known, store, None)
        # What is there and cannot be used is another thing than nothing: it is told which.
        return _Row(environment, python, None, found, "" if isinstance(target, NothingFitsError) else target.what)
    return _Row(environment, python, target, standing(asked, known, store, target))


def _lines(rows: Sequence[_Row]) -> Iterable[str]:
    cells = [_cells(row) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row, texts in zip(rows, cells, strict=True):
        yield "  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip()
        if row.error:
            yield from (f"    {line}" for line in row.error.splitlines())


def _cells(row: _Row) -> tuple[str, ...]:
    python = row.target.short if row.target is not None else _absent(row)
    standing = row.standing
    state = f"{standing.state}: {standing.why}" if standing.why else standing.state
    path = str(standing.prefix) if standing.prefix is not None and standing.state == "ready" else ""
    return row.environment.name, python, _age(standing.age_s), state, path, row.environment.description


def _absent(row: _Row) -> str:
    return f"{row.python}: {'cannot be used' if row.error else 'not found'}" if row.python else ""


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return next((f"{seconds // size:.0f}{unit}" for unit, size in _UNITS if seconds >= size), "0s")


def _to_json(row: _Row) -> Mapping[str, Any]:
    environment, standing, target = row.environment, row.standing, row.target
    interpreter = None
    if target is not None:
        interpreter = {"implementation": target.implementation, "version": target.version, "path": target.python}
    return {
        "name": environment.name,
        "description": environment.description,
        "tags": sorted(environment.tags),
        "declared": environment.origin.where,
        "python": row.python or None,
        "interpreter": interpreter,
        "state": standing.state,
        "why": standing.why or None,
        "age_s": None if standing.age_s is None else round(standing.age_s, 3),
        "path": None if standing.prefix is None else str(standing.prefix),
        "error": row.error or None,
    }
