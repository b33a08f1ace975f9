"""One environment of tox's as keys of ``[tool.fastenv.envs.NAME]``, and what could not be said with them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_fastenv.matrix.reader import environments_of
from pytest_fastenv.matrix.variables import ALWAYS_PASSED
from pytest_fastenv.migration import placeholders
from pytest_fastenv.migration.requirement_lines import requirement_keys
from pytest_fastenv.migration.tox_project import DIRECTORIES, Seen, ToxProject, Unreadable, stand_in
from pytest_fastenv.settings.environment_keys import ENVIRONMENTS
from pytest_fastenv.settings.tables import FastenvTable

_PYTHON = re.compile(
    r"(?P<name>py|python|cpython|pypy)?(?P<major>[23])\.?(?P<minor>[0-9]+)?(?P<patch>\.[0-9]+)?(?P<kind>t?)"
)
_RUNNING = frozenset({sys.executable, "py", "python", ""})
_LOCKED = (
    "environments are made by this program; for the versions of uv.lock: uv export --format pylock.toml -o pylock.toml,"
    ' and lock = "pylock.toml"'
)
_PROJECTS = {
    "wheel": "wheel", "sdist": "sdist", "editable": "editable", "skip": "none", "none": "none", "sdist-wheel": "sdist",
    "editable-legacy": "editable", "uv": "wheel", "uv-editable": "editable",
}  # fmt: skip
#: What tox sets in every environment; a project that says the same says nothing.
_OF_TOX = frozenset({"TOX_ENV_NAME", "TOX_WORK_DIR", "TOX_ENV_DIR", "VIRTUAL_ENV", "PIP_USER"})
#: Settings that mean something, that nothing here says, and why, or what to do; told where a project has them.
NOT_CARRIED: Mapping[str, str] = {
    "depends": "environments do not wait for each other: name them in the order they are to run in, without -j",
    "platform": "an environment has no platform: select it where it is meant to run",
    "disallow_pass_env": "leave the names out of pass-env, which is a list of what passes",
    "commands_retry": "commands are run once: tests that fail now and then are pytest's to repeat",
    "ignore_errors": "the first command that fails ends the commands: put - before one that may fail",
    "interrupt_post_commands": "after Ctrl-C no command is begun",
    "recreate_commands": "environments are never changed, so nothing is to be done before one is made again",
    "recreate": "an environment is made anew when what it is made of changed; --recreate makes it anew now",
    "args_are_paths": "arguments reach commands as they were written",
    "fail_fast": "write fastenv run --fail-fast",
    "parallel_show_output": "write fastenv run -o",
    "install_command": "the installer is ours: index options stand in [tool.fastenv], the rest in requirements files",
    "list_dependencies_command": "fastenv pip freeze lists them",
    "pip_pre": "write --pre into a requirements file that requirements names",
    "constrain_package_deps": "constraints hold for all that is installed, the project's requirements among it",
    "use_frozen_constraints": "a lock file holds versions: fastenv lock",
    "system_site_packages": "an environment never sees the packages of its base interpreter",
    "always_copy": 'write link = "copy"',
    "download": "an environment holds what is asked for and nothing else",
    "virtualenv_spec": "environments are made by the virtualenv that is installed with this",
    "extra_setup_commands": "name what they bring among the requirements, or put them into commands-pre",
    "package_env": "the project is built in an environment of its own",
    "wheel_build_env": "the project is built in an environment of its own",
    "runner": "environments are made by this program",
    "suicide_timeout": "what is stopped has fixed times to end in",
    "interrupt_timeout": "what is stopped has fixed times to end in",
    "terminate_timeout": "what is stopped has fixed times to end in",
    "env_log_dir": "nothing is logged into the environment",
    "env_dir": "environments lie in the store",
    "env_tmp_dir": "{env_tmp_dir} is a fresh directory for each run",
}
#: Settings that are carried over, or that follow from others.
#: What may have variables in it there, and not here.
_PLAIN = (
    "extras", "dependency_groups", "base_python", "constraints", "labels", "package", "pylock", "skip_install",
    "use_develop", "ignore_outcome", "system_site_packages",
)  # fmt: skip
CARRIED = frozenset({
    "set_env", "description", "env_name", "labels", "pass_env", "allowlist_externals", "commands_pre", "commands",
    "commands_post", "change_dir", "ignore_outcome", "base_python", "default_base_python", "base_python_file", "deps",
    "constraints",
    "dependency_groups", "extras", "pylock", "skip_missing_interpreters", "skip_install", "use_develop", "package",
    "base", "package_tox_env_type", "env_bin_dir", "env_python", "pkg_dir",
})  # fmt: skip


@dataclass(slots=True)
class Translated:
    """An environment by name.

    :ivar values: as TOML has them, by key, in the order that they are shown in.
    :ivar remarks: what could not be said.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def translate(name: str, seen: Seen, project: ToxProject) -> Translated:
    """Say an environment of tox's in our keys."""
    made = _Translation(name, seen, project)
    made.run()
    return Translated(
        name,
        {key: value for key, value in made.values.items() if value not in ([], {}, "", None)}
        | ({"pass-env": []} if made.values.get("pass-env") == [] else {}),
        made.remarks,
    )


