"""Compiling what sessions imported is a favour: nothing fails for it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pytest_fastenv.environment_copies.compilation import compile_imported
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.runtime.environment import Environment


def test_an_interpreter_that_does_not_start(tmp_path: Path, recorder: Recorder) -> None:
    own = tmp_path / ".fastenv"
    own.mkdir()
    (own / "imported").write_text("lib/module.py\n")
    schemes = {"scripts": "bin", "purelib": "lib", "platlib": "lib"}
    interpreter = {"version": "3.12.1", "short": "CPython 3.12.1", "identity": "", "schemes": schemes}
    environment = Environment.at(tmp_path, "", interpreter)
    asyncio.run(compile_imported(environment, 2, os.environ, recorder))
    assert not (own / "compiled").exists()
