"""What is handed from outside to inside."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_fastenv.runtime.session import VARIABLE, Handed, current, encode, is_worker, settle
from pytest_fastenv.runtime.summary import Summary


def test_what_is_handed_arrives() -> None:
    handed = Handed(sys.prefix, Summary(distributions=3, age_s=1.5), 7, ("python", "-m", "pytest"), ("/there",))
    assert current({VARIABLE: encode(handed)}) == handed
    assert current({VARIABLE: encode(Handed(sys.prefix))}) == Handed(sys.prefix)


def test_another_interpreter_is_not_inside(tmp_path: Path) -> None:
    assert current({VARIABLE: encode(Handed(str(tmp_path)))}) is None


def test_the_prefix_may_be_written_in_another_way(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(sys.prefix)
    assert current({VARIABLE: encode(Handed(str(link)))}) is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '"x"', "{}", '{"prefix": "/", "outside": 1}'])
def test_nonsense_is_not_inside(text: str) -> None:
    assert current({VARIABLE: text}) is None
    assert current({}) is None


def test_what_the_session_starts_sees_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/first"])
    reading, writing = os.pipe()
    try:
        os.set_inheritable(writing, True)
        handed = Handed(sys.prefix, Summary(distributions=3), writing, ("python",), ("/there", "/first"))
        environ = {VARIABLE: encode(handed)}
        settle(handed, environ)
        assert current(environ) == Handed(sys.prefix, None, None, ("python",), ("/there", "/first"))
        assert not os.get_inheritable(writing)
        assert sys.path == ["/first", "/there"]
    finally:
        os.close(reading)
        os.close(writing)


def test_lease_that_is_closed_already() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    settle(Handed(sys.prefix, Summary(), writing), {})


def test_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["-c"])
    assert is_worker({"PYTEST_XDIST_WORKER": "gw0"})
    assert not is_worker({})
    assert not is_worker({"PYTEST_XDIST_WORKER": "gw0", "PYTEST_CURRENT_TEST": "x"}), "started by a test in a worker"
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert not is_worker({"PYTEST_XDIST_WORKER": "gw0"})
