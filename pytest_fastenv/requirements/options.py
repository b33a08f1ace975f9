"""The options that may stand in a requirements file, and the reading of a line into requirement and options."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.requirements.excerpt import Excerpt
from pytest_fastenv.requirements.redaction import masked

#: Where an option belongs: on a line of its own, behind a requirement, or nowhere because it is not supported.
Scope = Literal["file", "requirement", "unsupported"]


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table.

    :ivar name: the long name, by which the rest of the room knows it.
    :ivar reason: why it is not supported, or what to do instead.
    """

    name: str
    scope: Scope
    takes_value: bool = True
    short: str | None = None
    aliases: tuple[str, ...] = ()
    reason: str | None = None


_SETUP_PY = "it is meant for setup.py commands; use --config-settings for what the build backend understands"

OPTIONS: tuple[Option, ...] = (
    Option("--requirement", "file", short="-r"),
    Option("--constraint", "file", short="-c"),
    Option("--editable", "file", short="-e"),
    Option("--index-url", "file", short="-i", aliases=("--pypi-url",)),
    Option("--extra-index-url", "file"),
    Option("--find-links", "file", short="-f"),
    Option("--no-index", "file", takes_value=False),
    Option("--no-binary", "file"),
    Option("--only-binary", "file"),
    Option("--pre", "file", takes_value=False),
    Option("--all-releases", "file"),
    Option("--only-final", "file"),
    Option("--prefer-binary", "file", takes_value=False),
    Option("--require-hashes", "file", takes_value=False),
    Option("--no-require-hashes", "file", takes_value=False),
    Option("--trusted-host", "file"),
    Option("--hash", "requirement"),
    Option("--config-settings", "requirement", short="-C", aliases=("--config-setting",)),
    Option("--global-option", "unsupported", reason=_SETUP_PY),
    Option("--install-option", "unsupported", reason=_SETUP_PY),
    Option("--build-option", "unsupported", reason=_SETUP_PY),
    Option("--use-feature", "unsupported", reason="it switches on parts of pip, which does not run here"),
    Option("--uploaded-prior-to", "unsupported", reason="set PIP_UPLOADED_PRIOR_TO"),
    Option("--process-dependency-links", "unsupported", takes_value=False, reason="use NAME @ URL requirements"),
    Option("--always-unzip", "unsupported", takes_value=False, short="-Z", reason="it never had an effect"),
)

_LONG = {name: option for option in OPTIONS for name in (option.name, *option.aliases)}
_SHORT = {option.short: option for option in OPTIONS if option.short}

