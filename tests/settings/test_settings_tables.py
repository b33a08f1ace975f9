"""What stands in a project's own files: ``[tool.fastenv]`` of ``pyproject.toml``, and ``fastenv.toml``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.settings.layers import load
from pytest_fastenv.settings.options import Option, of_door
from pytest_fastenv.settings.tables import tables
from pytest_fastenv.settings.values import NamedIndex


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)


def test_there_need_be_none(tmp_path: Path) -> None:
    assert tables(tmp_path) == {}
    assert tables(tmp_path / "absent") == {}
    write(tmp_path, pyproject__toml="this is = no TOML, and is not read")
    assert tables(tmp_path) == {}


def test_table_of_pyproject(tmp_path: Path) -> None:
    write(
        tmp_path,
        pyproject__toml="[tool.fastenv]\nsources = ['a.txt', 'django<5']\nmax-age = '2h'\nstrict = true\n"
        "dir = 'envs'\nreport = ['t.json']\nconcurrent = 3\nunchecked-records = ['A_b']\n",
    )
    loaded = load(tables(tmp_path))
    settings = loaded.settings
    assert settings.sources == ("a.txt", "django<5")
    assert (settings.max_age_s, settings.strict, settings.concurrent_builds) == (7200, True, 3)
    assert (settings.dir, settings.reports) == (tmp_path / "envs", (tmp_path / "t.json",))
    assert settings.unchecked_records == {"a-b"}
    assert str(loaded.origins["max_age_s"]) == "max-age in [tool.fastenv] of pyproject.toml"
    assert loaded.directory_of("sources", Path("/")) == tmp_path


def test_fastenv_toml_stands_over_pyproject_key_by_key(tmp_path: Path) -> None:
    write(
        tmp_path,
        pyproject__toml="[tool.fastenv]\nlink = 'copy'\npython = '3.12'\n",
        fastenv__toml="link = 'symlink'\noffline = true\n",
    )
    loaded = load(tables(tmp_path))
    assert (loaded.settings.link, loaded.settings.python, loaded.settings.offline) == ("symlink", "3.12", True)
    assert str(loaded.origins["link"]) == "link in fastenv.toml"


@pytest.mark.parametrize(
    ("name", "text", "what", "hint"),
    [
        (
            "pyproject.toml", "[tool.fastenv]\nlnik = 'copy'\n",
            "[tool.fastenv] of pyproject.toml has an unknown key: lnik", "did you mean link?",
        ),
        (
            "pyproject.toml", "[tool.fastenv]\nmax_age = '1h'\n",
            "[tool.fastenv] of pyproject.toml has an unknown key: max_age", "did you mean max-age?",
        ),
        ("fastenv.toml", "xyz = 1\n", "fastenv.toml has an unknown key: xyz", "known are allow-failure, "),
        (
            "fastenv.toml", "cache-dir = 'x'\n",
            "fastenv.toml has an unknown key: cache-dir", "that is set by the variable FASTENV_CACHE_DIR",
        ),
        (
            "fastenv.toml", "[tool.fastenv]\nlink = 'copy'\n",
            "fastenv.toml has an unknown key: tool", "in fastenv.toml the keys stand at the top level",
        ),
        ("pyproject.toml", "[tool]\nfastenv = 'a.txt'\n", "tool.fastenv of pyproject.toml is not a table", ""),
        ("pyproject.toml", "fastenv = 1\nfastenv = 2\n", "pyproject.toml cannot be read", ""),
        ("fastenv.toml", "=", "fastenv.toml cannot be read", ""),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, name: str, text: str, what: str, hint: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        tables(tmp_path)
    assert caught.value.what == what
    assert (caught.value.hint or "").startswith(hint)
    line = (":2" if name == "pyproject.toml" else ":1") if "unknown key" in what else ""
    assert caught.value.where == f"{tmp_path / name}{line}"


def test_indexes_of_some_projects(tmp_path: Path) -> None:
    write(
        tmp_path,
        pyproject__toml="""\
[tool.fastenv.indexes.pytorch]
url = "https://example.invalid/whl/cpu"
only = ["Torch", "nvidia_*"]

