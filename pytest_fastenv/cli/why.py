"""``fastenv why``: why an environment is as it is, and what would make it anew; or why a distribution is in it."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.cli.results import show
from pytest_fastenv.cli.settings import add_options, read_settings
from pytest_fastenv.errors import InterpreterNotFoundError, UsageError
from pytest_fastenv.settings.naming import Naming, errors_named
from pytest_fastenv.settings.values import current_directory

if TYPE_CHECKING:
    from pytest_fastenv.matrix.declaration import NamedEnvironment
    from pytest_fastenv.model.plan import Distribution
    from pytest_fastenv.provisioning.standing import Standing
    from pytest_fastenv.settings.layers import Loaded

_UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
_DEEPEST = 12


def add_arguments(why: argparse.ArgumentParser) -> None:
    """Say what ``fastenv why`` takes."""
    why.usage = "fastenv why [-e ENV...] [ENV...] [DISTRIBUTION...]"
    why.description = (
        "Say when an environment was made, of what, why, and what the next run would do; with the name of a "
        "distribution, why that is there, at its version. Nothing is made, and nothing is asked of an index."
    )
    why.add_argument(
        "words", nargs="*", metavar="NAME", help="an environment that is declared, else a distribution in one"
    )
    why.add_argument(
        "-e", "--env", dest="environments", action="append", default=[], metavar="ENV",
        help="an environment: a name, a pattern, tag:NAME, all; every word is a distribution then",
    )  # fmt: skip
    add_options(why, "why")
    why.set_defaults(run=_run)


def _run(options: argparse.Namespace, _: Loaded) -> int:
    from pytest_fastenv.matrix.inheritance import ALL
    from pytest_fastenv.matrix.selection import declared, none_declared, select

    if "" in options.words:
        raise UsageError("an empty word names neither an environment nor a distribution")
    here = current_directory()
    known = declared(here)
    if not known:
        raise none_declared()
    environments, distributions = list(options.environments), list(options.words)
    if not environments:
        environments = [word for word in options.words if _is_environment(word, known)]
        distributions = [word for word in options.words if word not in environments]
    selected = select(known, environments or [ALL])
    found = [(named, _standing(options, named, here)) for named in selected]
    if not distributions:
        show("\n".join(line for named, standing in found for line in _told(named, standing)))
        return 0
    lines = [line for named, standing in found for line in _distributions(named, standing, distributions)]
    if not lines:
        names = ", ".join(named.name for named in selected)
        raise UsageError(
            f"{' and '.join(distributions)}: no such distribution in {names}",
            hint=f"environments that are declared: {', '.join(known)}; one that was never made holds nothing",
        )
    show("\n".join(lines))
    return 0


def _is_environment(word: str, known: Mapping[str, NamedEnvironment]) -> bool:
    from pytest_fastenv.matrix.selection import select

    try:
        return bool(select(known, [word]))
    except UsageError:
        return False


def _standing(options: argparse.Namespace, named: NamedEnvironment, here: Path) -> Standing:
    from pytest_fastenv.environment.questions import answered
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.provisioning.question import Question
    from pytest_fastenv.provisioning.standing import standing
    from pytest_fastenv.provisioning.story import interpreter_of

    loaded = read_settings(options, {}, named.layer)
    base = loaded.directory_of("sources", here)
    asked = Question.of(loaded.settings, base, here, None, None, os.environ, named.name)
    naming = Naming("why", loaded.origins)
    with errors_named(naming):
        store = asked.store(Recorder(naming))
        target = interpreter_of(asked, store)
        there = None if isinstance(target, InterpreterNotFoundError) else target
        return standing(asked, list(answered(store, asked.root)), store, there)


def _told(named: NamedEnvironment, standing: Standing) -> Iterator[str]:
    """Say of an environment when it was made, of what and why, and what comes next."""
    from pytest_fastenv.environment.manifest import read

    yield f"{named.name}: {standing.state}"
    if standing.prefix is not None:
        yield f"  where:     {standing.prefix}"
        known = read(standing.prefix)
        if known is not None:
            count = len(known.parts.get("distributions", ()))
            yield f"  holds:     {count} distribution{'s' * (count != 1)}, {known.interpreter['short']}"
    question = standing.question
    if question is not None:
        sources = " ".join(question.deciding.get("sources", ())) or "what the project's files say"
        yield f"  asked for: {sources}{' (a pytest session)' if question.requirements else ''}"
        if question.made_at:
            yield f"  made:      {_ago(question.made_at)}: {question.made_because or 'there was none'}"
    if standing.age_s is not None:
        yield f"  versions:  chosen {_duration(standing.age_s)} ago"
    match standing.state:
        case "ready":
            yield "  next run:  uses it as it is"
        case "outdated":
            yield f"  next run:  looks again, and makes another one if that is needed: {standing.why}"
        case "never made":
            yield "  next run:  makes it"


def _ago(moment: float) -> str:
    return f"{_duration(max(time.time() - moment, 0.0))} ago"


def _duration(seconds: float) -> str:
    return next((f"{seconds / size:.0f} {unit}" for unit, size in _UNITS if seconds >= 2 * size), "a moment")


def _distributions(named: NamedEnvironment, standing: Standing, names: Sequence[str]) -> Iterator[str]:
    """Say of distributions in an environment who asks for them."""
    from packaging.utils import canonicalize_name

    from pytest_fastenv.environment.manifest import read_plan

    plan = read_plan(standing.prefix) if standing.prefix is not None else None
    if plan is None:
        return
    held = {one.name: one for one in plan.distributions}
    for name in map(canonicalize_name, names):
        if name in held:
            yield f"{named.name}: {held[name]} ({_source(held[name])})"
            yield from _askers(held[name], held, "  ", {name})


def _source(distribution: Distribution) -> str:
    from pytest_fastenv.index.urls import shown
    from pytest_fastenv.model.plan import SdistSource, WheelSource

    direct = distribution.direct_url
    if direct is not None:
        return shown(direct.url)
    filename = distribution.source.filename or "a directory"
    match distribution.source:
        case WheelSource(artifact) | SdistSource(artifact) if artifact.index_url:
            return f"{filename}, {shown(artifact.index_url)}"
    return filename


def _askers(distribution: Distribution, held: Mapping[str, Distribution], indent: str, seen: set[str]) -> Iterator[str]:
    for phrase in distribution.required_by:
        by, _, specifier = phrase.partition(" ")
        asker = held.get(by.partition("[")[0])
        if asker is None:
            yield f"{indent}asked for by {phrase}"
            continue
        yield f"{indent}needed by {asker}{f', which asks for {specifier}' if specifier else ''}"
        if asker.name not in seen and len(indent) < 2 * _DEEPEST:
            yield from _askers(asker, held, indent + "  ", {*seen, asker.name})
