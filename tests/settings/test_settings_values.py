"""Settings as values: their defaults, what they decide, and their way to another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.model.codec import decode, encode
from pytest_fastenv.settings.options import Decides
from pytest_fastenv.settings.values import Settings, deciding, store_root, to_json

CHANGES: list[dict[str, Any]] = [
    {},
    {"sources": ("a", "b c"), "link": "copy", "max_age_s": float("inf"), "dir": Path("/x y"), "reports": (Path("a"),)},
    {"max_age_s": 0.0, "unchecked_records": frozenset({"foo-b", "a"}), "concurrent": 1},
    {"concurrent_builds": 3, "offline": True, "find_links": ("one", "two"), "lock_timeout_s": 1.5},
]


def test_defaults() -> None:
    settings = Settings()
    assert settings.concurrent_downloads == 50
    assert settings.concurrent_builds == settings.concurrent_installs == os.cpu_count()
    assert settings.max_age_s == 86400


def test_serial() -> None:
    one = Settings(concurrent=1, concurrent_downloads=1, concurrent_builds=1, concurrent_installs=1)
    assert one.serial
    assert not replace(one, concurrent_downloads=2).serial
    assert not replace(one, concurrent=None).serial


@pytest.mark.parametrize("changes", CHANGES)
def test_settings_come_back_from_json(changes: dict[str, Any]) -> None:
    settings = Settings(**changes)
    told = json.loads(json.dumps(to_json(settings)))
    assert decode(Settings, told) == settings
    assert told.keys() == changes.keys()


@pytest.mark.parametrize("changes", CHANGES)
def test_json_is_what_the_codec_writes(changes: dict[str, Any]) -> None:
    assert to_json(Settings(**changes)) == encode(Settings(**changes))


def test_what_decides_is_there_at_its_default_too() -> None:
    content = deciding(Settings(), Decides.CONTENT)
    assert content["link"] == "auto"
    assert content["strict"] is False
    assert "concurrent" not in content
    changed = deciding(Settings(strict=True, unchecked_records=frozenset("ba")), Decides.CONTENT)
    assert {name for name in content if changed[name] != content[name]} == {"strict", "unchecked_records"}
    assert changed["unchecked_records"] == ["a", "b"]


def test_the_store_lies_in_the_cache_directory(tmp_path: Path) -> None:
    assert store_root(Settings(cache_dir=tmp_path)) == tmp_path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the XDG base directories are those of Linux")
@pytest.mark.parametrize("platform", ["linux", "another"])  # any other asks platformdirs, which answers the same here
@pytest.mark.parametrize("base", ["/absolute", "", " ", None])
def test_the_cache_directory_of_linux(monkeypatch: pytest.MonkeyPatch, platform: str, base: str | None) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if base is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", base)
    expected = "/absolute" if base == "/absolute" else os.path.expanduser("~/.cache")
    assert str(store_root(Settings())) == f"{expected}/pytest-fastenv"


def test_a_relative_cache_directory_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # as the specification of base directories says
    assert store_root(Settings()) == Path.home() / ".cache" / "pytest-fastenv"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the XDG base directories are those of Linux")
def test_a_user_without_home_has_to_choose_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a user id that nothing is known of: ``docker run --user 12345``."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)
    with pytest.raises(UsageError, match="no home directory"):
        store_root(Settings())


def test_settings_import_nothing_heavy() -> None:
    code = "import sys; import pytest_fastenv.settings.tables; print('\\n'.join(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    heavy = {"asyncio", "httpx", "packaging", "virtualenv", "rich", "platformdirs", "difflib", "shlex", "pytest"}
    assert not heavy & set(modules)


def test_a_store_that_could_not_be_on_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot lie in") as caught:
        store_root(Settings(cache_dir=tmp_path / f"a{os.pathsep}b"))
    assert "PATH" in str(caught.value.why)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere platformdirs decides")
def test_an_empty_home_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    assert store_root(Settings()) == Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache" / "pytest-fastenv"
