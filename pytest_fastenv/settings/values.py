"""One frozen `Settings`: command line over environment variable over ini file or ``[tool.fastenv]`` over default.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pytest_fastenv.errors import UsageError
from pytest_fastenv.model.link import LinkMode

Scope = Literal["session", "worker"]
Project = Literal["auto", "editable", "wheel", "sdist", "none"]

MOST_SECONDS = 3650 * 86400.0
"""Ten years: what the operating system's and libraries' clocks can take everywhere."""
_DURATION_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Settings:
    """What may be set, with its default.

    Durations are seconds. ``max_age_s`` is infinite for ``forever``. ``concurrent`` is the number that was given for
    all pools, if any; where it is 1 and no pool has another one, ``serial`` is true: then no two pieces of work
    overlap, file-system work included.
    """

    sources: tuple[str, ...] = ()
    scope: Scope = "session"
    python: str | None = None
    project: Project = "auto"
    link: LinkMode = LinkMode.AUTO
    dir: Path | None = None
    max_age_s: float = 24 * 3600.0
    offline: bool = False
    upgrade: bool = False
    recreate: bool = False
    reports: tuple[Path, ...] = ()
    concurrent_downloads: int = 50
    concurrent_builds: int = field(default_factory=lambda: os.cpu_count() or 1)
    concurrent_installs: int = field(default_factory=lambda: os.cpu_count() or 1)
    concurrent: int | None = None
    serial: bool = False
    cache_dir: Path | None = None
    lock_timeout_s: float = 900.0
    build_timeout_s: float = 1800.0
    http_timeout_s: float = 30.0
    build_isolation: Literal["auto", "process"] = "auto"
    python_mirror: str | None = None
    python_downloads: Literal["auto", "never"] = "auto"
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    inherit_pythonpath: bool = False
    unchecked_records: frozenset[str] = frozenset()
    strict: bool = False
    expansion_mib: int = 64
    expansion_ratio: int = 50


class Option(NamedTuple):
    """How one setting may be given.

    :ivar field: its name in `Settings`.
    :ivar key: its name on the command line without ``--fastenv-``, and in ini files with ``_`` for ``-``;
        ``None`` when there is no such way.
    :ivar variable: its environment variable, or ``None``.
    :ivar parse: text (or a TOML value) to value; raises `ValueError` with the reason as its text.
    """

    field: str
    key: str | None
    variable: str | None
    parse: Callable[[Any], Any]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        msg = "expected text"
        raise ValueError(msg)
    return value


def _choice(*allowed: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in allowed:
            msg = f"expected one of {', '.join(allowed)}"
            raise ValueError(msg)
        return str(value)

    return parse


def _positive(value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"0*[1-9][0-9]*", text, re.ASCII):
        msg = "expected a positive integer"
        raise ValueError(msg)
    return int(text)


def _seconds(value: Any) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)", str(value).strip(), re.ASCII)
    if isinstance(value, bool) or not match or not float(match[1]):
        msg = "expected a duration above zero such as 90, 90s, 15m or 2h"
        raise ValueError(msg)
    seconds = float(match[1]) * _DURATION_UNITS_S[match[2]]
    if seconds > MOST_SECONDS:
        msg = "expected a duration of at most 3650d"
        raise ValueError(msg)
    return seconds


def _age(value: Any) -> float:
    text = str(value).strip()
    if text == "forever":
        return float("inf")
    if text == "0":
        return 0.0
    try:
        return _seconds(value)
    except ValueError:
        msg = "expected 0, a duration such as 90m or 24h, or forever"
        raise ValueError(msg) from None


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off", ""}:
        return False
    msg = "expected true or false"
    raise ValueError(msg)


def _path(value: Any) -> Path:
    return Path(os.path.expanduser(os.fspath(value) if isinstance(value, Path) else _text(value)))


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return tuple(value)
    msg = "expected text or a list of texts"
    raise ValueError(msg)


def _lines(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(line.strip() for line in value.splitlines() if line.strip())
    return _words(value)


def _paths(value: Any) -> tuple[Path, ...]:
    return tuple(_path(item) for item in _lines(value))


def _names(value: Any) -> frozenset[str]:
    return frozenset(re.sub(r"[-_.]+", "-", word).lower() for word in _words(value))


OPTIONS: tuple[Option, ...] = (
    Option("sources", "", None, _lines),
    Option("scope", "scope", None, _choice("session", "worker")),
    Option("python", "python", None, _text),
    Option("project", "project", None, _choice("auto", "editable", "wheel", "sdist", "none")),
    Option("link", "link", None, LinkMode.parse),
    Option("dir", "dir", None, _path),
    Option("max_age_s", "max-age", None, _age),
    Option("offline", "offline", "FASTENV_OFFLINE", _flag),
    Option("upgrade", "upgrade", None, _flag),
    Option("recreate", "recreate", None, _flag),
    Option("reports", "report", None, _paths),
    Option("concurrent", "concurrent", "FASTENV_CONCURRENT", _positive),
    Option("concurrent_downloads", "concurrent-downloads", "FASTENV_CONCURRENT_DOWNLOADS", _positive),
    Option("concurrent_builds", "concurrent-builds", "FASTENV_CONCURRENT_BUILDS", _positive),
    Option("concurrent_installs", "concurrent-installs", "FASTENV_CONCURRENT_INSTALLS", _positive),
    Option("cache_dir", None, "FASTENV_CACHE_DIR", _path),
    Option("lock_timeout_s", None, "FASTENV_LOCK_TIMEOUT", _seconds),
    Option("build_timeout_s", None, "FASTENV_BUILD_TIMEOUT", _seconds),
    Option("http_timeout_s", None, "FASTENV_HTTP_TIMEOUT", _seconds),
    Option("build_isolation", None, "FASTENV_BUILD_ISOLATION", _choice("auto", "process")),
    Option("python_mirror", None, "FASTENV_PYTHON_MIRROR", _text),
    Option("python_downloads", None, "FASTENV_PYTHON_DOWNLOADS", _choice("auto", "never")),
    Option("index_url", None, "FASTENV_INDEX_URL", _text),
    Option("extra_index_urls", None, "FASTENV_EXTRA_INDEX_URL", _words),
    Option("find_links", None, "FASTENV_FIND_LINKS", _words),
    Option("inherit_pythonpath", "inherit-pythonpath", "FASTENV_INHERIT_PYTHONPATH", _flag),
    Option("unchecked_records", "unchecked-records", None, _names),
    Option("strict", "strict", None, _flag),
    Option("expansion_mib", None, "FASTENV_EXPANSION_MIB", _positive),
    Option("expansion_ratio", None, "FASTENV_EXPANSION_RATIO", _positive),
)

_POOLS = ("concurrent_downloads", "concurrent_builds", "concurrent_installs")
_OURS = re.compile(r"FASTENV_[A-Z_]+")
#: Set by us for the inner run, so not to be taken for a misspelled setting.
INTERNAL_VARIABLES = frozenset({"FASTENV_INSIDE"})


def ini_name(option: Option) -> str:
    """Return an option's name as an ini value: ``fastenv_max_age``; plain ``fastenv`` for the sources."""
    return "_".join(filter(None, ("fastenv", (option.key or "").replace("-", "_"))))