[tool.fastenv.indexes.local]
url = "wheels"
only = ["acme"]
""",
    )
    assert load(tables(tmp_path)).settings.indexes == (
        NamedIndex("pytorch", "https://example.invalid/whl/cpu", ("torch", "nvidia-*")),
        NamedIndex("local", str(tmp_path / "wheels"), ("acme",)),
    )


@pytest.mark.parametrize(
    "text",
    ["a = 1", "a.url = 'x'", "a.only = ['x']", "a = {url = 'x', only = []}", "a = {url = 'x', only = 'x'}",
     "a = {url = 1, only = ['x']}", "a = {url = ' ', only = ['x']}", "a = {url = 'x', only = ['x==1']}",
     "a = {url = 'x', only = ['x'], also = 1}", "a = {url = 'x', only = ['']}", "url = 'x'\nonly = ['x']"],
)  # fmt: skip
def test_indexes_that_are_none(tmp_path: Path, text: str) -> None:
    write(tmp_path, fastenv__toml=f"[indexes]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        load(tables(tmp_path))
    assert caught.value.what.startswith("indexes in fastenv.toml: ")
    assert (caught.value.why or "").startswith("expected ")


#: A value of each type, as TOML has it.
VALUES = {
    "flag": "true", "number": "3", "float": "1.5", "text": "'x'", "list": "['x']", "date": "2026-01-01", "table": "{}",
}  # fmt: skip
DURATION, LIST, TEXT = {"text", "number", "float"}, {"list"}, {"text"}
#: Which types a kind of option takes.
TYPES = {
    "flag": {"flag"}, "number": {"number"}, "seconds": DURATION, "age": DURATION, "lines": LIST, "reports": LIST,
    "constraints": LIST, "words": LIST, "names": LIST, "variables": LIST, "overlaps": LIST,
    "indexes": {"table"}, "text": TEXT, "choice": TEXT, "path": TEXT, "size": TEXT,
}  # fmt: skip


@pytest.mark.parametrize("option", of_door("table"), ids=repr)
@pytest.mark.parametrize("given", VALUES)
def test_values_have_the_types_of_toml(tmp_path: Path, option: Option, given: str) -> None:
    write(tmp_path, fastenv__toml=f"{option.table_key} = {VALUES[given]}\n")
    if given in TYPES[option.kind]:
        assert set(tables(tmp_path)) == {option.field}
        return
    with pytest.raises(UsageError) as caught:
        tables(tmp_path)
    assert caught.value.what.startswith(f"{option.table_key} in fastenv.toml: ")
    assert caught.value.what.endswith(" is not accepted")
    assert (caught.value.why or "").startswith("expected ")
    assert caught.value.where == f"{tmp_path / 'fastenv.toml'}:1"


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        ("strict = 'yes'", "strict in fastenv.toml: 'yes' is not accepted", "expected true or false"),
        ("strict = 1", "strict in fastenv.toml: 1 is not accepted", "expected true or false"),
        ("concurrent = '3'", "concurrent in fastenv.toml: '3' is not accepted", "expected a positive integer"),
        ("concurrent = true", "concurrent in fastenv.toml: true is not accepted", "expected a positive integer"),
        ("sources = 'a.txt'", "sources in fastenv.toml: 'a.txt' is not accepted", "expected a list of texts"),
        ("link = ['copy', 'x']", "link in fastenv.toml: 'copy', 'x' is not accepted", "expected one of auto, clone"),
    ],
)
def test_another_type_is_told_with_what_is_expected(tmp_path: Path, text: str, what: str, why: str) -> None:
    write(tmp_path, fastenv__toml=text)
    with pytest.raises(UsageError) as caught:
        tables(tmp_path)
    assert caught.value.what == what
    assert (caught.value.why or "").startswith(why)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "fastenv.toml").mkdir()
    with pytest.raises(UsageError, match=r"fastenv\.toml cannot be read"):
        tables(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in directories there")
@pytest.mark.parametrize("name", ["pyproject.toml", "fastenv.toml"])
def test_a_pipe_or_a_device_is_not_waited_for(name: str, tmp_path: Path) -> None:
    """A directory that came from elsewhere may have anything in it."""
    os.mkfifo(tmp_path / name)
    with pytest.raises(UsageError, match=f"{name} cannot be read") as caught:
        tables(tmp_path)
    assert caught.value.why == "it is a named pipe, and not a file"
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(UsageError) as caught:
        tables(tmp_path)
    assert caught.value.why == "it is a device, and not a file"
