"""Settings: where they come from, which one wins, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.settings.values import OPTIONS, Settings, flag_name, ini_name, load, store_root


def test_nothing_given_means_defaults() -> None:
    settings = load({}, {}, {})
    assert settings == Settings()
    assert settings.concurrent_downloads == 50
    assert settings.concurrent_builds == settings.concurrent_installs == os.cpu_count()
    assert settings.max_age_s == 86400


def test_every_option_has_a_field_and_names_of_its_own() -> None:
    assert {option.field for option in OPTIONS} <= {field.name for field in fields(Settings)}
    flags = [flag_name(option) for option in OPTIONS if option.key is not None]
    assert len(flags) == len(set(flags))
    assert "--fastenv" in flags
    assert "--fastenv-max-age" in flags
    assert {ini_name(option) for option in OPTIONS if option.key is not None} >= {"fastenv", "fastenv_max_age"}


def test_command_line_beats_variable_beats_ini() -> None:
    environ = {"FASTENV_OFFLINE": "yes"}
    assert load({}, environ, {"offline": "false"}).offline is True
    assert load({}, {}, {"offline": "true"}).offline is True
    assert load({"link": "copy"}, {}, {"link": "symlink"}).link == "copy"


def test_one_variable_sets_all_pools_and_a_specific_one_wins() -> None:
    settings = load({}, {"FASTENV_CONCURRENT": "3", "FASTENV_CONCURRENT_BUILDS": "7"}, {})
    assert (settings.concurrent_downloads, settings.concurrent_builds, settings.concurrent_installs) == (3, 7, 3)
    assert not settings.serial
    assert load({}, {"FASTENV_CONCURRENT": "1"}, {}).serial
    assert not load({}, {"FASTENV_CONCURRENT": "1", "FASTENV_CONCURRENT_DOWNLOADS": "2"}, {}).serial


def test_pools_may_be_set_in_all_places() -> None:
    assert load({"concurrent": "1"}, {"FASTENV_CONCURRENT": "3"}, {}).serial
    settings = load({"concurrent_builds": "4"}, {"FASTENV_CONCURRENT": "3"}, {"concurrent-installs": "2"})
    assert (settings.concurrent_downloads, settings.concurrent_builds, settings.concurrent_installs) == (3, 4, 2)
    with pytest.raises(UsageError, match="--fastenv-concurrent-builds: 'x'"):
        load({"concurrent_builds": "x"}, {}, {})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FASTENV_CONCURRENT", "0"),
        ("FASTENV_CONCURRENT_BUILDS", "-2"),
        ("FASTENV_CONCURRENT_DOWNLOADS", "many"),
        ("FASTENV_CONCURRENT_INSTALLS", "1.5"),
        ("FASTENV_CONCURRENT", "²"),
        ("FASTENV_LOCK_TIMEOUT", "0"),
        ("FASTENV_BUILD_TIMEOUT", "soon"),
        ("FASTENV_OFFLINE", "perhaps"),
        ("FASTENV_BUILD_ISOLATION", "none"),
    ],
)
def test_a_wrong_value_names_variable_and_value(variable: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        load({}, {variable: value}, {})
    assert variable in caught.value.diagnosis()
    assert repr(value) in caught.value.diagnosis()
    assert caught.value.exit_code == 4


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="FASTENV_CONCURENT") as caught:
        load({}, {"FASTENV_CONCURENT": "4"}, {})
    assert caught.value.hint == "did you mean FASTENV_CONCURRENT?"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("0", 0), ("90", 90), ("90s", 90), ("90m", 5400), ("24h", 86400), ("2d", 172800), ("forever", float("inf"))],
)
def test_ages(given: str, seconds: float) -> None:
    assert load({"max_age_s": given}, {}, {}).max_age_s == seconds


def test_a_wrong_ini_value_names_the_file() -> None:
    with pytest.raises(UsageError, match=r"fastenv_link in setup\.cfg: 'hard' is not accepted"):
        load({}, {}, {"link": "hard"}, ini_file="setup.cfg")


def test_the_ending_of_a_report_decides() -> None:
    assert load({"reports": ["a.json", "b.html"]}, {}, {}).reports == (Path("a.json"), Path("b.html"))
    with pytest.raises(UsageError, match=r"x\.txt"):
        load({"reports": ["x.txt"]}, {}, {})


def test_flags_are_named_as_they_were_typed() -> None:
    with pytest.raises(UsageError, match=r"^--link: 'x'"):
        load({"link": "x"}, {}, {}, flag_prefix="--")
    with pytest.raises(UsageError, match=r"^--fastenv-link: 'x'"):
        load({"link": "x"}, {}, {})


def test_the_store_lies_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store_root(load({}, {"FASTENV_CACHE_DIR": str(tmp_path)}, {})) == tmp_path
    if sys.platform.startswith("linux"):
        import platformdirs

        for base in (str(tmp_path), "", "relative"):
            monkeypatch.setenv("XDG_CACHE_HOME", base)
            expected = Path(platformdirs.user_cache_dir("pytest-fastenv", appauthor=False))
            if base == "relative":  # the specification says to ignore a relative path
                expected = Path.home() / ".cache" / "pytest-fastenv"
            assert store_root(Settings()) == expected


def test_loading_settings_imports_nothing_heavy() -> None:
    code = "import sys; import pytest_fastenv.settings.values; print('\\n'.join(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"asyncio", "httpx", "packaging", "virtualenv", "rich", "platformdirs"} & set(modules)
