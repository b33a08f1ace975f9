"""Wheels that bring different files to one place: what passes, what is told, what is refused, and whose is taken."""

from __future__ import annotations

import csv
import hashlib
import itertools
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from installing import SITE, SomeStaging, artifact, engine, run
from kit.archives import make_wheel

from pytest_fastenv.errors import ConflictError
from pytest_fastenv.installer.namespaces import is_namespace
from pytest_fastenv.model.events import Notice, Recorder
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

LIBRARY = f"{SITE}/"
ODD = {
    "tests": "tests/conftest.py",
    "test module": "test.py",
    "docs": "docs/conf.py",
    "examples": "Examples/deep/x.txt",
    "setup": "setup.py",
    "conftest": "conftest.py",
    "licence": "LICENSE",
    "licence with ending": "LICENCE.Apache-2.0",
    "read me": "README.md",
}
ODD_DATA = {
    "share/doc": "data/share/doc/thing/index.txt",
    "manual": "data/share/man/man1/tool.1",
    "licence beside everything": "data/LICENSE.txt",
    "script": "scripts/tool",
}
NAMESPACES = (
    b"",
    b"# only a comment\n",
    b'"""A namespace."""\n__path__ = __import__("pkgutil").extend_path(__path__, __name__)\n',
    b"__import__('pkg_resources').declare_namespace(__name__)\n",
    b"from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)  # noqa\n",
    b"import pkg_resources\npkg_resources.declare_namespace(__name__)\n",
    b"""try:
    import pkg_resources
    pkg_resources.declare_namespace(__name__)
except ImportError:
    import pkgutil
    __path__ = pkgutil.extend_path(__path__, __name__)
""",
)


@pytest.fixture
def draft(tmp_path: Path) -> SomeStaging:
    prefix = tmp_path / "env"
    prefix.mkdir()
    return SomeStaging(prefix, prefix)


def install(store: Store, draft: SomeStaging, *wheels: Path, at_once: int = 2, **settings: Any) -> list[Notice]:
    recorder = Recorder()

    async def work() -> None:
        chosen = Settings(index_url="http://127.0.0.1:9/simple/", **settings)
        async with engine(store, chosen, recorder=recorder, installs=at_once) as parts:
            await parts.install([artifact(wheel) for wheel in wheels], draft)

    run(work())
    return recorder.notices


def agrees(prefix: Path, name: str) -> dict[str, str]:
    """Check every line of a distribution's RECORD; return the digests by path."""
    site = prefix / SITE
    rows = csv.reader((site / f"{name}-1.0.dist-info" / "RECORD").read_text().splitlines())
    listed = {path: digest for path, digest, _ in rows if digest}
    for path, digest in listed.items():
        found = urlsafe_b64encode(hashlib.sha256((site / path).read_bytes()).digest()).decode().rstrip("=")
        assert digest == f"sha256={found}", path
    return listed


def pair(artifacts: Path, path: str, **contents: str) -> list[Path]:
    """Make a wheel of each name, all with one path; ``data/...`` and ``scripts/...`` are of the data directory."""
    in_data = path.startswith(("data/", "scripts/"))
    return [
        make_wheel(
            artifacts,
            name,
            files={f"{name}_package/__init__.py": ""} | ({} if in_data else {path: content}),
            data_files={path: content} if in_data else {},
        )
        for name, content in contents.items()
    ]


@pytest.mark.parametrize("path", [*ODD.values(), *ODD_DATA.values()], ids=[*ODD, *ODD_DATA])
def test_what_nobody_can_mean_is_told_and_the_first_name_wins(
    path: str, store: Store, artifacts: Path, tmp_path: Path
) -> None:
    wheels = pair(artifacts, path, bee="# of bee\n", ant="# of ant\n", cat="# of ant\n")
    place = path.removeprefix("data/").replace("scripts/", "bin/") if path in ODD_DATA.values() else LIBRARY + path
    for number, order in enumerate(itertools.permutations(wheels)):
        prefix = tmp_path / str(number)
        prefix.mkdir()
        draft = SomeStaging(prefix, prefix)
        (notice,) = install(store, draft, *order, at_once=1 + number % 2)
        assert (notice.level, notice.of) == ("warning", "environment")
        assert notice.text == f"ant and bee and cat bring {place}, with different contents: those of ant are used"
        assert (prefix / place).read_text() == "# of ant\n"
        end = path.rpartition("/")[2]
        listed = {name: {line.rpartition("/")[2] for line in agrees(prefix, name)} for name in ("ant", "bee", "cat")}
        assert [name for name, ends in listed.items() if end in ends] == ["ant", "cat"]


@pytest.mark.parametrize("mode", [LinkMode.HARDLINK, LinkMode.COPY, LinkMode.SYMLINK])
def test_the_store_keeps_both(mode: LinkMode, store: Store, artifacts: Path, draft: SomeStaging) -> None:
    install(store, draft, *pair(artifacts, "tests/x.py", bee="b", ant="a"), link=mode)
    assert sorted(path.read_text() for path in store.root.glob("wheels-*/*/*/tree/tests/x.py")) == ["a", "b"]
    assert (draft.prefix / SITE / "tests" / "x.py").read_text() == "a"


