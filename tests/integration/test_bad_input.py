"""What bad input gets, by both doors: one diagnosis, the right exit code, and nothing that a later run could trip over."""

from __future__ import annotations

import re
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from front_doors import DOORS, SECRET, Desk
from kit import faults
from kit.archives import make_project, make_sdist, make_wheel

pytestmark = pytest.mark.slow

Prepare = Callable[[Desk], Sequence[str]]


@dataclass(frozen=True)
class Case:
    """Something wrong.

    :ivar prepare: brings it about and returns the sources to ask for.
    :ivar code: the exit code that it gets.
    :ivar says: regular expressions that the diagnosis matches.
    """

    name: str
    prepare: Prepare
    code: int
    says: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    doors: tuple[str, ...] = DOORS


def artifacts(desk: Desk) -> Path:
    assert desk.server is not None
    return desk.server.directory


def lines(*text: str, name: str = "requirements.txt") -> Prepare:
    return lambda desk: [desk.write(name, "\n".join(text) + "\n")]


def sources(*names: str) -> Prepare:
    return lambda _desk: names


def variable(**values: str) -> Prepare:
    def prepare(desk: Desk) -> Sequence[str]:
        desk.variables.update(values)
        return ["good"]

    return prepare


def conflict(desk: Desk) -> Sequence[str]:
    for version in ("1.0", "2.0"):
        make_wheel(artifacts(desk), "lib", version)
    make_wheel(artifacts(desk), "left", requires=["lib<2"])
    make_wheel(artifacts(desk), "right", requires=["lib>=2"])
    return [desk.write("requirements.txt", "left\nright\n")]


def conflicting_sources(desk: Desk) -> Sequence[str]:
    make_wheel(artifacts(desk), "good", "2.0")
    return [desk.write("one.txt", "good==1.0\n"), desk.write("two.txt", "good==2.0\n")]


def served_wrongly(desk: Desk) -> Sequence[str]:
    wheel = make_wheel(artifacts(desk), "damaged")
    desk.server.fault(wheel.name, faults.corrupt())
    return ["damaged"]


def served_by_halves(desk: Desk) -> Sequence[str]:
    wheel = make_wheel(artifacts(desk), "damaged")
    desk.server.fault(wheel.name, faults.cut(100))
    return ["damaged"]


def index_answers(status: int, body: bytes = b"", content_type: str = "text/plain") -> Prepare:
    def prepare(desk: Desk) -> Sequence[str]:
        desk.server.fault("/simple/odd/", faults.answer(status, body, {"Content-Type": content_type}))
        return ["odd"]

    return prepare


