"""``fastenv cache info|verify|prune|clean``: what the store holds, whether it is whole, and what may go."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pytest_fastenv.cli.results import show
from pytest_fastenv.cli.settings import add_options
from pytest_fastenv.errors import UsageError, printable
from pytest_fastenv.settings.layers import Loaded
from pytest_fastenv.settings.parsers import parse_age, parse_size

if TYPE_CHECKING:
    from pytest_fastenv.store.inventory import Kept
    from pytest_fastenv.store.store import Store
    from pytest_fastenv.upkeep.diary import LookedAfter
    from pytest_fastenv.upkeep.holdings import Holdings
    from pytest_fastenv.upkeep.removal import Outcome
    from pytest_fastenv.upkeep.verification import Finding

_DAMAGED = 1
_MOST_SHOWN = 20


def add_arguments(cache: argparse.ArgumentParser) -> None:
    """Say what ``fastenv cache`` takes."""
    cache.description = "Look at the store, and after it: what it holds, whether that is whole, what may go."
    kinds = cache.add_subparsers(metavar="COMMAND", required=True)
    _add(kinds, "info", _info, "tell what the store holds: buckets, sizes, environments, what is in use")
    verify = _add(kinds, "verify", _verify, "compare everything with what it was when it was made: every digest")
    verify.add_argument("--repair", action="store_true", help="withdraw what is damaged: the next run makes it again")
    prune = _add(kinds, "prune", _prune, "remove what nothing used for some time")
    add = prune.add_argument
    add("--unused", metavar="AGE", help="for how long: 12h, 30d; 0 for all that is not in use (default: 30d)")
    add("--max-size", metavar="SIZE", help="then what was used least recently, down to 20GB, 10%% of the disk")
    add("--environments", action="store_true", help="all environments that nobody uses at this moment, too")
    add("--ci", action="store_true", help="keep what is costly to make again, as built wheels are, and nothing else")
    clean = _add(kinds, "clean", _clean, "remove everything, or all that is about some projects")
    clean.add_argument("words", nargs="*", metavar="NAME", help="a project (default: everything)")
    for removing in (prune, clean):
        removing.add_argument("--dry-run", action="store_true", help="tell what would be removed, and leave it")


def _add(kinds: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    description = f"{text[0].upper()}{text[1:]}."
    parser: argparse.ArgumentParser = kinds.add_parser(name, help=text, description=description, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="for programs")
    add_options(parser, "cache")
    parser.set_defaults(run=run)
    return parser


def _store(loaded: Loaded) -> Store:
    from pytest_fastenv.model.events import Recorder  # help needs none
    from pytest_fastenv.provisioning.question import store_of
    from pytest_fastenv.settings.naming import Naming

    return store_of(loaded.settings, Recorder(Naming("cache", loaded.origins)))


def _info(options: argparse.Namespace, loaded: Loaded) -> int:
    from pytest_fastenv.upkeep.diary import DIARY, LAST
    from pytest_fastenv.upkeep.holdings import Holdings

    store = _store(loaded)
    told = _holdings_to_json(Holdings.of(store), store.read_record(DIARY, LAST))
    if options.json:
        print(json.dumps(told, indent=2))
    else:
        show("\n".join(_holdings_lines(told)))
    return 0


def _holdings_to_json(holdings: Holdings, last: LookedAfter | None) -> Mapping[str, Any]:
    from pytest_fastenv.environment.manifest import ENVIRONMENTS
    from pytest_fastenv.store.buckets import EntryBucket
    from pytest_fastenv.upkeep.buckets import ENTRIES, RECORDS

    used_at = holdings.used_at(time.time())
    buckets = []
    for bucket in (*ENTRIES, *RECORDS):
        things = [one for one in holdings.kept if one.bucket is bucket]
        buckets.append(
            {
                "name": bucket.directory,
                "kind": "entries" if isinstance(bucket, EntryBucket) else "records",
                "about": bucket.about,
                "count": sum(one.is_whole for one in things),
                "unfinished": sum(not one.is_whole for one in things),
                "in_use": sum(one.is_held for one in things),
                "size_bytes": sum(one.size_bytes for one in things),
            }
        )
    environments = [one for one in holdings.kept if one.bucket is ENVIRONMENTS and one.is_whole]
    return {
        "path": str(holdings.root),
        "size_bytes": holdings.size_bytes,
        "buckets": buckets,
        "environments": [
            {
                "path": str(one.path),
                "size_bytes": one.size_bytes,
                "in_use": one.is_held,
                "used_at": round(used_at[one.name], 3),
            }
            for one in environments
        ],
        "beside": [
            {"name": one.path.name, "about": one.about, "size_bytes": one.size_bytes} for one in holdings.beside
        ],
        "looked_after": None if last is None else asdict(last),
    }


def _holdings_lines(told: Mapping[str, Any]) -> Iterator[str]:
    from pytest_fastenv.report.quantities import bytes_text

    yield f"{told['path']}  {bytes_text(told['size_bytes'])}"
    for bucket in told["buckets"]:
        if bucket["count"] or bucket["unfinished"]:
            notes = [f"{bucket[name]} {text}" for name, text in _NOTES if bucket[name]]
            told_besides = f" ({', '.join(notes)})" if notes else ""
            yield _row(bucket["count"], bucket["name"], bucket["size_bytes"], bucket["about"] + told_besides)
    for one in told["beside"]:
        yield _row("", one["name"], one["size_bytes"], one["about"])
    last = told["looked_after"]
    if last is not None:
        went = f"{last['removed']} things, {bytes_text(last['freed_bytes'])}" if last["removed"] else "nothing went"
        yield f"looked after by itself {_ago(time.time() - last['at'])}: {last['failed'] or went}"


def _row(count: int | str, name: str, size_bytes: int, text: str) -> str:
    from pytest_fastenv.report.quantities import bytes_text

    return f"{count:>7}  {name:<22}{bytes_text(size_bytes):>9}  {text}"


def _ago(seconds: float) -> str:
    return next((f"{seconds // size:.0f} {unit} ago" for unit, size in _UNITS if seconds >= 2 * size), "just now")


_UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60))
_NOTES = (("in_use", "in use"), ("unfinished", "not whole"))


def _verify(options: argparse.Namespace, loaded: Loaded) -> int:
    from pytest_fastenv.upkeep.verification import verify

    verified = verify(_store(loaded), repair=options.repair)
    if options.json:
        findings = [_finding_to_json(one) for one in verified.findings]
        print(json.dumps({"checked": verified.checked, "damaged": findings}, indent=2))
    else:
        for finding in verified.findings:
            show(f"{_called(finding.kept)}: {finding.fault}{f' ({finding.outcome})' if finding.outcome else ''}")
        count = len(verified.findings)
        show(f"{verified.checked} things looked at, {f'{count} damaged' if count else 'all as they were made'}")
    return 0 if verified.is_whole else _DAMAGED


def _finding_to_json(finding: Finding) -> Mapping[str, Any]:
    return {**_to_json(finding.kept), "fault": finding.fault, "outcome": finding.outcome or None}


def _prune(options: argparse.Namespace, loaded: Loaded) -> int:
    from pytest_fastenv.upkeep.automatic import size_in_bytes, wanted
    from pytest_fastenv.upkeep.pruning import choose, choose_beside
    from pytest_fastenv.upkeep.removal import remove

    store = _store(loaded)
    asked = replace(
        wanted(loaded.settings, store.root), environments=options.environments, only_costly=options.ci, by_itself=False
    )
    if options.unused is not None:
        asked = replace(asked, unused_s=_value(options.unused, "--unused", parse_age))
    if options.max_size is not None:
        asked = replace(
            asked, max_size_bytes=size_in_bytes(_value(options.max_size, "--max-size", parse_size), store.root)
        )
    now = time.time()
    outcome = remove(
        store,
        lambda holdings: choose(holdings, asked, now),
        lambda holdings: choose_beside(holdings, asked, now),
        only_tell=options.dry_run,
    )
    _tell(outcome, store, options)
    return 0


def _value(text: str, flag: str, parse: Any) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text} is not accepted", why=str(error)) from None


def _clean(options: argparse.Namespace, loaded: Loaded) -> int:
    from pytest_fastenv.upkeep.pruning import everything, of_projects
    from pytest_fastenv.upkeep.removal import remove
    from pytest_fastenv.wheel.filenames import normalized

    store = _store(loaded)
    names = [normalized(word) for word in options.words]
    outcome = remove(
        store,
        lambda holdings: of_projects(holdings, names) if names else everything(holdings),
        lambda holdings: [] if names else [one for one in holdings.beside if one.is_older],
        only_tell=options.dry_run,
    )
    _tell(outcome, store, options)
    return 0


def _tell(outcome: Outcome, store: Store, options: argparse.Namespace) -> None:
    if options.json:
        told = {
            "path": str(store.root),
            "dry_run": options.dry_run,
            "removed": [{**_to_json(one.kept), "reason": one.reason} for one in outcome.gone],
            "removed_beside": [str(one.path) for one in outcome.gone_beside],
            "stayed": [{**_to_json(one.kept), "why": why} for one, why in outcome.stayed],
            "freed_bytes": outcome.freed_bytes,
            "size_bytes": outcome.before_bytes - outcome.freed_bytes,
        }
        print(json.dumps(told, indent=2))
    else:
        show("\n".join(_outcome_lines(outcome, dry_run=options.dry_run)))


def _outcome_lines(outcome: Outcome, *, dry_run: bool) -> Iterator[str]:
    from pytest_fastenv.report.quantities import bytes_text

    groups: dict[tuple[str, str], list[int]] = {}
    for one in outcome.gone:
        groups.setdefault((one.kept.bucket.directory, one.reason), []).append(one.kept.size_bytes)
    for directory in outcome.gone_beside:
        groups.setdefault((directory.path.name, directory.about), []).append(directory.size_bytes)
    rows = list(groups.items())
    for (name, reason), sizes in rows[:_MOST_SHOWN]:
        yield _row(len(sizes), name, sum(sizes), reason)
    if len(rows) > _MOST_SHOWN:
        yield f"{'':>7}  and {sum(len(sizes) for _, sizes in rows[_MOST_SHOWN:])} more"
    for why, count in Counter(why for _, why in outcome.stayed).items():
        yield f"{count:>7}  {'stays' if count == 1 else 'stay'}: {why}"
    rest = outcome.before_bytes - outcome.freed_bytes
    removed = "would be removed" if dry_run else "removed"
    yield f"{bytes_text(outcome.freed_bytes)} {removed}, {bytes_text(rest)} {'would be' if dry_run else 'are'} left"


def _called(kept: Kept) -> str:
    return f"{kept.bucket.directory}/{printable(kept.key)}"  # a directory's name may have lines


def _to_json(kept: Kept) -> Mapping[str, Any]:
    return {"bucket": kept.bucket.directory, "key": kept.key, "path": str(kept.path), "size_bytes": kept.size_bytes}
