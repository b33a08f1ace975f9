"""Paths in activation scripts, with characters that shells treat specially."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pytest_fastenv.environment.quoted_paths import STYLES, occurrences, replaced

OLD = "/tmp/a store/the skeleton"
NASTY = '/tmp/it\'s "a" $HOME `x` \\ ! # ü %PATH%/env'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("activate", f"VIRTUAL_ENV='{OLD}'\n"),
        ("activate", f'VIRTUAL_ENV="{OLD}"\n'),
        ("activate.csh", f"setenv VIRTUAL_ENV '{OLD}'\n"),
        ("activate.fish", f"set -gx VIRTUAL_ENV '{OLD}'\n"),
        ("activate.nu", f"let virtual_env = r#'{OLD}'#\n"),
        ("Activate.ps1", f"$env:VIRTUAL_ENV = '{OLD}'\n"),
        ("activate.xsh", f'self.embedded = "{OLD}"\n'),
        ("activate_this.py", f"base = '{OLD}'\n"),
        ("activate.bat", f'@set "VIRTUAL_ENV={OLD}"\n'),
        ("pyvenv.cfg", f"place = {OLD}\n"),
    ],
)
def test_every_shells_quotes_are_part_of_it(name: str, text: str) -> None:
    (found,) = occurrences(name, text, OLD)
    begin, end, style = found
    expected = text[:begin] + STYLES[style](NASTY) + text[end:]
    assert replaced(text, [found], NASTY) == expected
    assert list(occurrences(name, expected, OLD)) == []
    assert [occurrence.begin for occurrence in occurrences(name, expected, NASTY)] == [begin]


def test_several_in_one_text() -> None:
    text = f"if [ -d '{OLD}' ]; then\n  echo '{OLD}/bin'; VIRTUAL_ENV='{OLD}'\nfi\n"
    found = list(occurrences("activate", text, OLD))
    assert len(found) == 3
    assert "the skeleton" not in replaced(text, found, "/new")


@pytest.mark.parametrize(
    ("program", "style", "command"),
    [
        ("sh", "sh", "printf %s {}"),
        ("bash", "sh", "printf %s {}"),
        ("zsh", "sh", "printf %s {}"),
        ("tcsh", "csh", "printf %s {}"),
        ("fish", "fish", "printf %s {}"),
        ("nu", "nushell", "print -n {}"),
        ("pwsh", "powershell", "[Console]::Write({})"),
        ("python3", "python", "print({}, end='')"),
    ],
)
def test_shells_read_what_was_written(program: str, style: str, command: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"no {program} on this machine")
    path = NASTY if program != "tcsh" else NASTY.replace("%", "")
    done = subprocess.run([program, "-c", command.format(STYLES[style](path))], capture_output=True, check=True)
    assert done.stdout.decode() == path


def test_nushell_fences_are_longer_than_any_in_the_path() -> None:
    assert STYLES["nushell"]("/a#'b##c") == "r###'/a#'b##c'###"
