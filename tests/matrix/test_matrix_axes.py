"""Matrix tables: which environments come of them, what they are called and what they say."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import NamedEnvironment
from pytest_fastenv.matrix.selection import declared, select


def read(directory: Path, text: str) -> Mapping[str, NamedEnvironment]:
    (directory / "fastenv.toml").write_text(textwrap.dedent(text))
    return declared(directory)


def said(environment: NamedEnvironment) -> dict[str, Any]:
    return {name: given.value for name, given in environment.layer.items()}


def test_the_product_of_axes(tmp_path: Path) -> None:
    environments = read(
        tmp_path,
        """
        [envs.lint]
        [envs.test]
        requirements = ["pytest"]
        [[envs.test.matrix]]
        python = ["3.12", "pypy3.11"]
        django = { 4 = "django>=4,<5", "5.1" = ["django~=5.1", "asgiref"] }
        [envs.docs]
        """,
    )
    assert list(environments) == [
        "lint", "test-py312-django4", "test-py312-django51", "test-pypy311-django4", "test-pypy311-django51", "docs",
    ]  # fmt: skip
    assert said(environments["test-pypy311-django51"]) == {
        "python": "pypy3.11",
        "sources": ["pytest", "django~=5.1", "asgiref"],
    }
    one = environments["test-py312-django4"]
    assert (one.family, one.factors) == ("test", ("test", "py312", "django4"))
    assert [environment.name for environment in select(environments, ["test"])] == list(environments)[1:5]


def test_a_value_may_say_anything(tmp_path: Path) -> None:
    (_, new) = read(
        tmp_path,
        """
        [envs.test]
        requirements = ["pytest"]
        commands = ["pytest"]
        set-env = { A = "1", B = "1" }
        pass-env = ["CI"]
        [envs.test.matrix.python]
        "3.12" = {}
        "3.14" = { allow-failure = true, description = "soon", tags = ["new"] }
        [envs.test.matrix.backend]
        sqlite = { set-env = { B = "{matrix:backend}", C = "{matrix:python}" }, commands = ["echo"], pass-env = ["DB"] }
        """,
    ).values()
    assert new.name == "test-py314-sqlite"
    assert said(new) == {"sources": ["pytest"], "python": "3.14"}
    assert [command.words for command in new.commands] == [("pytest",), ("echo",)]
    assert new.set_env == {"A": "1", "B": "sqlite", "C": "3.14"}
    assert new.pass_env == ("CI", "DB")
    assert (new.allow_failure, new.description, new.tags) == (True, "soon", {"new"})


def test_axes_that_are_called_like_keys_set_them(tmp_path: Path) -> None:
    environments = read(
        tmp_path,
        """
        [envs.test]
        extras = ["test"]
        [envs.test.matrix]
        project = ["wheel", "sdist"]
        extras = { none = [], "all" = ["a", "b"] }
        link = { copied = "copy" }
        """,
    )
    assert [(name, said(environment)) for name, environment in environments.items()] == [
        ("test-wheel-none-copied", {"project": "wheel", "extras": ["test"], "link": "copy"}),
        ("test-wheel-all-copied", {"project": "wheel", "extras": ["test", "a", "b"], "link": "copy"}),
        ("test-sdist-none-copied", {"project": "sdist", "extras": ["test"], "link": "copy"}),
        ("test-sdist-all-copied", {"project": "sdist", "extras": ["test", "a", "b"], "link": "copy"}),
    ]


def test_words_of_axes_stand_in_texts(tmp_path: Path) -> None:
    (environment,) = read(
        tmp_path,
        """
        requirements = ["lib=={matrix:lib:0}"]
        [envs.test]
        commands = [["run", "{matrix:lib}", "{posargs}"], "x {matrix:lib} {matrix:other:default}"]
        set-env = { LIB = "{env:X:{matrix:lib}}" }
        lock = "{matrix:lib}.toml"
        matrix = { lib = ["1.2"] }
        """,
    ).values()
    assert said(environment) == {"sources": ["lib==1.2"], "lock": str(tmp_path / "1.2.toml")}
    assert [command.words for command in environment.commands] == [("run", "1.2", "{posargs}"), ("x 1.2 default",)]
    assert environment.set_env == {"LIB": "{env:X:1.2}"}


def test_exclusions(tmp_path: Path) -> None:
    environments = read(
        tmp_path,
        """
        [envs.test]
        requirements = ["django~={matrix:django}.0"]
        [envs.test.matrix]
        python = ["3.11", "3.12", "3.13"]
        django = ["4.2", "5.2", "6.0"]
        exclude = [{ python = "3.11", django = "6.0" }, { python = ["3.12", "py313"], django = "4.*" }]
        """,
    )
    assert [name.removeprefix("test-") for name in environments] == [
        "py311-django42", "py311-django52", "py312-django52", "py312-django60", "py313-django52", "py313-django60",
    ]  # fmt: skip


def test_names_of_their_own(tmp_path: Path) -> None:
    environments = read(
        tmp_path,
        """
        [[envs.test.matrix]]
        name = "{python}-{lib}"
        python = ["3.12"]
        lib = { 1 = "lib<2", main = "lib @ git+https://x/lib" }
        [[envs.test.matrix]]
        name = "{name}+{python}"
        python = { newest = ">=3.13" }
        """,
    )
    assert list(environments) == ["py312-lib1", "py312-main", "test+newest"]
    assert said(environments["test+newest"])["python"] == ">=3.13"
    assert [environment.name for environment in select(environments, ["test"])] == list(environments)


def test_a_table_with_the_name_of_a_combination_changes_it(tmp_path: Path) -> None:
    environments = read(
        tmp_path,
        """
        [envs.test-py312]
        allow-failure = true
        requirements = ["{inherited}", "more"]
        [envs.test]
        requirements = ["pytest"]
        matrix = { python = ["3.12", "3.13"] }
        """,
    )
    assert list(environments) == ["test-py312", "test-py313"]
    assert environments["test-py312"].allow_failure
    assert said(environments["test-py312"]) == {"sources": ["pytest", "more"], "python": "3.12"}
    assert not environments["test-py313"].allow_failure


def test_a_matrix_is_inherited_like_every_key(tmp_path: Path) -> None:
    environments = read(
        tmp_path,
        """
        [envs.test]
        requirements = ["pytest"]
        matrix = { python = ["3.12", "3.13"] }
        [envs.slow]
        extends = "test"
        commands = ["pytest slow"]
        [envs.one]
        extends = "test"
        matrix = []
        python = "3.14"
        """,
    )
    assert list(environments) == ["test-py312", "test-py313", "slow-py312", "slow-py313", "one"]
    assert said(environments["slow-py313"]) == {"sources": ["pytest"], "python": "3.13"}
    assert said(environments["one"]) == {"sources": ["pytest"], "python": "3.14"}


MATRIX = "[envs.a]\nrequirements = ['x{matrix:lib:}']\n[envs.a.matrix]\npython = ['3.12', '3.13']\n"


@pytest.mark.parametrize(
    ("text", "what", "line", "hint"),
    [
        ("[envs.a]\nmatrix = 3", "matrix in [envs.a] of fastenv.toml: 3 is not accepted", 2, ""),
        ("[envs._a]\nmatrix = {}", "matrix in [envs._a] of fastenv.toml: the table has no axis", 2, ""),
        ("[envs.a]\nmatrix = {}", "matrix in [envs.a] of fastenv.toml: the table has no axis", 2, ""),
        ("[envs.a.matrix]\nset-env = ['x']", "matrix.set-env in [envs.a] of fastenv.toml: 'set-env' cannot be", 2, ""),
        ("[envs.a]\nmatrix = [3]", "matrix in [envs.a] of fastenv.toml: 3 is not accepted", 2, ""),
        ("[envs.a]\n[[envs.a.matrix]]", "matrix in [envs.a] of fastenv.toml: the table has no axis", 2, "write python"),
        (
            "[envs.a.matrix]\npython = '3.12'",
            "matrix.python in [envs.a] of fastenv.toml: '3.12' is not accepted",
            2,
            "",
        ),
        ("[envs.a.matrix]\npython = []", "matrix.python in [envs.a] of fastenv.toml: ", 2, ""),
        ("[envs.a.matrix]\npython = ['3.12', 3.13]", "matrix.python in [envs.a] of fastenv.toml: ", 2, ""),
        (
            "[envs.a.matrix]\nstrict = ['x']",
            "matrix.strict in [envs.a] of fastenv.toml: 'strict' cannot be an axis",
            2,
            "",
        ),
        ("[envs.a.matrix]\n'a b' = ['x']", "matrix.a b in [envs.a] of fastenv.toml: 'a b' cannot be an axis", 2, ""),
        (
            "[envs.a.matrix]\npython = [\n'3.12',\n'>=3.13']",
            "matrix.python in [envs.a] of fastenv.toml: '>=3.13' cannot be part of a name",
            4,
            'name it: python = { NAME = ">=3.13" }',
        ),
        (
            "[envs.a.matrix]\ndjango = { 1.1 = 'x', '11' = 'y' }".replace("1.1", "'1.1'"),
            "matrix.django in [envs.a] of fastenv.toml: 1.1 and 11 are both called django11",
            2,
            "name them",
        ),
        (
            "[envs.a.matrix]\nlib = ['1', '2']",
            "matrix.lib in [envs.a] of fastenv.toml: nothing depends on the axis lib",
            2,
            "write {matrix:lib} where its values belong",
        ),
        ("[envs.a.matrix.lib]\n1 = 'x'\n2 = 3", "matrix.lib.2 in [envs.a] of fastenv.toml: 3 is not accepted", 3, ""),
        (
            "[envs.a.matrix.lib]\n1 = { deps = ['x'] }",
            "[envs.a] of fastenv.toml has an unknown key: deps",
            2,
            "did you mean requirements?",
        ),
        ("[envs.a.matrix.lib]\n1 = { extends = 'b' }", "[envs.a] of fastenv.toml has an unknown key: extends", 2, ""),
        (
            "[envs.a.matrix.lib]\n1 = { project = 'egg' }",
            "matrix.lib.1.project in [envs.a] of fastenv.toml: 'egg' is not accepted",
            2,
            "",
        ),
        (
            "[envs.a.matrix]\nproject = ['egg']",
            "matrix.project in [envs.a] of fastenv.toml: 'egg' is not accepted",
            2,
            "",
        ),
        (MATRIX + "exclude = 3", "matrix.exclude in [envs.a] of fastenv.toml: 3 is not accepted", 5, ""),
        (MATRIX + "exclude = [{}]", "matrix.exclude in [envs.a] of fastenv.toml: ", 5, ""),
        (
            MATRIX + "exclude = [\n{ pyhton = '3.12' }]",
            "matrix.exclude in [envs.a] of fastenv.toml: no axis is called pyhton",
            6,
            "did you mean python?",
        ),
        (
            MATRIX + "exclude = { python = '3.11' }",
            "matrix.exclude in [envs.a] of fastenv.toml: python has no value 3.11",
            5,
            "did you mean 3.1",
        ),
        (MATRIX + "exclude = { python = 3 }", "matrix.exclude.python in [envs.a] of fastenv.toml: 3 is not", 5, ""),
        (
            MATRIX + "lib = ['1']\nexclude = [{ python = '3.12' },\n{ python = '3.13' }]",
            "matrix in [envs.a] of fastenv.toml: every combination is excluded",
            3,
            "",
        ),
        (MATRIX + "name = 'x-{lib}'", "matrix.name in [envs.a] of fastenv.toml: no axis is called lib", 5, ""),
        (MATRIX + "name = '{python} '", "matrix.name in [envs.a] of fastenv.toml: '{python} ' is not accepted", 5, ""),
        (MATRIX + "name = 3", "matrix.name in [envs.a] of fastenv.toml: 3 is not accepted", 5, ""),
        (MATRIX + "name = 'x'", "two environments are called x", 3, "name"),
        (
            MATRIX + "[envs.a-py312]\nextends = 'a'",
            "extends in [envs.a-py312] of fastenv.toml: a-py312 is made by the matrix of a",
            6,
            "",
        ),
        (
            "[envs.a]\npython = '3.12'\nmatrix = { python = ['3.13'] }",
            "python in [envs.a] of fastenv.toml: the matrix says which Python is meant",
            2,
            "leave the one or the other out",
        ),
        (
            "[envs.a]\nmatrix = { python = ['3.13'] }\n[envs.b]\nextends = 'a'\npython = '3.12'",
            "python in [envs.b] of fastenv.toml: the matrix says which Python is meant",
            5,
            "matrix = []",
        ),
    ],
)
def test_refused(tmp_path: Path, text: str, what: str, line: int, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(tmp_path, text)
    assert raised.value.what.startswith(what)
    assert raised.value.where == f"{tmp_path / 'fastenv.toml'}:{line}"
    assert hint in (raised.value.hint or "")