class _Translation:
    def __init__(self, name: str, seen: Seen, project: ToxProject) -> None:
        self.values: dict[str, Any] = {}
        self.remarks: list[str] = []
        self._name, self._seen, self._project = name, seen, project
        self._tell_what_cannot_be_read()
        self._places = {
            stand_in(name): f"{{{name}}}" for name in ("env_python", "env_bin_dir", "env_site_packages_dir")
        }
        self._places |= {
            str(seen.plain[key]): f"{{{key}}}" for key in DIRECTORIES if isinstance(seen.plain.get(key), str)
        }
        self._places.pop("", None)
        self._places[project.work] = project.own_directory
        self._places[str(project.core["tox_root"])] = "{root}"

    def run(self) -> None:
        plain, values = self._seen.plain, self.values
        said = str(plain.get("description", "")) if self._seen.is_said("description") else ""
        values["description"] = said.replace(sys.executable, "python").strip()
        values["tags"] = self._labels()
        values["run-by-default"] = None if self._name in self._project.default else False
        for key in (key for key in _PLAIN if placeholders.has_marks(self._seen.marked.get(key))):
            self._remark(f"variables in {key}", "it is what it is without them")
        values["python"] = self._python()
        values["project"] = self._package()
        self._requirements()
        values["extras"] = list(plain.get("extras") or []) if values["project"] != "none" else []
        values["groups"] = list(plain.get("dependency_groups") or [])
        if plain.get("pylock"):
            values["lock"] = self._relative(str(plain["pylock"]))
        for part in ("commands_pre", "commands", "commands_post"):
            values[part.replace("_", "-")] = self._commands(part)
        self._have_pip()
        values["set-env"] = self._variables()
        values["pass-env"] = self._passed()
        values["change-dir"] = self._directory()
        values["allow-failure"] = bool(plain.get("ignore_outcome")) or None
        skips = plain.get("skip_missing_interpreters", self._project.core.get("skip_missing_interpreters"))
        values["allow-missing-python"] = skips in (True, "true", "True") or None
        values["allowlist"] = self._texts("allowlist_externals")
        self._tell_what_is_left()

    def _tell_what_cannot_be_read(self) -> None:
        """Leave out what tox could not tell; a setting that is what it always is needs no word."""
        seen = self._seen
        broken = {key: value for key, value in seen.plain.items() if isinstance(value, Unreadable)}
        broken |= {key: value for key, value in seen.marked.items() if isinstance(value, Unreadable)}
        for key, value in broken.items():
            if key in self._project.text:
                self._remark(key, f"tox could not tell it: {value.why}")
        self._seen = Seen(*({k: v for k, v in values.items() if k not in broken} for values in
                            (seen.marked, seen.variables, seen.plain, seen.usual)))  # fmt: skip

    def _tell_what_is_left(self) -> None:
        for key in self._seen.plain:
            if key in {"package_env", "wheel_build_env"} and str(self._seen.plain[key]).startswith(".pkg"):
                continue
            if key == "install_command" and self._seen.plain.get("pip_pre") and key not in self._project.text:
                continue
            if key in NOT_CARRIED and self._seen.is_said(key):
                shown = _shown(self._seen.plain[key])
                why = _LOCKED if (key, shown) == ("runner", "uv-venv-lock-runner") else NOT_CARRIED[key]
                self._remark(f"{key} = {shown}", why)
            elif key not in CARRIED and key not in NOT_CARRIED and self._seen.is_said(key):
                self._remark(f"{key} = {_shown(self._seen.plain[key])}", "nothing here says that")
        for key in self._project.unused.get(self._name, ()):
            self._remark(key, "the tox that is installed here does not know it either")

    def _remark(self, what: str, why: str) -> None:
        self.remarks.append(f"not carried over: {what}: {why}")

    def _labels(self) -> list[str]:
        labels = self._project.core.get("labels") or {}
        return sorted({*(self._seen.plain.get("labels") or []), *(one for one in labels if self._name in labels[one])})

    def _python(self) -> str | None:
        asked = [str(one) for one in self._seen.plain.get("base_python") or []]
        if len(asked) > 1:
            self._remark(f"base_python = {', '.join(asked)}", "one interpreter is meant: the first one is taken")
        first = asked[0] if asked else ""
        if first in _RUNNING:
            return None
        version = _PYTHON.fullmatch(first)
        if version is None:
            return first
        number = ".".join(filter(None, (version["major"], version["minor"]))) + (version["patch"] or "")
        spec = f"{'pypy' if version['name'] == 'pypy' else ''}{number}{version['kind']}"
        return None if spec == self._named_python() else spec

    def _named_python(self) -> str | None:
        """Return what the name alone says here about the interpreter."""
        table = FastenvTable(self._project.file, (), {ENVIRONMENTS: {self._name: {}}})
        given = environments_of((table,))[self._name].layer.get("python")
        return None if given is None else str(given.value)

    def _package(self) -> str:
        plain = self._seen.plain
        if plain.get("skip_install") or self._project.core.get("no_package"):
            return "none"
        if plain.get("use_develop"):
            return "editable"
        package = str(plain.get("package", "none"))
        if package == "deps-only":
            self.values["requirements"] = ["pyproject.toml"]
            return "none"
        if package not in _PROJECTS:
            self._remark(f"package = {package}", "name what was built among the requirements: a path or a URL")
            return "none"
        settings = [key for key in plain if key.startswith("config_settings_") and plain[key]]
        for key in settings:
            self._remark(f"{key} = {plain[key]}", "write --config-settings behind the project in a requirements file")
        return _PROJECTS[package]

    def _requirements(self) -> None:
        if placeholders.has_marks(self._seen.marked.get("deps")):
            self._remark("variables and arguments in deps", "requirements are what they are without them")
        root = str(self._project.core["tox_root"])
        keys, remarks = requirement_keys(self._seen.plain.get("deps") or [], root, self._places)
        more, further = requirement_keys([f"-c {one}" for one in self._constraints()], root, self._places)
        self.values["requirements"] = [*self.values.get("requirements", []), *keys.pop("requirements", [])]
        self.values["constraints"] = [*keys.pop("constraints", []), *more.pop("constraints", [])]
        self.values |= keys
        for what, why in (*remarks, *further):
            self._remark(what, why)

    def _constraints(self) -> list[str]:
        lines = [str(line) for line in self._seen.plain.get("constraints") or []]
        return [line.removeprefix("-c").strip() for line in lines]

    def _commands(self, part: str) -> list[Any]:
        seen = self._seen
        plain, marked, variables = (values.get(part) or [] for values in (seen.plain, seen.marked, seen.variables))
        if not len(plain) == len(marked) == len(variables):
            self._remark(part, "how many commands there are depends on arguments or variables: these are those without")
            marked = variables = plain
        asked = map(placeholders.Asked.of_words, marked, variables, plain)
        commands = [placeholders.words(one, self._places) for one in asked]
        if not self._project.splits_late:
            return commands
        return [placeholders.one_text(words) if "{env:" in "".join(words) else words for words in commands]

    def _have_pip(self) -> None:
        """Ask for pip where commands run it: tox puts it into each environment, and here what is asked for is there."""
        parts = ("commands_pre", "commands", "commands_post")
        commands = [_without_mark(words) for part in parts for words in self._seen.plain.get(part) or []]
        requirements = self.values["requirements"]
        runs_pip = any(words[:1] == ["pip"] or words[1:3] == ["-m", "pip"] for words in commands)
        if runs_pip and not any(re.match(r"pip\b(?!-)", requirement) for requirement in requirements):
            requirements.append("pip")

    def _variables(self) -> dict[str, str]:
        plain, marked = self._seen.plain.get("set_env") or {}, self._seen.marked.get("set_env") or {}
        usual = self._seen.usual.get("set_env") or {}
        said = {
            name: value
            for name, value in plain.items()
            if name not in _OF_TOX and not (name == "PYTHONHASHSEED" and value != marked.get(name))
            if usual.get(name) != value or (name == "PYTHONHASHSEED" and value == marked.get(name))
        }
        return {name: self._text(marked.get(name, value), value) for name, value in said.items()}

    def _text(self, marked: str, plain: str) -> str:
        """Return a text in which arguments have no place."""
        return placeholders.text(placeholders.Asked(marked, marked, plain), self._places)

    def _passed(self) -> list[str]:
        """Return what passes; what passes without being said is left out."""
        usual = {*(self._seen.usual.get("pass_env") or []), *ALWAYS_PASSED}
        return [name for name in self._seen.plain.get("pass_env") or [] if name not in usual]

    def _directory(self) -> str | None:
        seen = self._seen
        text = self._text(str(seen.marked.get("change_dir", "")), str(seen.plain.get("change_dir", "")))
        return None if text == "{root}" else text.removeprefix("{root}/") or None

    def _texts(self, key: str) -> list[str]:
        plain, marked = self._seen.plain.get(key) or [], self._seen.marked.get(key) or []
        if len(plain) != len(marked):
            marked = plain
        return [self._text(one, other) for one, other in zip(marked, plain, strict=True)]

    def _relative(self, path: str) -> str:
        root = str(self._project.core["tox_root"])
        return os.path.relpath(path, root) if os.path.isabs(path) else path


def _without_mark(words: Sequence[str]) -> list[str]:
    return list(words[1:] if words[:1] in (["-"], ["!"]) else words)


def _shown(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
