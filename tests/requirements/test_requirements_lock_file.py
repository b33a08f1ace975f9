"""Lock files as other tools write them (PEP 751), and what is wrong with some."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.plan import Vcs
from pytest_fastenv.model.reference import (
    ArchiveReference,
    DirectoryReference,
    LockedReference,
    RepositoryReference,
)
from pytest_fastenv.model.request import Request
from pytest_fastenv.requirements.sources import Additions, read_sources

DIGEST = "0" * 64
COMMIT = "1" * 40
HEAD = 'lock-version = "1.0"\ncreated-by = "somebody"\n'
WHEEL = f'{{ url = "https://files.example.invalid/lib-1.0-py3-none-any.whl", hashes = {{ sha256 = "{DIGEST}" }} }}'


def read(tmp_path: Path, text: str, name: str = "pylock.toml") -> Request:
    (tmp_path / name).write_text(HEAD + text, encoding="utf-8")
    return read_sources([name], base=tmp_path, environ={})


def test_files_of_a_release_as_uv_writes_them(tmp_path: Path) -> None:
    request = read(
        tmp_path,
        f"""
        requires-python = ">=3.9"
        [[packages]]
        name = "lib"
        version = "1.0"
        marker = "python_full_version >= '3.10'"
        index = "https://index.example.invalid/simple"
        sdist = {{ url = "https://files.example.invalid/lib-1.0.tar.gz", size = 7, hashes = {{ sha256 = "{DIGEST}" }} }}
        wheels = [{WHEEL}]
        [[packages]]
        name = "lib"
        version = "0.9"
        marker = "python_full_version < '3.10'"
        sdist = {{ url = "https://files.example.invalid/lib-0.9.tar.gz", hashes = {{ sha256 = "{DIGEST}" }} }}
        """,
    )
    (lock,) = request.locks
    assert (lock.name, lock.requires_python, lock.projects) == ("pylock.toml", ">=3.9", ("lib",))
    assert request.is_sealed
    newer, older = request.wanted
    assert (newer.name, newer.specifier, newer.marker) == ("lib", "==1.0", 'python_full_version >= "3.10"')
    assert isinstance(newer.reference, LockedReference)
    wheel, sdist = newer.reference.files
    assert (wheel.kind, sdist.kind, sdist.size_bytes) == ("wheel", "sdist", 7)
    assert wheel.index_url == "https://index.example.invalid/simple"
    assert wheel.hashes == Hashes.of({"sha256": DIGEST})
    assert older.specifier == "==0.9"


def test_files_as_pip_writes_them_without_an_index_and_on_this_machine(tmp_path: Path) -> None:
    content = b"no wheel, and not looked at"
    (tmp_path / "lib-1.0-py3-none-any.whl").write_bytes(content)
    request = read(
        tmp_path,
        f"""
        [[packages]]
        name = "lib"
        version = "1.0"
        [[packages.wheels]]
        name = "lib-1.0-py3-none-any.whl"
        path = "lib-1.0-py3-none-any.whl"
        [packages.wheels.hashes]
        sha256 = "{hashlib.sha256(content).hexdigest()}"
        """,
    )
    (lib,) = request.wanted
    assert isinstance(lib.reference, LockedReference)
    assert lib.reference.files[0].url == (tmp_path / "lib-1.0-py3-none-any.whl").as_uri()
    assert str(tmp_path / "lib-1.0-py3-none-any.whl") in [one.subject for one in request.observed]


def test_groups_as_pdm_writes_them(tmp_path: Path) -> None:
    request = read(
        tmp_path,
        f"""
        environments = []
        extras = []
        dependency-groups = ["default", "dev"]
        default-groups = ["default"]
        [[packages]]
        name = "lib"
        version = "1.0"
        marker = "\\"default\\" in dependency_groups"
        wheels = [{WHEEL}]
        """,
    )
    assert request.locks[0].groups == ("default",)


PARTS = f"""
    extras = ["fast"]
    dependency-groups = ["default", "dev"]
    default-groups = ["default"]
    [[packages]]
    name = "lib"
    version = "1.0"
    marker = "'default' in dependency_groups"
    wheels = [{WHEEL}]
