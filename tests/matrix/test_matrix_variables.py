"""What pass-env lets through, and what set-env says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import NamedEnvironment
from pytest_fastenv.matrix.substitutions import VALUES
from pytest_fastenv.matrix.variables import ALWAYS_PASSED, SetVariables, passed
from pytest_fastenv.settings.layers import Origin


def _set(texts: Mapping[str, str], environ: Mapping[str, str], root: Path = Path()) -> dict[str, str]:
    named = NamedEnvironment("x", {}, Origin("x", "/p/fastenv.toml"), "x", ("x",), set_env=texts)
    return SetVariables(named, environ, {name: f"<{name}>" for name in VALUES}, root=root, posargs=["a"]).all()


def test_all_variables_pass_unless_some_are_named() -> None:
    environ = {"SECRET": "1", "PATH": "/bin", "LC_ALL": "C", "HTTP_PROXY": "p", "MY_A": "a", "my_b": "b"}
    assert passed(environ, None) == environ
    assert set(passed(environ, ())) == {"PATH", "LC_ALL", "HTTP_PROXY"}
    assert set(passed(environ, ("MY_*",))) == {"PATH", "LC_ALL", "HTTP_PROXY", "MY_A", "my_b"}
    assert set(passed(environ, ("*",))) == set(environ)


def test_placeholders_see_what_is_set_and_what_is_outside() -> None:
    environ = {"PATH": "/bin", "OUT": "outside", "A": "other"}
    texts = {"B": "{env:A}-{env_name}", "A": "a {env:OUT} {posargs}", "PATH": "{env:PATH}:/x", "C": "{env:NONE:c}"}
    found = {"A": "a outside a", "B": "a outside a-<env_name>", "PATH": "/bin:/x", "C": "c"}
    assert _set(texts, environ) == found


def test_variables_that_need_each_other() -> None:
    with pytest.raises(UsageError, match="A -> B -> A") as raised:
        _set({"A": "{env:B}", "B": "{env:A}"}, {})
    assert raised.value.where == "/p/fastenv.toml (set-env of environment x)"


def test_a_file_of_variables(tmp_path: Path) -> None:
    (tmp_path / "x.env").write_text("# said\n\nexport A = 1\nB='{ b }'\nC=\nD=over\n")
    found = {"A": "1", "B": "{ b }", "C": "", "D": "1-d"}
    assert _set({"file": "{env:WHICH}.env", "D": "{env:A}-d"}, {"WHICH": "x"}, tmp_path) == found


@pytest.mark.parametrize(("content", "told"), [(None, "cannot be read"), (b"\xff", "cannot be read"), (b"A\n", ":1")])
def test_a_file_that_cannot_be_read(content: bytes | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "x.env").write_bytes(content)
    with pytest.raises(UsageError) as raised:
        _set({"file": "x.env"}, {}, tmp_path)
    assert told in raised.value.diagnosis()


def test_the_page_lists_what_is_always_passed() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "placeholders.md"
    listed = page.read_text("utf-8").partition("So do always:")[2]
    assert set(re.findall(r"`([^`]+)`", listed)) == set(ALWAYS_PASSED)
    for name, others in VALUES.items():
        assert all(f"`{{{one}}}`" in page.read_text("utf-8") for one in (name, *others))
