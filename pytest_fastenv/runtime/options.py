"""The ``--fastenv`` options and ini values, in one table for the plugin outside and the runtime inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence, Union

if TYPE_CHECKING:
    import pytest


class Option:
    """One option of pytest's command line and its ini value.

    :ivar key: name without ``--fastenv-``; empty for ``--fastenv`` itself.
    :ivar field: the name of the setting it gives; the option's destination is ``fastenv_`` and this.
    :ivar kind: ``list`` (repeatable, adds up), ``flag`` or ``value``.
    :ivar metavar: what stands for the value in the help text; empty for flags.
    """

    __slots__ = ("field", "help", "key", "kind", "metavar")

    # Written out: every pytest run imports this, and a generated class would take as long as all the rest here.
    def __init__(self, key: str, field: str, kind: str, metavar: str, help: str) -> None:  # noqa: A002 - argparse's word
        self.key = key
        self.field = field
        self.kind = kind
        self.metavar = metavar
        self.help = help

    @property
    def flag(self) -> str:
        """Return the name on the command line: ``--fastenv-max-age``."""
        return "--fastenv-" + self.key if self.key else "--fastenv"

    @property
    def ini(self) -> str:
        """Return the name in ini files: ``fastenv_max_age``."""
        return self.flag[2:].replace("-", "_")

    @property
    def dest(self) -> str:
        """Return the name in the parsed namespace."""
        return "fastenv_" + self.field


OPTIONS = (
    Option(
        "",
        "sources",
        "list",
        "SOURCE",
        "Run the tests in a virtual environment made for them: requirements.txt, a project, an archive, "
        "or a requirement (multi-allowed)",
    ),
    Option("scope", "scope", "value", "SCOPE", "One environment for the session, or one for each xdist worker"),
    Option("python", "python", "value", "SPEC", "Its interpreter: 3.12, >=3.11, a path (default: the running one)"),
    Option("project", "project", "value", "HOW", "The project itself: auto, editable, wheel, sdist, none"),
    Option("link", "link", "value", "MODE", "How files get there: auto, clone, hardlink, copy, symlink"),
    Option("dir", "dir", "value", "PATH", "Where environments live (default: in the store)"),
    Option("max-age", "max_age_s", "value", "AGE", "How long a resolution stands: 0, 90m, 24h, forever"),
    Option("offline", "offline", "flag", "", "Use what the store has; not one connection"),
    Option("upgrade", "upgrade", "flag", "", "Ask the index now, whatever the age"),
    Option("recreate", "recreate", "flag", "", "Make the environment anew"),
    Option("report", "reports", "list", "PATH", "Write a timeline (.html) or a trace (.json) (multi-allowed)"),
    Option("concurrent", "concurrent", "value", "N", "How much at once of everything; 1: one after the other"),
    Option("concurrent-downloads", "concurrent_downloads", "value", "N", "Transfers at once (default: 50)"),
    Option("concurrent-builds", "concurrent_builds", "value", "N", "Builds at once (default: cores)"),
    Option("concurrent-installs", "concurrent_installs", "value", "N", "Unpacking, linking at once (default: cores)"),
    Option("inherit-pythonpath", "inherit_pythonpath", "flag", "", "Let PYTHONPATH reach the environment"),
    Option("unchecked-records", "unchecked_records", "value", "NAMES", "Projects whose RECORD may be wrong"),
    Option("strict", "strict", "flag", "", "Refuse what is otherwise only reported"),
)

_HELP = "Clean virtual environments for pytest runs"
_INI_TYPES = {"list": "linelist", "flag": "bool", "value": "string"}
#: Values that TOML's own types may express better than text.
_NUMBERS = ("concurrent", "concurrent-downloads", "concurrent-builds", "concurrent-installs")
_TEXT_OR_NUMBER = ("max-age", *_NUMBERS)
_NAMES = ("unchecked-records",)


def register(parser: pytest.Parser) -> None:
    """Add every option and ini value to pytest's parser; what is not given is ``None``."""
    group = parser.getgroup("fastenv", _HELP)
    for option in OPTIONS:
        attributes: dict[str, Any] = {"dest": option.dest, "default": None, "help": option.help}
        if option.kind == "flag":
            attributes["action"] = "store_true"
        else:
            attributes["metavar"] = option.metavar
            attributes["action"] = "append" if option.kind == "list" else "store"
        group.addoption(option.flag, **attributes)
        parser.addini(option.ini, option.help, type=_ini_type(option), default=None)


def ini_value(config: pytest.Config, option: Option) -> Any:
    """Return what the ini file gives, ``None`` where it gives nothing.

    :raises pytest.UsageError: it is of another type; the text names the option, which pytest's own does not always.
    """
    import pytest  # loaded by now

    try:
        return config.getini(option.ini)
    except (TypeError, ValueError, pytest.UsageError) as error:
        text = str(error)
        raise pytest.UsageError(text if option.ini in text else "{}: {}".format(option.ini, text)) from None


def _ini_type(option: Option) -> Any:
    """Return the type of an ini value, as far as the pytest that runs here knows types.

    Since version 9 ini files in TOML may use its own types, and only those: see
    https://docs.pytest.org/en/stable/reference/customize.html.
    """
    if option.key in _NAMES:
        return "args"
    import pytest  # loaded by now

    if option.key in _TEXT_OR_NUMBER and pytest.version_tuple >= (9, 2):
        return Union[str, int]
    if option.key in _NUMBERS and pytest.version_tuple >= (8, 4):
        return "int"
    return _INI_TYPES[option.kind]


def asks_for_environment(arguments: Sequence[str]) -> bool:
    """Say whether a command line has ``--fastenv`` on it (response files, ``@file``, may: they count as yes)."""
    for argument in arguments:
        if argument == "--":
            return False
        if argument == "--fastenv" or argument.startswith(("--fastenv=", "@")):
            return True
    return False


def joined(arguments: Sequence[str]) -> list[str]:
    """Write ``--fastenv X`` as ``--fastenv=X``, and so for all options here that take a value.

    pytest determines its rootdir before plugins are loaded; a value of its own word is then taken for a test path.
    """
    takers = {option.flag for option in OPTIONS if option.kind != "flag"}
    result: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*result, argument, *rest]
        value = next(rest, None) if argument in takers else None
        result.append(argument if value is None else argument + "=" + value)
    return result
