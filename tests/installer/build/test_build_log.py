from __future__ import annotations

import pytest

from pytest_fastenv.installer.build.log import describe_status, hint_from, last_lines


def test_the_last_lines_are_shown_without_control_sequences() -> None:
    output = "one\n\x1b[31mred\x1b[0m\n\n10%\r50%\r100% done\n\x07bell\r\n"
    assert last_lines(output) == "one\nred\n100% done\nbell"
    assert last_lines("\n".join(map(str, range(100))), 3) == "97\n98\n99"
    assert len(last_lines("x" * 10_000)) == 400


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (3, "exited with status 3"),
        (-11, "was ended by signal 11 (SIGSEGV)"),
        (-1000, "was ended by signal 1000"),
    ],
)
def test_the_end_of_a_process_is_named(status: int, text: str) -> None:
    assert describe_status(status) == text


@pytest.mark.parametrize(
    ("output", "part"),
    [
        ("ModuleNotFoundError: No module named 'Cython'", "imports Cython"),
        ("src/x.c:3:10: fatal error: libpq-fe.h: No such file or directory", "libpq-fe.h"),
        ("x.c:1:10: fatal error: 'Python.h' file not found", "Python.h"),
        ("error: command 'gcc' failed: No such file or directory", "gcc is not installed"),
        ("cc1: fatal error: /tmp/x.s: No space left on device", "make room"),
        ("error: linker `cc` not found", "cc is not installed"),
    ],
)
def test_known_failures_come_with_a_next_step(output: str, part: str) -> None:
    assert part in (hint_from(f"some lines\n{output}\n") or "")


def test_unknown_failures_come_without_a_guess() -> None:
    assert hint_from("Segmentation fault") is None
