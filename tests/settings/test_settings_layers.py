"""Settings in layers: which one wins, where each setting comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.model.codec import decode
from pytest_fastenv.settings.layers import (
    Given,
    Layer,
    Origin,
    command_line,
    given_besides,
    load,
    origins_to_json,
    settings_from_variables,
    variables,
)
from pytest_fastenv.settings.naming import Naming
from pytest_fastenv.settings.options import OPTIONS, Option
from pytest_fastenv.settings.tables import tables
from pytest_fastenv.settings.values import Settings

HERE = Path("/here")


def ini(**values: Any) -> Layer:
    return {name: Given(value, Origin(f"fastenv_{name}", "/project/pytest.ini")) for name, value in values.items()}


def typed(**values: Any) -> Layer:
    return command_line(values, "pytest", HERE)


def test_nothing_given_means_defaults() -> None:
    loaded = load(typed(sources=[], link=None, offline=False), variables({"FASTENV_OFFLINE": " ", "HOME": "/"}))
    assert loaded.settings == Settings()
    assert loaded.origins == {}


def test_the_last_layer_wins() -> None:
    loaded = load(
        ini(offline="false", link="symlink", scope="worker"), variables({"FASTENV_OFFLINE": "yes"}), typed(link="copy")
    )
    assert (loaded.settings.offline, loaded.settings.link, loaded.settings.scope) == (True, "copy", "worker")
    assert {name: str(origin) for name, origin in loaded.origins.items()} == {
        "offline": "FASTENV_OFFLINE",
        "link": "--fastenv-link",
        "scope": "fastenv_scope in pytest.ini",
    }


def test_another_layer_may_stand_between_two() -> None:
    named = {"python": Given("3.12", Origin("python", "/project/pyproject.toml", "[tool.fastenv.envs.old]"))}
    loaded = load(ini(python="3.13", link="copy"), named, variables({}))
    assert (loaded.settings.python, loaded.settings.link) == ("3.12", "copy")
    assert str(loaded.origins["python"]) == "python in [tool.fastenv.envs.old] of pyproject.toml"


def test_one_number_is_for_all_pools_and_one_for_a_pool_wins() -> None:
    settings = load(variables({"FASTENV_CONCURRENT": "3", "FASTENV_CONCURRENT_BUILDS": "7"})).settings
    assert (settings.concurrent_downloads, settings.concurrent_builds, settings.concurrent_installs) == (3, 7, 3)
    settings = load(
        ini(concurrent_installs="2"), variables({"FASTENV_CONCURRENT": "1"}), typed(concurrent_builds="4")
    ).settings
    assert (settings.concurrent_downloads, settings.concurrent_builds, settings.concurrent_installs) == (1, 4, 2)
    assert load(variables({"FASTENV_CONCURRENT": "1"})).settings.serial


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (variables({"FASTENV_LOCK_TIMEOUT": "0"}), "FASTENV_LOCK_TIMEOUT: '0' is not accepted"),
        (typed(link="hard"), "--fastenv-link: 'hard' is not accepted"),
        (typed(sources=[5]), "--fastenv: 5 is not accepted"),
        (typed(dir="~nouser/x"), "--fastenv-dir: '~nouser/x' is not accepted"),
        (typed(reports=["~nouser/x.html"]), "--fastenv-report: '~nouser/x.html' is not accepted"),
        (ini(dir="~nouser"), "fastenv_dir in pytest.ini: '~nouser' is not accepted"),
        (variables({"FASTENV_CACHE_DIR": "~nouser/x"}), "FASTENV_CACHE_DIR: '~nouser/x' is not accepted"),
        (typed(reports=["x.txt"]), "--fastenv-report: '/here/x.txt' is not accepted"),
        (typed(reports=["a.json", "x.txt", "b.html"]), "--fastenv-report: '/here/x.txt' is not accepted"),
        (typed(build_variables=["A", "B-C"]), "--fastenv-build-variables: 'B-C' is not accepted"),
        (command_line({"link": "hard"}, "create", HERE), "--link: 'hard' is not accepted"),
        (ini(link="hard"), "fastenv_link in pytest.ini: 'hard' is not accepted"),
        (
            {"link": Given(5, Origin("link", "/p/pyproject.toml", "[tool.fastenv]"))},
            "link in [tool.fastenv] of pyproject.toml: 5 is not accepted",
        ),
    ],
)
def test_a_wrong_value_names_its_origin(layer: Layer, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(layer)
    assert caught.value.what == said
    assert caught.value.exit_code == 4
    assert caught.value.why


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="FASTENV_CONCURENT") as caught:
        variables({"FASTENV_CONCURENT": "4"})
    assert caught.value.hint == "did you mean FASTENV_CONCURRENT?"
    assert variables({"FASTENV_INSIDE": "{}"}) == {}


def test_paths_of_a_command_line_are_relative_to_where_it_was_typed() -> None:
    settings = load(typed(dir="envs", reports=["a.json", "/b.html"])).settings
    assert settings.dir == HERE / "envs"
    assert settings.reports == (HERE / "a.json", Path("/b.html"))


def test_what_a_setting_is_relative_to() -> None:
    loaded = load(ini(sources="a.txt"), typed(link="copy"))
    assert loaded.directory_of("sources", HERE) == Path("/project")
    assert loaded.directory_of("link", HERE) == loaded.directory_of("python", HERE) == HERE


def test_origins_come_back_from_json() -> None:
    origins = load(ini(link="copy"), variables({"FASTENV_OFFLINE": "1"})).origins
    assert decode(dict[str, Origin], origins_to_json(origins)) == origins


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
def test_a_variable_named_after_an_option_is_answered_with_that_option(option: Option) -> None:
    for name in {option.table_key, option.field}:
        variable = f"FASTENV_{name.upper().replace('-', '_')}"
        if variable == option.variable:
            continue
        with pytest.raises(UsageError) as caught:
            settings_from_variables({variable: "x"})
        hint = caught.value.diagnosis(Naming("pytest")).partition("next:")[2].strip()
        if option.variable:
            assert hint == f"did you mean {option.variable}?"
        else:
            assert hint.startswith("there is no variable for this: unset it, and use ")
            assert hint.endswith(f", or {option.table_key} in [tool.fastenv]")


def test_what_is_said_for_a_session_alone(tmp_path: Path) -> None:
    """Neither the project's tables nor variables, which every command reads."""
    (tmp_path / "fastenv.toml").write_text("link = 'copy'\n")
    loaded = load(
        tables(tmp_path),
        {"dir": Given("x", Origin("fastenv_dir", "pytest.ini"))},
        variables({"FASTENV_INDEX_URL": "x"}),
        command_line({"strict": True}, "pytest", tmp_path),
    )
    assert given_besides(loaded.origins) == {"dir", "strict"}
