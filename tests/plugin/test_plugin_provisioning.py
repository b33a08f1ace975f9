"""What surrounds the engine while it works within pytest."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings

import pytest

from pytest_fastenv.plugin.provisioning import Terminated, termination, undisturbed

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def test_filters_for_tests_do_not_reach_the_engine(pytestconfig: pytest.Config) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with undisturbed(pytestconfig):
            warnings.warn("of a library", DeprecationWarning, stacklevel=1)
        with pytest.raises(DeprecationWarning):
            warnings.warn("of a library", DeprecationWarning, stacklevel=1)


def test_engine_is_not_rewritten(pytestconfig: pytest.Config) -> None:
    before = list(sys.meta_path)
    hook: object = pytestconfig.pluginmanager.rewrite_hook
    assert hook in before
    with undisturbed(pytestconfig):
        assert hook not in sys.meta_path
        assert len(sys.meta_path) == len(before) - 1
    assert sys.meta_path == before


@posix
def test_termination_is_an_exception() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(Terminated), termination():
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


@posix
def test_handlers_of_others_are_left_alone() -> None:
    def mine(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with termination():
            assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_have_no_signals() -> None:
    entered: list[bool] = []

    def body() -> None:
        with termination():
            entered.append(True)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert entered
