from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.index.pip_config import read_pip_config

pytestmark = pytest.mark.skipif(os.name == "nt", reason="places differ")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def read(home: Path, **environ: str) -> dict[str, str]:
    base = {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "xdg")}
    found = read_pip_config(base | environ, prefix=str(home / "venv"))
    return {key: value.text for key, value in found.items() if key.startswith("x-")}


def test_files_count_in_pip_s_order(home: Path) -> None:
    places = ["xdg/pip/pip.conf", ".pip/pip.conf", ".config/pip/pip.conf", "venv/pip.conf", "own.conf"]
    for number, place in enumerate(places):
        lines = "".join(f"x-{n} = {place}\n" for n in range(number, len(places)))
        write(home / place, f"[global]\n{lines}")
    assert read(home) == {"x-0": places[0], "x-1": places[1], "x-2": places[2], "x-3": places[3], "x-4": places[3]}
    # A PIP_CONFIG_FILE that exists switches the user's own files off.
    assert read(home, PIP_CONFIG_FILE=str(home / "own.conf")) == dict.fromkeys(("x-0", "x-1", "x-2"), places[0]) | {
        "x-3": places[3],
        "x-4": places[4],
    }


def test_the_null_device_switches_files_off(home: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\nx-a = file\n")
    assert read(home, PIP_CONFIG_FILE=os.devnull, PIP_X_B="variable") == {"x-b": "variable"}


def test_the_section_of_install_beats_the_global_one_of_any_file(home: Path) -> None:
    write(home / "xdg/pip/pip.conf", "[install]\nx-a = install\n")
    write(home / "venv/pip.conf", "[global]\nx-a = global\n[download]\nx-b = other command\n")
    assert read(home) == {"x-a": "install"}


def test_variables_beat_files_and_empty_values_count_as_absent(home: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\nx-a = file\nx-b = file\nx_c = file\n[install]\nx-c =\n")
    assert read(home, PIP_X_A="variable", PIP_X_B=" ") == {"x-a": "variable", "x-b": "file", "x-c": "file"}


def test_values_name_their_place(home: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\nindex-url = u\nno-index = perhaps\ntimeout = long\n")
    found = read_pip_config({"HOME": str(home), "PIP_CERT": "c", "PIP_DEFAULT_TIMEOUT": "7"}, prefix="/nonexistent")
    assert found["index-url"].source == f"index-url in {home}/.config/pip/pip.conf"
    assert found["cert"].source == "PIP_CERT"
    assert found["timeout"].number() == 7
    with pytest.raises(UsageError, match=r"no-index in .*perhaps"):
        found["no-index"].flag()


@pytest.mark.parametrize("text", ["no section\n", "[global\n", "[global]\nx = \xff\n"])
def test_a_file_that_cannot_be_read_is_named(home: Path, text: str) -> None:
    path = home / ".config/pip/pip.conf"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError) as caught:
        read(home)
    assert str(path) in str(caught.value)


@pytest.mark.slow
def test_pip_itself_agrees(home: Path) -> None:
    write(home / "xdg/pip/pip.conf", "[global]\nindex-url = https://a.invalid/\n[install]\nfind-links = a b\n")
    write(home / ".pip/pip.conf", "[global]\nindex-url = https://b.invalid/\n")
    write(home / ".config/pip/pip.conf", "[global]\nextra-index-url = https://c.invalid/\nfind-links = c\n")
    environ = {**os.environ, "HOME": str(home), "XDG_CONFIG_DIRS": str(home / "xdg"), "PIP_RETRIES": "9"}
    environ.pop("PIP_CONFIG_FILE", None)
    environ.pop("XDG_CONFIG_HOME", None)

    def config(*words: str) -> list[str]:
        command = [sys.executable, "-m", "pip", "config", *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.splitlines()

    lines = [line for line in config("list") if not line.startswith("global.index-url=")]
    # What stands in several files is listed several times.
    lines.append(f"global.index-url={config('get', 'global.index-url')[0]}")
    theirs: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in lines:
            key, _, value = line.partition("=")
            if key.startswith(section):
                theirs[key.removeprefix(section)] = value.strip("'")
    ours = {key: value.text for key, value in read_pip_config(environ).items()}
    assert {key: ours[key] for key in theirs if key in ours and not key.startswith("default")} == {
        key: value for key, value in theirs.items() if not key.startswith("default")
    }


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in directories there")
def test_what_is_no_file_is_passed_over_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read(tmp_path, PIP_CONFIG_FILE=str(tmp_path / "pipe"), PIP_X_A="variable") == {"x-a": "variable"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[global]\nx = 1\npassword hunter2\n", "no KEY = VALUE in line 3"),
        ("password = hunter2\n", "line 1 stands before any [section]"),
        ("[global]\n" + "hunter2\n" * 9, "no KEY = VALUE in line 2, 3, 4, 5, 6 and 4 more"),
    ],
)
def test_a_file_that_cannot_be_read_is_not_quoted(home: Path, text: str, why: str) -> None:
    write(home / "own.conf", text)
    with pytest.raises(UsageError) as caught:
        read(home, PIP_CONFIG_FILE=str(home / "own.conf"))
    assert caught.value.why == why