def test_one_console_script(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    wheels = [make_wheel(artifacts, name, entry_points={"tool": f"{name}:main"}) for name in ("bee", "ant")]
    (notice,) = install(store, draft, *wheels)
    assert notice.text == "ant and bee bring bin/tool, with different contents: those of ant are used"
    assert "from ant import main" in (draft.prefix / "bin" / "tool").read_text()
    assert "../../../bin/tool" in agrees(draft.prefix, "ant")
    assert "../../../bin/tool" not in agrees(draft.prefix, "bee")


def test_a_warning_is_kept_with_the_environment(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    wheels = pair(artifacts, "tests/x.py", bee="b", ant="a")

    async def work() -> tuple[str, ...]:
        async with engine(store) as parts:
            return (await parts.install([artifact(wheel) for wheel in wheels], draft)).warnings

    (text,) = run(work())
    assert text.endswith("with different contents: those of ant are used")


@pytest.mark.parametrize(
    ("count", "told"),
    [(1, "tests/0.py, with"), (2, "tests/0.py and 1 more file,"), (5, "tests/0.py and 4 more files,")],
)
def test_many_files_are_one_line(store: Store, artifacts: Path, draft: SomeStaging, count: int, told: str) -> None:
    wheels = [
        make_wheel(artifacts, name, files={f"tests/{n}.py": name for n in range(count)} | {f"{name}.py": ""})
        for name in ("bee", "ant")
    ]
    (notice,) = install(store, draft, *wheels)
    assert told in notice.text


@pytest.mark.parametrize("content", NAMESPACES)
def test_namespace_files_pass_in_any_spelling(
    content: bytes, store: Store, artifacts: Path, draft: SomeStaging
) -> None:
    wheels = [
        make_wheel(artifacts, name, files={"ns/__init__.py": text, f"ns/{name}.py": ""})
        for name, text in (
            ("bee", content),
            ("ant", b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)"),
        )
    ]
    assert install(store, draft, *wheels, strict=True) == []
    for name in ("ant", "bee"):
        assert f"ns/{name}.py" in agrees(draft.prefix, name)


@pytest.mark.parametrize(
    "content",
    [
        b"x = 1\n",
        b"import os\n",
        b"def f(): pass\n",
        b"f()\n",
        b"(",
        b"\0",
        b"__path__ = [f()]\n",
        b"(" * 9999,
        b"#" * 99999,
    ],
)
def test_what_is_no_namespace_file(content: bytes) -> None:
    assert not is_namespace(content)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("shared/mod.py", "ant"),
        ("shared/mod.py", "Bee"),
        ("shared/mod.py", "shared/*"),
        ("shared/mod.py", "shared/mod.py"),
        ("shared/mod.py", f"{SITE}/shared/*"),
        ("data/etc/x.cfg", "etc/*"),
    ],
)
def test_the_rest_is_an_error_unless_it_is_allowed(
    path: str, allowed: str, store: Store, artifacts: Path, draft: SomeStaging, tmp_path: Path
) -> None:
    wheels = pair(artifacts, path, bee="b", ant="a")
    for other in ((), ("other", "no/*")):
        with pytest.raises(ConflictError) as caught:
            install(store, draft, *wheels, allow_overlaps=other)
        assert "allow_overlaps" in caught.value.diagnosis()
    fresh = SomeStaging(tmp_path / "fresh", tmp_path / "fresh")
    fresh.prefix.mkdir()
    (notice,) = install(store, fresh, *wheels, allow_overlaps=(allowed,), strict=True)
    assert notice.level == "info"
    assert "those of ant are used" in notice.text


def test_strict_mode_accepts_no_odd_overlap(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    with pytest.raises(ConflictError, match=r"tests/x\.py"):
        install(store, draft, *pair(artifacts, "tests/x.py", bee="b", ant="a"), strict=True)


@pytest.mark.parametrize(
    "path", ["tests/x.py", "mod.py", "readme.py", "pkg/README.md", "data/share/x", "data/share/doc"]
)
def test_what_somebody_may_mean_is_refused(path: str, store: Store, artifacts: Path, draft: SomeStaging) -> None:
    with pytest.raises(ConflictError):
        install(store, draft, *pair(artifacts, path, tests="a", other="b"))


def test_no_setting_lets_a_file_be_a_directory(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    wheels = [make_wheel(artifacts, "ant", files={"ns": "1"}), make_wheel(artifacts, "bee", files={"ns/x.py": "2"})]
    for order in (wheels, wheels[::-1]):
        with pytest.raises(ConflictError) as caught:
            install(store, draft, *order, at_once=1, allow_overlaps=("*",))
        assert caught.value.what == f"ant brings {SITE}/ns as a file, and bee brings it too, as a directory"
        assert "permit" not in caught.value.diagnosis()
