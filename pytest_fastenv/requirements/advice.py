"""What to write instead of a requirement that cannot be read: told by the text at which reading stopped."""

from __future__ import annotations

import difflib
import re
import unicodedata

from packaging.markers import InvalidMarker
from packaging.requirements import InvalidRequirement

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.requirements.excerpt import Excerpt

_OPERATORS = ("===", "==", "~=", "!=", "<=", ">=", "<", ">")
_MARKER_VARIABLES = (
    "python_version",
    "python_full_version",
    "os_name",
    "sys_platform",
    "platform_release",
    "platform_system",
    "platform_version",
    "platform_machine",
    "platform_python_implementation",
    "implementation_name",
    "implementation_version",
    "extra",
)
_MEANT = {"=>": ">=", "=<": "<=", "=!": "!=", "=~": "~=", "~>": "~=", "<>": "!="}
#: What stands where reading stopped, in the order in which it is looked for, and what to do then.
_ADVICE = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"\s*\^", "^ is no operator; write ~=1.0, or >=1.0,<2"),
        (r"\s*(===|==|~=|!=|<=|>=|<|>)\s*(,|;|$)", "a version is missing behind the operator"),
        (r"\s*=(?!=)", "= is no operator; did you mean ==?"),
        (r"\s*(===|==|~=|!=|<=|>=|<|>)", "versions are separated by commas: name>=1.0,<2"),
        (r"\s*,", "a comma separates two versions: name>=1.0,<2"),
        (rf"\s*({'|'.join(_MARKER_VARIABLES)})\s*([<>=!~]|in\b|not\b)", "a semicolon is missing before the marker"),
        (r"\s*#", "white space is missing before the comment"),
        (r"\s*(&&?|\|\|?)", "conditions are joined with 'and' or 'or'"),
        (r"\s*\[", "extras stand before the version: name[extra]>=1.0"),
        (r"['\"]", "leave out the quotes: they are for a shell"),
        (r"[^;]*\s[A-Za-z]", "write each requirement on a line of its own"),
    )
)
_QUOTED_OR_NOT = re.compile(r"'[^']*'|\"[^\"]*\"|[^'\"]+|.", re.DOTALL)


def unreadable_requirement(excerpt: Excerpt, reason: InvalidRequirement) -> RequirementsError:
    """Make the error for a requirement that packaging cannot read."""
    return _odd(excerpt, "requirement") or excerpt.error(
        f"this requirement cannot be read: {_first_line(reason)}",
        _stopped_at(excerpt, reason),
        hint=_hint(excerpt.text, _stopped_at(excerpt, reason)),
    )


def unreadable_marker(excerpt: Excerpt, reason: InvalidMarker) -> RequirementsError:
    """Make the error for a marker that packaging cannot read."""
    return _odd(excerpt, "marker") or excerpt.error(
        f"this marker cannot be read: {_first_line(reason)}",
        _stopped_at(excerpt, reason),
        hint=_marker_hint(excerpt.text[_stopped_at(excerpt, reason) :]),
    )


def odd_character(text: str) -> tuple[int, str] | None:
    """Find a character that no specifier has, and most people do not see or take for another one.

    :return: its offset and its name: ``U+200B ZERO WIDTH SPACE``.
    """
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", lambda quoted: " " * len(quoted[0]), text)
    found = re.search(r"[^\x20-\x7e\t]", bare)
    if found is None:
        return None
    name = unicodedata.name(found[0], "a control character")
    return found.start(), f"U+{ord(found[0]):04X} {name}"


def spaced(text: str) -> str:
    """Return a text with all kinds of spaces (a no-break one, say) as plain ones, but for those in quotes.

    No offset changes.
    """
    return _QUOTED_OR_NOT.sub(lambda part: part[0] if part[0][0] in "'\"" else _spaced(part[0]), text)


def _spaced(text: str) -> str:
    return "".join(" " if unicodedata.category(character) == "Zs" else character for character in text)


def _odd(excerpt: Excerpt, what: str) -> RequirementsError | None:
    odd = odd_character(excerpt.text)
    if odd is None:
        return None
    offset, name = odd
    message = f"this {what} cannot be read: it has the character {name}"
    return excerpt.error(message, offset, hint="type it anew; names, versions and operators are plain ASCII")


def _hint(text: str, offset: int) -> str | None:
    rest = text[len(text[:offset].rstrip()) :]
    if ";" in text[:offset]:
        return _marker_hint(rest)
    if (operator := rest.lstrip()[:2]) in _MEANT:
        return f"{operator} is no operator; did you mean {_MEANT[operator]}?"
    if re.match(r"\s*[\d*]", rest) and not any(operator in text for operator in _OPERATORS):
        return "a version needs an operator: name==1.0"
    if "[" in text[:offset] and "]" not in text[:offset]:
        return "extras are separated by commas, and end with a bracket: name[one,other]"
    return next((hint for pattern, hint in _ADVICE if pattern.match(rest)), None)


def _marker_hint(rest: str) -> str | None:
    if (operator := rest.lstrip()[:2]) in _MEANT:
        return f"{operator} is no operator; did you mean {_MEANT[operator]}?"
    if re.match(r"\s*=(?!=)", rest):
        return "= is no operator; did you mean ==?"
    word = re.match(r"\s*(\w+)", rest)
    if word is None:
        return next((hint for pattern, hint in _ADVICE if pattern.match(rest) and "'and'" in hint), None)
    close = difflib.get_close_matches(word[1], _MARKER_VARIABLES, 1)
    if close and close[0] != word[1]:
        return f"did you mean {close[0]}?"
    return "a value in a marker stands in quotes: python_version < '3.12'"


def _first_line(reason: Exception) -> str:
    lines = str(reason).splitlines() or ["no reason given"]
    return lines[0][:1].lower() + lines[0][1:]


def _stopped_at(excerpt: Excerpt, reason: Exception) -> int:
    """Return the offset at which packaging's parser gave up: the end of the span it carries."""
    span = getattr(reason.__cause__, "span", None)
    return min(int(span[1]) if span else 0, len(excerpt.text))