def closed_port(desk: Desk) -> Sequence[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    desk.variables["FASTENV_INDEX_URL"] = f"http://127.0.0.1:{port}/simple/"
    return ["odd"]


def refused_credentials(status: int) -> Prepare:
    def prepare(desk: Desk) -> Sequence[str]:
        desk.server.fault("/simple/odd/", faults.answer(status))
        url = desk.variables["FASTENV_INDEX_URL"]
        desk.variables["FASTENV_INDEX_URL"] = url.replace("://", f"://somebody:{SECRET}@")
        return ["odd"]

    return prepare


def build_fails(desk: Desk) -> Sequence[str]:
    code = "def build_wheel(*_, **__):\n    print('the last words')\n    raise SystemExit(3)"
    make_sdist(artifacts(desk), "broken", backend_code=code)
    return ["broken"]


def build_raises(desk: Desk) -> Sequence[str]:
    make_sdist(artifacts(desk), "broken", backend_code="def build_wheel(*_, **__):\n    import no_such_module")
    return ["broken"]


def build_hangs(desk: Desk) -> Sequence[str]:
    make_sdist(artifacts(desk), "broken", backend_code="def build_wheel(*_, **__):\n    import time; time.sleep(600)")
    desk.variables["FASTENV_BUILD_TIMEOUT"] = "0.5"
    return ["broken"]


def another_platform(desk: Desk) -> Sequence[str]:
    make_wheel(artifacts(desk), "elsewhere", tag="cp311-cp311-win_arm64")
    return ["elsewhere"]


def another_python(desk: Desk) -> Sequence[str]:
    make_wheel(artifacts(desk), "elsewhere", requires_python=">=3.99")
    return ["elsewhere"]


def only_yanked(desk: Desk) -> Sequence[str]:
    wheel = make_wheel(artifacts(desk), "withdrawn")
    desk.server.yanked[wheel.name] = "it eats files"
    desk.server.catalogue.yanked = desk.server.yanked
    return ["withdrawn"]


def store_in_a_file(desk: Desk) -> Sequence[str]:
    desk.write("file", "")
    desk.variables["FASTENV_CACHE_DIR"] = str(desk.directory / "file" / "store")
    return ["good"]


def foreign_directory(desk: Desk) -> Sequence[str]:
    desk.write("made/precious.txt", "mine")
    return ["good"]


def directory_is_a_file(desk: Desk) -> Sequence[str]:
    desk.write("made", "mine")
    return ["good"]


def project_without_build_system(desk: Desk) -> Sequence[str]:
    (desk.directory / "bare").mkdir()
    return ["./bare"]


def unknown_group(desk: Desk) -> Sequence[str]:
    desk.write("pyproject.toml", "[dependency-groups]\ntests = ['good']\n")
    return ["group:nope"]


def broken_toml(desk: Desk) -> Sequence[str]:
    make_project(desk.directory / "mine", "mine", pyproject="[project\nname = 'mine'\n")
    return ["./mine"]


WRONG_REQUESTS = [
    Case("missing file", sources("absent.txt"), 4, ("absent.txt",)),
    Case("missing nested file", lines("good", "-r absent.txt"), 4, (r"requirements\.txt:2", "absent.txt")),
    Case("unreadable line", lines("good", "good = 1"), 4, (r"requirements\.txt:2:\d+", r"good = 1\n\s+\^", r"next: ")),
    Case("not text", lambda d: [str((d.directory / "x.txt").write_bytes(b"\xff\xfe\x00\xd8") and "x.txt")], 4, ("x.txt",)),
    Case("unsupported option", lines("--use-feature fast-deps", "good"), 4, (r"requirements\.txt:1", "--use-feature")),
    Case("unknown option", lines("--no-such-option", "good"), 4, (r"requirements\.txt:1", "--no-such-option")),
    Case("unset variable", lines("${NOT_SET_ANYWHERE}"), 4, (r"requirements\.txt:1", "NOT_SET_ANYWHERE")),
    Case("unknown project", lines("good", "no-such-project"), 4, ("no-such-project", r"requirements\.txt:2")),
    Case("no version that fits", lines("good>=5"), 4, ("good", r"1\.0", r"requirements\.txt:1")),
    Case("conflict", conflict, 4, (r"left.* and right.* exclude each other", "lib<2", "lib>=2", r"txt:1", r"txt:2")),
    Case("conflicting sources", conflicting_sources, 4, (r"one\.txt:1", r"two\.txt:1", "good==1.0", "good==2.0")),
    Case("wheel for another platform", another_platform, 4, ("elsewhere", "platform|wheel")),
    Case("another python", another_python, 4, ("elsewhere", r">=3\.99")),
    Case("only yanked", only_yanked, 4, ("withdrawn", "yanked")),
    Case("unlisted hash", lines(f"good==1.0 --hash=sha256:{'0' * 64}"), 4, ("good", "hash|digest|sha256", r"txt:1")),
    Case("malformed hash", lines("good==1.0 --hash=sha256:beef"), 4, (r"requirements\.txt:1:\d+", "beef")),
    Case("link value", sources("good"), 4, (r"link", "'glue'", "hardlink"), {"link": "glue"}),
    Case("age value", sources("good"), 4, (r"max-age", "'soon'", "24h"), {"max_age": "soon"}),
    Case("report value", sources("good"), 4, (r"report", "x.txt", r"\.html"), {"report": "x.txt"}),
    Case("project value", sources("good"), 4, (r"project", "'mine'", "editable"), {"project": "mine"}),
    Case("variable value", variable(FASTENV_CONCURRENT_BUILDS="many"), 4, ("FASTENV_CONCURRENT_BUILDS", "many")),
    Case("variable zero", variable(FASTENV_CONCURRENT="0"), 4, ("FASTENV_CONCURRENT", "'0'", "positive")),
    Case("duration value", variable(FASTENV_BUILD_TIMEOUT="-1"), 4, ("FASTENV_BUILD_TIMEOUT", "-1")),
    Case("unknown variable", variable(FASTENV_CONCURENT="2"), 4, ("FASTENV_CONCURENT", "FASTENV_CONCURRENT")),
    Case("misspelled secret", variable(FASTENV_INDEXURL=f"https://u:{SECRET}@h"), 4, ("FASTENV_INDEXURL",)),
    Case("unreadable url", lines(f"good @ ftp://u:{SECRET}@127.0.0.1/x.whl"), 4, (r"requirements\.txt:1:\d+",)),
    Case("no such python", sources("good"), 4, (r"3\.99",), {"python": "3.99"}),
    Case("no such interpreter", sources("good"), 4, ("/no/such/python",), {"python": "/no/such/python"}),
    Case("not a python", sources("good"), 3, ("true",), {"python": "/bin/true"}),
    Case("unknown group", unknown_group, 4, ("nope", r"pyproject\.toml", "tests")),
    Case("no project", project_without_build_system, 4, ("bare",)),
    Case("foreign directory", foreign_directory, 4, ("made", "did not make", "next:"), doors=("fastenv",)),
    Case("directory is a file", directory_is_a_file, 4, ("made", "file"), doors=("fastenv",)),
]

FAILURES = [
    Case("other bytes", served_wrongly, 3, (r"damaged-1\.0", r"expected .*\b[0-9a-f]{64}", r"got .*\b[0-9a-f]{64}")),
    Case("half the bytes", served_by_halves, 3, (r"damaged-1\.0",)),
    Case("closed port", closed_port, 3, (r"127\.0\.0\.1", "refused|connect", "next:")),
    Case("401", refused_credentials(401), 3, ("401", "credentials|netrc", r"127\.0\.0\.1")),
    Case("403", refused_credentials(403), 3, ("403", r"127\.0\.0\.1")),
    Case("500", index_answers(500), 3, ("500", "/simple/odd/")),
    Case("text", index_answers(200, b"Welcome to our hotel"), 3, ("text/plain", "Welcome to our hotel")),
    Case("login page", index_answers(200, b"<html>Please log in", "text/html"), 4, ("odd",)),
    Case("broken json", index_answers(200, b'{"files": [', "application/vnd.pypi.simple.v1+json"), 3, ("odd", "JSON")),
    Case("offline", sources("good"), 3, ("good", "offline|store"), {"offline": ""}),
    Case("build fails", build_fails, 3, ("broken", "build_wheel", "the last words", "status 3", r"logs/\S+")),
    Case("build hangs", build_hangs, 3, ("broken", r"0\.5 s", "FASTENV_BUILD_TIMEOUT", r"logs/\S+")),
    Case("build needs more", build_raises, 3, ("broken", "no_such_module", "build-system.requires", r"logs/\S+")),
    Case("broken toml", broken_toml, 3, (r"desk/mine/pyproject\.toml:1:9", "TOML")),
    Case("store in a file", store_in_a_file, 3, ("file/store|file", "FASTENV_CACHE_DIR")),
]


def cases() -> list[object]:
    found = []
    for case in WRONG_REQUESTS + FAILURES:
        for door in case.doors:
            found.append(pytest.param(case, door, id=f"{case.name}-{door}".replace(" ", "-")))
    return found


@pytest.mark.parametrize(("case", "door"), cases())
def test_one_diagnosis_and_the_next_run_is_fine(case: Case, door: str, seeded: Desk) -> None:
    desk = seeded
    before = dict(desk.variables)
    wanted = case.prepare(desk)
    mine = sorted(desk.made.rglob("*")) if desk.made.is_dir() else desk.made.exists()
    desk.ask(door, *wanted, **case.options).is_diagnosis(case.code, *case.says)

    desk.variables = before
    if mine:  # what a user put there is there still
        assert mine == (sorted(desk.made.rglob("*")) if desk.made.is_dir() else True)
        return
    desk.nothing_is_left()
    desk.recovers(door)
