"""What tox imports: the environments of this package, by name. Nothing of the engine is imported with them."""

from __future__ import annotations

from tox.plugin import impl
from tox.tox_env.register import ToxEnvRegister

from pytest_fastenv.integrations.tox.packaging import FastenvCommandPackager, FastenvPackager
from pytest_fastenv.integrations.tox.runner import FastenvRunner


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    """Offer ``runner = fastenv``; tox's own runner stays the default."""
    register.add_run_env(FastenvRunner)
    register.add_package_env(FastenvPackager)
    register.add_package_env(FastenvCommandPackager)