def flag_name(option: Option) -> str:
    """Return an option's name on pytest's command line: ``--fastenv-max-age``; plain ``--fastenv`` for sources."""
    return "-".join(filter(None, ("--fastenv", option.key or "")))


def load(
    command_line: Mapping[str, Any],
    environ: Mapping[str, str],
    ini: Mapping[str, Any],
    *,
    ini_file: str = "the ini file",
    flag_prefix: str = "--fastenv-",
) -> Settings:
    """Combine what was given in three places; nothing is read from disk.

    :param command_line: by field name; ``None`` and an empty list mean "not given".
    :param environ: environment variables.
    :param ini: by key (``max-age``), from the ini file or ``[tool.fastenv]``; same meaning of ``None``.
    :param ini_file: the ini file's name, for messages.
    :param flag_prefix: how flags are written where this is called from (``--`` for the ``fastenv`` command).
    :raises UsageError: a value is not accepted, or a ``FASTENV_`` variable is unknown.
    """
    _refuse_unknown_variables(environ)
    values: dict[str, Any] = {}
    for option in OPTIONS:
        given, origin = _given(option, command_line, environ, ini, ini_file, flag_prefix)
        if origin:
            values[option.field] = _parse(option.parse, given, origin)
    if "concurrent" in values:
        # A number for one pool is meant for it, wherever it was given.
        values = {**dict.fromkeys(_POOLS, values["concurrent"]), **values}
        values["serial"] = all(values[pool] == 1 for pool in _POOLS)
    if "reports" in values:
        _check_reports(values["reports"])
    return Settings(**values)