# A word of a POSIX shell: plain characters, escapes and quoted stretches without white space between them.
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""")
_OPTIONS_BEGIN = re.compile(r"(?:^|(?<=\s))-")


@dataclass(frozen=True, slots=True)
class Given:
    """An option as it stands in a line.

    :ivar value: its value with quotes removed; empty for flags.
    :ivar end: offset in the line where the option and its value end.
    """

    option: Option
    name: Excerpt
    value: Excerpt
    end: int

    def error(self, what: str, *, hint: str | None = None) -> RequirementsError:
        """Make an error that points at the value, or at the name if there is no value."""
        return (self.value if self.value.text else self.name).error(what, hint=hint)


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """A requirement (may be empty) and the options of its line, in order."""

    requirement: Excerpt
    options: tuple[Given, ...]


def parse_line(line: Excerpt) -> ParsedLine:
    """Split a logical line where its options begin, and read them by the table.

    Options follow a shell's rules for quotes; the requirement before them is left alone, as its markers have quotes
    of their own. Long names may be shortened as far as they stay unique.

    :raises RequirementsError: an option is unknown, unsupported or without its value, or there is text behind it.
    """
    begin = _OPTIONS_BEGIN.search(line.text)
    if begin is None:
        return ParsedLine(line.part(0), ())
    requirement = line.part(0, begin.start())
    options = tuple(_options(line, begin.start()))
    for given in options:
        _check_place(given, behind_requirement=bool(requirement.text) or _is_editable(options))
    return ParsedLine(requirement, options)


def _is_editable(options: tuple[Given, ...]) -> bool:
    return any(given.option.name == "--editable" for given in options)


def _check_place(given: Given, *, behind_requirement: bool) -> None:
    name = given.option.name
    if given.option.scope == "requirement" and not behind_requirement:
        raise given.name.error(f"{name} stands alone", hint=f"write {name} on the line of the requirement it is for")
    if given.option.scope == "file" and behind_requirement and name != "--editable":
        raise given.name.error(
            f"{name} stands behind a requirement", hint=f"{name} is for the whole file: write it on a line of its own"
        )


def _options(line: Excerpt, start: int) -> Iterator[Given]:
    position = start
    while words := _word(line, position):
        begin, end = words
        text = line.text[begin:end]
        if not text.startswith("-"):
            raise line.error(
                f"unexpected text behind an option: {masked(text)!r}", begin, hint="quote a value that has spaces in it"
            )
        option, attached = _recognize(line, begin, text)
        name = line.part(begin, begin + (attached if attached is not None else len(text)))
        if option.scope == "unsupported":
            raise name.error(f"{option.name} is not supported", hint=option.reason)
        if not option.takes_value:
            if attached is not None:
                raise name.error(f"{option.name} takes no value")
            yield Given(option, name, line.part(end, end), end)
            position = end
            continue
        yield (given := _with_value(line, option, name, (begin, end), attached))
        position = given.end


def _with_value(line: Excerpt, option: Option, name: Excerpt, word: tuple[int, int], attached: int | None) -> Given:
    begin, end = word
    if attached is not None:
        value_begin = begin + attached + (line.text[begin : begin + 2] == "--")
    else:
        following = _word(line, end)
        if following is None:
            raise name.error(f"{option.name} needs a value")
        value_begin, end = following
    text = _unquoted(line.text[value_begin:end])
    if option.name == "--editable":
        rest_end = _end_of_editable(line.text, end)
        text += line.text[end:rest_end].rstrip()
        end = rest_end
    if not text or (attached is None and text.startswith("--")):
        raise name.error(f"{option.name} needs a value")
    return Given(option, name, Excerpt(text, line.at, line.offset + value_begin), end)


def _end_of_editable(text: str, start: int) -> int:
    """Return where an editable requirement ends that goes on behind its first word (``-e name @ URL ; marker``)."""
    following = _OPTIONS_BEGIN.search(text, start)
    return following.start() if following else len(text)


def _word(line: Excerpt, position: int) -> tuple[int, int] | None:
    """Return begin and end of the next word, or ``None`` at the end of the line."""
    text = line.text
    while position < len(text) and text[position].isspace():
        position += 1
    if position == len(text):
        return None
    match = _WORD.match(text, position)
    if match is None or (match.end() < len(text) and not text[match.end()].isspace()):
        at = position if match is None else match.end()
        raise line.error("a quote is not closed" if text[at] in "\"'" else "a backslash escapes nothing", at)
    return position, match.end()


def _unquoted(word: str) -> str:
    return "".join(shlex.split(word)) if word else ""


def _recognize(line: Excerpt, begin: int, word: str) -> tuple[Option, int | None]:
    """Return the option, and the offset in the word of an attached value (of the ``=`` for long names)."""
    if not word.startswith("--"):
        option = _SHORT.get(word[:2])
        if option is None:
            raise _unknown(line, begin, word.partition("=")[0])
        return option, 2 if len(word) > 2 else None
    name, equals, _ = word.partition("=")
    attached = len(name) if equals else None
    if name in _LONG:
        return _LONG[name], attached
    shortened = {option.name: option for long, option in _LONG.items() if long.startswith(name) and len(name) > 2}
    if len(shortened) == 1:
        return next(iter(shortened.values())), attached
    if shortened:
        raise line.error(f"{name} could be {' or '.join(sorted(shortened))}", begin)
    raise _unknown(line, begin, name)


def _unknown(line: Excerpt, begin: int, name: str) -> RequirementsError:
    close = difflib.get_close_matches(name, _LONG, 1, 0.7)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(o.name for o in OPTIONS if not o.reason)}"
    return line.error(f"no such option: {name}", begin, hint=hint)
