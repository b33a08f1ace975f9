"""The table of options: everything that may be set, one row each.

pytest's options and ini values, the options of the ``fastenv`` command, the keys of ``[tool.fastenv]``, variables, what
is handed to other processes, the keys of remembered answers and the fingerprint are derived from the rows.

Every pytest run imports this module, and environments have it too, beside their runtime: Python 3.8, standard library
only. So the rows are no generated class, and what turns texts into values is elsewhere (`parsers`).
"""

from __future__ import annotations

from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Kind = Literal[
        "text", "choice", "path", "number", "seconds", "age", "flag", "lines", "reports", "words", "names",
        "variables", "overlaps", "indexes", "constraints", "size",
    ]  # fmt: skip
    """What a value is: one text, one of some words, a path, a number above zero, a duration, a duration or ``forever``,
    on or off; several texts, report files, or constraints and files of them, each given by itself; several words, names
    (of projects, groups, extras), variables' names with ``*`` in them or not, projects' names and patterns of paths, in
    one text; indexes by name; a size in bytes or a share of a disk."""
    Door = Literal[
        "pytest", "table", "create", "run", "lock", "find", "list", "install", "envs", "why", "pip", "migrate", "cache"
    ]
    """Where an option can be given: to pytest (an option and an ini value), in ``[tool.fastenv]``, to ``fastenv
    create``, ``run`` and ``lock``, to ``fastenv python find``, ``list`` and ``install``, to ``fastenv envs``,
    ``why``, ``pip``, ``migrate`` and ``cache``. Its variable counts at all of them."""


class Decides(Enum):
    """What a setting decides, and so what has to be another one where the setting is.

    Where in doubt take the earlier one: a setting too many in a key costs an environment, one too few gives a wrong
    one.
    """

    #: What an environment holds besides its distributions, or whether they may be in it: part of its fingerprint.
    CONTENT = "content"
    #: Which distributions are chosen, and for which interpreter: part of the request's key. What is chosen has its
    #: place in the fingerprint by itself.
    RESOLUTION = "resolution"
    #: Where the environment lies: part of the request's key. The same environment elsewhere has the same fingerprint.
    PLACE = "place"
    #: How the run goes: what is asked anew, how long is waited, what is reported, whether it fails.
    RUN = "run"
    #: How fast it goes.
    SPEED = "speed"


class Option:
    """One row: a setting, how it is given, and what it decides.

    :ivar field: its name in `Settings`.
    :ivar key: its name in ``[tool.fastenv]``, and as an option of the command; empty for the sources.
    :ivar kind: what its value is.
    :ivar decides: which keys it is part of.
    :ivar doors: where it can be given.
    :ivar help: one line for help texts, without the choices.
    :ivar metavar: what stands for the value in help texts; empty for flags.
    :ivar variable: its environment variable, or empty.
    :ivar choices: the words that a ``choice`` may be.
    """

    __slots__ = ("choices", "decides", "doors", "field", "help", "key", "kind", "metavar", "variable")

    # Written out: a generated class would take as long to make as all the rest here.
    def __init__(
        self,
        field: str,
        key: str,
        kind: Kind,
        decides: Decides,
        *,
        doors: tuple[Door, ...] = (),
        variable: str = "",
        metavar: str = "",
        choices: tuple[str, ...] = (),
        help: str,  # noqa: A002 - argparse's word
    ) -> None:
        self.field = field
        self.key = key
        self.kind = kind
        self.decides = decides
        self.doors = doors
        self.variable = variable
        self.metavar = metavar
        self.choices = choices
        self.help = "{}: {}".format(help, ", ".join(choices)) if choices else help

    def __repr__(self) -> str:
        return f"Option({self.field!r})"

    @property
    def is_flag(self) -> bool:
        """Whether it is given without a value."""
        return self.kind == "flag"

    @property
    def is_lines(self) -> bool:
        """Whether it is several texts, each of which may have spaces in it."""
        return self.kind in ("lines", "reports", "constraints")

    @property
    def is_list(self) -> bool:
        """Whether it is several texts: it may be given several times, and the values add up; a list in TOML."""
        return self.is_lines or self.kind in ("words", "names", "variables", "overlaps")

    @property
    def pytest_flag(self) -> str:
        """The option of pytest: ``--fastenv-max-age``; plain ``--fastenv`` for the sources."""
        return "--fastenv-" + self.key if self.key else "--fastenv"

    @property
    def ini(self) -> str:
        """The name in pytest's ini files: ``fastenv_max_age``; plain ``fastenv`` for the sources."""
        return self.pytest_flag[2:].replace("-", "_")

    @property
    def dest(self) -> str:
        """The name in the namespace of pytest's options."""
        return "fastenv_" + self.field

    @property
    def flag(self) -> str:
        """The option of the command: ``--max-age``."""
        return "--" + self.key

    @property
    def table_key(self) -> str:
        """The key in ``[tool.fastenv]``: ``max-age``; ``sources``."""
        return self.key or self.field


