"""``--runner fastenv`` and what the file says: which one counts, and what it takes where tox provisions itself."""

from __future__ import annotations

import json
from importlib.metadata import Distribution, distribution
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tox.config.sets import ConfigSet, EnvConfigSet

from pytest_fastenv.integrations.tox.telling import warn

if TYPE_CHECKING:
    from tox.session.state import State

#: Commands that show a configuration: nothing is downloaded, and nothing told, for them.
LOOKING_ONLY = frozenset({"config", "c", "list", "l", "depends", "de", "schema", "quickstart", "q", "man"})
_NAME, _RUNNER = "pytest-fastenv", "fastenv"


def require_this(core: ConfigSet, state: State) -> None:
    """Let tox install this package, too, where it has to provision itself for the sake of ``requires``.

    Else the tox that it starts there would not know the runner that its command line names.
    """
    if getattr(state.conf.options, "default_runner", None) != _RUNNER:
        return
    requires: list[Requirement] = core["requires"]  # tox keeps the list, and looks at it later
    if all(canonicalize_name(one.name) != _NAME for one in requires):
        requires.append(Requirement(_this(distribution(_NAME))))


def _this(installed: Distribution) -> str:
    """Return the requirement of what runs here: the same release, or from where it was installed (PEP 610)."""
    where = json.loads(installed.read_text("direct_url.json") or "{}")
    if not where:
        return f"{_NAME}[tox]=={installed.version}"
    vcs = where.get("vcs_info")
    return f"{_NAME}[tox] @ " + (f"{vcs['vcs']}+{where['url']}@{vcs['commit_id']}" if vcs else where["url"])


def tell_where_the_file_chooses(settings: EnvConfigSet, state: State) -> None:
    """Say once that ``runner`` in the file counts, where the command line asks for this one: tox has it so."""
    options = state.conf.options
    runner = str(settings["runner"]) if "runner" in settings else _RUNNER  # what packages has none
    if getattr(options, "default_runner", None) != _RUNNER or runner == _RUNNER:
        return
    chosen = [str(name) for name in getattr(options, "env", None) or state.conf.core["env_list"]]
    if options.command in LOOKING_ONLY or (chosen and "ALL" not in chosen and settings.name not in chosen):
        return
    warn(
        f"runner = {runner} in the tox file counts before --runner fastenv, for {settings.name} and wherever else it "
        "stands: take it out, or override it with -x testenv.runner=fastenv (in TOML -x env_run_base.runner=fastenv)",
        subject=f"runner = {runner}",
    )
