from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_fastenv.installer.build.environment_variables import backend_variables, held_back
from pytest_fastenv.model.build_variables import result_variables

SCRIPTS = Path("environment", "bin")


@pytest.mark.parametrize(
    "name",
    ["PYTHONPATH", "PYTHONHOME", "PIP_INDEX_URL", "PIP_CONSTRAINT", "TWINE_PASSWORD", "AWS_SECRET_ACCESS_KEY",
     "CARGO_REGISTRY_TOKEN", "VIRTUAL_ENV", "FASTENV_INDEX_URL", "LD_PRELOAD", "SETUPTOOLS_TOKEN", "GIT_DIR",
     "GIT_CONFIG", "PYENV_DIR", "TOX_ENV_DIR", "CI_PROJECT_DIR", "XDG_RUNTIME_DIR", "PIP_CACHE_DIR", "POETRY_HOME",
     "Python3_ROOT_DIR", "FORCE_COLOR", "AWS_CONFIG_DIR", "VENDOR_AUTH_CONFIG", "MY_KEY_DIR", "VENDOR_THING"],
)  # fmt: skip
def test_what_is_not_on_the_list_stays_out(name: str) -> None:
    assert name not in backend_variables({name: "x"}, SCRIPTS)
    assert result_variables({name: "x"}) == ()


@pytest.mark.parametrize("name", ["HOME", "LANG", "LC_ALL", "SSL_CERT_FILE", "https_proxy", "SYSTEMROOT"])
def test_surroundings_pass_and_change_no_key(name: str) -> None:
    assert backend_variables({name: "x"}, SCRIPTS)[name] == "x"
    assert result_variables({name: "x"}) == ()


#: A sample of what source distributions on the index read.
READ_BY_REAL_SDISTS = """
    CC CFLAGS PKG_CONFIG_PATH SOURCE_DATE_EPOCH MACOSX_DEPLOYMENT_TARGET PYCURL_SSL_LIBRARY PYCURL_CURL_CONFIG
    GRPC_PYTHON_BUILD_SYSTEM_OPENSSL GRPC_PYTHON_BUILD_WITH_CYTHON SKBUILD_CMAKE_ARGS CMAKE_ARGS FORCE_CUDA PG_CONFIG
    HDF5_DIR HDF5_MPI MYPYC_ENABLE AIOHTTP_NO_EXTENSIONS MULTIDICT_NO_EXTENSIONS PYYAML_FORCE_LIBYAML XML2_CONFIG
    XSLT_CONFIG STATIC_DEPS WITH_CYTHON DISABLE_SQLALCHEMY_CEXT REQUIRE_SQLALCHEMY_CEXT MYSQLCLIENT_CFLAGS OPENSSL_DIR
    CUDA_HOME TORCH_CUDA_ARCH_LIST USE_CUDA FONTTOOLS_WITH_CYTHON CHARSET_NORMALIZER_USE_MYPYC TOMLI_USE_MYPYC
    COVERAGE_DISABLE_EXTENSION WRAPT_INSTALL_EXTENSIONS SETUPTOOLS_SCM_PRETEND_VERSION_FOR_DEMO PDM_BUILD_SCM_VERSION
    CARGO_PROFILE_RELEASE_LTO RUSTFLAGS PYO3_CROSS_LIB_DIR MATURIN_PEP517_ARGS NPY_BLAS_ORDER LLVM_CONFIG GDAL_CONFIG
    GEOS_CONFIG PROJ_DIR ZMQ_PREFIX LIBUV_CONFIGURE_HOST UVLOOP_USE_SYSTEM_LIBUV ORACLE_HOME JPEG_ROOT
    HATCH_BUILD_HOOKS_ENABLE
    POETRY_DYNAMIC_VERSIONING_BYPASS FLASH_ATTENTION_FORCE_BUILD CASS_DRIVER_NO_CYTHON SODIUM_INSTALL_DIR
    MSGPACK_PUREPYTHON LD_LIBRARY_PATH
""".split()  # noqa: SIM905 - a list of so many is not read one by line


@pytest.mark.parametrize("name", READ_BY_REAL_SDISTS)
def test_what_changes_the_result_passes_and_is_part_of_the_key(name: str) -> None:
    assert backend_variables({name: "x"}, SCRIPTS)[name] == "x"
    assert result_variables({name: "x"}) == ((name, "x"),)


def test_values_with_credentials_stay_out_whatever_their_name() -> None:
    environ = {"HTTPS_PROXY": "http://user:pass@proxy.example.invalid:1", "CFLAGS": "-DX=https://token@example.invalid"}
    passed = backend_variables(environ, SCRIPTS)
    assert not set(environ) & set(passed)
    assert result_variables(environ) == ()


def test_the_users_own_patterns_let_further_ones_through_and_into_the_key() -> None:
    environ = {"VENDOR_ONE": "1", "VENDOR_TOKEN": "2", "OTHER": "3", "ONLY_URL": "https://u:p@host.example.invalid"}
    assert result_variables(environ) == ()
    assert result_variables(environ, ["VENDOR_*", "ONLY_URL"]) == (("VENDOR_ONE", "1"),)
    assert result_variables(environ, ["VENDOR_???"]) == (("VENDOR_ONE", "1"),)
    assert result_variables(environ, ["VENDOR_TOKEN"]) == (("VENDOR_TOKEN", "2"),)  # named in full: it is meant
    assert backend_variables(environ, SCRIPTS, ["*"]).items() >= {"VENDOR_ONE": "1", "OTHER": "3"}.items()


