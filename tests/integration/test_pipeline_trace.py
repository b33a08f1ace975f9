"""A trace has a complete event for each piece of work, which says what it was about."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from kit.archives import make_project, make_sdist, make_wheel
from kit.server import IndexServer
from pipeline_bench import Bench, Piece, noise

from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.events import Kind

pytestmark = pytest.mark.slow

SOURCES = {"network", "cache", "built", "waited"}


@pytest.fixture
def asked(bench: Bench, artifacts: Path, index_server: Callable[..., IndexServer]) -> list[str]:
    bench.variables["FASTENV_INDEX_URL"] = index_server().url
    make_wheel(artifacts, "wheel", "1.5", files=noise("wheel", 10_000))
    make_wheel(artifacts, "tool")
    make_sdist(artifacts, "source", "2.0", build_requires=["tool"])
    make_project(bench.directory / "project", "project", "3.0")
    return ["wheel", "source", str(bench.directory / "project")]


def tells_all(piece: Piece) -> bool:
    args = piece.args
    return (
        args["distribution"] == piece.name
        and re.fullmatch(r"[0-9.]+", str(args["version"])) is not None
        and args["source"] in SOURCES
        and re.fullmatch(r"[0-9a-f]{64}", str(args["key"])) is not None
        and int(args["bytes"]) > 0
    )


def test_each_piece_of_work_is_a_complete_event(bench: Bench, asked: list[str]) -> None:
    pieces = bench.traced(*asked)
    events = json.loads((bench.directory / "made.json").read_text())["traceEvents"]
    assert {event["ph"] for event in events} == {"X", "M"}
    assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in events if event["ph"] == "X")
    assert {piece.kind for piece in pieces} <= set(get_args(Kind))
    told = [*pieces.some("fetch"), *pieces.some("unpack"), *pieces.some("link")]
    told += pieces.some("build", hook="build_wheel")
    assert [piece for piece in told if not tells_all(piece)] == []
    versions = {"wheel": "1.5", "source": "2.0", "project": "3.0", "tool": "1.0"}
    assert {piece.name: piece.args["version"] for piece in told} == versions
    assert [piece.name for piece in pieces.some("fetch")].count("wheel") == 1
    assert {piece.name: piece.args["source"] for piece in pieces.some("link")} == {
        "wheel": "network",
        "tool": "network",
        "source": "built",
        "project": "built",
    }
    assert sorted(str(piece.args["source"]) for piece in pieces.some("unpack", "source")) == ["built", "network"]
    assert any(piece.args["distributions"] == 3 for piece in pieces.some("resolve"))


def test_a_fetch_a_key_and_a_link_are_of_the_same_wheel(bench: Bench, asked: list[str]) -> None:
    pieces = bench.traced(*asked)
    keys = {kind: pieces.one(kind, "wheel").args["key"] for kind in ("fetch", "unpack", "link")}
    assert set(keys.values()) <= set(bench.entries(WHEELS))
    assert len(set(keys.values())) == 1


def test_what_is_in_the_store_is_told_as_that(bench: Bench, asked: list[str]) -> None:
    bench.traced(*asked)
    again = bench.traced(*asked, into="again")
    assert {piece.args["source"] for piece in again.some("link")} == {"cache"}
    assert again.some("fetch") == again.some("build") == []
    assert bench.traced(*asked, into="again") == []  # reused as it is: nothing was done


def test_an_interpreter_that_is_not_known_yet_is_told(bench: Bench, asked: list[str]) -> None:
    bench.variables["FASTENV_CACHE_DIR"] = str(bench.directory / "new")
    probed, made = bench.traced(*asked).some("interpreter")
    assert probed.args["version"] in made.name
    assert made.args["source"] == "built"
