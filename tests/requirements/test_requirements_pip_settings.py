"""What pip's variables and configuration files say about requirements is heeded as ``pip install`` heeds it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_fastenv.errors import RequirementsError, UsageError
from pytest_fastenv.model.request import FormatControl, ReleaseControl, Request
from pytest_fastenv.requirements.pip_settings import UNHEEDED
from pytest_fastenv.requirements.sources import read_sources

SHA = "ab" * 32


def read(base: Path, *sources: str, **environ: str) -> Request:
    default = {"PIP_CONFIG_FILE": os.devnull, "HOME": str(base), "XDG_CONFIG_DIRS": str(base / "xdg")}
    return read_sources(sources or ["six"], base=base, environ=default | environ)


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def limits(request: Request) -> list[str]:
    return [f"{constraint.name}{constraint.specifier}" for constraint in request.constraints]


def test_constraints_of_the_variable_hold_for_every_request(tmp_path: Path) -> None:
    write(tmp_path / "c.txt", "six<1.17\n")
    absolute = write(tmp_path / "c2.txt", "idna<4")
    request = read(tmp_path, PIP_CONSTRAINT=f"c.txt {absolute}")
    assert limits(request) == ["six<1.17", "idna<4"]
    assert {Path(seen.subject).name for seen in request.observed if seen.kind == "file"} == {"c.txt", "c2.txt"}
    assert request.pip_settings == ("PIP_CONSTRAINT",)
    # Another content is another request, whatever the file is called.
    write(tmp_path / "c.txt", "six<1.16\n")
    assert read(tmp_path, PIP_CONSTRAINT="c.txt").observed != request.observed


def test_what_the_constraint_variable_names_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match=r"no such file: nothing\.txt") as caught:
        read(tmp_path, PIP_CONSTRAINT="nothing.txt")
    assert caught.value.where == "PIP_CONSTRAINT"


def test_a_variable_takes_the_place_of_files_and_install_that_of_global(tmp_path: Path) -> None:
    for name in ("global", "install", "variable"):
        write(tmp_path / f"{name}.txt", f"{name}<1")
    own = tmp_path / "pip.conf"
    write(own, "[global]\nconstraint = global.txt\n")
    assert limits(read(tmp_path, PIP_CONFIG_FILE=str(own))) == ["global<1"]
    write(own, "[global]\nconstraint = global.txt\n[install]\nconstraint =\n    install.txt\n    global.txt\n")
    request = read(tmp_path, PIP_CONFIG_FILE=str(own))
    assert limits(request) == ["install<1", "global<1"]
    assert request.pip_settings == (f"constraint in {own}",)
    assert limits(read(tmp_path, PIP_CONFIG_FILE=str(own), PIP_CONSTRAINT="variable.txt")) == ["variable<1"]


def test_rules_about_files_and_releases(tmp_path: Path) -> None:
    assert read(tmp_path, PIP_NO_BINARY="Foo_Bar,baz", PIP_ONLY_BINARY=":all:").formats == FormatControl(
        frozenset(), frozenset({":all:"})
    )
    assert read(tmp_path, PIP_NO_BINARY=":all:", PIP_ONLY_BINARY="Foo_Bar").formats == FormatControl(
        frozenset({":all:"}), frozenset({"foo-bar"})
    )
    assert read(tmp_path, PIP_PRE="1").releases == ReleaseControl(frozenset({":all:"}))
    assert read(tmp_path, PIP_PRE="0").releases == ReleaseControl()
    assert read(tmp_path, PIP_ALL_RELEASES="a", PIP_ONLY_FINAL=":all:").releases == ReleaseControl(
        frozenset(), frozenset({":all:"})
    )
    assert read(tmp_path, PIP_PREFER_BINARY="yes").prefer_binary
    assert read(tmp_path, PIP_IGNORE_REQUIRES_PYTHON="on").ignore_requires_python
    assert read(tmp_path, PIP_UPLOADED_PRIOR_TO="P3D").uploaded_prior_to == "P3D"
    assert [wanted.no_deps for wanted in read(tmp_path, PIP_NO_DEPENDENCIES="true").wanted] == [True]


def test_options_of_files_come_on_top(tmp_path: Path) -> None:
    write(tmp_path / "r.txt", "--no-binary bar\n--only-binary foo\nsix\n")
    assert read(tmp_path, "r.txt", PIP_NO_BINARY="foo,baz").formats == FormatControl(
        frozenset({"bar", "baz"}), frozenset({"foo"})
    )


def test_what_pip_lets_add_up_over_its_places_adds_up(tmp_path: Path) -> None:
    own = write(tmp_path / "pip.conf", "[global]\nno-binary = a\n[install]\nno-binary = b\nconfig-settings = k=1\n")
    request = read(tmp_path, PIP_CONFIG_FILE=own, PIP_NO_BINARY="c", PIP_CONFIG_SETTINGS="k=2")
    assert request.formats.no_binary == {"a", "b", "c"}
    assert request.wanted[0].config_settings == (("k", ("1", "2")),)


def test_config_settings_are_for_what_is_named_itself(tmp_path: Path) -> None:
    write(tmp_path / "r.txt", "attrs\n")
    request = read(tmp_path, "r.txt", "six", PIP_CONFIG_SETTINGS="--key=a=b")
    assert [wanted.config_settings for wanted in request.wanted] == [(), (("--key", "a=b"),)]


def test_hashes(tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match="hashes are required of all requirements"):
        read(tmp_path, PIP_REQUIRE_HASHES="1")
    write(tmp_path / "r.txt", f"six==1 --hash=sha256:{SHA}\nattrs\n")
    with pytest.raises(RequirementsError, match="hashes are required of all requirements"):
        read(tmp_path, "r.txt")
    assert not read(tmp_path, "r.txt", PIP_NO_REQUIRE_HASHES="1").require_hashes
    with pytest.raises(UsageError, match="PIP_REQUIRE_HASHES and PIP_NO_REQUIRE_HASHES exclude each other"):
        read(tmp_path, "r.txt", PIP_NO_REQUIRE_HASHES="1", PIP_REQUIRE_HASHES="1")


def test_build_constraints_are_for_builds_and_constraints_are_not(tmp_path: Path) -> None:
    write(tmp_path / "c.txt", "six<1")
    write(tmp_path / "b.txt", "setuptools<70")
    request = read(tmp_path, PIP_CONSTRAINT="c.txt", PIP_BUILD_CONSTRAINT="b.txt", PIP_NO_BINARY="x", PIP_PRE="1")
    builds = request.for_builds()
    assert (limits(request), limits(builds)) == (["six<1"], ["setuptools<70"])
    assert (builds.formats, builds.releases) == (request.formats, request.releases)
    assert not builds.require_hashes
    write(tmp_path / "b.txt", "--pre\nsetuptools<70")
    with pytest.raises(RequirementsError, match="more in it than constraints"):
        read(tmp_path, PIP_BUILD_CONSTRAINT="b.txt")


@pytest.mark.parametrize("name", sorted(UNHEEDED))
def test_what_cannot_be_heeded_is_said(tmp_path: Path, name: str) -> None:
    variable = f"PIP_{name.upper().replace('-', '_')}"
    (warning,) = read(tmp_path, **{variable: "1"}).warnings
    assert warning.startswith(f"{variable} is not heeded: ")


def test_settings_about_pip_itself_are_not_spoken_of(tmp_path: Path) -> None:
    request = read(tmp_path, PIP_NO_CACHE_DIR="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_USER="1", PIP_ONLY_DEPS="0")
    assert (request.warnings, request.pip_settings) == ((), ())


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PIP_PRE", "perhaps"),
        ("PIP_UPLOADED_PRIOR_TO", "yesterday"),
        ("PIP_CONFIG_SETTINGS", "key"),
        ("PIP_NO_DEPS", "2"),
    ],
)
def test_values_that_are_none(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=rf"{variable}: '{value}' is not accepted"):
        read(tmp_path, **{variable: value})