def _given(
    option: Option,
    command_line: Mapping[str, Any],
    environ: Mapping[str, str],
    ini: Mapping[str, Any],
    ini_file: str,
    flag_prefix: str,
) -> tuple[Any, str]:
    """Return the value from the strongest place that has one, and that place's name (empty: none)."""
    value = command_line.get(option.field)
    if value not in (None, [], (), False):
        return value, f"{flag_prefix}{option.key}".rstrip("-") if option.key is not None else option.field
    if option.variable and environ.get(option.variable, "").strip():
        return environ[option.variable], option.variable
    if option.key is not None:
        value = ini.get(option.key)
        if value not in (None, [], (), ""):
            return value, f"{ini_name(option)} in {ini_file}"
    return None, ""


def _parse(parse: Callable[[Any], Any], value: Any, origin: str) -> Any:
    try:
        return parse(value)
    except ValueError as reason:
        raise UsageError(f"{origin}: {value!r} is not accepted", why=str(reason)) from None


def _check_reports(reports: Sequence[Path]) -> None:
    for path in reports:
        if path.suffix not in {".html", ".json"}:
            raise UsageError(
                f"--fastenv-report: {str(path)!r} is not accepted",
                why="the ending decides what is written: .html for a timeline, .json for a trace",
            )


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {option.variable for option in OPTIONS} | INTERNAL_VARIABLES
    for name in environ:
        if _OURS.fullmatch(name) and name not in known:
            import difflib  # only for the message

            close = difflib.get_close_matches(name, [k for k in known if k], 1)
            raise UsageError(
                f"{name} is not a variable of this version",
                hint=f"did you mean {close[0]}?" if close else "unset it, or see docs/reference/settings.md",
            )


def store_root(settings: Settings) -> Path:
    """Return the store's directory: ``FASTENV_CACHE_DIR``, else the user's cache directory of this platform."""
    if settings.cache_dir is not None:
        return Path(os.path.abspath(settings.cache_dir))
    if sys.platform.startswith("linux"):  # same answer as platformdirs, without its import on the warm path
        base = os.environ.get("XDG_CACHE_HOME", "").strip()
        return Path(base if os.path.isabs(base) else os.path.expanduser("~/.cache")) / "pytest-fastenv"
    import platformdirs

    return Path(platformdirs.user_cache_dir("pytest-fastenv", appauthor=False))


def to_json(settings: Settings) -> dict[str, Any]:
    """Return settings as JSON can hold them, without those at their default; `from_json` gives them back."""
    plain = Settings()
    return {
        option.field: _jsonable(getattr(settings, option.field))
        for option in (*OPTIONS, _SERIAL)
        if getattr(settings, option.field) != getattr(plain, option.field)
    }


def from_json(values: Mapping[str, Any]) -> Settings:
    """Return the settings that `to_json` was given.

    :raises UsageError: a value is not one of these.
    """
    parse = {option.field: option.parse for option in (*OPTIONS, _SERIAL)}
    return Settings(**{name: _parse(parse[name], value, name) for name, value in values.items()})


_SERIAL = Option("serial", None, None, _flag)


def _jsonable(value: Any) -> Any:
    if isinstance(value, (tuple, frozenset)):
        return sorted(map(str, value)) if isinstance(value, frozenset) else [str(item) for item in value]
    if isinstance(value, float):
        return "forever" if value == float("inf") else f"{value:.15g}"
    return str(value) if isinstance(value, Path) else value
