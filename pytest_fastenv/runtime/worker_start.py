"""Begin a worker of pytest-xdist in an environment of its own.

The source of this module is sent to the worker's interpreter and runs there before the source that pytest-xdist would
have sent alone. It knows nothing of this package then, and must import nothing that the environment may have: its
``sys.path`` is about to change.

What the controller sends to every worker begins with its own ``sys.path``. What lies in the controller's environment
there is at the same place in the worker's; everything else (the project, ``pythonpath``, plugins named with ``-p``) is
the same for both.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any, Sequence

#: Under this name the controller adds what a worker has to know.
KEY = "fastenv"


def start(channel: Any, source: str, filename: str) -> None:
    """Make the process at home in its environment, and run a worker's program.

    :param channel: execnet's; its first message is for `xdist.remote`.
    :param source: of the program.
    :param filename: where that lies in the controller's environment.
    """
    message = channel.receive()
    home = message[0][KEY]
    prefixes, prefix = home["prefixes"], home["prefix"]
    if message[-1] is not None:
        base = home.get("base")
        path = (
            [moved(path, prefixes, prefix) for path in message[-1]]
            if base is None
            else own_path(message[-1], [*prefixes, *base])
        )
        message = (*message[:-1], path)
    if home.get("passes"):
        passing = re.compile(home["passes"], re.IGNORECASE)
        for name in [name for name in os.environ if not passing.match(name)]:
            del os.environ[name]
    places = home["variables"].pop("PATH", os.environ.get("PATH", os.defpath))
    entries = [moved(path, prefixes, prefix) for path in places.split(os.pathsep)]
    entries = [home["scripts"], *(path for path in entries if path != home["scripts"])]
    os.environ.update(home["variables"], PATH=os.pathsep.join(entries))

    def receive(_timeout: float | None = None) -> Any:
        del channel.receive  # what comes next is not for us
        return message

    channel.receive = receive
    program = compile(source, moved(filename, prefixes, prefix), "exec", dont_inherit=True)
    exec(program, {"channel": channel, "__name__": "__channelexec__"})  # noqa: S102 - as execnet would


def own_path(given: Sequence[str], prefixes: Sequence[str]) -> list[str]:
    """Return this interpreter's path, with what lies outside of another's environment and interpreter around it.

    :param given: the other one's.
    :param prefixes: the directories of those.
    """
    own = [index for index, path in enumerate(given) if moved(path, prefixes, "\0").startswith("\0")]
    first = own[0] if own else len(given)
    before = list(given[:first])
    behind = [path for index, path in enumerate(given[first:], first) if index not in own]
    return [*before, *(path for path in sys.path if path and path not in before), *behind]


def moved(path: str, prefixes: Sequence[str], prefix: str) -> str:
    """Return a path with the environment that it lies in exchanged for another one.

    :param prefixes: the ways to write the directory of the one.
    :param prefix: the directory of the other.
    """
    for known in prefixes:
        begin = len(known)
        if os.path.normcase(path[:begin]) == os.path.normcase(known) and path[begin : begin + 1] in ("", os.sep):
            return prefix + path[begin:]
    return path
