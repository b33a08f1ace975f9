"""Damage to the store, to an environment or to the clock: noticed, repaired, told; never passed on."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from front_doors import DOORS, Desk, content, whole
from kit.archives import make_sdist, make_wheel
from kit.links import has_clones
from kit.nightly import first_and_at_night

from pytest_fastenv.environment.skeleton import SKELETONS
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.provisioning.build_environments import BUILD_ENVIRONMENTS
from pytest_fastenv.provisioning.installations import INSTALLATIONS
from pytest_fastenv.upkeep import buckets

pytestmark = pytest.mark.slow

Damage = Callable[[Path], None]


def artifacts(desk: Desk) -> Path:
    assert desk.server is not None
    return desk.server.directory


def another(desk: Desk, *sources: str, **options: str) -> tuple[Path, str]:
    """Make one more environment; return its place and what was said."""
    place = desk.directory / f"another-{time.monotonic_ns()}"
    said = desk.run([*desk.words("fastenv", *sources, **options)[:-1], str(place)]).is_fine()
    return place, said


def purelib(prefix: Path) -> Path:
    return next(prefix.glob("lib/python*/site-packages"))


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    os.chmod(path, 0o644)
    path.write_bytes(data)


def edited_in_place(path: Path) -> None:
    with path.open("a") as file:
        file.write("\nEDITED = True\n")


def forbidden(path: Path) -> None:
    path.chmod(0)


def runs_as_its_owner(path: Path) -> None:
    path.chmod(0o4777)


def given_away(path: Path) -> None:
    os.chown(path, 4321, 4321)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


EDITS = [(link, edited_in_place) for link in LinkMode]
EDITS += [(LinkMode.HARDLINK, flip_a_byte), (LinkMode.HARDLINK, emptied)]
RIGHTS = [runs_as_its_owner, forbidden, *([given_away] if os.geteuid() == 0 else [])]
RIGHTS_BY_LINK = [(link, change) for change in RIGHTS for link in (LinkMode.HARDLINK, LinkMode.SYMLINK)]


@pytest.mark.parametrize(("link", "edit"), [*EDITS, *first_and_at_night(*RIGHTS_BY_LINK)])
def test_an_edit_in_an_environment_never_reaches_a_later_one(seeded: Desk, link: LinkMode, edit: Damage) -> None:
    first, _ = another(seeded, "good", link=link)
    before = content(purelib(first) / "good")
    owner = first.stat().st_uid
    edited = purelib(first) / "good" / "__init__.py"
    shared = link.shares_files and not (link.clones_own_files and has_clones(seeded.directory))
    assert (link is LinkMode.SYMLINK or edited.stat().st_nlink > 1) == shared
    edit(edited)
    second, said = another(seeded, "good", link=link)
    assert content(purelib(second) / "good") == before
    assert (purelib(second) / "good" / "__init__.py").stat().st_uid == owner
    assert "good" in whole(second)
    assert shared == ("the store's copy of good 1.0 was changed (good/__init__.py): made anew" in said)


def test_a_pytest_run_that_edits_its_environment_is_told_so(seeded: Desk) -> None:
    edit = "import good, os\npath = good.__file__\nopen(path, 'a').write('EDITED = True\\n')\n"
    test = f"def test_it():\n    import good\n    assert not hasattr(good, 'EDITED')\n    exec({edit!r})\n"
    seeded.write("test_suite.py", test)
    seeded.ask("pytest", "good", link="hardlink").is_fine()
    for _ in range(2):
        said = seeded.ask("pytest", "good", link="hardlink").is_fine()
        assert "good/__init__.py changed" in said
    assert [prefix.name[-2:] for prefix in seeded.environments()] == ["-3"], "the edited ones are gone"


@pytest.mark.parametrize("link", first_and_at_night(LinkMode.HARDLINK, LinkMode.SYMLINK))
def test_a_mode_that_was_changed_in_an_environment_is_told_and_put_right(seeded: Desk, link: LinkMode) -> None:
    seeded.ask("pytest", "good", link=link).is_fine()
    (first,) = seeded.environments()
    (purelib(first) / "good" / "__init__.py").chmod(0o4777)
    said = seeded.ask("pytest", "good", link=link).is_fine()
    assert "(made anew: good/__init__.py is of mode 4777, not 644)" in said
    assert "reused" in seeded.ask("pytest", "good", link=link).is_fine()
    (second,) = set(seeded.environments()) - {first}
    assert (purelib(second) / "good" / "__init__.py").stat().st_mode & 0o7777 == 0o644


def repaired(desk: Desk, damage: Callable[[], object], *sources: str) -> str:
    """Damage what is there, make another environment, and compare it with the first one."""
    first, _ = another(desk, *sources, link="copy")
    damage()
    second, said = another(desk, *sources, link="copy")
    assert relative(first) == relative(second)
    whole(second)
    return said


def relative(prefix: Path) -> dict[str, str]:
    """What an environment consists of, less what holds its own path."""
    return {path: what for path, what in content(prefix).items() if not path.startswith(("bin/", "pyvenv.cfg"))}


def entry_of(desk: Desk, name: str) -> Path:
    """Return the store's entry of a wheel."""
    (found,) = (desk.store / WHEELS.directory).glob(f"*/*/*/{name}")
    return found.parent.parent


def test_a_store_file_is_deleted(seeded: Desk) -> None:
    said = repaired(seeded, lambda: os.unlink(entry_of(seeded, "good") / "tree/good/__init__.py"), "good")
    assert "made anew" in said


