"""One frozen `Settings`, and what follows from it.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR
from typing import Any, Literal, NamedTuple

from pytest_fastenv.errors import UsageError, option
from pytest_fastenv.model.codec import encode
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.settings.options import OPTIONS, Decides

#: The bits of a mode that let a group or everybody write.
OTHERS_WRITE = 0o022

Scope = Literal["session", "worker"]
Project = Literal["auto", "editable", "wheel", "sdist", "none"]
Bytecode = Literal["shared", "own"]
CacheSync = Literal["after", "never"]
Resolution = Literal["highest", "lowest", "lowest-direct"]


class NamedIndex(NamedTuple):
    """An index that some projects are taken from, and from no other; all other projects never.

    :ivar name: for messages.
    :ivar only: those projects: patterns of normalized names, such as ``torch`` and ``acme-*``.
    """

    name: str
    url: str
    only: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What may be set, with its default. Each field has a row in the table of options, which says what it decides.

    Durations are seconds. ``max_age_s`` is infinite for ``forever``. ``concurrent`` is the number that was given for
    all pools, if any.
    """

    sources: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    scope: Scope = "session"
    python: str | None = None
    project: Project = "auto"
    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    constraints: tuple[str, ...] = ()
    resolution: Resolution = "highest"
    lock: Path | None = None
    link: LinkMode = LinkMode.AUTO
    bytecode: Bytecode = "shared"
    dir: Path | None = None
    max_age_s: float = 24 * 3600.0
    offline: bool = False
    upgrade: bool = False
    recreate: bool = False
    reports: tuple[Path, ...] = ()
    concurrent: int | None = None
    concurrent_downloads: int = 50
    concurrent_builds: int = field(default_factory=lambda: os.cpu_count() or 1)
    concurrent_installs: int = field(default_factory=lambda: os.cpu_count() or 1)
    cache_dir: Path | None = None
    shared_store: bool = False
    cache_unused_s: float = 30 * 86400.0
    cache_max_size: str | None = None
    cache_sync: CacheSync = "after"
    lock_timeout_s: float = 900.0
    build_timeout_s: float = 1800.0
    http_timeout_s: float = 30.0
    build_isolation: Literal["auto", "process"] = "auto"
    python_mirror: str | None = None
    python_downloads: Literal["auto", "never"] = "auto"
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    indexes: tuple[NamedIndex, ...] = ()
    build_variables: tuple[str, ...] = ()
    inherit_pythonpath: bool = False
    unchecked_records: frozenset[str] = frozenset()
    allow_overlaps: tuple[str, ...] = ()
    strict: bool = False
    expansion_mib: int = 64
    expansion_ratio: int = 50

    def __post_init__(self) -> None:
        """Refuse words that are no choice, also where no door has looked at them (`pytest_fastenv.provision`).

        :raises UsageError: one is none.
        """
        for row in OPTIONS:
            if row.choices and getattr(self, row.field) not in row.choices:
                raise UsageError(
                    f"Settings({row.field}={getattr(self, row.field)!r}) is not accepted",
                    why=f"expected one of {', '.join(row.choices)}",
                )
        object.__setattr__(self, "link", LinkMode(self.link))  # its word does as well

    @property
    def serial(self) -> bool:
        """Whether no two pieces of work overlap, file-system work included: one of everything was asked for."""
        pools = (self.concurrent_downloads, self.concurrent_builds, self.concurrent_installs)
        return self.concurrent is not None and pools == (1, 1, 1)


def deciding(settings: Settings, *what: Decides) -> dict[str, Any]:
    """Return the settings that decide certain things, by field, as JSON can hold them: for keys.

    Each is there, also at its default; so a row that is added to the table is in the keys at once.
    """
    return {
        option.field: encode(getattr(settings, option.field), object) for option in OPTIONS if option.decides in what
    }


def to_json(settings: Settings) -> dict[str, Any]:
    """Return settings for another process, without those at their default; `decode` gives them back.

    The same as `encode` writes. That would have to evaluate all annotations, which takes longer than the rest of a warm
    start has for settings.
    """
    plain = Settings()
    given = {option.field: getattr(settings, option.field) for option in OPTIONS}
    return {name: encode(value, object) for name, value in given.items() if value != getattr(plain, name)}


def current_directory() -> Path:
    """Return the directory that relative paths of a request start at.

    :raises UsageError: it is there no more, or cannot be read.
    """
    try:
        return Path.cwd()
    except OSError as error:
        what = (
            "the current directory is gone" if isinstance(error, FileNotFoundError) else "there is no current directory"
        )
        raise UsageError(what, why=error.strerror, hint="change into a directory that is there") from None


def store_root(settings: Settings) -> Path:
    """Return the store's directory: see `store_place`."""
    return store_place(settings)[0]


def store_place(settings: Settings) -> tuple[Path, str]:
    """Return the store's directory: ``FASTENV_CACHE_DIR``, else the user's cache directory of this platform.

    One that others may write is not used, unless that is asked for: a private one is taken in its place.

    :return: the directory, and why it is not the one that was meant; empty where it is.
    :raises UsageError: there is none, or it is a place where none can be.
    """
    root = _store_root(settings)
    if _is_plain(str(root)) and _is_ours(root, shared=settings.shared_store):
        return root, ""
    from pytest_fastenv.settings import usable_paths  # seldom more than a quick look is needed

    usable_paths.check_store(root)
    if settings.shared_store:
        return root, ""
    by_default = settings.cache_dir is None
    return usable_paths.trusted(root, root if by_default else _store_root(Settings()), by_default=by_default)


def _is_ours(root: Path, *, shared: bool) -> bool:
    """Tell whether a directory is there that nobody else may write, as far as its mode tells at once."""
    try:
        found = os.stat(root)
    except OSError:
        return False
    is_private = os.name == "nt" or (found.st_uid in {0, os.geteuid()} and not found.st_mode & OTHERS_WRITE)
    return S_ISDIR(found.st_mode) and (shared or is_private)


def check_directory(path: Path) -> None:
    """Refuse a directory for environments by its spelling; the file system is not touched.

    :raises UsageError: it has a letter that none may have.
    """
    if not _is_plain(str(path)):
        from pytest_fastenv.settings import usable_paths  # seldom more than a quick look is needed

        usable_paths.check_directory(str(path))


def _is_plain(path: str) -> bool:
    return path.isprintable() and os.pathsep not in path


def _store_root(settings: Settings) -> Path:
    if settings.cache_dir is not None:
        return Path(os.path.abspath(settings.cache_dir))
    if sys.platform.startswith("linux"):  # same answer as platformdirs, without its import on the warm path
        base = os.environ.get("XDG_CACHE_HOME", "").strip()
        base = base if os.path.isabs(base) else _in_home(".cache")
        if not os.path.isabs(base):
            raise UsageError(
                "the store has no place: this user has no home directory", hint=f"set {option('cache_dir')}"
            )
        return Path(base) / "pytest-fastenv"
    import platformdirs

    return Path(platformdirs.user_cache_dir("pytest-fastenv", appauthor=False))


def _in_home(name: str) -> str:
    """Return a path in the user's home directory; an empty ``HOME`` is none, and not the root of the file system."""
    home = os.environ.get("HOME")
    if not home:
        import pwd  # seldom needed

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return ""
    return os.path.join(home, name)
