"""Texts that others wrote, in what is shown: they reach no terminal raw, whatever shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from front_doors import Desk
from kit.archives import make_project, make_sdist, make_wheel
from kit.nightly import first_and_at_night

pytestmark = pytest.mark.slow

#: Clears the screen, sets the window's title, moves the cursor, turns the direction of what follows.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b1A\u202eexe\u2066"
TOML = HOSTILE.replace("\x1b", "\\u001b").replace("\x07", "\\u0007").replace("\x9b", "\\u009b")


def requirement_in_metadata(desk: Desk) -> Sequence[str]:
    assert desk.server is not None
    make_wheel(desk.server.directory, "odd", requires=[f"other {HOSTILE}"])
    return ["odd"]


def requirement_to_build(desk: Desk) -> Sequence[str]:
    pyproject = f'[build-system]\nrequires = ["other {TOML}"]\nbuild-backend = "x"\n'
    make_project(desk.directory / "mine", "mine", pyproject=pyproject)
    return ["./mine"]


def name_of_a_backend(desk: Desk) -> Sequence[str]:
    pyproject = f'[build-system]\nrequires = []\nbuild-backend = "x{TOML}"\n'
    make_project(desk.directory / "mine", "mine", pyproject=pyproject)
    return ["./mine"]


def answer_of_a_backend(desk: Desk) -> Sequence[str]:
    code = f"def build_wheel(*_, **__):\n    return {HOSTILE!r} + '.whl'\n"
    make_sdist(desk.server.directory, "odd", backend_code=code)
    return ["odd"]


def output_of_a_backend(desk: Desk) -> Sequence[str]:
    code = f"def build_wheel(*_, **__):\n    print({HOSTILE!r})\n    raise SystemExit({HOSTILE!r})\n"
    make_sdist(desk.server.directory, "odd", backend_code=code)
    return ["odd"]


def address(desk: Desk) -> Sequence[str]:
    return [desk.write("requirements.txt", f"odd @ http://127.0.0.1:1/{HOSTILE}/odd-1.0-py3-none-any.whl\n")]


def yanked(desk: Desk) -> Sequence[str]:
    wheel = make_wheel(desk.server.directory, "odd")
    desk.server.yanked[wheel.name] = f"why {HOSTILE}"
    desk.server.catalogue.yanked = desk.server.yanked
    return ["odd==1.0"]


CASES = [requirement_in_metadata, answer_of_a_backend, yanked]
CASES += [requirement_to_build, name_of_a_backend, output_of_a_backend, address]


@pytest.mark.parametrize(
    ("case", "door"), first_and_at_night(*((case, door) for door in ("fastenv", "pytest") for case in CASES), by_day=5)
)
def test_texts_from_elsewhere_cannot_steer_a_terminal(
    case: Callable[[Desk], Sequence[str]], door: str, seeded: Desk
) -> None:
    outcome = seeded.ask(door, *case(seeded))
    assert outcome.code == (0 if case is yanked else outcome.code)
    assert "Traceback" not in outcome.output
    assert "exe" in outcome.output or case is output_of_a_backend
    assert [letter for letter in outcome.output if not letter.isprintable() and letter not in "\n\t"] == []
