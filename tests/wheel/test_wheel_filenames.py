from __future__ import annotations

import pytest

from pytest_fastenv.wheel.filenames import ProjectFiles, normalized, parse_filename


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("Flask_Login-0.6.3-py3-none-any.whl", ("flask-login", "0.6.3")),
        ("a-1.0-1-py3-none-any.whl", ("a", "1.0")),
        ("a-1.0.post1-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", ("a", "1.0.post1")),
        ("torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl", ("torch", "2.13.0+cpu")),
        ("a-b-1.0.tar.gz", ("a-b", "1.0")),
        ("zope.interface-5.0.0.zip", ("zope-interface", "5.0.0")),
        ("a-1.0-py3-none.whl", None),
        ("a-1.0.win32-py2.4.exe", None),
        ("a-1.0-py2.7.egg", None),
        ("a-1.0.linux-x86_64.tar.gz", None),
        ("a.tar.gz", None),
    ],
)
def test_a_file_name_says_project_and_version(filename: str, expected: tuple[str, str] | None) -> None:
    assert parse_filename(filename) == expected


@pytest.mark.parametrize(
    ("project", "filename", "expected"),
    [
        ("a-b", "A.B-1.0.0-py3-none-any.whl", ("1.0.0", None)),
        ("a-b", "a__b-1.tar.gz", ("1", None)),
        ("a", "a-b-1.0.tar.gz", (None, "implausible")),
        ("a", "b-1.0.tar.gz", (None, "foreign")),
        ("a", "ab-1.0.tar.gz", (None, "foreign")),
        ("a", "b-1.0-py3-none-any.whl", (None, "foreign")),
        ("a", "a-1.0rc1-py3-none-any.whl", ("1.0rc1", None)),
        ("a", "a-old_version-py3-none-any.whl", (None, "implausible")),
        ("a", "b-a-1.0-py3-none-any.whl", (None, "implausible")),
        ("a", "a-1.0.win32.exe", (None, "implausible")),
        ("a", "a-01.0-0.tar.gz", ("1.0.post0", None)),
    ],
)
def test_a_file_on_a_project_s_page(project: str, filename: str, expected: tuple[str | None, str | None]) -> None:
    assert ProjectFiles(project).version(filename) == expected


def test_normalized_names() -> None:
    assert normalized("A__b.-C") == "a-b-c"
