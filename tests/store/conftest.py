from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_fastenv.store.store import Store

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(store: Store) -> Iterator[Start]:
    """Start one of the programs of ``store_programs.py`` on the store; what still runs at the end is killed."""
    program = Path(__file__).with_name("store_programs.py")
    with ExitStack() as stack:

        def begin(name: str, *arguments: object) -> subprocess.Popen[str]:
            command = [sys.executable, str(program), name, str(store.root), *map(str, arguments)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield begin
