"""The table of options: every setting has a row, and a row is all that an option needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import pytest_fastenv
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.settings.options import OPTIONS, Decides
from pytest_fastenv.settings.values import Settings


def test_settings_and_rows_are_the_same() -> None:
    assert {option.field for option in OPTIONS} == {field.name for field in fields(Settings)}
    for names in (
        [option.field for option in OPTIONS],
        [option.key for option in OPTIONS],
        [option.variable for option in OPTIONS if option.variable],
        [option.table_key for option in OPTIONS],
    ):
        assert len(names) == len(set(names))


def test_choices_are_those_of_the_settings_types() -> None:
    hints = get_type_hints(Settings)
    assert [option.choices for option in OPTIONS if option.kind == "choice"] == [
        tuple(map(str, LinkMode)) if hints[option.field] is LinkMode else get_args(hints[option.field])
        for option in OPTIONS
        if option.kind == "choice"
    ]


def test_names() -> None:
    (age,) = (option for option in OPTIONS if option.field == "max_age_s")
    assert (age.pytest_flag, age.ini, age.dest) == ("--fastenv-max-age", "fastenv_max_age", "fastenv_max_age_s")
    assert (age.flag, age.table_key) == ("--max-age", "max-age")
    sources = OPTIONS[0]
    assert (sources.pytest_flag, sources.ini, sources.table_key) == ("--fastenv", "fastenv", "sources")


def test_every_option_can_be_given_somewhere_and_says_so() -> None:
    for option in OPTIONS:
        assert option.doors or option.variable
        assert option.is_flag is not bool(option.metavar)
        assert option.help
        # What can be given to a command has its place in the project's file too.
        assert "table" in option.doors or not option.doors


def test_what_each_one_decides() -> None:
    """Think before you change this: an option that is in no key does not make another environment."""
    decided = {what: {option.field for option in OPTIONS if option.decides is what} for what in Decides}
    assert decided[Decides.CONTENT] == {
        "link",
        "unchecked_records",
        "allow_overlaps",
        "strict",
        "expansion_mib",
        "expansion_ratio",
    }
    assert decided[Decides.PLACE] == {"dir"}
    assert decided[Decides.RESOLUTION] == {
        "sources", "python", "project", "extras", "groups", "constraints", "resolution", "lock",
        "index_url", "extra_index_urls", "find_links", "indexes", "build_variables",
    }  # fmt: skip


def test_it_is_standard_library_alone() -> None:
    code = "import sys; import pytest_fastenv.settings.options; print('\\n'.join(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {name for name in modules if name.startswith("pytest_fastenv")} == {
        "pytest_fastenv",
        "pytest_fastenv.version",
        "pytest_fastenv.settings",
        "pytest_fastenv.settings.options",
    }


NEW_ROW = """\
    Option(
        "flavour",
        "flavour",
        "text",
        Decides.CONTENT,
        doors=_INSTALL,
        variable="FASTENV_FLAVOUR",
        metavar="TASTE",
        help="How it tastes",
    ),
"""
EVERYWHERE = """
import json, os, sys
from pathlib import Path
import pytest
import pytest_fastenv
assert Path(pytest_fastenv.__file__).is_relative_to(sys.argv[1]), pytest_fastenv.__file__

from pytest_fastenv.environment.fingerprint import explain, fingerprint
from pytest_fastenv.environment.request_cache import deciding_settings
from pytest_fastenv.model.codec import decode
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.model.target import Target
from pytest_fastenv.settings.layers import command_line, load, variables
from pytest_fastenv.settings.naming import Naming
from pytest_fastenv.settings.tables import tables
from pytest_fastenv.settings.values import Settings, to_json
from pytest_fastenv.provisioning.runtime_distribution import runtime_files

here = Path.cwd()
(here / "fastenv.toml").write_text("flavour = 'sour'\\n")
layers = {
    "table": tables(here),
    "variable": variables({"FASTENV_FLAVOUR": "salty"}),
    "pytest": command_line({"flavour": "sweet"}, "pytest", here),
    "create": command_line({"flavour": "bitter"}, "create", here),
}
origins = {name: str(load(layer).origins["flavour"]) for name, layer in layers.items()}
assert origins == {
    "table": "flavour in fastenv.toml",
    "variable": "FASTENV_FLAVOUR",
    "pytest": "--fastenv-flavour",
    "create": "--flavour",
}
assert load(*layers.values()).settings.flavour == "bitter"
sweet = load(layers["pytest"]).settings
assert decode(Settings, json.loads(json.dumps(to_json(sweet)))) == sweet
assert deciding_settings(sweet) != deciding_settings(Settings())
target = Target("/p", "cpython", "3.12.1", (), {}, "", "linux", False, {}, "i", {})
assert explain(fingerprint(Plan(target, ()), Settings()).parts, fingerprint(Plan(target, ()), sweet).parts) == (
    "flavour plain → sweet"
)
assert Naming("create")("flavour", "sour") == "--flavour sour"
assert b"FASTENV_FLAVOUR" in runtime_files("1")["pytest_fastenv_runtime/settings/options.py"]
"""


@pytest.mark.slow
def test_a_new_row_is_everywhere(tmp_path: Path) -> None:
    """A copy of the package gets one more row and one more field, nothing else."""
    package = tmp_path / "copy" / "pytest_fastenv"
    shutil.copytree(Path(pytest_fastenv.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    end = ')\n"""All rows; the sources first."""\n'
    replace(package / "settings" / "options.py", end, NEW_ROW + end)
    replace(package / "settings" / "values.py", "    strict: bool", '    flavour: str = "plain"\n    strict: bool')
    work = tmp_path / "work"
    work.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "FASTENV_"))}
    environ.update(PYTHONPATH=str(package.parent), PYTHONDONTWRITEBYTECODE="1")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *words], cwd=work, env=environ, capture_output=True, text=True)

    assert (done := run("-c", EVERYWHERE, str(package.parent))).returncode == 0, done.stderr
    command = "import sys; from pytest_fastenv.cli.main import main; sys.exit(main(sys.argv[1:]))"
    for words in (["create", "--help"], ["python", "install", "--help"]):
        assert "--flavour TASTE" in run("-c", command, *words).stdout
    helped = run("-m", "pytest", "--help").stdout
    assert "--fastenv-flavour=TASTE" in helped
    assert "fastenv_flavour (string):" in helped
    (work / "pytest.ini").write_text("[pytest]\nfastenv_flavour = \n  bitter\nfastenv = ./missing.txt\n")
    assert "no such file: ./missing.txt" in run("-m", "pytest").stderr


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
