"""Several indexes: what others have is told where it makes a difference; projects can have an index of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kit.archives import make_wheel
from kit.server import IndexServer
from kit.tools import tools_of
from resolve_world import ask, make_target, pins

from pytest_fastenv.errors import ConflictingRequirementsError, FastenvError, NoSolutionError, UnknownProjectError
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.plan import SdistSource, TreeSource
from pytest_fastenv.resolve.resolution import resolve
from pytest_fastenv.settings.values import NamedIndex, Settings
from pytest_fastenv.store.store import Store


class Sources:
    """Nothing has to be built in these tests."""

    async def identified(self, artifact: Artifact) -> Artifact:
        return artifact

    async def wheel_metadata(self, artifact: Artifact) -> CoreMetadata:
        raise NotImplementedError

    async def metadata(self, source: SdistSource | TreeSource, _name: str | None) -> CoreMetadata:
        raise NotImplementedError


@dataclass
class Indexes:
    """A main index and an extra one, and what is said."""

    directory: Path
    start: Callable[..., IndexServer]
    recorder: Recorder = field(default_factory=Recorder)

    def __post_init__(self) -> None:
        for name in ("main", "extra"):
            (self.directory / name).mkdir()
        self.main, self.extra = self.start(self.directory / "main"), self.start(self.directory / "extra")

    def resolve(self, *texts: str, constraints: tuple[str, ...] = (), **settings: object) -> dict[str, str]:
        chosen = {"index_url": self.main.url, "extra_index_urls": (self.extra.url,), **settings}
        store = Store(self.directory / "store", recorder=self.recorder)

        async def main() -> dict[str, str]:
            async with tools_of(store, Settings(**chosen)) as tools:  # type: ignore[arg-type]
                return pins(await resolve(ask(*texts, constraints=constraints), make_target(), tools, Sources()))

        return asyncio.run(main())

    def refused(self, *texts: str, **settings: object) -> FastenvError:
        with pytest.raises(FastenvError) as caught:
            self.resolve(*texts, **settings)  # type: ignore[arg-type]
        return caught.value

    def add(self, where: str, name: str, version: str, **options: object) -> None:
        make_wheel(self.directory / where, name, version, **options)

    @property
    def told(self) -> list[str]:
        return [notice.text for notice in self.recorder.notices if notice.level == "warning"]


@pytest.fixture
def indexes(tmp_path: Path, index_server: Callable[..., IndexServer]) -> Indexes:
    return Indexes(tmp_path, index_server)


# --- diagnoses ---------------------------------------------------------------------------------------------------


def test_a_version_that_only_another_index_has(indexes: Indexes) -> None:
    indexes.add("main", "t", "1.0")
    indexes.add("extra", "t", "1.0+cpu")
    error = indexes.refused("t==1.0+cpu")
    assert isinstance(error, NoSolutionError)
    told = error.diagnosis()
    assert "the only release of t is 1.0" in told
    assert f"t was looked for at {indexes.main.url} alone, as that has it" in told
    assert f"{indexes.extra.url} was not asked before; it has t 1.0+cpu" in told
    assert f'url = "{indexes.extra.url}" and only = ["t"]' in told
    assert f"index_url='{indexes.extra.url}'" in told


def test_a_version_that_a_dependency_needs_from_another_index(indexes: Indexes) -> None:
    indexes.add("main", "t", "1.0")
    indexes.add("main", "app", "1", requires=("t>=2",))
    indexes.add("extra", "t", "2.0")
    told = indexes.refused("app").diagnosis()
    assert f"{indexes.extra.url} was not asked before; it has t 2.0" in told
    assert 'only = ["t"]' in told


def test_a_conflict_that_another_index_would_resolve(indexes: Indexes) -> None:
    for version in ("1.0", "3.0"):
        indexes.add("main", "t", version)
    indexes.add("main", "one", "1", requires=("t>=2",))
    indexes.add("main", "two", "1", requires=("t<3",))
    indexes.add("extra", "t", "2.5")
    error = indexes.refused("one", "two")
    assert isinstance(error, ConflictingRequirementsError)
    assert f"{indexes.extra.url} was not asked before; it has t 2.5" in error.diagnosis()
    assert 'only = ["t"]' in error.diagnosis()


def test_another_index_that_does_not_help_is_named_and_gives_no_advice(indexes: Indexes) -> None:
    indexes.add("main", "t", "1.0")
    for version in ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6"):
        indexes.add("extra", "t", version)
    told = indexes.refused("t==9").diagnosis()
    assert f"{indexes.extra.url} was not asked before; it has t 0.6, 0.5, 0.4, 0.3 and 2 more" in told
    assert "only =" not in told
    indexes.add("main", "u", "1.0")
    assert f"{indexes.extra.url} was not asked before; it does not have u" in indexes.refused("u==9").diagnosis()


def test_another_index_that_cannot_be_asked_is_said(indexes: Indexes) -> None:
    indexes.add("main", "t", "1.0")
    told = indexes.refused("t==2", extra_index_urls=("http://127.0.0.1:9/simple/",)).diagnosis()
    assert "the only release of t is 1.0" in told
    assert "http://127.0.0.1:9/simple/ could not be asked: " in told


def test_with_one_index_nothing_is_said_of_others(indexes: Indexes) -> None:
    indexes.add("main", "t", "1.0")
    assert "asked before" not in indexes.refused("t==2", extra_index_urls=()).diagnosis()


# --- a name on two indexes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "theirs"), [("99.0", "1.0"), ("1.0", "1.0+cpu"), ("1.0", "2.0")])
def test_a_name_on_two_indexes_is_said_where_the_other_would_have_given_another_version(
    indexes: Indexes, ours: str, theirs: str
) -> None:
    indexes.add("main", "acme", ours)
    indexes.add("extra", "acme", theirs)
    for _ in range(2):  # not yet kept, and kept
        indexes.recorder.notices.clear()
        assert indexes.resolve("acme") == {"acme": ours}
        (text,) = indexes.told
        assert text.startswith(
            f"acme {ours}: taken from {indexes.main.url}, which is asked first; "
            f"{indexes.extra.url} would have given acme {theirs}"
        )
        assert "[tool.fastenv.indexes]" in text


def test_several_other_indexes_are_told_in_one_line(indexes: Indexes) -> None:
    indexes.add("main", "acme", "2.0")
    indexes.add("extra", "acme", "1.0")
    indexes.add("third", "acme", "3.0")
    third = indexes.start(indexes.directory / "third")
    indexes.resolve("acme", extra_index_urls=(indexes.extra.url, third.url))
    (text,) = indexes.told
    assert text.count("acme 2.0") == 1
    assert f"{indexes.extra.url} would have given acme 1.0, {third.url} would have given acme 3.0. Say" in text


def test_it_is_not_said_where_it_makes_no_difference(indexes: Indexes) -> None:
    indexes.add("main", "same", "1.0")
    indexes.add("extra", "same", "1.0.0")
    indexes.add("main", "limited", "1.0")
    indexes.add("extra", "limited", "1.0")
    indexes.add("extra", "limited", "2.0")
    indexes.add("main", "python", "1.0")
    indexes.add("extra", "python", "2.0", requires_python=">=3.99")
    indexes.add("main", "final", "1.0")
    for version in ("1.0", "2.0rc1"):
        indexes.add("extra", "final", version)
    indexes.add("main", "missing", "1.0")
    indexes.add("extra", "elsewhere", "1.0")
    indexes.resolve("same", "limited<2", "python", "final", "missing", "elsewhere")
    assert indexes.told == []


def test_many_names_are_one_line(indexes: Indexes) -> None:
    for number in range(6):
        indexes.add("main", f"p{number}", "2.0")
        indexes.add("extra", f"p{number}", "1.0")
    indexes.resolve(*(f"p{number}" for number in range(6)))
    (text,) = indexes.told
    assert text.startswith("p0 2.0, p1 2.0, p2 2.0, p3 2.0 and 2 more: taken from")


def test_an_extra_index_that_fails_harms_nobody(indexes: Indexes) -> None:
    indexes.add("main", "t", "1.0")
    private = indexes.start(indexes.directory / "extra", credentials=("user", "secret"))
    assert indexes.resolve("t", extra_index_urls=(private.url,)) == {"t": "1.0"}
    assert indexes.resolve("t", extra_index_urls=("http://127.0.0.1:9/simple/",)) == {"t": "1.0"}
    assert indexes.told == []


# --- indexes by name -----------------------------------------------------------------------------------------------


def named(server: IndexServer, *only: str, name: str = "private") -> dict[str, tuple[NamedIndex, ...]]:
    return {"indexes": (NamedIndex(name, server.url, only),), "extra_index_urls": ()}  # type: ignore[dict-item]


def test_a_project_is_taken_from_its_own_index_alone(indexes: Indexes) -> None:
    indexes.add("main", "acme-core", "99.0")
    indexes.add("extra", "acme-core", "1.0", requires=("other",))
    indexes.add("main", "other", "2.0")
    indexes.add("extra", "other", "3.0")
    assert indexes.resolve("Acme.Core", **named(indexes.extra, "acme-*")) == {"acme-core": "1.0", "other": "2.0"}
    assert [request.path for request in indexes.main.requests if "acme" in request.path] == []
    assert [request.path for request in indexes.extra.requests if "other" in request.path] == []
    assert indexes.told == []


def test_what_its_own_index_does_not_have_is_not_looked_for_elsewhere(indexes: Indexes) -> None:
    indexes.add("main", "acme", "99.0")
    error = indexes.refused("acme", **named(indexes.extra, "acme"))
    assert isinstance(error, UnknownProjectError)
    told = error.diagnosis()
    assert "the index private has no project named acme" in told
    assert indexes.extra.url in told
    assert f"{indexes.main.url} was not asked before; it has acme 99.0" in told


def test_what_only_a_named_index_has_is_told(indexes: Indexes) -> None:
    indexes.add("extra", "acme", "1.0")
    told = indexes.refused("acme", **named(indexes.extra, "torch")).diagnosis()
    assert f"the index private ({indexes.extra.url}) was not asked before; it has acme 1.0" in told
    assert 'add "acme" to only of [tool.fastenv.indexes.private]' in told


def test_of_two_named_indexes_the_first_that_has_it_counts(indexes: Indexes) -> None:
    indexes.add("extra", "acme", "1.0")
    indexes.add("main", "acme", "2.0")
    both = (NamedIndex("a", indexes.extra.url, ("acme",)), NamedIndex("b", indexes.main.url, ("ac*",)))
    assert indexes.resolve("acme", indexes=both, extra_index_urls=()) == {"acme": "1.0"}
    assert indexes.resolve("acme", indexes=both[::-1], extra_index_urls=()) == {"acme": "2.0"}
