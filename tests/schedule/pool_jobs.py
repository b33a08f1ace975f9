"""Jobs that the tests give to a pool of processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from pytest_fastenv.errors import FailureGroup, HashError, RecordError


class OddError(Exception):
    """Cannot be made from its arguments alone."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")
        self.second = second


def echo(value: object, *, times: int = 1) -> list[object]:
    return [value] * times


def process_id() -> int:
    return os.getpid()


def noise() -> int:
    """Write to every place that might be mistaken for the answer, in a child too, and try to read."""
    print("to standard output", flush=True)
    print("to standard error", file=sys.stderr, flush=True)
    os.write(1, b"raw")
    subprocess.run([sys.executable, "-I", "-S", "-c", "print('child', input() if 0 else '')"], check=True)
    return len(os.read(0, 10))


def write_slowly(path: str) -> None:
    """Count into a file until the process is killed."""
    number = 0
    while True:
        number += 1
        with open(path, "w") as file:
            file.write(str(number))
        time.sleep(0.001)


def meet(directory: str, count: int) -> int:
    """Return when so many jobs are in here at the same time."""
    open(os.path.join(directory, str(os.getpid())), "w").close()
    while len(os.listdir(directory)) < count:
        time.sleep(0.001)
    return os.getpid()


def raise_one(name: str) -> None:
    errors: dict[str, Exception] = {
        "record": RecordError("RECORD differs", where="spam.whl", why="one\ntwo", hint="ask them"),
        "group": FailureGroup([HashError("one"), RecordError("two")]),
        "odd": OddError("this", "that"),
        "os": FileNotFoundError(2, "No such file or directory", "/missing"),
        "local": type("LocalError", (Exception,), {})("only here"),
        "unpicklable": ValueError(lambda: None),
    }
    raise errors[name]


def unpicklable_result() -> object:
    return lambda: None


def die(number: int) -> None:
    print("the last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), number)


def leave(code: int) -> None:
    os._exit(code)


def end_saying(text: str) -> None:
    """End the process as an exception does that nothing catches."""
    os.write(2, f"Traceback (most recent call last):\n{text}\n".encode())
    os._exit(1)
