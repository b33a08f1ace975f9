"""Failures in sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
from resolve_world import INDEX, World, ask, pins, run

from pytest_fastenv.errors import (
    AuthError,
    ConflictingRequirementsError,
    FastenvError,
    MetadataError,
    NoSolutionError,
    UnknownProjectError,
)
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.metadata import CoreMetadata


def failure(world: World, tmp_path: Path, *texts: str, **fields: object) -> FastenvError:
    with pytest.raises(FastenvError) as caught:
        run(world, ask(*texts, **fields), tmp_path)  # type: ignore[arg-type]
    return caught.value


def test_a_conflict_far_down_is_told_from_the_users_lines_on(tmp_path: Path) -> None:
    world = World()
    for n in range(1, 6):
        world.add("web", str(n), "router>=2")
        world.add("unrelated", str(n))
    for n in (2, 3):
        world.add("router", str(n), "http>=2")
    world.add("http", "2", "idna>=3")
    world.add("http", "1")
    world.add("idna", "3")
    world.add("idna", "2")
    world.add("cli", "1", "net")
    for n in range(1, 9):
        world.add("net", str(n), "idna<3")
    error = failure(world, tmp_path, "unrelated", "web>=2", "cli")
    assert isinstance(error, ConflictingRequirementsError)
    assert error.exit_code == 4
    assert error.diagnosis().splitlines() == [
        "web>=2 (requirements.txt:2) and cli (requirements.txt:3) exclude each other",
        "  where: requirements.txt:2, requirements.txt:3",
        "  why:   requirements.txt:2 wants web>=2",
        "         web 2 to 5 need router>=2",
        "         router 2 and 3 need http>=2",
        "         http 2 needs idna>=3",
        "         requirements.txt:3 wants cli",
        "         cli 1 needs net",
        "         net 1 to 8 need idna<3",
        "         no release of idna is both idna<3 and idna>=3",
        "  next:  no version limit of one line alone is to blame; leave out one of: web>=2, cli",
    ]


def test_the_way_out_was_tried(tmp_path: Path) -> None:
    world = World()
    for n in range(1, 5):
        world.add("web", str(n), f"http>={n}")
        world.add("http", str(n))
    error = failure(world, tmp_path, "web>=3", "http<3")
    assert error.hint == (
        "loosen web>=3 (requirements.txt:1): web 2 suits everything else; "
        "or loosen http<3 (requirements.txt:2): http 4 suits everything else"
    )
    assert pins(run(world, ask("web", "http<3"), tmp_path))["web"] == "2"
    assert str(error.why).endswith("no release of http suits all of these; http has 4 releases, 1 to 4")


def test_two_lines_for_one_project(tmp_path: Path) -> None:
    world = World()
    world.add("web", "1")
    world.add("web", "2")
    error = failure(world, tmp_path, "web==1", "web==2")
    assert error.what == "web==1 (requirements.txt:1) and web==2 (requirements.txt:2) exclude each other"
    assert "no release of web is both web==1 and web==2" in str(error.why)


def test_unknown_project(tmp_path: Path) -> None:
    error = failure(World(), tmp_path, "nowhere")
    assert isinstance(error, UnknownProjectError)
    assert error.what == "no index has a project named nowhere, which requirements.txt:1 asks for"
    assert error.where == "requirements.txt:1"
    world = World()
    world.add("web", "1", "core")
    world.add("core", "1", "nowhere>=1")
    error = failure(world, tmp_path, "web")
    assert isinstance(error, UnknownProjectError)
    assert error.what == "no index has a project named nowhere, which core 1 asks for"
    assert "web 1 needs core" in str(error.why)
    world.add("core", "0.9")
    assert pins(run(world, ask("web"), tmp_path))["core"] == "0.9"


def test_no_version_that_fits_says_what_exists(tmp_path: Path) -> None:
    world = World()
    for n in range(1, 10):
        world.add("web", f"1.{n}")
    error = failure(world, tmp_path, "web>=7")
    assert isinstance(error, NoSolutionError)
    assert error.what == "no release of web fits web>=7, which requirements.txt:1 asks for"
    assert "web has 9 releases, 1.1 to 1.9" in str(error.why)
    assert f"web was looked for at {INDEX}" in str(error.why)
    assert error.hint == "loosen web>=7 (requirements.txt:1): web 1.9 suits everything else"


@pytest.mark.parametrize(
    ("add", "text", "why"),
    [
        ({"requires_python": ">=3.12"}, "ext", "ext 2 needs Python >=3.12"),
        ({"python": ">=3.12"}, "ext", "ext 2 needs Python >=3.12"),
        ({"tag": "cp311-cp311-win_amd64"}, "ext", "ext 2 has no wheel for CPython 3.11.7 on linux-x86_64"),
        ({"yanked": ""}, "ext", "ext 2 was yanked; only == brings it back"),
    ],
)
def test_why_a_release_was_refused(tmp_path: Path, add: dict[str, str], text: str, why: str) -> None:
    world = World()
    world.add("ext", "2", **add)  # type: ignore[arg-type]
    error = failure(world, tmp_path, text)
    assert isinstance(error, NoSolutionError)
    assert why in str(error.why)
    assert error.hint


def test_reasons_are_told_for_groups(tmp_path: Path) -> None:
    world = World()
    for n in range(3, 20):
        world.add("ext", f"{n}", requires_python=">=3.12")
    world.add("ext", "1")
    error = failure(world, tmp_path, "ext>2")
    assert "ext 3 to 19 need Python >=3.12" in str(error.why)


def test_a_constraint_is_named_with_its_place(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "1")
    world.add("ext", "2")
    error = failure(world, tmp_path, "ext>=2", constraints=("ext<2",))
    assert "ext 2 is excluded by the constraint ext<2 (constraints.txt:1)" in str(error.why)


def test_an_older_release_where_the_newest_has_unreadable_metadata(tmp_path: Path) -> None:
    world = World()
    world.add("ext", "2", "this is !! nothing")
    world.add("ext", "1")
    recorder = Recorder()
    unreadable = "ext 2 has a requirement that cannot be read: this is !! nothing"
    assert pins(run(world, ask("ext"), tmp_path, recorder=recorder)) == {"ext": "1"}
    assert [notice.text for notice in recorder.notices] == [
        f"ext 2 is passed over: it has metadata that cannot be used: {unreadable}"
    ]
    error = failure(world, tmp_path, "ext==2")
    assert isinstance(error, MetadataError)
    assert error.what == unreadable
    assert "requirements.txt:1 asks for ext==2" in str(error.why)


def test_metadata_of_another_project_does_not_read_like_no_such_project(tmp_path: Path) -> None:
    world = World()
    artifact = world.add("ext", "2")
    world.contents[artifact.filename] = CoreMetadata("other", "2")
    error = failure(world, tmp_path, "ext")
    assert isinstance(error, MetadataError)
    assert error.what == "the metadata of ext 2 says it is the project other"


def test_what_the_index_came_to_passes_as_itself(tmp_path: Path) -> None:
    world = World()
    world.add("web", "2", "secret")
    world.add("web", "1")
    world.failing["secret"] = AuthError("secret needs credentials")
    error = failure(world, tmp_path, "web")
    assert isinstance(error, AuthError)
    assert error.exit_code == 3


def test_one_requirement_alone(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1", "a", "b", "any")
    world.add("a", "1", "c<2")
    world.add("b", "1", "c>=2", "any")
    world.add("any", "1", "c")
    world.add("c", "1")
    world.add("c", "2")
    error = failure(world, tmp_path, "app")
    assert error.what == "app (requirements.txt:1) cannot be satisfied"
    assert str(error.why).endswith("no release of c is both c<2 and c>=2")
    assert error.hint == "leave out app, or choose another release of it"


def test_three_who_leave_nothing_over(tmp_path: Path) -> None:
    world = World()
    for n in range(1, 6):
        world.add("x", str(n))
    world.add("p", "1", "x<3")
    world.add("q", "1", "x>1")
    world.add("r", "1", "x!=2")
    error = failure(world, tmp_path, "p", "q", "r")
    assert error.what == "requirements exclude each other"
    assert str(error.why).endswith("no release of x suits all of these; x has 5 releases, 1 to 5")


def test_many_releases_with_requirements_of_their_own_are_one_line(tmp_path: Path) -> None:
    world = World()
    for n in range(50):
        world.add("client", f"1.{n}", f"core>=1.{n},<1.{n + 1}")
        world.add("core", f"1.{n}", "http<2")
    world.add("http", "1.26")
    world.add("http", "2.1")
    world.add("other", "3", "http>=2")
    assert str(failure(world, tmp_path, "client", "other").why).splitlines() == [
        "requirements.txt:1 wants client",
        "client 1.0 to 1.49 need core in versions of their own (core<1.50,>=1.49 in the newest)",
        "core 1.0 to 1.49 need http<2",
        "requirements.txt:2 wants other",
        "other 3 needs http>=2",
        "no release of http is both http<2 and http>=2",
    ]


def test_what_an_extra_needs_does_not_exist(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1", "ext[fast]>=2")
    for n in (1, 2):
        world.add("ext", str(n), f"speed>={n}; extra=='fast'", extras=("fast",))
    world.add("speed", "1")
    error = failure(world, tmp_path, "app", "speed")
    assert "ext[fast] 2 needs speed>=2" in str(error.why)
    assert str(error.why).endswith("no release of speed fits speed>=2; the only release of speed is 1")


def test_the_hint_names_the_constraint(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1", "x>=3")
    for n in range(1, 6):
        world.add("x", str(n))
    error = failure(world, tmp_path, "app", constraints=("x<3",))
    assert "x 3 to 5 are excluded by the constraint x<3 (constraints.txt:1)" in str(error.why)
    assert error.hint == "loosen the constraint x<3 (constraints.txt:1)"


def test_a_long_story_is_cut_in_the_middle(tmp_path: Path) -> None:
    world = World()
    for n in range(40):
        world.add(f"l{n}", "1", f"l{n + 1}>=1" if n < 39 else "z<2")
    world.add("z", "1")
    world.add("z", "2")
    lines = str(failure(world, tmp_path, "l0", "z>=2").why).splitlines()
    assert lines[0] == "requirements.txt:1 wants l0"
    assert any("more requirements between these" in line for line in lines)
    assert lines[-1] == "no release of z is both z<2 and z>=2"
    assert len(lines) < 20
