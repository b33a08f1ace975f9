"""The tree of errors; every one is a diagnosis: what happened, where, why, and what to do next.

::

    FastenvError                    anything this package raises on purpose
    ├── RequestError                exit code 4: what was asked for is wrong
    │   ├── UsageError              an option, a variable or a setting
    │   ├── RequirementsError       a line that cannot be read (file, line, column, caret)
    │   ├── NoSolutionError         no set of versions satisfies the requirements
    │   │   ├── UnknownProjectError no index has the project
    │   │   └── ConflictingRequirementsError
    │   └── InterpreterNotFoundError
    ├── ProvideError                exit code 3: the request is fine, providing it failed
    │   ├── NetworkError            IndexAnswerError, AuthError, NotFoundError, RateLimitedError,
    │   │                           TooManyRedirectsError, InsecureRedirectError, StalledError, OfflineMissError
    │   ├── IntegrityError          HashError, SizeMismatchError
    │   ├── ArchiveError            BombError, LimitError, SdistError
    │   ├── WheelError              RecordError, MetadataError, ScriptError, SchemeError, UnsupportedWheelError,
    │   │                           ConflictError
    │   ├── BuildError              BuildTimeoutError, MismatchError, CycleError
    │   ├── StoreError              LockTimeoutError
    │   ├── InterpreterError        UnusableInterpreterError
    │   ├── PublishError            an environment that could not be made whole
    │   ├── ShortageError           the system has no memory, threads or processes left
    │   ├── DefectError             this package has a fault of its own
    │   └── EnvironmentServerError  the process that makes environments while a session runs
    ├── FailureGroup                several independent failures of one run, shown one after the other
    └── CommandError                a program that a test ran (`runtime.environment_in_test`)

Standard library only, Python 3.8 and newer: this module is on the warm path, and is copied into environments.
"""

from __future__ import annotations

import errno
import re
import sys
from typing import Any, Callable, Mapping, Optional, Sequence, Tuple

Naming = Callable[[str, str], str]
"""Writes an option, and where that is not empty the value to give it, in the words of its reader.

With `PLACE` for a value: the place that it was given in.
"""

THE_REQUEST = "the request"
"""Where something stands that was asked for by no file."""

PLACE = "@"
"""Stands for a value where a `Naming` is to write down the place that an option was given in."""

OPTION_MARKS = "\x02\x03"
"""What stands around an option in a text that has no reader yet."""

_OPTION = re.compile("\x02([a-z_]+)=?([^\x03]*)\x03")


#: Of an address, with bounds, so that no text takes long; what stars stand for already is left as it is, so that a
#: caret below it points where it did.
_QUERY = re.compile(
    r"""([A-Za-z][\w+.-]{0,30}://[^\s?#"'<>]{0,4000})\?(?!\*+(?:[\s#"'<>]|$))"""
    r"""[^\s#"'<>]+?(?=[)\]},;:.]{0,9}(?:[\s#"'<>]|$))"""
)
_PASSWORD = re.compile(r"""([A-Za-z][\w+.-]{0,30}://[^\s/@:"']*:)(?!\*+@|\$\{\w+\}@)[^\s/@"']+@""")


def option(field: str, value: str = "") -> str:
    """Name an option in the text of an error or a warning, by its name in `pytest_fastenv.Settings`.

    The same error may be shown by pytest, by the ``fastenv`` command or to a caller of `provision`: each of them writes
    the option as its reader knows it, when it asks for the diagnosis.

    :param value: what to set it to, where the text advises one.
    """
    return f"\x02{field}={value}\x03" if value else f"\x02{field}\x03"


def place_of(field: str) -> str:
    """Return what stands for the place where an option was given, for `FastenvError.where`."""
    return f"\x02{field}={PLACE}\x03"


def argument(field: str, value: str) -> str:
    """Write an option as callers of `provision` know it."""
    if value == PLACE:
        return THE_REQUEST
    return f"Settings({field}={value!r})" if value else f"Settings({field}=...)"


