"""A plan survives its way through JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.plan import DirectUrl, Distribution, Plan, SdistSource, TreeSource, Vcs, WheelSource
from pytest_fastenv.model.plan_json import plan_from_json, plan_to_json
from pytest_fastenv.model.target import Target

TARGET = Target(
    python="/usr/bin/python3.12",
    implementation="cpython",
    version="3.12.1",
    tags=("cp312-cp312-manylinux_2_17_x86_64", "py3-none-any"),
    markers={"python_version": "3.12", "sys_platform": "linux"},
    soabi="cpython-312-x86_64-linux-gnu",
    platform="linux-x86_64",
    free_threaded=False,
    schemes={"purelib": "lib/python3.12/site-packages"},
    identity="f00d",
    externals={"libc": "glibc 2.36"},
)


def artifact(name: str, ending: str) -> Artifact:
    filename = f"{name}-1.0{ending}"
    return Artifact(
        name=name,
        version="1.0",
        filename=filename,
        url=f"https://index.example.invalid/{filename}",
        hashes=Hashes.of({"sha256": "ab" * 32}),
        metadata=Hashes(),
        yanked="",
    )


def test_every_kind_of_source_comes_back_equal() -> None:
    plan = Plan(
        TARGET,
        (
            Distribution(
                "a", "1.0", WheelSource(artifact("a", "-py3-none-any.whl")), requested=True, extras=("x", "y")
            ),
            Distribution("b", "1.0", SdistSource(artifact("b", ".tar.gz"), "sub", (("k", ("1", "2")), ("l", "3")))),
            Distribution(
                "c",
                "1.0",
                TreeSource(Path("/src/c"), "digest", editable=True),
                direct_url=DirectUrl("file:///src/c", is_directory=True, editable=True),
            ),
            Distribution(
                "d",
                "1.0",
                TreeSource(Path("/store/d"), "c0ffee", checkout=True),
                direct_url=DirectUrl(
                    "https://example.invalid/d", vcs=Vcs("https://example.invalid/d", "main", "c0ffee")
                ),
                required_by=("a >=1",),
            ),
        ),
        warnings=("something",),
    )
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


@pytest.mark.parametrize("value", [None, [], {}, {"class": "Other"}, {"class": "Plan"}, {"class": "Plan", "target": 1}])
def test_what_is_no_plan_gives_none(value: object) -> None:
    assert plan_from_json(value) is None
