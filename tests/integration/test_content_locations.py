"""What a directory of links or an index on disk lists is looked at when a run begins, as pip does it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from content_desk import ContentDesk
from front_doors import Desk
from kit.archives import make_wheel
from kit.nightly import first_and_at_night

pytestmark = pytest.mark.slow


def publish(directory: Path, version: str, value: int = 0) -> Path:
    return make_wheel(directory, "demo", version, files={"demo.py": f"VALUE = '{value or version}'\n"})


def name_links(desk: Desk, where: str, links: Path) -> str:
    """Name a directory of links in one of the places where that can be done; return the source to ask for."""
    links.mkdir(parents=True)
    if where == "setting":
        desk.variables["FASTENV_FIND_LINKS"] = str(links)
    elif where == "pip":
        (desk.directory / "pip.conf").write_text(f"[global]\nfind-links = {links}\n")
        desk.variables["PIP_CONFIG_FILE"] = str(desk.directory / "pip.conf")
    elif where == "file":
        return desk.write("r.txt", f"--find-links {links}\ndemo\n")
    return "demo"


@pytest.mark.parametrize("where", first_and_at_night("setting", "pip", "file"))
def test_directory_of_links(where: str, seeded: Desk) -> None:
    """It gets a newer wheel, has one replaced, and loses one."""
    here = ContentDesk(seeded)
    links = here.directory / "links"
    source = name_links(seeded, where, links)
    publish(links, "1.0")
    assert here.finds("demo", sources=(source,)) == {"demo": "1.0"}
    assert here.finds("demo", sources=(source,)) == {"demo": "1.0"}
    assert here.reused
    newer = publish(links, "2.0")
    assert here.finds("demo", sources=(source,)) == {"demo": "2.0"}
    publish(links, "2.0", 3)
    assert here.finds("demo", sources=(source,)) == {"demo": "3"}
    newer.unlink()
    assert here.finds("demo", sources=(source,)) == {"demo": "1.0"}


def test_wheel_in_a_directory_of_links_with_its_old_size_and_time(seeded: Desk) -> None:
    here = ContentDesk(seeded)
    source = name_links(seeded, "setting", here.directory / "links")
    path = publish(here.directory / "links", "1.0", 1)
    before = os.stat(path)
    assert here.finds("demo", sources=(source,)) == {"demo": "1"}
    publish(here.directory / "links", "1.0", 2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert here.finds("demo", sources=(source,)) == {"demo": "2"}


def test_directory_of_links_that_appears_and_goes(seeded: Desk, artifacts: Path) -> None:
    here = ContentDesk(seeded)
    links = here.directory / "links"
    source = name_links(seeded, "setting", links)
    links.rmdir()
    publish(artifacts, "1.0")
    assert here.finds("demo", sources=(source,)) == {"demo": "1.0"}
    publish(links, "2.0")
    assert here.finds("demo", sources=(source,)) == {"demo": "2.0"}
    (links / "demo-2.0-py3-none-any.whl").unlink()
    links.rmdir()
    assert here.finds("demo", sources=(source,)) == {"demo": "1.0"}


@pytest.mark.parametrize("page", [False, True], ids=["directories", "pages"])
def test_index_on_disk(page: bool, seeded: Desk, wheels_of_pytest: Path) -> None:
    here = ContentDesk(seeded)
    index = here.directory / "index"
    for wheel in wheels_of_pytest.iterdir():
        place = index / wheel.name.partition("-")[0]
        place.mkdir(parents=True)
        os.link(wheel, place / wheel.name)
    seeded.variables["FASTENV_INDEX_URL"] = index.as_uri()

    def list_files() -> None:
        if page:
            names = sorted(path.name for path in (index / "demo").glob("*.whl"))
            links = "".join(f'<a href="{name}">{name}</a>' for name in names)
            (index / "demo" / "index.html").write_text(f"<html><body>{links}</body></html>")

    publish(index / "demo", "1.0")
    list_files()
    assert here.finds("demo", sources=("demo",)) == {"demo": "1.0"}
    assert here.finds("demo", sources=("demo",)) == {"demo": "1.0"}
    assert here.reused
    newer = publish(index / "demo", "2.0")
    list_files()
    assert here.finds("demo", sources=("demo",)) == {"demo": "2.0"}
    publish(index / "demo", "2.0", 3)
    assert here.finds("demo", sources=("demo",)) == {"demo": "3"}
    newer.unlink()
    list_files()
    assert here.finds("demo", sources=("demo",)) == {"demo": "1.0"}
