"""What an executable is, is asked once; a file that is another one now is asked again."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from kit.damage import damaged
from kit.interpreters import BASE

from pytest_fastenv.errors import InterpreterError
from pytest_fastenv.interpreter.known import FAILURES_STAND_S, INTERPRETERS, Refused, ask, at_path, key, known
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.store import Store

TRUE = next(path for path in (Path("/bin/true"), Path("/usr/bin/true")) if path.exists())


def program(path: Path) -> str:
    """Write a program that answers nothing."""
    path.write_bytes(TRUE.read_bytes())
    path.chmod(0o755)
    return str(path)


def test_an_interpreter_is_known_once_it_was_asked(store: Store) -> None:
    assert known(BASE, store) is None
    answer = ask(BASE, store)
    assert isinstance(answer, Target)
    assert known(BASE, store) == answer == at_path(BASE, store)


def test_so_is_what_is_none(store: Store, tmp_path: Path) -> None:
    executable = program(tmp_path / "python3")
    answer = ask(executable, store)
    assert isinstance(answer, Refused)
    again = known(executable, store)
    assert isinstance(again, Refused)
    assert again.error.diagnosis() == answer.error.diagnosis()
    # Who names it by its path wants to know what is wrong now.
    with pytest.raises(InterpreterError, match="does not answer as a Python interpreter does"):
        at_path(executable, store)


def test_a_version_that_is_too_old_is_told(store: Store, tmp_path: Path) -> None:
    executable = tmp_path / "python3.7"
    executable.write_text('#!/bin/sh\necho \'fastenv-facts:{"version": "3.7.16", "executable": "/opt/python"}\'\n')
    executable.chmod(0o755)
    answer = ask(str(executable), store)
    assert isinstance(answer, Refused)
    assert answer.version == "3.7.16"
    assert known(str(executable), store) is None  # a script may do something else the next time


@pytest.mark.parametrize("text", ["exec sleep 0.01; exit", "kill -9 $$", "exit 1"])
def test_scripts_and_what_was_killed_are_asked_again(store: Store, tmp_path: Path, text: str) -> None:
    executable = tmp_path / "python3"
    executable.write_text(f"#!/bin/sh\n{text}\n")
    executable.chmod(0o755)
    assert isinstance(ask(str(executable), store), Refused)
    assert known(str(executable), store) is None


def test_what_is_gone_meanwhile(store: Store, tmp_path: Path) -> None:
    answer = ask(str(tmp_path / "python3"), store)
    assert isinstance(answer, Refused)
    assert "nothing at" in answer.error.what


def test_what_does_not_stand_any_more_is_asked_again(store: Store, tmp_path: Path) -> None:
    executable = program(tmp_path / "python3")
    ask(executable, store)
    place = key(executable)
    asked = store.read_record(INTERPRETERS, place)
    assert asked is not None
    assert asked.refusal is not None
    for at in (time.time() - 2 * FAILURES_STAND_S, 9e12):
        store.write_record(INTERPRETERS, place, replace(asked, refusal=replace(asked.refusal, at=at)))
        assert known(executable, store) is None
    store.write_record(INTERPRETERS, place, replace(asked, host=()))
    assert known(executable, store) is None
    store.write_record(INTERPRETERS, place, asked)
    assert isinstance(known(executable, store), Refused)


def test_a_damaged_record_is_none(store: Store, tmp_path: Path) -> None:
    executable = program(tmp_path / "python3")
    ask(executable, store)
    (record,) = (store.root / INTERPRETERS.directory).rglob("*.json")
    for damage in damaged(record):
        assert known(executable, store) is None, damage
    assert isinstance(known(executable, store), Refused)