"""


@pytest.mark.parametrize(
    ("additions", "groups", "extras"),
    [
        (Additions(), ("default",), ()),
        (Additions(groups=frozenset({"Dev"})), ("dev",), ()),
        (Additions(groups=frozenset({"default", "dev"}), extras=frozenset({"fast"})), ("default", "dev"), ("fast",)),
    ],
)
def test_those_parts_of_it_that_are_asked_for(
    tmp_path: Path, additions: Additions, groups: tuple[str, ...], extras: tuple[str, ...]
) -> None:
    (tmp_path / "pylock.toml").write_text(HEAD + PARTS)
    (lock,) = read_sources(["pylock.toml"], base=tmp_path, environ={}, additions=additions).locks
    assert (lock.groups, lock.extras) == (groups, extras)
    additions = replace(additions, lock=tmp_path / "pylock.toml")
    assert read_sources([], base=tmp_path, environ={}, additions=additions).locks == (lock,)


def test_parts_that_it_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text(HEAD + PARTS)
    for additions in (Additions(groups=frozenset({"other"})), Additions(extras=frozenset({"other"}))):
        with pytest.raises(RequirementsError, match="other"):
            read_sources(["pylock.toml"], base=tmp_path, environ={}, additions=additions)


def test_other_sources(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "pyproject.toml").touch()
    request = read(
        tmp_path,
        f"""
        [[packages]]
        name = "own"
        directory = {{ path = "own", editable = true }}
        [[packages]]
        name = "versioned"
        vcs = {{ type = "git", url = "https://g.invalid/a.git", requested-revision = "v1", commit-id = "{COMMIT}" }}
        [[packages]]
        name = "archived"
        archive = {{ url = "https://f.invalid/a.zip", subdirectory = "sub", hashes = {{ sha256 = "{DIGEST}" }} }}
        """,
    )
    own, versioned, archived = (wanted.reference for wanted in request.wanted)
    assert own == DirectoryReference(tmp_path / "own", editable=True)
    assert versioned == RepositoryReference(Vcs("https://g.invalid/a.git", COMMIT))
    assert archived == ArchiveReference("https://f.invalid/a.zip", "sub")
    assert request.wanted[2].hashes == Hashes.of({"sha256": DIGEST})


def test_beside_other_sources_it_is_not_all_there_may_be(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text(HEAD + "packages = []", encoding="utf-8")
    assert not read_sources(["pylock.toml", "six"], base=tmp_path, environ={}).is_sealed
    assert read_sources(
        ["six"], base=tmp_path, environ={}, additions=Additions(lock=tmp_path / "pylock.toml")
    ).is_sealed
    assert not read_sources(["six"], base=tmp_path, environ={}).is_sealed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Missing required value in 'packages'"),
        ("packages = [", "pylock.toml is not valid TOML"),
        ("[[packages]]\nname = 'lib'", "Exactly one of vcs, directory, archive must be set"),
        ("[[packages]]\nname = 'Lib_'", "'Lib_' is not normalized"),
        (
            f"[[packages]]\nname = 'lib'\nwheels = [{WHEEL.replace('sha256', 'md5')}]",
            "what fixes no content is no lock: md5",
        ),
        (
            "[[packages]]\nname = 'lib'\nwheels = [{ url = 'https://h.invalid/lib-1-py3-none-any.whl', hashes = {} }]",
            "At least one hash must be provided",
        ),
        (f"[[packages]]\nname = 'other'\nwheels = [{WHEEL}]", "is not consistent with package name 'other'"),
        (
            "[[packages]]\nname = 'own'\ndirectory = { path = 'nowhere' }",
            "locks the project in nowhere, and there is none",
        ),
        (
            "[[packages]]\nname = 'v'\nvcs = { type = 'hg', url = 'https://h.invalid', commit-id = 'x' }",
            "only git is supported",
        ),
        (
            "[[packages]]\nname = 'v'\nvcs = { type = 'git', url = 'https://h.invalid', commit-id = 'main' }",
            "is no commit",
        ),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(RequirementsError) as caught:
        read(tmp_path, text)
    assert told in caught.value.diagnosis()


def test_another_major_version(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text('lock-version = "2.0"\ncreated-by = "x"\npackages = []\n')
    with pytest.raises(RequirementsError, match=r"pylock version 2\.0 is not supported"):
        read_sources(["pylock.toml"], base=tmp_path, environ={})


def test_a_lock_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match=r"lock file pylock\.x\.toml cannot be read") as caught:
        read_sources(["six"], base=tmp_path, environ={}, additions=Additions(lock=tmp_path / "pylock.x.toml"))
    assert caught.value.hint == "fastenv lock writes one"
