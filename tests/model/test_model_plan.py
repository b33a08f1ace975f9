"""Sources: every kind answers the same questions, and what decides of it is in its identity."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import pytest

from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.plan import BuildSource, SdistSource, Source, TreeSource, WheelSource, archive_source

DIGEST = Hashes.of({"sha256": "0" * 64})
WHEEL = WheelSource(Artifact("a", "1", "a-1-py3-none-any.whl", "https://h.invalid/a-1-py3-none-any.whl", DIGEST, 7))
SDIST = SdistSource(Artifact("a", "1", "a-1.tar.gz", "https://h.invalid/a-1.tar.gz", DIGEST, 8))
TREE = TreeSource(Path("/a"), "content")
ALL: list[Source] = [WHEEL, SDIST, TREE]


def test_all_kinds_are_here() -> None:
    assert {type(one) for one in ALL} == set(get_args(Source))
    assert {type(one) for one in ALL if one.needs_build} == set(get_args(BuildSource))


def test_what_they_answer() -> None:
    assert [one.has_digest for one in ALL] == [True, True, False]
    assert [one.size_bytes for one in ALL] == [7, 8, 0]
    assert [one.filename for one in ALL] == ["a-1-py3-none-any.whl", "a-1.tar.gz", None]
    assert [one.editable for one in (*ALL, replace(TREE, editable=True))] == [False, False, False, True]
    assert (SDIST.version, TREE.version) == ("1", None)
    assert (SDIST.label, TREE.label) == ("a-1.tar.gz", "/a")


def test_a_file_is_told_by_its_name() -> None:
    assert archive_source(WHEEL.artifact, "inner", (("k", "v"),)) == WHEEL
    assert archive_source(SDIST.artifact, "inner", (("k", "v"),)) == replace(
        SDIST, subdirectory="inner", config_settings=(("k", "v"),)
    )


def test_a_name_that_only_metadata_tells() -> None:
    named = [one.named("b", "2") for one in ALL]
    assert [type(one) for one in named] == [type(one) for one in ALL]
    assert named[1].identity == SDIST.identity, "the bytes are the same"
    assert named[2] == TREE


@pytest.mark.parametrize("one", [SDIST, TREE], ids=["sdist", "tree"])
def test_every_field_is_part_of_the_identity(one: SdistSource | TreeSource) -> None:
    for field in fields(one):
        if field.name != "artifact":
            assert replace(one, **{field.name: "another"}).identity != one.identity, field.name


def test_an_artifact_is_known_by_its_digest_and_without_one_by_where_it_lies() -> None:
    elsewhere = replace(WHEEL.artifact, url="https://mirror.invalid/a-1-py3-none-any.whl")
    assert WheelSource(elsewhere).identity == WHEEL.identity
    assert (
        WheelSource(replace(elsewhere, hashes=Hashes())).identity
        != WheelSource(replace(WHEEL.artifact, hashes=Hashes())).identity
    )
