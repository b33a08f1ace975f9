"""Errors are diagnoses."""

from __future__ import annotations

import copy
import errno
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
    DefectError,
    FailureGroup,
    FastenvError,
    HashError,
    InterpreterNotFoundError,
    NetworkError,
    ProvideError,
    RequestError,
    ShortageError,
    StoreError,
    UsageError,
    error_from_json,
    printable,
    unforeseen,
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


HOSTILE = "\x1b[2J\x1b]0;owned\x07 \x9b31m \x08\x7f \u202egnp.exe\u2066\u200b\ufeff \u2028 \r"


def can_steer(text: str) -> list[str]:
    """Return the letters of a text that a terminal acts on, or that change how what stands beside them is read."""
    return [letter for letter in text if not letter.isprintable() and letter not in "\n\t"]


@pytest.mark.parametrize("part", ["what", "where", "why", "hint"])
def test_no_part_of_a_diagnosis_steers_a_terminal(part: str) -> None:
    parts = {"what": "it failed", part: f"spam {HOSTILE} ham"}
    told = ProvideError(**parts).diagnosis()
    assert can_steer(told) == []
    assert len(told.splitlines()) == (1 if part == "what" else 2)
    assert "\\x1b[2J" in told
    assert "\\u202egnp.exe" in told
    assert can_steer(str(FailureGroup([ProvideError(**parts), UsageError("two")]))) == []


def test_letters_that_are_not_shown_are_written_as_escapes() -> None:
    assert printable("a\x1b[31m\nb ü") == "a\\x1b[31m\\x0ab ü"
    assert printable("a\n\tb\u202e\U000e0001\udce9", but="\n") == "a\n\\x09b\\u202e\\U000e0001\\udce9"


def test_a_diagnosis_ends_lines_as_this_system_does() -> None:
    error = BuildError("it failed", why="first\r\n\tsecond ü 日本 \U0001f40d\r\n")
    assert error.diagnosis() == "it failed\n  why:   first\n         \tsecond ü 日本 \U0001f40d"


def test_a_text_from_elsewhere_does_not_look_like_a_diagnosis_of_its_own() -> None:
    error = ProvideError("spam\nfastenv: error: ham\n  next:  run this", hint="that\n  next:  run this")
    assert error.diagnosis().splitlines() == [
        "spam",
        "         fastenv: error: ham",
        "           next:  run this",
        "  next:  that",
        "           next:  run this",
    ]


SHORTAGES = [
    (MemoryError(), "no memory"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "no memory"),
    (ImportError("x.so: failed to map segment from shared object"), "no memory"),
    (RuntimeError("can't start new thread"), "no threads or processes"),
    (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "no threads or processes"),
    (ExceptionGroup("several", [ValueError("odd"), RuntimeError("can't start new thread")]), "no threads or processes"),
]


@pytest.mark.parametrize(("error", "told"), SHORTAGES)
def test_a_shortage_is_no_defect(error: Exception, told: str) -> None:
    for one in (error, _led_to_by(error)):
        diagnosis = unforeseen(one)
        assert isinstance(diagnosis, ShortageError)
        assert told in diagnosis.what
        assert "Traceback" not in diagnosis.diagnosis()


def _led_to_by(error: Exception) -> Exception:
    try:
        raise ValueError("another") from error
    except ValueError as later:
        return later


def test_what_is_no_shortage_is_a_defect() -> None:
    assert isinstance(unforeseen(RuntimeError("odd")), DefectError)
    assert isinstance(unforeseen(OSError(errno.EIO, "bad")), DefectError)


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError(errno.EMFILE, "Too many open files"), errors.FEWER_FILES),
        (OSError(errno.ENFILE, "Too many open files in system"), errors.FEWER_FILES),
        (
            ConnectionError("client error (Connect): tcp open error: Too many open files (os error 24)"),
            errors.FEWER_FILES,
        ),
        (MemoryError(), errors.LESS),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), errors.LESS),
        (RuntimeError("can't start new thread"), errors.LESS),
        (_led_to_by(OSError(errno.EMFILE, "Too many open files")), errors.FEWER_FILES),
        (OSError(errno.ENOSPC, "No space left on device"), "free space"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "free space"),  # a lock that is held
    ],
)
def test_no_diagnosis_of_a_shortage_advises_something_else(error: Exception, hint: str) -> None:
    try:
        raise error
    except Exception:  # noqa: BLE001 - each of them
        told = StoreError("a file cannot be written", hint="free space")
    assert told.hint == hint
    assert StoreError("a file cannot be written", hint="free space").hint == "free space"


