"""Archives count by what is in them: under the same name with other content, they are installed anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from content_desk import ContentDesk
from front_doors import DOORS, Desk
from kit.archives import make_sdist, make_wheel

pytestmark = pytest.mark.slow

WHEEL = "dist/demo-1.0-py3-none-any.whl"
SDIST = "dist/demo-1.0.tar.gz"


def publish(directory: Path, value: int, kind: str = "wheel") -> Path:
    """Write release 1.0 of demo with some content."""
    make = make_wheel if kind == "wheel" else make_sdist
    return make(directory / "dist", "demo", files={"demo.py": f"VALUE = {value}\n"})


#: How a requirement names an archive: files to write, the first one is asked for. ``source`` names it itself.
FORMS: dict[str, dict[str, str]] = {
    "source": {},
    "line": {"r.txt": "./{path}\n"},
    "nested": {"r.txt": "-r more/n.txt\n", "more/n.txt": "./{path}\n"},
    "url": {"r.txt": "demo @ {url}\n"},
    "constraint": {"r.txt": "demo\n-c c.txt\n", "c.txt": "demo @ {url}\n"},
    "script": {"s.py": '# /// script\n# dependencies = ["demo @ {url}"]\n# ///\n'},
    "dependency": {"r.txt": "./dist/outer-1.0-py3-none-any.whl\n"},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", [WHEEL, SDIST])
def test_local_archive(form: str, path: str, seeded: Desk) -> None:
    here = ContentDesk(seeded)
    kind = "wheel" if path == WHEEL else "sdist"
    publish(here.directory, 1, kind)
    if form == "dependency":
        make_wheel(here.directory / "dist", "outer", requires=[f"demo @ {(here.directory / path).as_uri()}"])
    for name, text in FORMS[form].items():
        seeded.write(name, text.format(path=path, url=(here.directory / path).as_uri()))
    source = next(iter(FORMS[form]), path)
    assert here.finds("demo", sources=(source,)) == {"demo": "1"}
    publish(here.directory, 2, kind)
    assert here.finds("demo", sources=(source,)) == {"demo": "2"}
    publish(here.directory, 1, kind)
    assert here.finds("demo", sources=(source,)) == {"demo": "1"}


@pytest.mark.parametrize("option", ["upgrade", "recreate", "offline"])
def test_local_archive_with_options(option: str, seeded: Desk) -> None:
    here = ContentDesk(seeded)
    publish(here.directory, 1)
    assert here.finds("demo", sources=(WHEEL,)) == {"demo": "1"}
    publish(here.directory, 2)
    assert here.finds("demo", sources=(WHEEL,), **{option: ""}) == {"demo": "2"}


@pytest.mark.parametrize("door", DOORS)
def test_archive_with_its_old_size_and_time(door: str, seeded: Desk) -> None:
    """What unpacks or copies archives often keeps their times."""
    here = ContentDesk(seeded, door)
    path = publish(here.directory, 1)
    before = os.stat(path)
    assert here.finds("demo", sources=(WHEEL,)) == {"demo": "1"}
    publish(here.directory, 2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(path).st_size == before.st_size
    assert here.finds("demo", sources=(WHEEL,)) == {"demo": "2"}


def test_archive_behind_a_link(seeded: Desk) -> None:
    here = ContentDesk(seeded)
    publish(here.directory / "one", 1)
    publish(here.directory / "two", 2)
    (here.directory / "dist").symlink_to("one/dist")
    assert here.finds("demo", sources=(WHEEL,)) == {"demo": "1"}
    (here.directory / "dist").unlink()
    (here.directory / "dist").symlink_to("two/dist")
    assert here.finds("demo", sources=(WHEEL,)) == {"demo": "2"}


def test_archive_that_became_a_directory_is_a_diagnosis(seeded: Desk) -> None:
    here = ContentDesk(seeded)
    path = publish(here.directory, 1)
    here.finds("demo", sources=(WHEEL,))
    path.unlink()
    path.mkdir()
    seeded.ask("pytest", WHEEL).is_diagnosis(4, "is a directory without a project")


def serve(seeded: Desk, value: int, name: str) -> None:
    """Put other content behind a URL."""
    assert seeded.server is not None
    directory = seeded.server.directory
    if name.endswith(".whl"):
        make_wheel(directory, "demo", files={"demo.py": f"VALUE = {value}\n"})
        return
    made = make_sdist(directory / "made", "demo", files={"demo.py": f"VALUE = {value}\n"})
    os.replace(made, directory / name)


@pytest.mark.parametrize("name", ["main.tar.gz", "demo-1.0-py3-none-any.whl"])
@pytest.mark.parametrize("options", [{"upgrade": ""}, {"max_age": "0"}], ids=["upgrade", "age"])
def test_archive_at_a_url(name: str, options: dict[str, str], seeded: Desk) -> None:
    assert seeded.server is not None
    here = ContentDesk(seeded)
    serve(seeded, 1, name)
    seeded.write("r.txt", f"demo @ {seeded.server.files_url}{name}\n")
    assert here.finds("demo", sources=("r.txt",), **options) == {"demo": "1"}
    serve(seeded, 2, name)
    assert here.finds("demo", sources=("r.txt",), **options) == {"demo": "2"}


@pytest.mark.parametrize("name", ["main.tar.gz", "demo-1.0-py3-none-any.whl"])
def test_unchanged_archive_at_a_url_is_not_sent_again(name: str, seeded: Desk) -> None:
    """It is asked for with the validators that it came with."""
    assert seeded.server is not None
    here = ContentDesk(seeded)
    serve(seeded, 1, name)
    seeded.write("r.txt", f"demo @ {seeded.server.files_url}{name}\n")
    here.finds("demo", sources=("r.txt",))
    asked = len(seeded.server.requests)
    assert here.finds("demo", sources=("r.txt",), upgrade="") == {"demo": "1"}
    (again,) = [request for request in seeded.server.requests[asked:] if request.path == f"/files/{name}"]
    assert again.headers["if-none-match"]
    asked = len(seeded.server.requests)
    here.finds("demo", sources=("r.txt",))
    assert len(seeded.server.requests) == asked


def test_wheel_of_an_index_without_digests(seeded: Desk) -> None:
    """Replaced at a page of links that tells no digest: the next upgrade installs what is there now."""
    assert seeded.server is not None
    here = ContentDesk(seeded)
    serve(seeded, 1, "demo-1.0-py3-none-any.whl")
    page = b'<a href="/files/demo-1.0-py3-none-any.whl">demo-1.0-py3-none-any.whl</a>'
    seeded.server.fault("/links.html", lambda handler: handler.answer(200, page, {"Content-Type": "text/html"}) or True)
    seeded.variables["FASTENV_FIND_LINKS"] = f"{seeded.server.origin}/links.html"
    here.finds("demo", sources=("demo",))
    serve(seeded, 2, "demo-1.0-py3-none-any.whl")
    assert here.finds("demo", sources=("demo",), upgrade="") == {"demo": "2"}