def test_a_byte_of_a_store_file_is_flipped(seeded: Desk) -> None:
    said = repaired(seeded, lambda: flip_a_byte(entry_of(seeded, "good") / "tree/good/__init__.py"), "good")
    assert "made anew" in said


def test_a_tree_is_deleted(seeded: Desk) -> None:
    repaired(seeded, lambda: shutil.rmtree(entry_of(seeded, "good") / "tree"), "good")


def test_every_file_beside_a_tree_is_deleted_or_damaged(seeded: Desk) -> None:
    first, _ = another(seeded, "good")
    entry = entry_of(seeded, "good")
    names = [path.name for path in entry.iterdir() if path.is_file()]
    assert len(names) >= 2
    for name in names:
        for damage in (os.unlink, emptied, flip_a_byte):
            if damage is not os.unlink and not (entry / name).stat().st_size:
                continue
            damage(entry_of(seeded, "good") / name)
            shutil.rmtree(seeded.store / INSTALLATIONS.directory)  # by which not all of these files are needed
            made, _ = another(seeded, "good")
            assert relative(made) == relative(first), (name, damage)


def test_a_built_wheel_is_damaged_and_built_again(seeded: Desk, tmp_path: Path) -> None:
    log = tmp_path / "builds"
    make_sdist(artifacts(seeded), "built", build_log=log)
    said = repaired(seeded, lambda: flip_a_byte(entry_of(seeded, "built") / "tree/built/__init__.py"), "built")
    assert "made anew" in said
    assert log.read_text().count("\n") == 2


RECORDS = tuple(bucket.directory for bucket in buckets.RECORDS)


@pytest.mark.parametrize("damage", [os.unlink, emptied, flip_a_byte], ids=["deleted", "emptied", "flipped"])
@pytest.mark.parametrize("buckets", [RECORDS, *(pytest.param([name], marks=pytest.mark.nightly) for name in RECORDS)])
def test_records_are_damaged(seeded: Desk, buckets: Sequence[str], damage: Damage) -> None:
    make_sdist(artifacts(seeded), "built", requires=["good"])
    make_wheel(artifacts(seeded), "direct")

    def destroy() -> None:
        records = [path for bucket in buckets for path in (seeded.store / bucket).rglob("*.json")]
        assert records, buckets
        for path in records:
            damage(path)

    repaired(seeded, destroy, "built", f"direct @ {seeded.server.files_url}direct-1.0-py3-none-any.whl")


def skeleton_files(desk: Desk) -> list[Path]:
    found = sorted((desk.store / SKELETONS.directory).rglob("*"))
    return [path for path in found if path.is_file() and not path.is_symlink()]


@pytest.mark.parametrize("damage", [os.unlink, emptied, flip_a_byte], ids=["deleted", "emptied", "flipped"])
def test_files_of_a_skeleton_are_damaged(seeded: Desk, damage: Damage) -> None:
    first, _ = another(seeded, "good")
    for name in ("skeleton.json", "pyvenv.cfg", "activate"):
        (victim,) = (path for path in skeleton_files(seeded) if path.name == name)
        damage(victim)
        made, _ = another(seeded, "good")
        assert relative(made) == relative(first), victim
        assert content(made).keys() == content(first).keys(), victim


def test_a_build_environment_is_damaged(seeded: Desk, tmp_path: Path) -> None:
    for name in ("built", "later"):
        make_sdist(artifacts(seeded), name, build_requires=["good"], backend_code="from good import __version__")
    another(seeded, "built")
    (module,) = (seeded.store / BUILD_ENVIRONMENTS.directory).rglob("good/__init__.py")
    module.unlink()
    made, _ = another(seeded, "later")
    assert "later" in whole(made)


@pytest.mark.parametrize("door", DOORS)
def test_lock_files_are_deleted(seeded: Desk, door: str) -> None:
    seeded.ask(door, "good").is_fine()
    for place in ("locks", "slots", "environments/.leases"):
        shutil.rmtree(seeded.store / place, ignore_errors=True)
    seeded.ask(door, "good").is_fine()
    seeded.ask(door, "good", recreate="").is_fine()


@pytest.mark.parametrize("door", DOORS)
def test_the_store_is_deleted(seeded: Desk, door: str) -> None:
    seeded.ask(door, "good").is_fine()
    shutil.rmtree(seeded.store)
    shutil.rmtree(seeded.made, ignore_errors=True)
    seeded.recovers(door)


@pytest.mark.parametrize("days", [1, -1, 10_000])
def test_the_clock_is_wrong(seeded: Desk, days: int) -> None:
    """Ours is told by `time.time` alone; file times come from the file system, which here goes right."""
    make_sdist(artifacts(seeded), "built")
    seeded.ask("fastenv", "good", "built").is_fine()
    program = (
        f"import sys, time; right = time.time; time.time = lambda: right() + {days * 86400}; "
        "from pytest_fastenv.cli.main import main; sys.exit(main())"
    )
    words = seeded.words("fastenv", "good", "built")[1:]
    seeded.run([sys.executable, "-c", program, *words]).is_fine()
    seeded.run([sys.executable, "-c", program, *words[:-1], str(seeded.directory / "elsewhere")]).is_fine()
    assert {"good", "built"} <= whole(seeded.directory / "elsewhere")
    assert {"good", "built"} <= whole(seeded.made)
    seeded.ask("fastenv", "good", "built").is_fine()


def test_two_distributions_bring_one_path(seeded: Desk) -> None:
    make_wheel(artifacts(seeded), "also", files={"good/__init__.py": "other = 1\n"})
    seeded.ask("fastenv", "good", "also").is_diagnosis(3, "good", "also", r"good/__init__\.py")
    seeded.nothing_is_left()