_SESSION: tuple[Door, ...] = ("pytest", "table")
_CREATE: tuple[Door, ...] = ("pytest", "table", "create", "run")
_RESOLVING: tuple[Door, ...] = (*_CREATE, "lock")
_INSTALL: tuple[Door, ...] = (*_RESOLVING, "install")
_CONNECTING: tuple[Door, ...] = (*_RESOLVING, "list", "install")

OPTIONS = (
    Option(
        "sources",
        "",
        "lines",
        Decides.RESOLUTION,
        doors=_SESSION,
        metavar="SOURCE",
        help="Run the tests in a virtual environment made for them: requirements.txt, a project, an archive, "
        "or a requirement (multi-allowed)",
    ),
    Option(
        "environments",
        "env",
        "lines",
        Decides.RUN,
        doors=_SESSION,
        metavar="NAME",
        help="Run the tests in an environment that the project's files declare: a name, a pattern, tag:NAME, all "
        "(multi-allowed)",
    ),
    Option(
        "scope",
        "scope",
        "choice",
        Decides.RUN,
        doors=_SESSION,
        metavar="SCOPE",
        choices=("session", "worker"),
        help="One environment for the session, or one for each xdist worker",
    ),
    Option(
        "python",
        "python",
        "text",
        Decides.RESOLUTION,
        doors=_RESOLVING,
        metavar="SPEC",
        help="Its interpreter: 3.12, >=3.11, a path (default: the running one)",
    ),
    Option(
        "project",
        "project",
        "choice",
        Decides.RESOLUTION,
        doors=_RESOLVING,
        metavar="HOW",
        choices=("auto", "editable", "wheel", "sdist", "none"),
        help="How the project itself is installed",
    ),
    Option(
        "extras",
        "extras",
        "names",
        Decides.RESOLUTION,
        doors=_RESOLVING,
        metavar="NAMES",
        help="Extras of the project itself",
    ),
    Option(
        "groups",
        "groups",
        "names",
        Decides.RESOLUTION,
        doors=_RESOLVING,
        metavar="NAMES",
        help="Dependency groups of its pyproject.toml (PEP 735)",
    ),
    Option(
        "constraints",
        "constraints",
        "constraints",
        Decides.RESOLUTION,
        doors=_RESOLVING,
        metavar="FILE",
        help="A file of constraints, or a constraint (multi-allowed)",
    ),
    Option(
        "resolution",
        "resolution",
        "choice",
        Decides.RESOLUTION,
        doors=_RESOLVING,
        metavar="WHICH",
        choices=("highest", "lowest", "lowest-direct"),
        help="Which releases are chosen",
    ),
    Option(
        "lock",
        "lock",
        "path",
        Decides.RESOLUTION,
        doors=_CREATE,
        metavar="FILE",
        help="A lock file (PEP 751) that says what the environment holds: nothing else is chosen",
    ),
    Option(
        "link",
        "link",
        "choice",
        Decides.CONTENT,
        doors=_CREATE,
        metavar="MODE",
        choices=("auto", "clone", "hardlink", "copy", "symlink"),
        help="How files get there",
    ),
    # Python compiles what is not compiled: the same happens, later.
    Option(
        "bytecode",
        "bytecode",
        "choice",
        Decides.SPEED,
        doors=_CREATE,
        variable="FASTENV_BYTECODE",
        metavar="WHOSE",
        choices=("shared", "own"),
        help="Whether what sessions compile is kept in the store and comes with further environments",
    ),
    Option(
        "dir",
        "dir",
        "path",
        Decides.PLACE,
        doors=_CREATE,
        metavar="PATH",
        help="Where environments live, each in a directory that is named by its content (default: in the store)",
    ),
    # Compared with the age of what is remembered, each time.
    Option(
        "max_age_s",
        "max-age",
        "age",
        Decides.RUN,
        doors=_RESOLVING,
        metavar="AGE",
        help="How long a resolution stands: 0, 90m, 24h, forever",
    ),
    # Offline is answered with what was remembered online, and that is what it is for.
    Option(
        "offline",
        "offline",
        "flag",
        Decides.RUN,
        doors=_CONNECTING,
        variable="FASTENV_OFFLINE",
        help="Use what the store has; not one connection",
    ),
    Option("upgrade", "upgrade", "flag", Decides.RUN, doors=_RESOLVING, help="Ask the index now, whatever the age"),
    Option("recreate", "recreate", "flag", Decides.RUN, doors=_CREATE, help="Make the environment anew"),
    Option(
        "reports",
        "report",
        "reports",
        Decides.RUN,
        doors=_INSTALL,
        metavar="PATH",
        help="Write a timeline (.html) or a trace (.json) (multi-allowed)",
    ),
    Option(
        "concurrent",
        "concurrent",
        "number",
        Decides.SPEED,
        doors=_INSTALL,
        variable="FASTENV_CONCURRENT",
        metavar="N",
        help="How much at once of everything; 1: one after the other",
    ),
    Option(
        "concurrent_downloads",
        "concurrent-downloads",
        "number",
        Decides.SPEED,
        doors=_INSTALL,
        variable="FASTENV_CONCURRENT_DOWNLOADS",
        metavar="N",
        help="Transfers at once (default: 50)",
    ),
    Option(
        "concurrent_builds",
        "concurrent-builds",
        "number",
        Decides.SPEED,
        doors=_RESOLVING,
        variable="FASTENV_CONCURRENT_BUILDS",
        metavar="N",
        help="Builds at once (default: cores)",
    ),
    Option(
        "concurrent_installs",
        "concurrent-installs",
        "number",
        Decides.SPEED,
        doors=_INSTALL,
        variable="FASTENV_CONCURRENT_INSTALLS",
        metavar="N",
        help="Unpacking, linking at once (default: cores)",
    ),
    # Another store has answers and environments of its own.
    Option(
        "cache_dir",
        "cache-dir",
        "path",
        Decides.RUN,
        variable="FASTENV_CACHE_DIR",
        metavar="PATH",
        help="The store (default: the platform's cache directory)",
    ),
    Option(
        "shared_store",
        "shared-store",
        "flag",
        Decides.RUN,
        variable="FASTENV_SHARED_STORE",
        help="Use a store that others may write, too: of a team whose members trust each other",
    ),
    Option(
        "cache_unused_s",
        "cache-unused",
        "age",
        Decides.RUN,
        variable="FASTENV_CACHE_UNUSED",
        metavar="AGE",
        help="How long what nothing uses stays in the store (default: 30d; forever: nothing goes by itself)",
    ),
    Option(
        "cache_max_size",
        "cache-max-size",
        "size",
        Decides.RUN,
        variable="FASTENV_CACHE_MAX_SIZE",
        metavar="SIZE",
        help="How large the store may get: 20GB, 10% of its disk (default: as large as it gets)",
    ),
    Option(
        "cache_sync",
        "cache-sync",
        "choice",
        Decides.RUN,
        variable="FASTENV_CACHE_SYNC",
        metavar="WHEN",
        choices=("after", "never"),
        help="Whether the store is brought onto its disk after a session (default: after)",
    ),
    Option(
        "lock_timeout_s",
        "lock-timeout",
        "seconds",
        Decides.RUN,
        variable="FASTENV_LOCK_TIMEOUT",
        metavar="DURATION",
        help="How long another process is waited for (default: 15m)",
    ),
    Option(
        "build_timeout_s",
        "build-timeout",
        "seconds",
        Decides.RUN,
        variable="FASTENV_BUILD_TIMEOUT",
        metavar="DURATION",
        help="How long one call of a build backend may take (default: 30m)",
    ),
    Option(
        "http_timeout_s",
        "http-timeout",
        "seconds",
        Decides.RUN,
        variable="FASTENV_HTTP_TIMEOUT",
        metavar="DURATION",
        help="How long a server may stay silent (default: 30s)",
    ),
    # A backend gives the same wheel both ways.
    Option(
        "build_isolation",
        "build-isolation",
        "choice",
        Decides.SPEED,
        variable="FASTENV_BUILD_ISOLATION",
        metavar="HOW",
        choices=("auto", "process"),
        help="A fork or a fresh process for every call of a build backend",
    ),
    # Decides only whether a missing interpreter is fetched; the interpreter itself is part of the fingerprint.
    Option(
        "python_mirror",
        "python-mirror",
        "text",
        Decides.RUN,
        variable="FASTENV_PYTHON_MIRROR",
        metavar="URL",
        help="Where interpreters are downloaded from",
    ),
    Option(
        "python_downloads",
        "python-downloads",
        "choice",
        Decides.RUN,
        variable="FASTENV_PYTHON_DOWNLOADS",
        metavar="WHEN",
        choices=("auto", "never"),
        help="Whether an interpreter that is missing is downloaded",
    ),
    Option(
        "index_url",
        "index-url",
        "text",
        Decides.RESOLUTION,
        variable="FASTENV_INDEX_URL",
        metavar="URL",
        help="The package index (default: what pip would use)",
    ),
    Option(
        "extra_index_urls",
        "extra-index-url",
        "words",
        Decides.RESOLUTION,
        variable="FASTENV_EXTRA_INDEX_URL",
        metavar="URLS",
        help="Further indexes, for projects that those before do not have",
    ),
    Option(
        "find_links",
        "find-links",
        "words",
        Decides.RESOLUTION,
        variable="FASTENV_FIND_LINKS",
        metavar="PLACES",
        help="Directories and pages with distributions, looked at besides the index",
    ),
    Option(
        "indexes",
        "indexes",
        "indexes",
        Decides.RESOLUTION,
        doors=("table",),
        metavar="TABLES",
        help="Indexes by name, each with its url and the only projects that are taken from it",
    ),
    # What they are set to is part of the key of what is built, and of the environment.
    Option(
        "build_variables",
        "build-variables",
        "variables",
        Decides.RESOLUTION,
        doors=_RESOLVING,
        variable="FASTENV_BUILD_VARIABLES",
        metavar="PATTERNS",
        help="Variables that build backends see besides those that are known to matter: VENDOR_DIR, VENDOR_*",
    ),
    # For the programs that run in the environment, not for what is in it.
    Option(
        "inherit_pythonpath",
        "inherit-pythonpath",
        "flag",
        Decides.RUN,
        doors=(*_SESSION, "run"),
        variable="FASTENV_INHERIT_PYTHONPATH",
        help="Let PYTHONPATH reach the environment",
    ),
    # The following five say what may be in an environment: one that was made under other rules might not be accepted.
    Option(
        "unchecked_records",
        "unchecked-records",
        "names",
        Decides.CONTENT,
        doors=_CREATE,
        metavar="NAMES",
        help="Projects whose RECORD may be wrong",
    ),
    Option(
        "allow_overlaps",
        "allow-overlaps",
        "overlaps",
        Decides.CONTENT,
        doors=_CREATE,
        metavar="WORDS",
        help="Projects, or patterns of paths, of which several distributions may have their own file",
    ),
    Option(
        "strict",
        "strict",
        "flag",
        Decides.CONTENT,
        doors=_CREATE,
        help="Refuse what is otherwise only reported",
    ),
    Option(
        "expansion_mib",
        "expansion-mib",
        "number",
        Decides.CONTENT,
        variable="FASTENV_EXPANSION_MIB",
        metavar="N",
        help="MiB that a member of an archive may always grow to (default: 64)",
    ),
    Option(
        "expansion_ratio",
        "expansion-ratio",
        "number",
        Decides.CONTENT,
        variable="FASTENV_EXPANSION_RATIO",
        metavar="N",
        help="How many times its packed size a larger member of an archive may have (default: 50)",
    ),
)
"""All rows; the sources first."""


def of_door(door: Door) -> tuple[Option, ...]:
    """Return the options that can be given in one place, in the table's order."""
    return tuple(option for option in OPTIONS if door in option.doors)
