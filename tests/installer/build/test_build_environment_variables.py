from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_fastenv.installer.build.environment_variables import backend_variables
from pytest_fastenv.model.build_variables import result_variables

SCRIPTS = Path("environment", "bin")


@pytest.mark.parametrize(
    "name",
    ["PYTHONPATH", "PYTHONHOME", "PIP_INDEX_URL", "PIP_CONSTRAINT", "TWINE_PASSWORD", "AWS_SECRET_ACCESS_KEY",
     "CARGO_REGISTRY_TOKEN", "VIRTUAL_ENV", "FASTENV_INDEX_URL", "LD_PRELOAD", "SETUPTOOLS_TOKEN"],
)  # fmt: skip
def test_what_is_not_on_the_list_stays_out(name: str) -> None:
    assert name not in backend_variables({name: "x"}, SCRIPTS)
    assert result_variables({name: "x"}) == ()


@pytest.mark.parametrize("name", ["HOME", "LANG", "LC_ALL", "SSL_CERT_FILE", "https_proxy", "SYSTEMROOT"])
def test_surroundings_pass_and_change_no_key(name: str) -> None:
    assert backend_variables({name: "x"}, SCRIPTS)[name] == "x"
    assert result_variables({name: "x"}) == ()


@pytest.mark.parametrize("name", ["CC", "CFLAGS", "PKG_CONFIG_PATH", "SOURCE_DATE_EPOCH", "MACOSX_DEPLOYMENT_TARGET"])
def test_what_changes_the_result_passes_and_is_part_of_the_key(name: str) -> None:
    assert backend_variables({name: "x"}, SCRIPTS)[name] == "x"
    assert result_variables({name: "x"}) == ((name, "x"),)


def test_values_with_credentials_stay_out_whatever_their_name() -> None:
    environ = {"HTTPS_PROXY": "http://user:pass@proxy.example.invalid:1", "CFLAGS": "-DX=https://token@example.invalid"}
    passed = backend_variables(environ, SCRIPTS)
    assert not set(environ) & set(passed)
    assert result_variables(environ) == ()


def test_scripts_of_the_build_environment_come_first() -> None:
    assert backend_variables({"PATH": "usual"}, SCRIPTS)["PATH"] == os.pathsep.join([str(SCRIPTS), "usual"])
    assert backend_variables({}, SCRIPTS)["PATH"] == os.pathsep.join([str(SCRIPTS), os.defpath])
