"""A project's tox configuration as ``[tool.fastenv]``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_fastenv.matrix.reader import environments_of
from pytest_fastenv.migration import toml_text
from pytest_fastenv.migration.folding import fold
from pytest_fastenv.migration.tox_project import ToxProject, read
from pytest_fastenv.migration.translation import Translated, translate
from pytest_fastenv.settings.environment_keys import ENVIRONMENTS
from pytest_fastenv.settings.tables import FASTENV_TOML, FastenvTable


def migrated(
    file: Path, *, further: Sequence[str] = (), own_file: bool = False, on_warning: Callable[[str], None] | None = None
) -> str:
    """Return the text of ``[tool.fastenv]`` that says what a tox configuration says.

    What could not be said stands in comments, with the reason. The text was read back when it is returned.

    :param further: environments that tox does not list: it makes them of factors when they are asked for.
    :param own_file: it is for ``fastenv.toml``, where the keys stand at the top.
    :param on_warning: gets each warning of tox's; without it they are lost.
    :raises UsageError: tox is not there, or cannot read the file.
    """
    project = read(file, further)
    if on_warning is not None:
        for text in project.warnings:
            on_warning(text)
    environments = [translate(name, seen, project) for name, seen in project.environments.items()]
    for one in environments:
        one.remarks = list(dict.fromkeys(one.remarks))
    general = _in_all(environments)
    folded = fold(environments)
    keys = () if own_file else ("tool", "fastenv")
    texts = [toml_text.comment("\n".join([f"Made from {file.name}.", *_of_core(project), *general])) + "\n"]
    if folded.defaults:
        texts.append(toml_text.table(keys, folded.defaults))
    texts += [toml_text.table((*keys, ENVIRONMENTS, one.name), one.values, one.remarks) for one in folded.tables]
    text = "\n".join(texts).replace(project.work, project.own_directory)  # in remarks: elsewhere it is done
    _read_back(text, keys, file)
    return text


def _in_all(environments: Sequence[Translated]) -> list[str]:
    """Take the remarks that all environments share out of them, to be made once."""
    if len(environments) < 2:
        return []
    shared = [text for text in environments[0].remarks if all(text in one.remarks for one in environments)]
    for one in environments:
        one.remarks = [text for text in one.remarks if text not in shared]
    return shared


def _of_core(project: ToxProject) -> list[str]:
    remarks = []
    if re.search(r"\[pkgenv\]|env_pkg_base|testenv:\.pkg|env\.[\"']?\.pkg", project.text):
        remarks.append(
            "not carried over: the packaging environment's table: the project is built in an environment of its own"
        )
    for word in ("{glob:", "{tty:", "{work_dir}", "{toxworkdir}", "{temp_dir}"):
        if word in project.text:
            what = "here is what it stood for"
            if word.endswith("}"):
                of_it = "it lies in" if word == "{temp_dir}" else "it is"
                what = f"{of_it} {project.own_directory}, which tox makes, and nobody here"
            remarks.append(f"{word.rstrip(':}')}}} stands in {project.file.name}: {what}")
    return remarks


def _read_back(text: str, keys: Sequence[str], file: Path) -> None:
    """Read what was written as it will be read: what cannot be read is not handed out."""
    content = tomllib.loads(text)
    for key in keys:
        content = content.get(key, {})
    environments_of((FastenvTable(file.with_name(FASTENV_TOML), (), content),))
