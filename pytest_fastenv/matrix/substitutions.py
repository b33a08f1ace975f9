r"""What stands in braces in an environment's commands, variables and directory: ``{env_dir}``, ``{posargs:tests}``.

``{`` is a placeholder's beginning where a name, ``/`` or ``:`` follows; anything else in braces is text. A backslash
before a brace makes it text, too, and two of them there are one; inside of a placeholder ``\:`` is a colon. Defaults
may hold placeholders themselves. The names are tox's, old and new ones
(https://tox.wiki/en/latest/config.html#substitutions).

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import Command, Place

_BEGIN = re.compile(r"(\\*)([{}])")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|/|:")
_MARK = "\ue000{}\ue001"
_MARKED = re.compile("\ue000([0-9]+)\ue001")

VALUES: Mapping[str, tuple[str, ...]] = {
    "env_name": ("envname",),
    "env_dir": ("envdir",),
    "env_python": ("envpython",),
    "env_bin_dir": ("envbindir",),
    "env_site_packages_dir": ("envsitepackagesdir",),
    "env_tmp_dir": ("envtmpdir",),
    "root": ("tox_root", "toxinidir"),
}
"""Placeholders that stand for one value, with their other names."""
_CALLS = ("env", "glob", "posargs", "tty")
_ELSEWHERE = {
    "base_python": "the environment's own interpreter is {env_python}",
    "basepython": "the environment's own interpreter is {env_python}",
    "env_log_dir": "nothing is logged there: write to {env_tmp_dir}",
    "envlogdir": "nothing is logged there: write to {env_tmp_dir}",
    "package_root": "the project's directory is {root}",
    "setupdir": "the project's directory is {root}",
    "temp_dir": "a directory for passing files is {env_tmp_dir}",
    "tox_work_dir": "environments lie in the store: a directory for passing files is {env_tmp_dir}",
    "toxworkdir": "environments lie in the store: a directory for passing files is {env_tmp_dir}",
    "work_dir": "environments lie in the store: a directory for passing files is {env_tmp_dir}",
}


class Substitutions:
    """What placeholders stand for in one environment.

    :param values: by the names of `VALUES`; a function is called when its placeholder is met.
    :param variable: gives a variable's value, or ``None``.
    :param posargs: what stands behind ``--``; ``None`` where that is not there, which means the default.
    :param is_terminal: which side of ``{tty:ON:OFF}`` counts.
    :param root: what ``{glob:PATTERN}`` is relative to.
    :ivar uses_posargs: ``{posargs}`` was met.
    """

    def __init__(
        self,
        values: Mapping[str, str | Callable[[], str]],
        variable: Callable[[str], str | None],
        *,
        posargs: Sequence[str] | None = None,
        is_terminal: bool = False,
        root: str = ".",
    ) -> None:
        self._values = {alias: values[name] for name, others in VALUES.items() for alias in (name, *others)}
        self._variable = variable
        self._posargs = posargs
        self._is_terminal = is_terminal
        self._root = root
        self.uses_posargs = False

    def text(self, text: str, where: Place) -> str:
        """Return a text with every placeholder replaced.

        :param where: the place that it stands in, for messages.
        :raises UsageError: one is not known, or not closed.
        """
        return "".join(piece if isinstance(piece, str) else _plain(piece) for piece in self._pieces(text, where))

    def words(self, command: Command, where: Place) -> list[str]:
        """Return the words of a command.

        What is written as one text is split as a shell would; what a placeholder for a directory, a file or an argument
        stands for stays in one piece. A word of a list that is ``{posargs}`` alone becomes as many words as there are.

        :raises UsageError: as for `text`, or a quotation is not closed.
        """
        if command.split:
            return self._split(command.words[0], where)
        found: list[str] = []
        for word in command.words:
            alone = re.match(r"\{posargs[:}]", word) and _end(word, 1, "}", where) == len(word) - 1
            found += self._split(word, where) if alone else [self.text(word, where)]
        return found

    def _split(self, text: str, where: Place) -> list[str]:
        import shlex  # only where a text is split

        kept: list[str] = []

        def marked(value: str) -> str:
            kept.append(value)
            return _MARK.format(len(kept) - 1)

        pieces = self._pieces(text, where)
        template = "".join(
            piece if isinstance(piece, str) else " ".join(marked(value) for value in piece) for piece in pieces
        )
        lexer = shlex.shlex(template, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters = True, ""
        if os.name == "nt":
            lexer.escape = ""  # there a backslash separates directories
        try:
            return [_MARKED.sub(lambda found: kept[int(found[1])], word) for word in lexer]
        except ValueError as error:
            raise UsageError(
                f"a command cannot be split into words: {text}", where=str(where), why=str(error)
            ) from None

    def _pieces(self, text: str, where: Place) -> Iterator[str | tuple[str, ...]]:
        """Yield a text's parts: such as may be split into words, and words that may not."""
        position = 0
        while found := _BEGIN.search(text, position):
            slashes, brace = found[1], found[2]
            yield text[position : found.start()] + "\\" * (len(slashes) // 2)
            position = found.end()
            name = None if brace == "}" or len(slashes) % 2 else _NAME.match(text, position)
            if name is None:
                yield brace
                continue
            if text[name.end() : name.end() + 1] not in ("}", ":"):
                yield brace  # no placeholder has such a name: {a b}, {x!r}
                continue
            end = _end(text, position, "}", where)
            rest = text[name.end() + 1 : end] if text[name.end()] == ":" else None
            yield from self._replaced(name[0], rest, where)
            position = end + 1
        yield text[position:]

    def _replaced(self, name: str, rest: str | None, where: Place) -> Iterator[str | tuple[str, ...]]:
        """Yield what one placeholder stands for.

        :param rest: what stands behind its name and a colon.
        """
        if name in "/:" and rest is None:
            yield ({"/": os.sep, ":": os.pathsep}[name],)
        elif name in self._values and rest is None:
            value = self._values[name]
            yield (value if isinstance(value, str) else value(),)
        elif name == "posargs":
            yield from self._arguments(rest, where)
        elif name in ("env", "glob", "tty") and rest:
            of_kind = {"env": self._variables, "glob": self._files, "tty": self._terminal}[name]
            yield from of_kind(*_halves(rest, where), where)
        else:
            raise _unknown(name, rest, where)

    def _arguments(self, default: str | None, where: Place) -> Iterator[str | tuple[str, ...]]:
        self.uses_posargs = True
        if self._posargs is None:
            yield from self._pieces(default or "", where)
        else:
            yield tuple(self._posargs)

    def _variables(self, name: str, default: str, where: Place) -> Iterator[str | tuple[str, ...]]:
        value = self._variable(self.text(name, where))
        if value is None:
            yield from self._pieces(default, where)
        else:
            yield value

    def _files(self, pattern: str, default: str, where: Place) -> Iterator[str | tuple[str, ...]]:
        import glob  # rare

        matches = sorted(glob.glob(os.path.join(self._root, self.text(pattern, where)), recursive=True))
        if matches:
            yield tuple(matches)
        else:
            yield from self._pieces(default, where)

    def _terminal(self, on: str, off: str, where: Place) -> Iterator[str | tuple[str, ...]]:
        yield from self._pieces(on if self._is_terminal else off, where)


def _plain(words: Sequence[str]) -> str:
    """Write words into a text that is not split: one as it is, several as a shell would read them."""
    if len(words) == 1:
        return words[0]
    import shlex  # only for several

    return shlex.join(words)


def _end(text: str, position: int, closing: str, where: Place) -> int:
    """Return where a placeholder, or a part of it, ends.

    :param closing: what ends it: ``}``, or ``}:`` where a colon does, too.
    """
    depth, slashes = 0, 0
    for place in range(position, len(text)):
        letter = text[place]
        if letter == "\\":
            slashes += 1
            continue
        if slashes % 2 == 0:
            if depth == 0 and letter in closing:
                return place
            depth += {"{": 1, "}": -1}.get(letter, 0)
        slashes = 0
    if ":" in closing:
        return len(text)
    raise UsageError(f"a brace is not closed: {text}", where=str(where), hint="write \\{ where a brace is meant")


def _halves(rest: str, where: Place) -> tuple[str, str]:
    """Return what stands before and behind the first colon that is no placeholder's own; the latter may be empty."""
    cut = _end(rest, 0, ":}", where)
    return rest[:cut].replace("\\:", ":"), rest[cut + 1 :].replace("\\:", ":")


def _unknown(name: str, rest: str | None, where: Place) -> UsageError:
    import difflib  # only for the message

    shown = f"{{{name}}}" if rest is None else f"{{{name}:{rest}}}"
    known = [*VALUES, *_CALLS]
    forms = {"env": "{env:NAME} or {env:NAME:DEFAULT}", "glob": "{glob:PATTERN}", "tty": "{tty:ON:OFF}"}
    close = difflib.get_close_matches(name, known, 1)
    if name in forms:
        hint = f"it is written {forms[name]}"
    elif name in _ELSEWHERE:
        hint = _ELSEWHERE[name]
    elif rest is not None and any(name in (one, *others) for one, others in VALUES.items()):
        hint = f"{{{name}}} has no default"
    elif close:
        hint = f"did you mean {{{close[0]}}}? Write \\{{ where a brace is meant"
    else:
        hint = (
            f"known are {', '.join(f'{{{one}}}' for one in known)}, {{/}} and {{:}}; write \\{{ where a brace is meant"
        )
    return UsageError(f"{shown} stands for nothing", where=str(where), hint=hint)
