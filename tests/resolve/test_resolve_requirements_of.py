"""Dependencies as metadata has them."""

from __future__ import annotations

import pytest
from resolve_world import make_target

from pytest_fastenv.errors import MetadataError
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.resolve.requirements_of import DependencyReader, Specifiers, url_hashes


def read(*lines: str, extra: str = "") -> list[str]:
    reader = DependencyReader(make_target())
    return [str(dependency) for dependency in reader.read(CoreMetadata("x", "1", lines), extra)]


LINES = (
    "A.b-C[Z,y] (>=1,<2)",
    "old; python_version < '3.9'",
    "new; python_version >= '3.9'",
    "test; extra == 'test'",
    "both; sys_platform == 'linux' and extra == 'Test'",
    "never; sys_platform == 'win32' and extra == 'test'",
    "either; python_version >= '3.9' or extra == 'test'",
    "loose; python_version >= '3.9' or sys_platform == 'win32' and extra == 'test'",
    "or-extra; (python_version < '3.9' or sys_platform == 'linux') and extra == 'test'",
)


def test_without_an_extra() -> None:
    assert read(*LINES) == ["a-b-c[y,z]<2,>=1", "new", "either", "loose"]


def test_what_an_extra_adds() -> None:
    assert read(*LINES, extra="test") == ["test", "both", "or-extra"]
    assert read(*LINES, extra="other") == []


def test_addresses() -> None:
    assert read("x @ https://example.invalid/x.whl#sha256=00 ; os_name == 'posix'") == [
        "x @ https://example.invalid/x.whl#sha256=00"
    ]
    assert url_hashes("https://example.invalid/x.whl#sha256=00&egg=x") == {"sha256": "00", "egg": "x"}


@pytest.mark.parametrize(
    "line", ["!! nothing", "x >=", "x; os_name =", "x; python_full_version > 'junk' and sys_platform in 3"]
)
def test_lines_that_cannot_be_read_are_named(line: str) -> None:
    with pytest.raises(MetadataError) as caught:
        read(line)
    assert line in caught.value.what


def test_markers_of_the_users_lines() -> None:
    reader = DependencyReader(make_target())
    assert reader.holds("python_version == '3.11'")
    assert not reader.holds("extra == 'x'")
    assert reader.holds("extra == 'x'", "x")
    with pytest.raises(MetadataError, match="cannot be read"):
        reader.holds("nonsense")


def test_specifiers_are_read_once() -> None:
    specifiers = Specifiers()
    assert specifiers.read(">=1") is specifiers.read(">=1")
    assert specifiers.read("nope") is None
