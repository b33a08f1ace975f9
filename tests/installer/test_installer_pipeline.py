"""The graph: what overlaps, what is limited, what a failure leaves, what is repaired."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from installing import SITE, SomeStaging, artifact, engine, run
from kit import faults
from kit.archives import make_sdist, make_wheel

from pytest_fastenv.errors import FailureGroup, NotFoundError, RecordError, StoreError
from pytest_fastenv.installer.pipeline import in_order_of_beginning
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.events import Recorder, Span
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.model.plan import Distribution, Plan, SdistSource, WheelSource
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store


def overlap(one: Span, other: Span) -> bool:
    return one.start_ns < other.end_ns and other.start_ns < one.end_ns


def most_at_once(spans: list[Span]) -> int:
    return max(sum(s.start_ns <= other.start_ns < s.end_ns for s in spans) for other in spans)


@pytest.fixture
def draft(tmp_path: Path) -> SomeStaging:
    (tmp_path / "env").mkdir()
    return SomeStaging(tmp_path / "env", tmp_path / "env")


@pytest.fixture
def remote(artifacts: Path, index_server: Any) -> Any:
    """Make wheels and return them as artifacts of a server."""
    server = index_server()

    def make(*names: str, **options: Any) -> list[Artifact]:
        paths = [make_wheel(artifacts, name, **options) for name in names]
        return [artifact(path, server.url.replace("/simple/", f"/files/{path.name}")) for path in paths]

    make.server = server  # type: ignore[attr-defined]
    return make


def installed(
    store: Store, recorder: Recorder, draft: SomeStaging, artifacts: list[Artifact], **options: Any
) -> Summary:
    async def work() -> Summary:
        async with engine(store, recorder=recorder, **options) as parts:
            return await parts.install(artifacts, draft)

    report: Summary = run(work())
    return report


def test_report_counts_what_was_fetched_and_what_was_there(store: Store, draft: SomeStaging, remote: Any) -> None:
    wheels = remote("one", "two", "three")
    size = sum(wheel.size_bytes for wheel in wheels)
    (draft.prefix / "a").mkdir()
    (draft.prefix / "b").mkdir()
    part = installed(store, Recorder(), SomeStaging(draft.prefix / "a", draft.final), wheels[:2])
    assert (part.distributions, part.fetched, part.cached, part.built) == (2, 2, 0, 0)
    whole = installed(store, Recorder(), SomeStaging(draft.prefix / "b", draft.final), wheels)
    assert (whole.distributions, whole.fetched, whole.cached) == (3, 1, 2)
    assert part.fetched_bytes + whole.fetched_bytes == size


def test_spans_tell_what_happened(store: Store, recorder: Recorder, draft: SomeStaging, remote: Any) -> None:
    (wheel,) = remote("demo")
    installed(store, recorder, draft, [wheel])
    kinds = [span.kind for span in recorder.spans]
    assert kinds == ["fetch", "unpack", "link"]
    fetch, unpack, link = recorder.spans
    assert fetch.end_ns <= unpack.start_ns <= unpack.end_ns <= link.start_ns < link.end_ns
    for span in recorder.spans:
        assert (span.subject, span.args["version"], span.args["key"]) == ("demo", "1.0", wheel.hashes.sha256)
        assert span.args["source"] == "network"
    assert fetch.args["bytes"] == wheel.size_bytes
    assert unpack.args["bytes"] == link.args["bytes"]


def test_linking_begins_while_downloads_go_on(
    store: Store, recorder: Recorder, draft: SomeStaging, remote: Any
) -> None:
    small, slow = remote("small", "slow")
    linked = threading.Event()
    recorder.subscribe(lambda _, event: linked.set() if isinstance(event, Span) and event.kind == "link" else None)
    remote.server.fault(Path(slow.url).name, faults.held(lambda: linked.wait(20)))
    installed(store, recorder, draft, [small, slow])
    fetch = next(s for s in recorder.spans if s.kind == "fetch" and s.subject == "slow")
    link = next(s for s in recorder.spans if s.kind == "link" and s.subject == "small")
    assert overlap(fetch, link)


@pytest.mark.parametrize("limit", [1, 2])
def test_no_pool_exceeds_its_limit(
    limit: int, store: Store, recorder: Recorder, draft: SomeStaging, remote: Any
) -> None:
    installed(store, recorder, draft, remote(*"abcdef"), downloads=limit, installs=limit)
    fetches = [span for span in recorder.spans if span.kind == "fetch"]
    work = [span for span in recorder.spans if span.kind in {"unpack", "link"}]
    assert len(fetches) == 6
    assert len(work) == 12
    assert most_at_once(fetches) <= limit
    assert most_at_once(work) <= limit


def test_serial_means_that_nothing_overlaps(store: Store, recorder: Recorder, draft: SomeStaging, remote: Any) -> None:
    installed(store, recorder, draft, remote(*"abcdef"), all=1)
    assert most_at_once(recorder.spans) == 1


def test_all_independent_failures_are_reported_and_whole_entries_kept(
    store: Store, recorder: Recorder, draft: SomeStaging, remote: Any
) -> None:
    def wrong(rows: Any) -> Any:
        return [(path, digest[:-1], size) for path, digest, size in rows]

    good, missing = remote("good", "missing")
    (bad,) = remote("bad", record=wrong)
    begun, waited_for = threading.Event(), {"good", "bad"}

    def listen(_: str, event: object) -> None:
        if isinstance(event, Span):
            waited_for.discard(event.subject)
        if not waited_for:
            begun.set()

    recorder.subscribe(listen)
    refuse = faults.answer(404)
    remote.server.fault(Path(missing.url).name, lambda handler: begun.wait(10) and refuse(handler))
    with pytest.raises(FailureGroup) as caught:
        installed(store, recorder, draft, [good, bad, missing], installs=3)
    assert {type(failure) for failure in caught.value.failures} == {RecordError, NotFoundError}
    assert store.lookup(WHEELS, good.hashes.sha256)
    assert store.lookup(WHEELS, bad.hashes.sha256) is None


def test_nothing_is_begun_after_a_failure(store: Store, recorder: Recorder, draft: SomeStaging, remote: Any) -> None:
    wheels = remote(*(f"w{n}" for n in range(8)))
    first = in_order_of_beginning([Distribution(w.name, w.version, WheelSource(w)) for w in wheels])
    remote.server.fault(Path(first[0].source.artifact.url).name, faults.answer(404))  # type: ignore[union-attr]
    with pytest.raises(NotFoundError):
        installed(store, recorder, draft, wheels, downloads=1)
    assert [span for span in recorder.spans if span.kind in {"fetch", "link"}] == []


def test_edited_file_does_not_reach_the_next_environment(store: Store, draft: SomeStaging, remote: Any) -> None:
    wheels = remote("demo", "other")
    (draft.prefix / "a").mkdir()
    (draft.prefix / "b").mkdir()
    installed(
        store,
        Recorder(),
        SomeStaging(draft.prefix / "a", draft.final),
        wheels,
        settings=Settings(link=LinkMode.HARDLINK),
    )
    (draft.prefix / "a" / SITE / "demo" / "__init__.py").write_text("edited in place\n")
    recorder = Recorder()
    report = installed(store, recorder, SomeStaging(draft.prefix / "b", draft.final), wheels)
    assert (draft.prefix / "b" / SITE / "demo" / "__init__.py").read_text() == "__version__ = '1.0'\n"
    assert (report.fetched, report.cached) == (1, 1)
    assert [n.text for n in recorder.notices] == [
        "the store's copy of demo 1.0 was changed (demo/__init__.py): made anew"
    ]


@pytest.mark.parametrize("damage", ["file", "manifest"])
def test_lost_file_is_noticed_and_repaired(damage: str, store: Store, draft: SomeStaging, remote: Any) -> None:
    (wheel,) = remote("demo")

    async def entry() -> Path:
        async with engine(store) as parts:
            return (await parts.wheels.from_artifact(wheel)).entry

    place = run(entry())
    (place / ("tree/demo/__init__.py" if damage == "file" else "manifest.json")).unlink()
    installed(store, Recorder(), draft, [wheel])
    assert (draft.prefix / SITE / "demo" / "__init__.py").exists()


def test_sources_are_built_and_counted(
    store: Store, draft: SomeStaging, remote: Any, artifacts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    source = artifact(make_sdist(artifacts, "source", build_log=log))

    async def work() -> Summary:
        async with engine(store) as parts:
            wheels = [Distribution(w.name, w.version, WheelSource(w)) for w in remote("one", "two")]
            built = Distribution("source", "1.0", SdistSource(source))
            return (await parts.installer.install(Plan(draft.target, (*wheels, built)), draft)).summary

    report = run(work())
    assert (report.distributions, report.fetched, report.built) == (3, 2, 1)
    assert len(log.read_text().splitlines()) == 1
    assert (draft.prefix / SITE / "source" / "__init__.py").exists()


def test_order_of_beginning() -> None:
    def wheel(name: str, size: int | None) -> Distribution:
        return Distribution(name, "1", WheelSource(Artifact(name, "1", "", "", size_bytes=size)))

    sdists = [
        Distribution(name, "1", SdistSource(Artifact(name, "1", "", "", size_bytes=size)))
        for name, size in (("small-source", 1), ("large-source", 9))
    ]
    order = in_order_of_beginning(
        [wheel("a", 3), wheel("b", 1), *sdists, wheel("c", None), wheel("d", 2), wheel("e", 5)]
    )
    assert [d.name for d in order] == ["large-source", "small-source", "e", "c", "a", "b", "d"]
    assert in_order_of_beginning([]) == []


def test_cancelled_installation_leaves_no_half_made_entry(
    store: Store, recorder: Recorder, draft: SomeStaging, remote: Any
) -> None:
    (wheel,) = remote("demo")
    remote.server.fault(Path(wheel.url).name, faults.drip(10))

    async def work() -> None:
        async with engine(store) as parts:
            task = asyncio.create_task(parts.install([wheel], draft))
            while not recorder.spans:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert store.lookup(WHEELS, wheel.hashes.sha256) is None
            assert parts.tools.pools.held("download") == 0

    run(work())


def test_full_disk_is_a_diagnosis(
    store: Store, draft: SomeStaging, remote: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = remote("one", "two")
    call = ProcessPool.call
    full: set[str] = set()

    async def limited(self: ProcessPool, function: str, *args: Any) -> Any:
        if function.rpartition(":")[2] in full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(draft.prefix / "file"))
        return await call(self, function, *args)

    monkeypatch.setattr(ProcessPool, "call", limited)
    for stage in ("unpack", "link_all"):
        full = {stage}
        with pytest.raises(StoreError) as caught:
            installed(store, Recorder(), draft, wheels)
        assert "no space left" in caught.value.diagnosis()
    full = set()
    assert installed(store, Recorder(), draft, wheels).distributions == 2
