"""What a project's tox configuration says, read by tox itself: factors, references and conditions are its own.

tox replaces everything at once, also what is known only when commands run. So it is asked three times: with marks in
place of ``{posargs}`` and of variables, with those of variables alone, and without both. Where they differ stands what
was replaced, with its default.
"""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fastenv.errors import UsageError
from pytest_fastenv.migration.tox_state import Said, tox_state

if TYPE_CHECKING:
    from tox.session.state import State

POSARGS = "\x01posargs\x01"
#: The environment that tox runs where a project lists none.
_UNLISTED = "py"
#: tox looks for an interpreter to tell these, which need not be here: they are taken out of the text before.
_WANTS_INTERPRETER = {
    "env_python": ("env_python", "envpython"),
    "env_bin_dir": ("env_bin_dir", "envbindir"),
    "env_site_packages_dir": ("env_site_packages_dir", "envsitepackagesdir"),
}
_VARIABLE = re.compile(r"\{env:([^:{}\\\s]+)|replace\s*=\s*[\"']env[\"'][^}]*?name\s*=\s*[\"']([^\"']+)")
_NAMES_ITS_OWN = re.compile(r"^[ \t]*(?:work_dir|toxworkdir)[ \t]*=", re.MULTILINE)
#: Of the core section; all of an environment's own settings are read.
_CORE = ("labels", "skip_missing_interpreters", "no_package", "package_root", "env_list", "tox_root", "work_dir")
#: Where an environment's things lie; reading one may mean to look for its interpreter.
DIRECTORIES = ("env_tmp_dir", "env_log_dir", "env_dir")
_OF_AN_INTERPRETER = frozenset({
    *_WANTS_INTERPRETER, "env_site_packages_dir_plat", "py_dot_ver", "py_impl", "py_free_threaded", "py_debug"
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A setting that tox could not tell, such as a command with an interpreter in it that is not here."""

    why: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What tox said of one environment.

    :ivar marked: its settings with marks in them, as plain values.
    :ivar variables: the same with marks in place of variables alone, and without arguments.
    :ivar plain: the same without arguments and without variables.
    :ivar usual: what they are where nothing is said of them.
    """

    marked: Mapping[str, Any]
    variables: Mapping[str, Any]
    plain: Mapping[str, Any]
    usual: Mapping[str, Any]

    def is_said(self, key: str) -> bool:
        """Tell whether the configuration says something about a setting."""
        return key in self.plain and self.plain[key] != self.usual.get(key)


@dataclass(frozen=True, slots=True)
class ToxProject:
    """A project as tox sees it.

    :ivar work: what stands for tox's own directory in values.
    :ivar own_directory: that directory as the file has it, in words with placeholders.
    :ivar text: the file's.
    :ivar warnings: what tox said while it read.
    """

    file: Path
    text: str
    work: str
    own_directory: str
    core: Mapping[str, Any]
    environments: Mapping[str, Seen]
    unused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def default(self) -> Sequence[str]:
        """The environments that tox runs where none is named."""
        return self.core.get("env_list") or (_UNLISTED,)

    @property
    def splits_late(self) -> bool:
        """Whether commands are texts there, split when everything in them is replaced; in TOML they are words."""
        return self.file.suffix != ".toml" or "legacy_tox_ini" in self.text


def read(file: Path, further: Sequence[str] = ()) -> ToxProject:
    """Read a project's configuration. Variables of this process change while it is read, and are as before then.

    :param file: ``tox.ini``, ``tox.toml``, ``pyproject.toml`` or ``setup.cfg``.
    :param further: names of environments that tox makes of factors when they are asked for, and does not list.
    :raises UsageError: tox is not installed, cannot read it, or cannot make such an environment.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{file.name} cannot be read", where=str(file), why=why) from error
    names = {name for found in _VARIABLE.findall(text) for name in found if name}
    with tempfile.TemporaryDirectory(prefix="fastenv-migrate-") as scratch:
        work = os.path.join(os.path.realpath(scratch), "work")
        copy, empty = Path(scratch, "copy", file.name), Path(scratch, "empty", "tox.ini")
        for path in (copy, empty):
            path.parent.mkdir()
        copy.write_text(_without_interpreters(text), encoding="utf-8")
        question = _Question(file, work, further)
        neither = _of_the_command_line(scratch)
        with _variables(neither | {name: f"\x01env:{name}\x01" for name in names}):
            known, marked, _ = question.ask(copy, "--", POSARGS)
            if not known.get("env_list") and _UNLISTED not in marked:
                question = replace(question, further=(*further, _UNLISTED))
                _, marked, _ = question.ask(copy, "--", POSARGS)
            _, variables, _ = question.ask(copy)
        with _variables(neither | dict.fromkeys(names)):
            core, plain, unused = question.ask(copy)
            empty.write_text(f"[tox]\nenv_list = {','.join(plain)}\n", encoding="utf-8")  # says nothing but names
            _, usual, _ = replace(question, further=()).ask(empty)
            own = str(replace(question, work=None).ask(copy)[0]["work_dir"]) if _NAMES_ITS_OWN.search(text) else ""
    environments = {name: Seen(marked[name], variables[name], plain[name], usual.get(name, {})) for name in plain}
    own = _in_placeholders(own or os.path.join(core["tox_root"], ".tox"), core["tox_root"])
    return ToxProject(file, text, work, own, core, environments, unused, tuple(question.said.warnings))


def _in_placeholders(directory: str, root: str) -> str:
    inside = os.path.relpath(directory, root)
    return directory if inside.startswith(os.pardir) else posixpath.join("{root}", Path(inside).as_posix())


def _of_the_command_line(scratch: str) -> dict[str, str | None]:
    """Return changes of variables, so that neither they nor the user's file give options to tox, such as ``-x``."""
    options = (name for name in os.environ if name.startswith(("TOX_", "TOXENV")))
    return dict.fromkeys(options) | {"TOX_USER_CONFIG_FILE": os.path.join(scratch, "none.ini")}


def _without_interpreters(text: str) -> str:
    for name, spellings in _WANTS_INTERPRETER.items():
        for spelling in spellings:
            text = text.replace(f"{{{spelling}}}", stand_in(name))
    return text


def stand_in(name: str) -> str:
    """Return what stands in texts for a placeholder that tox is not asked about."""
    return f"fastenv-migrate-{name}-"


@contextmanager
def _variables(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables for a block; ``None``: not set."""
    before = {name: os.environ.get(name) for name in changes}
    try:
        _set(changes)
        yield
    finally:
        _set(before)


def _set(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


_Asked = tuple[dict[str, Any], dict[str, dict[str, Any]], dict[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class _Question:
    """What tox is asked about, however often.

    :ivar file: the project's own, for messages.
    :ivar work: tox's own directory; ``None``: the one that the file says.
    :ivar further: environments beside those that tox lists.
    """

    file: Path
    work: str | None
    further: Sequence[str]
    said: Said = field(default_factory=Said)

    def ask(self, copy: Path, *words: str) -> _Asked:
        """Return core settings, environments by name, and the keys that tox does not know by section.

        :param copy: what is read in place of the project's own file.
        """
        where = ["-c", str(copy), "--root", str(self.file.parent)]
        where += ["--workdir", self.work] if self.work else []
        # With "ALL" tox forgets the other names; those that it lists come without it, too.
        names = ",".join(self.further) or "ALL"
        try:
            with tox_state(["run", *where, "-e", names, *words], self.said) as state:
                asked = _told(state)
        except ImportError as error:
            hint = "install it: pip install pytest-fastenv[tox]"
            raise UsageError("tox is needed to read what tox reads, and it is not installed here", hint=hint) from error
        except SystemExit as end:
            raise self._unreadable(f"it ended with {end.code}") from end
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in {"tox", "builtins", "configparser", "tomllib"}:
                raise
            raise self._unreadable(str(error)) from error
        if self.said.errors:
            raise self._unreadable("\n".join(self.said.errors))
        return asked

    def _unreadable(self, why: str) -> UsageError:
        return UsageError(f"tox cannot read {self.file.name}", where=str(self.file), why=why)


def _told(state: State) -> _Asked:
    names = list(state.envs.iter(only_active=False))
    environments = {name: _values(state.envs[name].conf) for name in names}
    core = {key: _plain(state.conf.core[key]) for key in _CORE if key in set(state.conf.core)}
    unused = {name: tuple(state.envs[name].conf.unused()) for name in names}
    return core, environments, {name: keys for name, keys in unused.items() if keys}


def _values(settings: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key in settings:
        if key not in _OF_AN_INTERPRETER:
            try:
                values[key] = _plain(settings[key])
            except Exception as error:  # of any kind, tox's own among them: told with the setting
                if "circular" in str(error):
                    raise
                values[key] = Unreadable(str(error))
    return values


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one for each kind
    """Return a value of tox's as texts, numbers, lists and dictionaries."""
    if isinstance(value, (str, bool, int, float, type(None))):
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "args") and hasattr(value, "ignore_exit_code"):
        mark = ["-"] if value.ignore_exit_code else ["!"] if value.invert_exit_code else []
        return [*mark, *value.args]
    if hasattr(value, "load"):
        return {name: value.load(name) for name in value}
    if hasattr(value, "lines") and callable(value.lines):
        return list(value.lines())
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    try:
        return [_plain(item) for item in value]
    except TypeError:
        return str(value)
