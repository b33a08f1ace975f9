from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest
from kit.archives import make_project, make_sdist, make_wheel

from pytest_fastenv.errors import RequestError, RequirementsError, UsageError
from pytest_fastenv.filesystem.observations import first_change, observe
from pytest_fastenv.model.reference import ArchiveReference, DirectoryReference
from pytest_fastenv.model.request import Request
from pytest_fastenv.requirements.sources import Additions, read_sources
from pytest_fastenv.settings.layers import Origin
from pytest_fastenv.settings.naming import Naming
from pytest_fastenv.settings.values import Project

#: The machine's own pip.conf files are none of a test's.
NO_PIP_FILES = {"PIP_CONFIG_FILE": os.devnull}

PYPROJECT = """\
[project]
name = "p"
version = "1"
dependencies = [
    "a>=1",
    'b; os_name == "nt"',
]

[dependency-groups]
test = ["pytest >8", {include-group = "Lint_Tools"}]
lint-tools = ["ruff"]
loop = [{include-group = "loop"}]
odd = [{include = "x"}]
bad = ["a ="]
"""

SCRIPT = """\
#!/usr/bin/env python3
# /// script
# requires-python = ">=3.12"
# dependencies = [
#   "rich",
#   "httpx<1",
# ]
# ///
import rich
"""


def read(base: Path, *sources: str, project: Project = "none") -> Request:
    return read_sources(sources, base=base, environ=NO_PIP_FILES, project=project)


def summary(request: Request) -> list[tuple[str | None, str, str]]:
    return [(wanted.name, wanted.specifier, str(wanted.location)) for wanted in request.wanted]


