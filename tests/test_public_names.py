"""The names that others may import: what `provision` and the fixtures take, give and raise, and nothing else."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pytest_fastenv
from pytest_fastenv import errors

REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "python.md"
#: What users meet first; everything else follows from it.
DOORS = {
    "provision", "settings_from_variables", "SessionEnvironment", "VirtualEnvironment", "MakeVenv", "CommandError",
    "__version__",
}  # fmt: skip
ERRORS = {name for name, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.FastenvError)}


def mentioned(thing: Any) -> Iterator[str]:
    """Yield this package's classes in the signature of a function, or in a class' fields and public methods.

    Not those in ``__init__``: whose fields are not declared is made by this package alone.
    """
    members = [thing]
    if inspect.isclass(thing):
        own = [cls for cls in thing.__mro__ if cls.__module__.startswith("pytest_fastenv")]
        members += [member for cls in own for name, member in vars(cls).items() if is_public(name)]
    for member in members:
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if inspect.isclass(function) or inspect.isfunction(function):
            hints = typing.get_type_hints(inspect.unwrap(function), localns=names())
            yield from (found.__name__ for hint in hints.values() for found in classes_in(hint))


def is_public(name: str) -> bool:
    return name == "__call__" or not name.startswith("_")


def classes_in(hint: Any) -> Iterator[type]:
    if isinstance(hint, typing.ForwardRef):  # within an alias, such as `Listener`
        hint = eval(hint.__forward_arg__, names())
    for argument in hint if isinstance(hint, list) else typing.get_args(hint):
        yield from classes_in(argument)
    if inspect.isclass(hint) and hint.__module__.partition(".")[0] == "pytest_fastenv":
        yield hint


def names() -> dict[str, Any]:
    """Return public names, and a module that is as well known, for annotations that only type checkers import."""
    return {"subprocess": subprocess, **{name: getattr(pytest_fastenv, name) for name in pytest_fastenv.__all__}}


def test_what_public_names_mention_is_public() -> None:
    """A user who annotates what `provision` or a fixture gives finds the name of every type here."""
    given: set[str] = set()
    reached = DOORS - {"__version__"}
    while reached:
        given |= reached
        reached = {name for one in reached for name in mentioned(getattr(pytest_fastenv, one))} - given
        assert reached <= set(pytest_fastenv.__all__), "not public"
    assert set(pytest_fastenv.__all__) == given | ERRORS | DOORS, "public, though nothing public mentions it"


@pytest.mark.parametrize("name", sorted(pytest_fastenv.__all__))
def test_each_is_there(name: str) -> None:
    assert getattr(getattr(pytest_fastenv, name), "__name__", name) == name


def test_nothing_else_is() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Enviroment'"):
        pytest_fastenv.Enviroment  # noqa: B018
    assert dir(pytest_fastenv) == sorted(pytest_fastenv.__all__)


def test_type_checkers_see_the_same_names() -> None:
    """Those are imported for them alone, since at run time each is imported on first use."""
    source = inspect.getsource(pytest_fastenv)
    for name in set(pytest_fastenv.__all__) - {"__version__"}:
        assert source.count(f" {name},") + source.count(f" {name}\n") == 1, name


@pytest.mark.parametrize("name", sorted(set(pytest_fastenv.__all__)))
def test_each_is_documented(name: str) -> None:
    assert f"`{name}" in REFERENCE.read_text(encoding="utf-8")


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = (
        "import sys, pytest_fastenv; print(sorted(name for name in sys.modules if name.startswith('pytest_fastenv')))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "['pytest_fastenv', 'pytest_fastenv.version']"
