"""Compile what tests are going to import, while they begin to: a program of its own, never imported.

Standard library only, in the syntax of Python 3.8: it is run by the interpreter of the environment, with ``-I -S -B``.
The session compiles, too, from the first import on. So this begins at the other end: with the last imports of the last
file. Where both meet, all is compiled.

What it compiles is where Python looks for it, and says what Python's own says (PEP 552): nothing is taken from it that
is not as the source is now. It ends with the session, and takes the processor only where nobody else wants it.
"""

import contextlib
import importlib.util
import json
import marshal
import os
import re
import signal
import stat
import struct
import sys
import time
from typing import Callable, Dict, Iterator, List, Optional, Set, Tuple

MOST_FILES = 500
_LARGEST_BYTES = 4 * 1024 * 1024
#: Of the project's directories: others hold data.
_MOST_DIRECTORIES = 5000
_MOST_BYTES = 8 * 1024 * 1024
#: Of its own life, in seconds: sessions that need longer have imported by then what they import.
_LIMIT_S = 120
#: File systems take the time from a clock that lags behind by up to a few milliseconds.
_COARSE_S = 0.02
_NOT_OF_THE_PROJECT = frozenset({"node_modules", "build", "dist", "site-packages", "__pycache__"})
#: What every session imports, whatever its tests do.
_ALWAYS = ("pytest", "_pytest.assertion.rewrite", "_pytest.config", "_pytest.main", "xdist.plugin")
_LINE = re.compile(
    rb"^(?:(?P<block>(?:def|class|async|if|elif|else|try|except|finally|with|for|while|match)\b[^\n]*)|"
    rb"(?P<inside>    |\t|)(?:from[ \t]+(?P<whole>[\w.]{1,400})[ \t]+import[ \t]+(?P<names>\([^()]*\)|[^\n#;]+)|"
    rb"import[ \t]+(?P<plain>[\w., \t]+)))",
    re.MULTILINE,
)
#: Blocks whose imports are not done when a module is imported, or hardly ever.
_LATER = re.compile(rb"(?:def|class|async|for|while|match)\b|(?:if|elif)\b.*(?:TYPE_CHECKING|__name__|win32|__main__)")


def project_imports(root: str, is_wanted: Callable[[], bool]) -> List[str]:
    """Return the names that a project's files import, in the order of the files.

    :param is_wanted: asked for each directory.
    """
    names: Dict[str, None] = {}
    files, size = 0, 0
    for count, (place, below, here) in enumerate(os.walk(root)):
        if count > _MOST_DIRECTORIES or not is_wanted():
            return list(names)
        below[:] = sorted(
            name
            for name in below
            if not name.startswith(".")
            and name not in _NOT_OF_THE_PROJECT
            and not os.path.exists(os.path.join(place, name, "pyvenv.cfg"))
        )
        for name in sorted(here, key=lambda name: (name != "conftest.py", name)):
            if not name.endswith(".py"):
                continue
            source = read(os.path.join(place, name))
            files, size = files + 1, size + len(source)
            if files > MOST_FILES or size > _MOST_BYTES:
                return list(names)
            for found in imports(source, ""):
                names.setdefault(found)
    return list(names)