@pytest.mark.parametrize("value", ["ghp_0123456789", "x glpat-abc", "-----BEGIN OPENSSH PRIVATE KEY-----"])
def test_values_that_are_known_tokens_stay_out(value: str) -> None:
    assert result_variables({"SKBUILD_THING": value, "VENDOR": value}, ["VEND*"]) == ()


#: How secrets come under names of families.
SECRET_VALUES = [
    "xoxb-123-456-abc", "hf_abcdefghijklmnop", "sk-proj-abcdef1234567890", "sk_live_abcdefgh", "ghu_16C7e42F292c69",
    "dckr_pat_abc", "nfp_abc", "SG.abc.def", "glptt-abc", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
    "Basic dXNlcjpwdw==", "DefaultEndpointsProtocol=https;AccountKey=Zm9vYmFy==", "host=db password=hunter2",
    "host=db passwd = hunter2", '{"apiKey":"s3cr3t"}', "{'api_key': 's3cr3t'}", "Authorization: Digest dXNlcjpwdw==",
    "-DTOKEN=hunter2", "-DUPLOAD_PASSWORD:STRING=hunter2", "-DA=1 -DCLIENT_SECRET='hunter2'", "-DX=hf_abcdefghijklmnop",
    "user:hunter2@host.example.invalid:9",
]  # fmt: skip


@pytest.mark.parametrize("value", SECRET_VALUES)
@pytest.mark.parametrize("name", ["CMAKE_ARGS", "PG_DSN", "VENDOR", "https_proxy", "MAKEFLAGS"])
def test_values_that_look_like_secrets_or_assign_one_stay_out(name: str, value: str) -> None:
    assert name not in backend_variables({name: value}, SCRIPTS, ["VEND*"])
    assert result_variables({name: value}, ["VEND*"]) == ()


@pytest.mark.parametrize(
    "value",
    ["-O2 -DWITH_TOKEN=ON -DUSE_SECRET=0 -DPASSWORD=", "-DTOKENIZER=fast -DSECRET_DIR=/opt/x", "/opt/secret:/usr/lib",
     "/opt/hf_cache/lib", "-DMODE=Basic -DX=1", "/opt/openssl@3/lib:/opt/icu@4", "-I/x/MSG.d",
     "C:\\Users\\me@corp\\lib", "host=db user=me", "http://proxy.example.invalid:9"],
)  # fmt: skip
def test_values_that_only_resemble_secrets_pass(value: str) -> None:
    assert result_variables({"CMAKE_ARGS": value}) == (("CMAKE_ARGS", value),)


def test_a_value_that_assigns_a_secret_passes_where_its_variable_is_named_in_full() -> None:
    environ = {"CMAKE_ARGS": "-DTOKEN=hunter2"}
    assert result_variables(environ, ["CMAKE_*"]) == ()
    assert result_variables(environ, ["CMAKE_ARGS"]) == (("CMAKE_ARGS", "-DTOKEN=hunter2"),)


@pytest.mark.parametrize(
    "name",
    ["OAUTH_CONFIG", "OAUTH2_CONFIG", "BASICAUTH_CONFIG", "XAUTH_CONFIG", "DBPASSWD_CONFIG", "PASSWD_DIR", "DBPASS_DIR",
     "DB_PW_CONFIG", "SECURE_PSW_DIR", "APPKEY_CONFIG", "MYKEY_DIR", "GITHUBPAT_DIR", "OPENSSL_PASSIN",
     "SESSIONCOOKIE_DIR"],
)  # fmt: skip
def test_names_that_end_a_word_like_a_secret_stay_out(name: str) -> None:
    assert result_variables({name: "x"}, ["*"]) == ()


@pytest.mark.parametrize(
    "name",
    ["CMAKE_PATH", "USE_PATCH", "AUTHOR_DIR", "HOTKEY_DIR", "MONKEY_ROOT", "WITH_COMPAT", "USE_BYPASS", "KEYBOARD_DIR"],
)
def test_names_that_only_resemble_secrets_pass(name: str) -> None:
    assert result_variables({name: "x"}) == ((name, "x"),)


def test_what_was_held_back_is_what_is_set_and_mentioned_and_did_not_pass(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("os.environ['VENDOR_A']; getenv(\"CFLAGS\"); VENDOR_D = 1")
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "CMakeLists.txt").write_text("set(X $ENV{VENDOR_B})")
    (tmp_path / "data.bin").write_text("'VENDOR_E'")
    environ = dict.fromkeys(["VENDOR_A", "VENDOR_B", "VENDOR_C", "VENDOR_D", "VENDOR_E", "CFLAGS", "OTHER"], "x")
    assert held_back(environ, [], tmp_path, "please set VENDOR_C\n") == ["VENDOR_A", "VENDOR_B", "VENDOR_C"]
    assert held_back(environ, ["VENDOR_*"], tmp_path, "please set VENDOR_C\n") == []


def test_scripts_of_the_build_environment_come_first() -> None:
    assert backend_variables({"PATH": "usual"}, SCRIPTS)["PATH"] == os.pathsep.join([str(SCRIPTS), "usual"])
    assert backend_variables({}, SCRIPTS)["PATH"] == os.pathsep.join([str(SCRIPTS), os.defpath])