def test_what_is_too_long_is_left_out_in_the_middle_but_for_a_report() -> None:
    error = BuildError(
        "it failed", why="\n".join(f"line {n}" for n in range(400)) + "\n" + "x" * 50_000, where="a\n" * 90
    )
    told = error.diagnosis()
    assert len(told.splitlines()) < 70
    assert len(told) < 5000
    for shown in (
        "line 0\n",
        "line 30\n",
        "[352 lines left out: Settings(reports='report.json') has all]",
        "line 399\n",
    ):
        assert shown in told
    assert "line 200" not in told
    assert "[48500 letters left out]" in told
    whole = error.diagnosis(whole=True)
    assert "left out" not in whole
    assert len(whole) > 50_000
    assert error_from_json(error.to_json()).diagnosis(whole=True) == whole
    assert FailureGroup([error, error]).diagnosis(whole=True).count("line 200\n") == 2


def test_many_failures_of_one_cause_are_told_once() -> None:
    failures = [
        NetworkError(
            f"lib-{n} 1.{n} cannot be fetched", where=f"http://h/lib_{n}.whl", why="no route to host", hint="wait"
        )
        for n in range(150)
    ]
    other = BuildError("spam cannot be built", why="no compiler")
    lines = FailureGroup([*failures[:5], other, *failures[5:]]).diagnosis().splitlines()
    assert lines[:4] == [
        "[1/151] lib-0 1.0 cannot be fetched",
        "  where: http://h/lib_0.whl",
        "  why:   no route to host",
        "  next:  wait",
    ]
    assert lines[4:6] == ["  also:  lib-1 1.1 cannot be fetched", "         lib-2 1.2 cannot be fetched"]
    assert lines[12] == "         and 141 more with the same cause"
    assert lines[13:] == ["[6/151] spam cannot be built", "  why:   no compiler"]


def test_a_cause_that_names_what_failed_is_the_same_cause() -> None:
    names = ["numpy", "requests", "attrs", "six", "idna"]
    failures = [HashError(f"{n} is not what was announced", why=f"expected {n} a1b2\nfound {n} c3d4") for n in names]
    assert FailureGroup(failures).diagnosis().count("expected") == 1
    assert FailureGroup(failures[:3]).diagnosis().count("expected") == 3  # few are told one by one


def test_failures_of_other_causes_are_never_put_together() -> None:
    whys = ["no route to host", "refused", "the name is not known", "a certificate is not valid", "it stalls"]
    told = FailureGroup([NetworkError("lib cannot be fetched", why=why) for why in whys]).diagnosis()
    assert all(why in told for why in whys)
    assert "same cause" not in told


def test_however_many_causes_there_are_the_whole_is_bounded() -> None:
    words = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(600)]
    group = FailureGroup([BuildError(f"{word} failed", why=f"since\n{word * 2}") for word in words])
    lines = group.diagnosis().splitlines()
    assert len(lines) <= 121
    assert lines[0] == "[1/600] aa failed"
    assert lines[-1] == "[560 more failures left out: Settings(reports='report.json') has all]"
    assert len(group.diagnosis(whole=True).splitlines()) == 1800
    huge = FailureGroup(
        [BuildError(f"{word} failed", why="\n".join([word * 3, *words]), where="\n".join(words)) for word in words]
    )
    assert len(huge.diagnosis().splitlines()) <= 200


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("error for url (https://h/x.whl?token=se(cret): refused", "error for url (https://h/x.whl?...): refused"),
        ("unable to access 'https://h/r.git?t=secret/': no", "unable to access 'https://h/r.git?...': no"),
        (
            "see https://h/x?sig=secret#frag, or https://h/?a=secret.",
            "see https://h/x?...#frag, or https://h/?....",
        ),
        ("https://me:secret@h/x and git+https://${U}:${P}@h/y", "https://me:***@h/x and git+https://${U}:${P}@h/y"),
        ("a @ https://me:******@h/x?****** ; b", "a @ https://me:******@h/x?****** ; b"),
        ("is https://h/x ? no", "is https://h/x ? no"),
    ],
)
def test_no_address_in_a_diagnosis_tells_a_secret(text: str, shown: str) -> None:
    """Whatever quotes it: a library, a program that was started, or a message of ours."""
    assert ProvideError("it failed", why=text).diagnosis() == f"it failed\n  why:   {shown}"
    assert errors.named(text, errors.argument) == shown


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


@pytest.mark.parametrize(("piece", "count"), [("x", 400_000), ("=", 400_000), (")", 400_000), ("a://", 1_000)])
def test_no_text_takes_longer_than_its_length(piece: str, count: int) -> None:
    """It ends: what takes the square of this length in steps does not, while anybody waits."""
    text = piece * count
    told = FailureGroup([NetworkError(f"{text} {number}", why=text, hint=text) for number in range(5)]).diagnosis()
    assert told.startswith("[1/5]")
