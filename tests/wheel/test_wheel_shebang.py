"""How a script says which interpreter starts it, written and read."""

from __future__ import annotations

import pytest

from pytest_fastenv.wheel.shebang import Lead, read_shebang, shebang

PATHS = ["/env/bin/python", "/e n/bin/python", "/it's/bin/python", "/" + "long/" * 40 + "bin/python"]


@pytest.mark.parametrize("python", PATHS)
@pytest.mark.parametrize("options", [b"", b"-E", b"-X utf8 -B"])
def test_there_and_back(python: str, options: bytes) -> None:
    lead = shebang(python, options)
    assert read_shebang(lead + b"\nimport six\n", python) == Lead(python, options, len(lead))
    assert read_shebang(lead + b"\nimport six\n", "/other/bin/python") is None


def test_forms() -> None:
    assert shebang("/env/bin/python") == b"#!/env/bin/python"
    assert shebang("/e n/bin/python", b"-E") == b"#!/bin/sh\n'''exec' '/e n/bin/python' -E \"$0\" \"$@\"\n' '''"


@pytest.mark.parametrize(
    "content",
    [b"", b"import six", b"#!/env/bin/python3\n", b"#!/env/bin/pythonx -E\n", b"#!/bin/sh\nexec /env/bin/python\n"],
)
def test_what_is_none_of_these(content: bytes) -> None:
    assert read_shebang(content, "/env/bin/python") is None


def test_ends_of_lines() -> None:
    assert read_shebang(b"#!/env/bin/python\r\nimport six\r\n", "/env/bin/python") == Lead("/env/bin/python", b"", 17)
    assert read_shebang(b"#!/env/bin/python", "/env/bin/python") == Lead("/env/bin/python", b"", 17)
