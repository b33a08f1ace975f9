"""Replace ``${NAME}`` by environment variables, remembering which character came from where."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.filesystem.observations import observe
from pytest_fastenv.model.observation import Observation

#: Upper-case letters, digits and underscore only, as in POSIX and as in pip: ``$NAME`` and ``%NAME%`` stay as they are.
_REFERENCE = re.compile(r"\$\{([A-Z0-9_]+)\}")


class ObservedVariables(Mapping[str, str]):
    """Environment variables that remember which of them were looked at."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._seen: dict[str, Observation] = {}

    @property
    def observed(self) -> tuple[Observation, ...]:
        """The variables that were looked at, set or not."""
        return tuple(self._seen.values())

    def __getitem__(self, name: str) -> str:
        value = self._environ.get(name, "")
        self._seen[name] = observe("variable", name, self._environ)
        if not value:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


@dataclass(frozen=True, slots=True)
class Expanded:
    """Text after replacement.

    :ivar unset: names of variables that have no value, so that references to them stand in the text.
    :ivar runs: pairs of (offset in `text`, offset in what was written, whether both move on together).
    """

    text: str
    runs: tuple[tuple[int, int, bool], ...]
    unset: tuple[str, ...] = ()

    def written_offset(self, offset: int) -> int:
        """Return where a character was written; all of a variable's value stands where its reference begins."""
        start, written, moves = self.runs[bisect_right(self.runs, (offset, 1 << 62, True)) - 1]
        return written + (offset - start if moves else 0)


def expand(written: str, environ: Mapping[str, str]) -> Expanded:
    """Replace references; one to a variable that is not set, or set to nothing, is left as it is (like pip)."""
    pieces: list[str] = []
    runs: list[tuple[int, int, bool]] = [(0, 0, True)]
    unset: dict[str, None] = {}
    length = copied = 0
    for match in _REFERENCE.finditer(written):
        value = environ.get(match[1])
        if not value:
            unset[match[1]] = None
            continue
        pieces += [written[copied : match.start()], value]
        length += match.start() - copied
        runs.append((length, match.start(), False))
        length += len(value)
        copied = match.end()
        runs.append((length, copied, True))
    pieces.append(written[copied:])
    return Expanded("".join(pieces), tuple(runs), tuple(unset))


@contextmanager
def unset_named(unset: Sequence[str]) -> Iterator[None]:
    """Let an error of a line name the variables that are not set; their references stay as text, as for pip."""
    try:
        yield
    except RequirementsError as error:
        if not unset:
            raise
        raise with_unset(error, unset) from None


def with_unset(error: RequirementsError, unset: Sequence[str]) -> RequirementsError:
    """Return an error of a line that names the variables that are not set."""
    names = " and ".join(unset)
    told = f"the variable {names} is not set" if len(unset) == 1 else f"the variables {names} are not set"
    why = "\n".join(filter(None, (error.why, told)))
    return RequirementsError(error.what, where=error.where, why=why, hint=error.hint)