def read(path: str) -> bytes:
    """Return a module's source; empty where it cannot be read, is no file, or is larger than any module."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_BYTES:
            return b""
        with open(path, "rb") as file:
            return file.read(_LARGEST_BYTES)
    except OSError:
        return b""


def imports(source: bytes, package: str) -> Iterator[str]:
    """Yield what a module imports when it is imported itself, as far as its lines tell; of names, also as modules.

    :param package: what its relative imports are relative to.
    """
    later = False
    for match in _LINE.finditer(source):
        block, inside = match["block"], match["inside"]
        if block:
            later = bool(_LATER.match(block))
            continue
        if inside and later:
            continue
        whole, names, plain = ((match[part] or b"").decode("utf-8", "replace") for part in ("whole", "names", "plain"))
        if plain:
            yield from (word.split()[0] for word in plain.split(",") if word.split())
            continue
        level = len(whole) - len(whole.lstrip("."))
        base = whole[level:]
        if level:
            parts = package.split(".")
            if not package or level > len(parts):
                continue
            base = ".".join([*parts[: len(parts) - level + 1], *([base] if base else [])])
        if base:
            yield base
            words = (line.partition("#")[0] for line in names.strip("() \t").split("\n"))
            for word in ",".join(words).split(","):
                name = word.split()[0] if word.split() else ""
                if name.isidentifier():
                    yield f"{base}.{name}"


class Ahead:
    """Compiles from the far end.

    :param sites: where installed modules lie.
    """

    def __init__(self, sites: List[str]) -> None:
        self._sites = sites
        self._seen: Set[str] = set()

    def sources(self, roots: List[str]) -> Iterator[str]:
        """Yield the sources of modules that are going to be imported, about the last ones first."""
        waiting = list(roots)
        while waiting:
            name = waiting.pop()
            if name in self._seen:
                continue
            self._seen.add(name)
            parent = name.rpartition(".")[0]
            if parent and parent not in self._seen:
                waiting.append(parent)
            found = self._find(name)
            if found is None:
                continue
            path, is_package = found
            yield path
            waiting.extend(imports(read(path), name if is_package else parent))

    def _find(self, name: str) -> Optional[Tuple[str, bool]]:
        for site in self._sites:
            base = os.path.join(site, *name.split("."))
            if os.path.isfile(f"{base}.py"):
                return f"{base}.py", False
            if os.path.isfile(os.path.join(base, "__init__.py")):
                return os.path.join(base, "__init__.py"), True
        return None


def compile_one(path: str) -> bool:
    """Compile a module, unless that is done or may not be done; tell whether it was."""
    target = importlib.util.cache_from_source(path)
    draft = f"{target}.{os.getpid()}"
    try:
        before = os.stat(path)
        if os.path.exists(target):
            return False
        now_s = time.time() - _COARSE_S
        if int(before.st_mtime) >= int(now_s):  # an edit within the same second could not be seen
            time.sleep(1.0 - now_s % 1.0)
        source = read(path)
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        now = os.stat(path)
        if (now.st_mtime_ns, now.st_size, len(source)) != (before.st_mtime_ns, before.st_size, before.st_size):
            return False
        stamp = struct.pack("<III", 0, int(before.st_mtime) & 0xFFFFFFFF, before.st_size & 0xFFFFFFFF)
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.dirname(target))  # and nothing above it: what was removed meanwhile stays away
        with open(draft, "xb") as file:
            file.write(importlib.util.MAGIC_NUMBER + stamp + marshal.dumps(code))
        if os.path.exists(target):  # the session was quicker
            remove(draft)
            return False
        os.replace(draft, target)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        remove(draft)
        return False
    except BaseException:  # its time is over
        remove(draft)
        raise
    return True


def remove(path: str) -> None:
    """Remove a file that may not be there."""
    try:
        os.unlink(path)
    except OSError:
        return


def give_way() -> None:
    """Run when no other process would."""
    try:
        os.nice(19)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # type: ignore[attr-defined,unused-ignore]
    except (OSError, AttributeError):  # not on every system
        return


def end(number: int, _frame: object) -> None:
    """End in good order at a signal: nothing that is half written stays."""
    raise SystemExit(128 + number)


def lives(pid: int) -> bool:
    """Tell whether the session has not ended."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def main() -> None:
    """Leave a process behind that compiles, and end: that process is nobody's child."""
    order = json.loads(sys.argv[1])
    if os.fork():
        os._exit(0)
    give_way()
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    signal.alarm(_LIMIT_S)  # whatever it may be held up by

    def is_wanted() -> bool:
        return lives(order["session"]) and os.path.isdir(order["prefix"])

    roots = [*_ALWAYS, *project_imports(order["root"], is_wanted)]
    for path in Ahead(order["sites"]).sources(roots):
        if not is_wanted():
            return
        compile_one(path)


if __name__ == "__main__":
    main()
