"""The program of each process of a pool: take a job, do it, answer, until the parent is gone.

Run as a script by an interpreter without site (``-I -S``), because nothing else starts as fast. It imports nothing of
this package by itself; the first message has the parent's ``sys.path``, and what jobs are going to need.

Messages in both directions: 8 bytes of length (big endian), then a pickle. A job is ``(function, args, kwargs)``; an
answer is ``("result", value)``, ``("error", class, args, attributes, text)`` or ``("unsendable", text)``.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from _thread import start_new_thread
from queue import SimpleQueue

TYPE_CHECKING = False  # typing itself takes a quarter of the time that a process needs to start
if TYPE_CHECKING:
    from typing import Any, NoReturn


def main() -> None:
    """Serve jobs from the standard input, one after the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption means
    source, sink = _own_pipes()
    messages: SimpleQueue[bytes] = SimpleQueue()
    sys.path[:], modules = pickle.loads(_read(source) or _leave())  # noqa: S301 - from our parent
    start_new_thread(_listen, (source, messages))
    _import(modules)
    while True:
        answer = _answer(messages.get())
        view = memoryview(len(answer).to_bytes(8, "big") + answer)
        while view:
            view = view[os.write(sink, view) :]


def _import(modules: list[str]) -> None:
    """Import what jobs need before the first one comes; it meets what is wrong with them."""
    from importlib import import_module

    for name in modules:
        try:
            import_module(name)
        except Exception:  # noqa: BLE001, S112 - as told
            continue


def _own_pipes() -> tuple[int, int]:
    """Move the pipes away from the standard descriptors, so that no job and no child of one writes into them."""
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return source, sink


def _listen(source: int, messages: SimpleQueue[bytes]) -> None:
    """Pass messages on; when the parent has closed its end or died, end at once, in the middle of a job too."""
    try:
        while message := _read(source):
            messages.put(message)
    finally:
        _leave()


def _leave() -> NoReturn:
    os._exit(0)


def _read(source: int) -> bytes:
    """Return the next message; nothing at the end of input."""
    head = _read_exactly(source, 8)
    return _read_exactly(source, int.from_bytes(head, "big")) if head else b""


def _read_exactly(source: int, count: int) -> bytes:
    parts = []
    while count:
        part = os.read(source, min(count, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _answer(message: bytes) -> bytes:
    try:
        function, args, kwargs = pickle.loads(message)  # noqa: S301 - from our parent
        result = _find(function)(*args, **kwargs)
        return pickle.dumps(("result", result), 5)
    except BaseException as error:  # noqa: BLE001 - it is raised again in the parent
        return _describe(error)


_found: dict[str, Any] = {}


def _find(name: str) -> Any:
    if name not in _found:
        from importlib import import_module

        module, _, path = name.partition(":")
        target: Any = import_module(module)
        for part in path.split("."):
            target = getattr(target, part)
        _found[name] = target
    return _found[name]


def _describe(error: BaseException) -> bytes:
    """Return an error as its parts: not every class can be made again from its arguments alone."""
    import traceback

    text = "".join(traceback.format_exception(error))
    args = error.__reduce__()[1] if isinstance(error, OSError) else error.args
    try:
        described = pickle.dumps(("error", type(error), args, dict(error.__dict__), text), 5)
        pickle.loads(described)  # noqa: S301 - a class that cannot be found again shows here
    except Exception:  # noqa: BLE001 - pickling calls code of the result's own classes
        return pickle.dumps(("unsendable", text), 5)
    return described


if __name__ == "__main__":
    main()
