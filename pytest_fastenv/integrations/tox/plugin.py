"""What tox imports: the environments of this package, by name. Nothing of the engine is imported with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tox.config.sets import ConfigSet, EnvConfigSet
from tox.plugin import impl
from tox.tox_env.register import ToxEnvRegister

from pytest_fastenv.integrations.tox.choice import require_this, tell_where_the_file_chooses
from pytest_fastenv.integrations.tox.packaging import FastenvCommandPackager, FastenvPackager
from pytest_fastenv.integrations.tox.runner import FastenvRunner

if TYPE_CHECKING:
    from tox.session.state import State


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    """Offer ``runner = fastenv``; tox's own runner stays the default."""
    register.add_run_env(FastenvRunner)
    register.add_package_env(FastenvPackager)
    register.add_package_env(FastenvCommandPackager)


@impl
def tox_add_core_config(core_conf: ConfigSet, state: State) -> None:
    """Stay installed where tox provisions itself."""
    require_this(core_conf, state)


@impl
def tox_add_env_config(env_conf: EnvConfigSet, state: State) -> None:
    """Tell which runner an environment has where that may surprise."""
    tell_where_the_file_chooses(env_conf, state)