def named(text: str, naming: Naming) -> str:
    """Return a text, of an error or a warning, with its options as a reader knows them, ready to be shown.

    What is quoted in it may come from anywhere: it cannot steer a terminal, and addresses in it tell no password and no
    query, in which signatures stand.
    """
    told = _OPTION.sub(lambda found: naming(found[1], found[2]), text)
    if "://" in told:
        told = _PASSWORD.sub(r"\1***@", _QUERY.sub(r"\1?...", told))
    return printable(told.replace("\r\n", "\n"), but="\n\t")


def printable(text: str, but: str = "") -> str:
    """Return a text that cannot steer a terminal, change how its surroundings are read, or leave its line.

    Control characters, bidirectional controls, invisible letters and separators other than the space are written as
    escapes.

    :param but: letters that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in but else _escape(ord(letter)) for letter in text)


_FEW_LINES = 12
_MOST_LINES = 50
_MOST_LETTERS = 2000


def _shortened(lines: Sequence[str], most: int, naming: Naming) -> list[str]:
    """Return some lines without the middle of what is too long, and with what says so."""
    short = [line if len(line) <= _MOST_LETTERS else _without_middle(line) for line in lines]
    if len(short) <= most:
        return short
    end = most // 3
    left_out = len(short) - (most - 1)
    return [*short[: most - 1 - end], f"[{left_out} lines left out: {_all_of_it(naming)}]", *short[-end:]]


def _without_middle(line: str) -> str:
    begin, end = _MOST_LETTERS // 2, _MOST_LETTERS // 4
    return f"{line[:begin]} [{len(line) - begin - end} letters left out] {line[-end:]}"


def _all_of_it(naming: Naming) -> str:
    return "{} has all".format(naming("reports", "report.json"))


def _escape(code: int) -> str:
    return "\\x{:02x}".format(code) if code < 0x100 else ("\\u{:04x}" if code < 0x10000 else "\\U{:08x}").format(code)


class FastenvError(Exception):
    """Base of every error raised on purpose.

    Every parameter is an attribute, too, so that an error can be made again from its attributes: `to_json` and pickle
    rely on it.

    :param what: one sentence that says what went wrong, naming the distribution, file or option.
    :param where: the place: a file with line and column, a URL without credentials, a log's path.
    :param why: the cause, as far as it is known; may have several lines (a log's tail, a caret).
    :param hint: the next step for the reader.
    :ivar exit_code: of pytest and the ``fastenv`` command when this ends them: 4 where the request is wrong, else 3.
    """

    exit_code = 3

    def __init__(self, what: str, *, where: str | None = None, why: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        handled = sys.exc_info()[1]
        self.what = what
        self.where = where
        self.why = why
        # What reads a file or starts a program cannot know every reason for which that fails: these are no fault of it.
        self.hint = (_remedy(handled) if handled is not None else None) or hint

    def diagnosis(self, naming: Naming = argument, *, whole: bool = False) -> str:
        """Return the diagnosis as plain text of one to many lines, without a trailing newline.

        Texts from elsewhere may be of any size: what is too long for a terminal is left out in the middle, and counted.

        :param naming: how the reader writes options; default: as a caller of `provision` does.
        :param whole: leave nothing out, for a report.
        """
        lines: list[str] = []
        for label, text, most in (
            ("", self.what, _FEW_LINES),
            ("  where: ", self.where, _FEW_LINES),
            ("  why:   ", self.why, _MOST_LINES),
            ("  next:  ", self.hint, _FEW_LINES),
        ):
            if text:
                told = named(text, naming).rstrip("\n").split("\n")
                first, *rest = told if whole else _shortened(told, most, naming)
                lines.append(label + first)
                lines.extend(f"         {line}" for line in rest)  # so that no line of it looks like one of ours
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.diagnosis()

    def to_json(self, naming: Optional[Naming] = None) -> dict[str, Any]:
        """Return class and parts as JSON can hold them; `error_from_json` makes the error of them again.

        An error of a class that is defined elsewhere is written as one of the nearest class of this module.

        :param naming: how its reader writes options, where that is known here and not where the error is made again.
        """
        from inspect import signature  # only where an error leaves its process

        cls = next(cls for cls in type(self).__mro__ if globals().get(cls.__name__) is cls)
        parts = {name: getattr(self, name) for name in signature(cls).parameters}
        if naming is not None:
            parts = {name: named(part, naming) if isinstance(part, str) else part for name, part in parts.items()}
        if isinstance(self, FailureGroup):
            parts["failures"] = [failure.to_json(naming) for failure in self.failures]
        return {"class": cls.__name__, "exit_code": self.exit_code, "parts": parts}

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the error be pickled, as `to_json` writes it."""
        return error_from_json, (self.to_json(),)


def error_from_json(value: Mapping[str, Any]) -> FastenvError:
    """Return the error that `FastenvError.to_json` wrote: of the same class, with the same parts.

    A class that this version does not have becomes `RequestError` or `ProvideError`, as the exit code says.

    :raises KeyError: it is not what `to_json` writes.
    """
    parts = dict(value["parts"])
    cls = globals().get(value["class"])
    if cls is FailureGroup:
        return FailureGroup([error_from_json(failure) for failure in parts["failures"]])
    if not (isinstance(cls, type) and issubclass(cls, FastenvError)):
        cls = RequestError if value["exit_code"] == RequestError.exit_code else ProvideError
        parts = {name: parts.get(name) for name in ("what", "where", "why", "hint")}
    made: FastenvError = cls(**parts)
    return made


class RequestError(FastenvError):
    """What was asked for is wrong; asking again the same way gives the same answer."""

    exit_code = 4


class UsageError(RequestError):
    """An option, environment variable or setting has a value that is not accepted."""


class RequirementsError(RequestError):
    """A requirements source has something that cannot be read or is not supported."""


class NoSolutionError(RequestError):
    """No set of releases satisfies the requirements."""


class UnknownProjectError(NoSolutionError):
    """No configured index or find-links location has the project."""


class ConflictingRequirementsError(NoSolutionError):
    """Requirements exclude each other; the text says who wants what and which one to loosen."""


class InterpreterNotFoundError(RequestError):
    """No interpreter fits what was asked for; the text says where was looked."""


class ProvideError(FastenvError):
    """The request is fine; providing it failed."""


class NetworkError(ProvideError):
    """A transfer failed for good, after the retries that its cause deserves."""


class IndexAnswerError(NetworkError):
    """An index answered with something that is not the Simple API (PEP 503, PEP 629, PEP 691)."""


class AuthError(NetworkError):
    """Credentials are missing or were refused (401, 403); the text says where they were looked for."""


class NotFoundError(NetworkError):
    """The address has nothing (404, 410)."""


class RateLimitedError(NetworkError):
    """The server asked to slow down (429) more often than retries allow."""


class TooManyRedirectsError(NetworkError):
    """A chain of redirects is too long or a circle."""


class InsecureRedirectError(NetworkError):
    """A redirect leads from https to http."""


class StalledError(NetworkError):
    """A transfer went on below the minimum throughput."""


class OfflineMissError(NetworkError):
    """Something is needed that is not in the store, and the network is not to be used."""


class IntegrityError(ProvideError):
    """Bytes are not the bytes that were announced."""


class HashError(IntegrityError):
    """A digest differs from the announced one; both are named. Nothing of it is kept."""


class SizeMismatchError(IntegrityError):
    """A length differs from the announced one."""


class ArchiveError(ProvideError):
    """An archive is damaged, ambiguous or would write outside its root."""


class BombError(ArchiveError):
    """An archive expands beyond the permitted size and ratio."""


class LimitError(ArchiveError):
    """An archive has more members, or a larger one, than is permitted."""


class SdistError(ArchiveError):
    """A source distribution's archive is not one that may be unpacked."""


class WheelError(ProvideError):
    """A wheel's contents contradict the wheel specification."""


class RecordError(WheelError):
    """RECORD and the files of the wheel differ."""


class MetadataError(WheelError):
    """Core metadata is missing, unreadable or contradicts the artifact's file name."""


class ScriptError(WheelError):
    """An entry point or script has a name or target that is not accepted."""


class SchemeError(WheelError):
    """A ``.data`` directory has an unknown scheme or leaves it."""


class UnsupportedWheelError(WheelError):
    """The wheel's format version or tags are not supported."""


class ConflictError(WheelError):
    """Two distributions bring one path with different contents."""


class BuildError(ProvideError):
    """A build backend failed; the text carries the log's last lines and the log's place."""


class BuildTimeoutError(BuildError):
    """A build backend did not finish within the time allowed; its process group was ended."""


class MismatchError(BuildError):
    """A build produced another project or version than its source distribution announces."""


class CycleError(BuildError):
    """Build requirements need each other to be built; the text shows the circle."""


class StoreError(ProvideError):
    """The store cannot be read or written (full disk, permissions, no file descriptors)."""


class LockTimeoutError(StoreError):
    """A lock was not free in time; the text names its holder (process id, host, since when)."""


class InterpreterError(ProvideError):
    """An interpreter does not start or is not what it was taken for."""


class UnusableInterpreterError(InterpreterError):
    """An executable was started, and is no interpreter that can be used.

    :ivar version: what it is, where it is too old; else empty.
    :ivar is_final: whether it would give the same answer again; not where a signal ended it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        why: str | None = None,
        hint: str | None = None,
        version: str = "",
        is_final: bool = True,
    ) -> None:
        super().__init__(what, where=where, why=why, hint=hint)
        self.version = version
        self.is_final = is_final


class PublishError(ProvideError):
    """An environment could not be made whole; nothing of it is left for a later run."""


class ShortageError(ProvideError):
    """The system has no memory, threads or processes left for this one."""

    @classmethod
    def of(cls, error: BaseException) -> ShortageError | None:
        """Return the diagnosis of an exception that a shortage led to, whatever reports it; else ``None``."""
        for one in _chain(error):
            told = str(one) or type(one).__name__
            what = _missing(one, told)
            if what is not None:
                return cls(what, why=told, hint=_remedy(one) or LESS)
            if getattr(one, "errno", None) == errno.EAGAIN:
                return cls(_NO_THREADS, why=told, hint=LESS)
        return None


_NO_FILES = "too many open files"
_NO_MEMORY = "the system has no memory left for this"
_NO_THREADS = "the system has no threads or processes left for this"
_OF_FILES = ("Too many open files", "os error 23)", "os error 24)")
_OF_MEMORY = (
    "MemoryError",
    "annot allocate memory",
    "failed to map segment",
    "os error 12",
    "error return without exception set",
)
LESS = "raise the limits of processes and memory (ulimit -u, ulimit -v, a container's), or set {}".format(
    option("concurrent", "1")
)
"""The next step where memory, threads or processes run out."""
FEWER_FILES = "raise the limit of open files (ulimit -n), or lower {}".format(option("concurrent_downloads"))
"""The next step where file descriptors run out."""


def _missing(error: BaseException, told: str) -> Optional[str]:
    """Say what the system is short of by what one exception says; ``None`` where it does not speak of that."""
    number = getattr(error, "errno", None)
    if number in (errno.EMFILE, errno.ENFILE) or any(sign in told for sign in _OF_FILES):
        return _NO_FILES
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(sign in told for sign in _OF_MEMORY):
        return _NO_MEMORY
    if isinstance(error, RuntimeError) and ("new thread" in told or "os error 11" in told):
        return _NO_THREADS
    return None


def _remedy(error: BaseException) -> Optional[str]:
    """Return what to do next where the system is short of something, whatever that led to."""
    for one in _chain(error):
        if not isinstance(one, FastenvError):
            what = _missing(one, str(one))
            if what is not None:
                return FEWER_FILES if what is _NO_FILES else LESS
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """Return an exception, and those that led to it or are in it."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in found:
            found.append(one)
            waiting += [*getattr(one, "exceptions", ()), one.__context__, one.__cause__]
    return found


def unforeseen(error: BaseException, *, traceback: bool = True) -> FastenvError:
    """Return the diagnosis of an exception that no code nearer to it has explained: a shortage, else a defect."""
    return ShortageError.of(error) or DefectError.of(error, traceback=traceback)


class DefectError(ProvideError):
    """Something that this package did not expect: a fault of its own, or of what it is installed with."""

    @classmethod
    def of(cls, error: BaseException, *, traceback: bool = True) -> DefectError:
        """Return the diagnosis of an exception that no code nearer to it has explained.

        :param traceback: show where it came from, call by call; else the diagnosis says how to see that.
        """
        from traceback import extract_tb, format_exception  # takes a while, and is rarely needed

        frames = extract_tb(error.__traceback__)
        told = "".join(format_exception(type(error), error, error.__traceback__)).strip()
        ask = "please report it" if traceback else "-v shows the traceback; please report it with that"
        return cls(
            "pytest-fastenv has a defect: {!r}".format(error),
            where="{}:{}".format(frames[-1].filename, frames[-1].lineno) if frames else None,
            why=told if traceback else None,
            hint=ask + " to the maintainers of pytest-fastenv, whom `pip show -v pytest-fastenv` names",
        )


class EnvironmentServerError(ProvideError):
    """The process that makes environments while a session runs does not start, or it ended; asking again starts one."""


class FailureGroup(FastenvError):
    """Several independent failures found in one run.

    :param failures: at least one; the exit code is that of a wrong request only if every failure is one.
    """

    def __init__(self, failures: Sequence[FastenvError]) -> None:
        if not failures:
            msg = "a failure group needs at least one failure"
            raise ValueError(msg)
        super().__init__(f"{len(failures)} failures")
        self.failures = tuple(failures)
        self.exit_code = 4 if all(failure.exit_code == 4 for failure in failures) else 3

    def diagnosis(self, naming: Naming = argument, *, whole: bool = False) -> str:
        """Return the diagnoses of all failures, numbered when there is more than one.

        Many that have the same cause are told once, with a few of the others; and of very many causes only the first.

        :param whole: tell each of them, for a report.
        """
        count = len(self.failures)
        if count == 1:
            return self.failures[0].diagnosis(naming, whole=whole)
        if whole:
            parts = [f"[{n}/{count}] {f.diagnosis(naming, whole=True)}" for n, f in enumerate(self.failures, 1)]
            return "\n".join(parts)
        told: list[str] = []
        left = count
        for numbered in _by_cause(self.failures):
            lines = _told_once(numbered, count, naming).split("\n")
            if told and len(told) + len(lines) > _MOST_LINES_OF_GROUPS:
                break
            told += lines
            left -= len(numbered)
        if left:
            told.append("[{} more failures left out: {}]".format(left, _all_of_it(naming)))
        return "\n".join(told)


_MOST_LINES_OF_GROUPS = 120
#: So many failures of one cause are told one by one, and so many are named where there are more.
_ONE_BY_ONE = 3
_ALSO = 8
#: What differs between failures of one cause: numbers, versions, paths, addresses, digests, names with a hyphen.
_PARTICULAR = re.compile(r"[\d/\\_.-]")

_Numbered = Tuple[int, FastenvError]


def _by_cause(failures: Sequence[FastenvError]) -> list[list[_Numbered]]:
    """Return failures with their numbers, each by itself or together with many of the same cause."""
    causes: dict[Any, list[_Numbered]] = {}
    for number, failure in enumerate(failures, 1):
        causes.setdefault(_cause(failure), []).append((number, failure))
    found: list[list[_Numbered]] = []
    for alike in causes.values():
        found += [alike] if len(alike) > _ONE_BY_ONE else [[one] for one in alike]
    return sorted(found, key=lambda alike: alike[0][0])


def _cause(failure: FastenvError) -> tuple[Any, ...]:
    """Return what is the same for failures that one cause led to, whatever it is that failed."""
    subjects = set(failure.what.split())

    def common(text: Optional[str]) -> Optional[str]:
        if text is None:
            return None
        return " ".join(word for word in _in_general(text) if word not in subjects)

    what = None if failure.why else " ".join(_in_general(failure.what))
    return type(failure), what, common(failure.why), common(failure.hint)


def _in_general(text: str) -> list[str]:
    return ["*" if _PARTICULAR.search(word) else word for word in text.split()]


def _told_once(numbered: Sequence[_Numbered], count: int, naming: Naming) -> str:
    (number, first), *others = numbered
    lines = [f"[{number}/{count}] {first.diagnosis(naming)}"]
    lines += [named(other.what, naming).split("\n")[0][:_MOST_LETTERS] for _, other in others[:_ALSO]]
    if len(others) > _ALSO:
        lines.append("and {} more with the same cause".format(len(others) - _ALSO))
    labelled = [lines[0]] + [("  also:  " if n == 0 else "         ") + line for n, line in enumerate(lines[1:])]
    return "\n".join(labelled)
