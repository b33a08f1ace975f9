"""Environments that tests ask for: each is made where its test says, and belongs to that test alone.

They are made as all others are: a copy of the skeleton, linked from the store, moved to its place whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.fingerprint import fingerprint
from pytest_fastenv.environment.single_directory import PrivateDirectory
from pytest_fastenv.environment_server.context import Context
from pytest_fastenv.environment_server.interpreters import interpreter, target_of
from pytest_fastenv.environment_server.wishes import Wishes
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.schedule.outcome import whatever_happens

_SITE_PACKAGES = re.compile(r"^include-system-site-packages\s*=.*$", re.MULTILINE)


async def venv(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """Make an environment; answers with it as JSON.

    Takes ``path`` (absolute), ``wishes``, ``python``, ``project``, ``base``, ``root``,
    ``system_site_packages``.

    :raises UsageError: a file lies at the path, or a directory that is not empty.
    """
    place = PrivateDirectory(context.store, Path(request["path"]))
    place.check()  # before anything is resolved for it
    wishes, found = Wishes.of(request, context.base), await interpreter(context, request.get("python"))
    if wishes.is_empty and isinstance(found, Target):
        plan, fill, variables = Plan(found, ()), None, None
    else:
        from pytest_fastenv.environment_server.plans import Planning  # the engine: an empty environment can do without

        planned = await Planning.kept(context).plan(wishes, found)
        plan, fill, variables = planned.plan, planned.install, planned.build_variables
    site = bool(request.get("system_site_packages"))
    identity = fingerprint(plan, context.settings, system_site_packages=site or None, build_variables=variables)
    async with place.stage(plan.target, identity) as staged:
        if fill is not None:
            await fill(plan, staged)
        manifest.write_plan(staged.prefix, plan)
        if site:
            _open_to_system(staged.prefix / "pyvenv.cfg")
        made = await place.publish(staged, Summary(distributions=len(plan.distributions)))
    return made.to_json()


async def install(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """Install into an environment that `venv` made; answers with ``added`` and ``replaced`` (pairs).

    Takes what `venv` takes, with ``path`` the environment's prefix and ``wishes`` everything that it was ever asked to
    hold; ``upgrade`` applies to the last group of them.

    :raises FastenvError: it cannot be done; the environment is as it was.
    """
    from pytest_fastenv.environment_server.plans import Planning
    from pytest_fastenv.provisioning.amendment import amend, installed  # as above
    from pytest_fastenv.provisioning.exchange import recover
    from pytest_fastenv.provisioning.run import Policies

    prefix = Path(request["path"])
    wishes, found = Wishes.of(request, context.base), await interpreter(context, request.get("python"))
    await whatever_happens(in_thread(recover, prefix))
    here = await in_thread(installed, prefix, target_of(found))
    preferences = {name: one.version for name, one in here.items()}
    planned = await Planning.kept(context).plan(wishes, found, preferences, upgrade=bool(request.get("upgrade")))
    overlaps = Policies.of(context.settings).overlaps
    amended = await amend(prefix, planned.plan, planned, overlaps, held=planned.held)
    for text in amended.told:
        context.recorder.notice("warning", text, of="environment")
    return {
        "added": [(one.name, one.version) for one in amended.added],
        "replaced": [(one.name, one.version) for one in amended.replaced],
    }


def _open_to_system(configuration: Path) -> None:
    """Let an environment see the packages of its base interpreter (https://docs.python.org/3/library/site.html)."""
    text = configuration.read_text(encoding="utf-8")
    line = "include-system-site-packages = true"
    changed = _SITE_PACKAGES.sub(line, text) if _SITE_PACKAGES.search(text) else f"{text.rstrip()}\n{line}\n"
    configuration.write_text(changed, encoding="utf-8")