def test_sources_add_up(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("a")
    (tmp_path / "r.in").write_text("b")
    request = read(tmp_path, "r.txt", "django<5", "r.in")
    assert [wanted.name for wanted in request.wanted] == ["a", "django", "b"]


def test_dependencies_of_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    request = read(tmp_path, "pyproject.toml")
    assert summary(request) == [("a", ">=1", "pyproject.toml:5"), ("b", "", "pyproject.toml:6")]
    assert request.wanted[1].marker == 'os_name == "nt"'
    assert [seen.subject for seen in request.observed] == [str(tmp_path / "pyproject.toml")]


@pytest.mark.parametrize(
    ("content", "what", "where"),
    [
        ("[project\n", "is not valid TOML", "pyproject.toml:1:9"),
        ("x = 1", "has no [project] table", "pyproject.toml"),
        ("[project]\ndynamic=['dependencies']", "leaves its dependencies to the build backend", "pyproject.toml"),
        ("[project]\ndependencies = 'a'", "is not a list of strings", "pyproject.toml"),
        ("[project]\ndependencies = [\n  'a >= x']", "cannot be read", "pyproject.toml:3:6"),
        ("[project]\ndependencies = ['./x']", "cannot be read", "pyproject.toml:2:18"),
    ],
)
def test_unusable_pyproject(tmp_path: Path, content: str, what: str, where: str) -> None:
    (tmp_path / "pyproject.toml").write_text(content)
    with pytest.raises(RequirementsError) as caught:
        read(tmp_path, "pyproject.toml")
    assert what in caught.value.what
    assert caught.value.where == where


def test_groups_with_included_ones(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    expected = [("pytest", ">8", "pyproject.toml:10"), ("ruff", "", "pyproject.toml:11")]
    assert summary(read(tmp_path, "group:Test")) == expected


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("tets", "did you mean test?"),
        ("loop", "loop includes itself"),
        ("odd", "Invalid dependency group item"),
        ("bad", "dependency group 'bad' cannot be read"),
    ],
)
def test_unusable_groups(tmp_path: Path, group: str, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    with pytest.raises(RequirementsError) as caught:
        read(tmp_path, f"group:{group}")
    assert text in caught.value.diagnosis()


def test_groups_are_added_to_the_sources_from_the_root(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    base = tmp_path / "elsewhere"
    base.mkdir()
    additions = Additions(groups={"test"})
    request = read_sources(["a"], base=base, root=tmp_path, environ=NO_PIP_FILES, additions=additions)
    assert [wanted.name for wanted in request.wanted] == ["a", "pytest", "ruff"]
    assert str(request.wanted[1].location) == "pyproject.toml:10"
    with pytest.raises(RequirementsError, match="has no dependency group 'tset'"):
        read_sources([], base=tmp_path, environ=NO_PIP_FILES, additions=Additions(groups={"tset"}))


def test_constraints_are_lines_and_files(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("-c more.in\na<2\n")
    (tmp_path / "more.in").write_text("b==1 --hash=sha256:" + "0" * 64)
    (tmp_path / "plain").write_text("d<4")
    additions = Additions(constraints=["c.txt", "c>1", str(tmp_path / "plain")])
    request = read_sources([], base=tmp_path, environ=NO_PIP_FILES, additions=additions)
    assert request.wanted == ()
    found = [(wanted.name, wanted.specifier, str(wanted.location)) for wanted in request.constraints]
    assert found[:2] == [("b", "==1", "more.in:1"), ("a", "<2", "c.txt:2")]
    assert [name for name, _, _ in found] == ["b", "a", "c", "d"]
    assert request.require_hashes
    assert {Path(seen.subject).name for seen in request.observed} >= {"c.txt", "more.in", "plain"}


@pytest.mark.parametrize(
    ("constraint", "what"),
    [
        ("missing.txt", "no such file: missing.txt"),
        ("constraints", "no such file: constraints"),
        ("a[x]", "a constraint cannot have extras"),
        ("a=1", "cannot be read"),
        ("-c c.txt", "-c is an option of requirements files, not a constraint"),
        ("./x", "no such file or directory: ./x"),
    ],
)
def test_unusable_constraints(tmp_path: Path, constraint: str, what: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_sources([], base=tmp_path, environ=NO_PIP_FILES, additions=Additions(constraints=[constraint]))
    assert what in caught.value.what


@pytest.mark.parametrize(
    ("project", "sources", "shown"),
    [
        ("wheel", [], (".[docs,test]", ("docs", "test"))),
        ("editable", [], ("-e .[docs,test]", ("docs", "test"))),
        ("auto", [], ("-e .[docs,test]", ("docs", "test"))),
        ("sdist", [".[more]"], (".[more]", ("docs", "more", "test"))),
        ("auto", [".[more]"], (".[more]", ("docs", "more", "test"))),
    ],
)
def test_extras_of_the_project(
    tmp_path: Path, project: Project, sources: list[str], shown: tuple[str, tuple[str, ...]]
) -> None:
    make_project(tmp_path / "p", "p")
    additions = Additions(extras={"test", "docs"})
    request = read_sources(sources, base=tmp_path / "p", environ=NO_PIP_FILES, project=project, additions=additions)
    assert [(wanted.text, wanted.extras) for wanted in request.wanted] == [shown]


@pytest.mark.parametrize(
    ("project", "files", "why"),
    [
        ("none", ["pyproject.toml"], "Settings(project=...) leaves it out"),
        ("auto", [], "no [build-system]"),
        ("auto", ["setup.py"], "no [build-system]"),
    ],
)
def test_extras_of_no_project(tmp_path: Path, project: Project, files: list[str], why: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(RequirementsError) as caught:
        read_sources([], base=tmp_path, environ=NO_PIP_FILES, project=project, additions=Additions(extras={"x"}))
    assert "extras of the project are asked for (x), and the project is not installed" in caught.value.diagnosis()
    assert why in caught.value.diagnosis()


def test_group_without_pyproject(tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match=r"no such file: pyproject.toml"):
        read(tmp_path, "group:x")


@pytest.mark.parametrize("name", ["script.py", "script"])
def test_script_with_inline_metadata(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(SCRIPT)
    request = read(tmp_path, name)
    assert summary(request) == [("rich", "", f"{name}:5"), ("httpx", "<1", f"{name}:6")]
    assert request.requires_python == ">=3.12"


def test_script_block_ends_at_the_last_line_that_can_end_it(tmp_path: Path) -> None:
    content = "# /// script\n# note = '''\n# ///\n# '''\n# dependencies = ['a']\n# ///\nx = 1\n# ///\n"
    (tmp_path / "s.py").write_text(content)
    assert summary(read(tmp_path, "s.py")) == [("a", "", "s.py:5")]


@pytest.mark.parametrize(
    ("content", "what", "where"),
    [
        ("import x", "has no inline metadata", "s.py"),
        (SCRIPT + SCRIPT, "has several script blocks", "s.py"),
        ("# /// script\n# x = 1\nimport y\n# ///", "the script block is not ended", "s.py:1"),
        ("\n# /// script\n# x =\n# ///", "is not valid TOML", "s.py:3:4"),
        ("# /// script\n# dependencies = ['a b']\n# ///", "cannot be read", "s.py:2:22"),
        ("# /// script\n# requires-python = 'new'\n# ///", "no version specifier", "s.py:2:22"),
        ("# /// script\n# dependencies = 'a'\n# ///", "not a list of strings", "s.py"),
    ],
)
def test_unusable_scripts(tmp_path: Path, content: str, what: str, where: str) -> None:
    (tmp_path / "s.py").write_text(content)
    with pytest.raises(RequirementsError) as caught:
        read(tmp_path, "s.py")
    assert what in caught.value.what
    assert caught.value.where == where


@pytest.mark.parametrize("name", ["pyproject.toml", "s.py"])
def test_toml_has_to_be_utf8(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"# /// script\n# x = '\xff'\n# ///\n")
    with pytest.raises(RequirementsError, match=f"{name} is not UTF-8"):
        read(tmp_path, name)


def test_artifacts_and_directories(tmp_path: Path) -> None:
    wheel, sdist = make_wheel(tmp_path, "w"), make_sdist(tmp_path, "s")
    make_project(tmp_path / "django", "django")
    request = read(tmp_path, wheel.name, f"{sdist.name}[x]", "django", "./django[y]", str(tmp_path / "django"))
    assert [w.reference for w in request.wanted] == [
        ArchiveReference(wheel.as_uri()),
        ArchiveReference(sdist.as_uri()),
        *[DirectoryReference(tmp_path / "django")] * 3,
    ]
    assert [w.extras for w in request.wanted] == [(), ("x",), (), ("y",), ()]
    assert {Path(seen.subject).name for seen in request.observed if seen.state} == {
        *(wheel.name, sdist.name),
        *("pyproject.toml", "django"),
    }


def test_what_is_not_there_is_noted_too(tmp_path: Path) -> None:
    make_project(tmp_path / "p", "p")
    absent = [Path(seen.subject).name for seen in read(tmp_path, "./p").observed if not seen.state]
    assert absent == ["setup.py", "setup.cfg"]


def test_the_sources_of_a_project_that_is_built_are_noted(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", "p")

    def noted(*, how: Literal["editable", "wheel"]) -> dict[Path, str]:
        request = read_sources([], base=tmp_path, root=project, environ=NO_PIP_FILES, project=how)
        return {Path(seen.subject): seen.state for seen in request.observed}

    before = noted(how="wheel")[project]
    (project / "p" / "new.py").write_text("")
    assert noted(how="wheel")[project] != before
    assert project not in noted(how="editable")


def test_variables_are_noted_without_their_values(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("--index-url https://${TOKEN}@example.invalid/ \n${OTHER}\n# ${COMMENT}\nsix\n")
    environ = {"TOKEN": "secret", "OTHER": "six"}
    observed = read_sources(["r.txt"], base=tmp_path, environ=NO_PIP_FILES | environ).observed
    variables = tuple(seen for seen in observed if seen.kind == "variable")
    assert [variable.subject for variable in variables] == ["TOKEN", "OTHER"]
    assert variables == tuple(observe("variable", name, environ) for name in environ)
    assert "secret" not in repr(variables)


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("tests", "name what is meant in it: tests/requirements.txt, tests/lib-1.0.tar.gz or tests/inner"),
        ("./tests", "name what is meant in it: ./tests/requirements.txt, ./tests/lib-1.0.tar.gz or ./tests/inner"),
        ("tests[x]", "name what is meant in it: tests/requirements.txt, tests/lib-1.0.tar.gz or tests/inner"),
        ("tests ; python_version > '3'", "name what is meant in it: tests/requirements.txt"),
        ("attrs", "for the project of that name at the index write attrs>=0"),
        ("attrs/", "for the project of that name at the index write attrs>=0"),
        ("deep/er", "name a requirements file, a project's directory or an archive"),
    ],
)
def test_a_directory_without_a_project_is_that_directory(tmp_path: Path, source: str, hint: str) -> None:
    for directory in ("tests/inner", "attrs", "deep/er"):
        (tmp_path / directory).mkdir(parents=True)
    for name in ("conftest.py", "requirements.txt", "lib-1.0.tar.gz", "inner/setup.py"):
        (tmp_path / "tests" / name).touch()
    with pytest.raises(RequirementsError, match="is a directory without a project") as caught:
        read(tmp_path, source)
    assert (caught.value.hint or "").startswith(hint)


def test_what_is_neither_file_nor_directory(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequirementsError, match="pipe is neither a file nor a directory"):
        read(tmp_path, "pipe")


def test_a_name_is_one_as_long_as_there_is_no_such_path(tmp_path: Path) -> None:
    observed = read(tmp_path, "django").observed
    assert first_change(observed, {}) is None
    (tmp_path / "django").mkdir()
    assert first_change(observed, {}) == f"{tmp_path}/django is new"


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("requirements-dev.txt", "did you mean requirements/dev.txt, requirements.txt or requirements/test.txt?"),
        ("requirements/tests.txt", "did you mean requirements/test.txt?"),
        ("./lib-1.1.tar.gz", "did you mean ./lib-1.0.tar.gz?"),
        ("./projcet", "did you mean ./project?"),
        (
            "xyz.toml",
            "looked for {}/xyz.toml; there are requirements/dev.txt, requirements/test.txt and requirements.txt",
        ),
        ("nowhere/xyz.txt", "{}/nowhere is not there either"),
    ],
)
def test_what_is_missing_has_near_names(tmp_path: Path, source: str, hint: str) -> None:
    for directory in ("requirements-dev", "requirements", "project", "dev"):
        (tmp_path / directory).mkdir()
    for name in ("requirements/dev.txt", "requirements/test.txt", "requirements.txt", "lib-1.0.tar.gz"):
        (tmp_path / name).touch()
    (tmp_path / "project" / "pyproject.toml").touch()
    with pytest.raises(RequirementsError, match="no such file") as caught:
        read(tmp_path, source)
    assert caught.value.hint == hint.format(tmp_path)


def test_what_has_the_same_ending_is_named_first(tmp_path: Path) -> None:
    for name in ("pylock.a.toml", "pylock.b.toml", "pylock.toml", "requirements.txt"):
        (tmp_path / name).touch()
    with pytest.raises(RequirementsError, match="no such file") as caught:
        read(tmp_path, "nosuch.txt")
    assert "; there are requirements.txt, pylock.a.toml and " in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        ("requirments.txt", RequirementsError, "did you mean requirements.txt?"),
        ("pylock.toml", RequirementsError, "no valid lock file: Missing required value in 'lock-version'"),
        ("pylock.dev.toml", RequirementsError, "no valid lock file: Missing required value in 'lock-version'"),
        ("notes.md", RequirementsError, "it is not known how to read notes.md"),
        ("./nothing", RequirementsError, "no such file or directory"),
        ("-r requirements.txt", UsageError, "-r is an option of requirements files"),
        ("  ", UsageError, "a source is empty"),
        ("group:", UsageError, "names no dependency group"),
        ("a >= x", RequirementsError, "a >= x\n           ^"),
        ("https://h.invalid/r.txt", RequirementsError, "not read over the network"),
    ],
)
def test_unusable_sources(tmp_path: Path, source: str, error: type[RequestError], text: str) -> None:
    for name in ("requirements.txt", "pylock.toml", "pylock.dev.toml", "notes.md"):
        (tmp_path / name).touch()
    with pytest.raises(error) as caught:
        read(tmp_path, source)
    assert text in caught.value.diagnosis()


def project_of(request: Request, base: Path) -> list[tuple[bool, tuple[str, ...]]]:
    return [(one.reference.editable, one.extras) for one in request.wanted if one.reference.directory == base]


@pytest.mark.parametrize(
    ("project", "sources", "expected"),
    [
        ("none", [], []),
        ("auto", [], [(True, ())]),
        ("editable", [], [(True, ())]),
        ("wheel", [], [(False, ())]),
        ("sdist", [], [(False, ())]),
        ("none", [".[x]"], [(False, ("x",))]),
        ("auto", [".[x]"], [(True, ("x",))]),
        ("wheel", [".[x]"], [(False, ("x",))]),
        ("auto", ["r.txt"], [(True, ())]),
        ("wheel", ["r.txt"], [(False, ())]),
        ("auto", ["plain.txt"], [(False, ())]),
    ],
)
def test_project_setting(
    tmp_path: Path, project: Project, sources: list[str], expected: list[tuple[bool, tuple[str, ...]]]
) -> None:
    make_project(tmp_path, "p")
    (tmp_path / "r.txt").write_text("-e .")
    (tmp_path / "plain.txt").write_text("./")
    assert project_of(read(tmp_path, *sources, project=project), tmp_path) == expected


def test_auto_adds_only_what_has_a_build_system(tmp_path: Path) -> None:
    assert read(tmp_path, project="auto").wanted == ()
    (tmp_path / "pyproject.toml").write_text("[tool.x]\n")
    request = read(tmp_path, project="auto")
    assert request.wanted == ()
    assert [Path(seen.subject).name for seen in request.observed] == ["pyproject.toml"]


def test_forced_project_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match=r"to be installed \(wheel\)"):
        read(tmp_path, project="wheel")


def test_project_under_test_needs_no_digest(tmp_path: Path) -> None:
    make_project(tmp_path, "p")
    (tmp_path / "r.txt").write_text("--require-hashes")
    request = read(tmp_path, "r.txt", project="auto")
    assert request.require_hashes
    assert project_of(request, tmp_path) == [(True, ())]


@pytest.mark.parametrize(
    "source",
    [
        *("Pipfile", "Pipfile.lock", "poetry.lock", "uv.lock", "pdm.lock", "setup.py", "setup.cfg", "tox.ini"),
        *("environment.yml", "conda.yaml", "requirements", "requirement", "dev-requirements", "requirements-dev"),
        *("test_requirements", "requirements_txt", "requirements.in", "pixi.toml"),
    ],
)
def test_the_name_of_a_file_is_no_project(tmp_path: Path, source: str) -> None:
    with pytest.raises(RequirementsError, match=f"no such file: {source}") as caught:
        read(tmp_path, source)
    assert caught.value.hint
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("source", ["tox", "environment", "requirements-parser", "pip-requirements", "Pipfile>=0"])
def test_a_project_may_sound_like_a_file(tmp_path: Path, source: str) -> None:
    assert [wanted.text for wanted in read(tmp_path, source).wanted] == [source]


def test_several_files_in_one_source_are_to_be_given_one_by_one(tmp_path: Path) -> None:
    for name in ("r.txt", "c.txt"):
        (tmp_path / name).touch()
    for written in ("r.txt,c.txt", "r.txt c.txt", "r.txt, c.txt"):
        with pytest.raises(RequirementsError) as caught:
            read(tmp_path, written)
        assert caught.value.diagnosis(Naming("pytest")).endswith("next:  write --fastenv r.txt --fastenv c.txt")
    with pytest.raises(RequirementsError) as caught:
        read(tmp_path, "r.txt,nosuch.txt")
    assert "write" not in (caught.value.hint or "")


def test_the_place_of_a_source_is_where_it_was_given(tmp_path: Path) -> None:
    """A source may as well stand in a table, or be an argument of `pytest_fastenv.provision`."""
    for source in ("sixx<9<", "-r x.txt", "group:", ""):
        with pytest.raises(RequestError) as caught:
            read_sources([source], base=tmp_path, environ={})
        assert "where: the request" in caught.value.diagnosis()
        in_file = Naming("pytest", {"sources": Origin("requirements", str(tmp_path / "fastenv.toml"))})
        assert f"where: {tmp_path / 'fastenv.toml'}\n" in f"{caught.value.diagnosis(in_file)}\n"


LONG = "a" * 5000


@pytest.mark.parametrize("line", [f"./{LONG}", f"-e {'a/' * 3000}", f"-r {LONG}", "-r file:a%00b", "~x\0/a", "-c a\0b"])
@pytest.mark.parametrize("is_source", [True, False])
def test_no_name_of_a_file_is_too_much_for_the_system(tmp_path: Path, line: str, is_source: bool) -> None:
    (tmp_path / "r.txt").write_text(line)
    refused = []
    try:
        refused += [one.fault for one in read(tmp_path, line.removeprefix("-e ") if is_source else "r.txt").wanted]
    except RequestError as error:
        refused.append(error)
    assert any(refused)


def test_addresses_may_be_longer_than_names_of_files(tmp_path: Path) -> None:
    url = f"https://h.invalid/six-1.0.tar.gz?X-Signature={LONG}"
    (wanted,) = read(tmp_path, url).wanted
    assert wanted.reference == ArchiveReference(url)
