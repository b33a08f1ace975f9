"""Errors are diagnoses."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv import errors
from pytest_fastenv.errors import (
    BuildError,
    FailureGroup,
    FastenvError,
    InterpreterNotFoundError,
    ProvideError,
    RequestError,
    UsageError,
    error_from_json,
)
from pytest_fastenv.interpreter.missing import NothingFitsError

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, FastenvError)]


def made(cls: type[FastenvError]) -> FastenvError:
    """Return an error of a class, each part of which is another value than its default."""
    if cls is FailureGroup:
        return FailureGroup([made(BuildError), FailureGroup([made(UsageError)])])
    parts: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        parts[name] = not parameter.default if isinstance(parameter.default, bool) else f"the {name}\nof it"
    return cls(**parts)


def parts_of(error: FastenvError) -> dict[str, Any]:
    found = {name: value for name, value in vars(error).items() if name != "failures"}
    return {**found, "class": type(error), "failures": [parts_of(one) for one in getattr(error, "failures", ())]}


def test_a_diagnosis_has_its_parts_in_order() -> None:
    error = BuildError(
        "building spam 1.0 failed", where="/logs/spam.txt", why="first\nsecond", hint="install a compiler"
    )
    assert error.diagnosis().splitlines() == [
        "building spam 1.0 failed",
        "  where: /logs/spam.txt",
        "  why:   first",
        "         second",
        "  next:  install a compiler",
    ]
    assert str(error) == error.diagnosis()


def test_exit_codes_follow_the_tree() -> None:
    for _, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, RequestError):
            assert cls.exit_code == 4
        elif issubclass(cls, ProvideError):
            assert cls.exit_code == 3


def test_the_docstring_shows_the_whole_tree() -> None:
    documented = errors.__doc__ or ""
    names = [n for n, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, FastenvError)]
    assert [name for name in names if name not in documented] == []


def test_a_group_shows_all_failures() -> None:
    group = FailureGroup([BuildError("one"), UsageError("two")])
    assert group.diagnosis() == "[1/2] one\n[2/2] two"
    assert group.exit_code == 3
    assert FailureGroup([UsageError("one"), UsageError("two")]).exit_code == 4
    assert FailureGroup([UsageError("only")]).diagnosis() == "only"
    with pytest.raises(ValueError, match="at least one"):
        FailureGroup([])


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_is_the_same_after_a_journey(cls: type[FastenvError]) -> None:
    """As JSON, to another process; and pickled, which `multiprocessing` does with it."""
    error = made(cls)
    as_json = json.loads(json.dumps(error.to_json()))
    for same in (error_from_json(as_json), pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert parts_of(same) == parts_of(error)
        assert (str(same), same.exit_code, same.args) == (str(error), error.exit_code, error.args)


def test_a_class_of_another_module_arrives_as_the_nearest_known_one() -> None:
    error = NothingFitsError("3.99", lambda: ("there", "too old"))
    same = error_from_json(error.to_json())
    assert type(same) is InterpreterNotFoundError
    assert same.diagnosis() == error.diagnosis()


@pytest.mark.parametrize(("exit_code", "cls"), [(4, RequestError), (3, ProvideError)])
def test_a_class_of_another_version(exit_code: int, cls: type[FastenvError]) -> None:
    parts = {"what": "it", "hint": "this", "unheard_of": 1}
    same = error_from_json({"class": "UnheardOfError", "exit_code": exit_code, "parts": parts})
    assert (type(same), same.diagnosis()) == (cls, "it\n  next:  this")


@pytest.mark.slow
def test_the_oldest_interpreter_can_read_them(interpreters: list[tuple[tuple[int, ...], Path]]) -> None:
    """This module is copied into environments."""
    script = (
        "import json, sys; space = {'__name__': 'errors'}; exec(open(sys.argv[1]).read(), space);"
        "print(json.dumps([space['error_from_json'](each).to_json() for each in json.loads(sys.argv[2])]))"
    )
    sent = [made(cls).to_json() for cls in CLASSES]
    words = [interpreters[0][1], "-I", "-c", script, errors.__file__, json.dumps(sent)]
    assert json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout) == sent
