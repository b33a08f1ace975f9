"""What bad input gets, by both doors: one diagnosis, the right exit code, nothing that a later run could trip over."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from front_doors import DOORS, SECRET, Desk, content, whole
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


def hash_on_another_line(desk: Desk) -> Sequence[str]:
    """The constraint names the file, the requirement a digest that it does not have."""
    wheel = make_wheel(desk.directory / "dist", "base")
    desk.write("limits.txt", f"base @ {wheel.as_uri()}\n")
    return [desk.write("requirements.txt", f"-c limits.txt\nbase==1.0 --hash=sha256:{'0' * 64}\n")]


def hash_of_a_directory(desk: Desk) -> Sequence[str]:
    tree = make_project(desk.directory / "mine", "mine")
    desk.write("limits.txt", f"mine --hash=sha256:{'0' * 64}\n")
    return [desk.write("requirements.txt", f"-c limits.txt\nmine @ {tree.as_uri()} ; python_version > '3'\n")]


def another_md5(desk: Desk) -> Sequence[str]:
    wheel = make_wheel(desk.directory / "dist", "base")
    return [desk.write("requirements.txt", f"base @ {wheel.as_uri()}#md5={'0' * 32}\n")]


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


def broken_index_option(desk: Desk) -> Sequence[str]:
    del desk.variables["FASTENV_INDEX_URL"]  # it would be used in place of what the file says
    return [desk.write("requirements.txt", "--index-url http://[::1\ngood\n")]


def not_text(desk: Desk) -> Sequence[str]:
    (desk.directory / "x.txt").write_bytes(b"\xff\xfe\x00\xd8")
    return ["x.txt"]


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
    Case("not text", not_text, 4, (r"x\.txt",)),
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
    Case("hash of a directory", hash_of_a_directory, 4, ("mine", "directory", r"limits\.txt:1", r"ments\.txt:2")),
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
    Case("endless duration", variable(FASTENV_HTTP_TIMEOUT="9" * 30), 4, ("FASTENV_HTTP_TIMEOUT", "3650d")),
    Case("broken address", variable(FASTENV_INDEX_URL=f"http://u:{SECRET}@h:x/"), 4, ("h:x/", "index", "port|Port")),
    Case("broken option", broken_index_option, 4, (r"http://\[::1", "index")),
    Case("unreadable url", lines(f"good @ ftp://u:{SECRET}@127.0.0.1/x.whl"), 4, (r"requirements\.txt:1:\d+",)),
    Case("no such python", sources("good"), 4, (r"3\.99",), {"python": "3.99"}),
    Case("no such interpreter", sources("good"), 4, ("/no/such/python",), {"python": "/no/such/python"}),
    Case("unknown group", unknown_group, 4, ("nope", r"pyproject\.toml", "tests")),
    Case("no project", project_without_build_system, 4, ("bare",)),
    Case("foreign directory", foreign_directory, 4, ("made", "did not make", "next:"), doors=("fastenv",)),
    Case("login page", index_answers(200, b"<html>Please log in", "text/html"), 4, ("odd",)),
    Case("directory is a file", directory_is_a_file, 4, ("made", "file"), doors=("fastenv",)),
]

FAILURES = [
    Case("other bytes", served_wrongly, 3, (r"damaged-1\.0", r"expected .*\b[0-9a-f]{64}", r"got .*\b[0-9a-f]{64}")),
    Case(
        "hash elsewhere", hash_on_another_line, 3, (r"expected sha256 0+ \(.*ments\.txt:2\)", r"got .*\b[0-9a-f]{64}")
    ),
    Case("other md5", another_md5, 3, (r"expected md5 0+ \(.*ments\.txt:1\)", r"got .*md5 [0-9a-f]{32}")),
    Case("half the bytes", served_by_halves, 3, (r"damaged-1\.0",)),
    Case("closed port", closed_port, 3, (r"127\.0\.0\.1", "refused|connect", "next:")),
    Case("401", refused_credentials(401), 3, ("401", "credentials|netrc", r"127\.0\.0\.1")),
    Case("403", refused_credentials(403), 3, ("403", r"127\.0\.0\.1")),
    Case("500", index_answers(500), 3, ("500", "/simple/odd/")),
    Case("text", index_answers(200, b"Welcome to our hotel"), 3, ("text/plain", "Welcome to our hotel")),
    Case("broken json", index_answers(200, b'{"files": [', "application/vnd.pypi.simple.v1+json"), 3, ("odd", "JSON")),
    Case("offline", sources("good"), 3, ("good", "offline|store"), {"offline": ""}),
    Case("build fails", build_fails, 3, ("broken", "build_wheel", "the last words", "status 3", r"logs/\S+")),
    Case("build hangs", build_hangs, 3, ("broken", r"0\.5 s", "FASTENV_BUILD_TIMEOUT", r"logs/\S+")),
    Case("build needs more", build_raises, 3, ("broken", "no_such_module", "build-system.requires", r"logs/\S+")),
    Case("broken toml", broken_toml, 3, (r"desk/mine/pyproject\.toml:1:9", "TOML"), doors=("fastenv",)),
    Case("not a python", sources("good"), 3, ("bin/true",), {"python": shutil.which("true") or "/bin/true"}),
    Case("store in a file", store_in_a_file, 4, ("file/store|file", "FASTENV_CACHE_DIR")),
]


def through_doors(cases: Sequence[Case]) -> list[object]:
    ids = [(case, door, f"{case.name}-{door}".replace(" ", "-")) for case in cases for door in case.doors]
    return [pytest.param(case, door, id=name) for case, door, name in ids]


@pytest.mark.parametrize(("case", "door"), through_doors(WRONG_REQUESTS))
def test_a_wrong_request_gets_one_diagnosis_and_exit_code_4(case: Case, door: str, desk: Desk) -> None:
    wanted = case.prepare(desk)
    theirs = desk.made.is_file() or sorted(desk.made.rglob("*"))
    desk.ask(door, *wanted, **case.options).is_diagnosis(case.code, *case.says)
    assert theirs == (desk.made.is_file() or sorted(desk.made.rglob("*")))
    if not theirs:
        desk.nothing_is_left()


@pytest.mark.parametrize(("case", "door"), through_doors(FAILURES))
def test_a_failure_gets_one_diagnosis_and_the_next_run_is_fine(case: Case, door: str, seeded: Desk) -> None:
    before = dict(seeded.variables)
    outcome = seeded.ask(door, *case.prepare(seeded), **case.options)
    outcome.is_diagnosis(case.code, *case.says)
    for log in re.findall(r"where: (\S+\.log)", outcome.output):
        assert Path(log).is_file(), "a log is named that is not there"
    seeded.variables = before
    seeded.nothing_is_left()
    seeded.recovers(door)


@pytest.mark.parametrize("door", DOORS)
def test_the_log_of_a_failed_build_holds_what_it_said(door: str, seeded: Desk) -> None:
    said = seeded.ask(door, *build_fails(seeded))
    (log,) = re.findall(r"where: (\S+\.log)", said.output)
    assert "the last words" in Path(log).read_text()


@pytest.mark.parametrize("door", DOORS)
def test_every_failed_build_is_told_of(door: str, seeded: Desk) -> None:
    """Both builds run when the first fails: each waits until the other has opened the pipe between them."""
    pipe = seeded.directory / "pipe"
    os.mkfifo(pipe)
    for name, mode in (("one", "r"), ("two", "w")):
        steps = ["def build_wheel(*_, **__):", f"open({str(pipe)!r}, {mode!r}).close()", f"exit('{name} is sorry')"]
        make_sdist(artifacts(seeded), name, backend_code="\n    ".join(steps))
    seeded.variables |= {"FASTENV_CONCURRENT_BUILDS": "2", "FASTENV_BUILD_TIMEOUT": "60"}
    seeded.ask(door, "one", "two").is_diagnosis(3, "one is sorry", "two is sorry")
    seeded.nothing_is_left()


@pytest.mark.parametrize("door", DOORS)
def test_a_build_that_hangs_is_over_soon_and_leaves_no_process(door: str, seeded: Desk) -> None:
    code = "def build_wheel(*_, **__):\n    import os, time; print('pid', os.getpid(), flush=True); time.sleep(600)"
    make_sdist(artifacts(seeded), "broken", backend_code=code)
    seeded.variables["FASTENV_BUILD_TIMEOUT"] = "1"
    outcome = seeded.ask(door, "broken")
    outcome.is_diagnosis(3, "FASTENV_BUILD_TIMEOUT")
    (pid,) = re.findall(r"pid (\d+)", outcome.output)
    assert not Path(f"/proc/{pid}").exists()


def test_an_environment_that_stands_survives_a_wrong_request_for_its_place(seeded: Desk) -> None:
    seeded.ask("fastenv", "good").is_fine()
    before = content(seeded.made)
    for wrong in ("no-such-project", "absent.txt"):
        seeded.ask("fastenv", wrong).is_diagnosis(4)
    seeded.ask("fastenv", *build_fails(seeded)).is_diagnosis(3)
    assert content(seeded.made) == before
    assert "good" in whole(seeded.made)
    assert "reused" in seeded.ask("fastenv", "good").is_fine()


def test_wrong_words_for_the_command(desk: Desk) -> None:
    command = desk.words("fastenv", "good")[0]
    for words in ([], ["create"], ["create", "good"], ["create", "good", "made", "--no-such-option"], ["destroy"]):
        outcome = desk.run([command, *words])
        assert outcome.code == 4, outcome.output
        outcome.is_civil()
        assert "error: " in outcome.output


def test_wrong_values_in_the_ini_file(desk: Desk) -> None:
    for text, named in (
        ("[tool.fastenv]\nlink = 'glue'\n", "glue"),
        ("[tool.fastenv]\nlinks = 'copy'\n", "links"),
        ("[tool.fastenv\n", "pyproject.toml"),
    ):
        desk.write("pyproject.toml", text)
        outcome = desk.ask("pytest", "good")
        assert outcome.code == 4
        assert named in outcome.output
        outcome.is_civil()
