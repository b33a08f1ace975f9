"""What a run has open is bounded by its permits, not by its plan; the limit is raised for the installer alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from front_doors import DOORS, Desk
from kit.archives import make_sdist, make_wheel
from kit.nightly import first_and_at_night

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="ulimit")]


def limited(desk: Desk, options: str, count: int, words: list[str]) -> list[str]:
    return ["sh", "-uc", f'ulimit {options} "$1"; shift; exec "$@"', "sh", str(count), *words]


@pytest.mark.parametrize(
    ("wheels", "sources", "descriptors"), first_and_at_night((100, 4, 80), (150, 30, 80), (1000, 20, 128))
)
def test_a_large_plan_with_few_descriptors(seeded: Desk, wheels: int, sources: int, descriptors: int) -> None:
    assert seeded.server is not None
    names = [f"lib-{number}" for number in range(wheels)]
    for name in names:
        make_wheel(seeded.server.directory, name)
    built = [f"source-{number}" for number in range(sources)]
    for number, name in enumerate(built):  # half of them have to be asked what they need; two build environments
        make_sdist(seeded.server.directory, name, static=number % 2 == 0, build_requires=["good"] * (number % 2))
    seeded.timeout_s = 900.0
    seeded.write("requirements.txt", "\n".join([*names, *built]))
    said = seeded.run(limited(seeded, "-n", descriptors, seeded.words("fastenv", "requirements.txt"))).is_fine()
    assert f"{wheels + sources} distributions ({wheels} fetched, {sources} built)" in said
    # What is there and was changed is made anew, all of it at once.
    for module in seeded.made.glob("lib/*/site-packages/lib_*/__init__.py"):
        module.write_text("changed = 1\n")
    again = limited(
        seeded, "-n", descriptors, [*seeded.words("fastenv", "requirements.txt", "good"), "--link=hardlink"]
    )
    seeded.run(again).is_fine()


LOOK = "import resource; limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]"


@pytest.mark.parametrize("door", DOORS)
def test_programs_get_the_limit_that_the_user_set(seeded: Desk, door: str, tmp_path: Path) -> None:
    """Build backends, tests and commands: programs that use ``select`` break with descriptors above 1023."""
    assert seeded.server is not None
    seen = tmp_path / "seen"
    make_sdist(seeded.server.directory, "built", backend_code=f"{LOOK}; open({str(seen)!r}, 'a').write(f'{{limit}} ')")
    seeded.write("test_suite.py", f"def test_it():\n    {LOOK}\n    assert limit == 200\n")
    words = seeded.words(door, "built")
    if door == "fastenv":
        words = [words[0], "run", "built", "--", "python", "-c", f"{LOOK}; assert limit == 200"]
    seeded.run(limited(seeded, "-Sn", 200, words)).is_fine()
    assert set(seen.read_text().split()) == {"200"}


def test_commands_that_run_beside_the_installer_do_too(seeded: Desk) -> None:
    seeded.write(
        "pyproject.toml",
        "[tool.fastenv]\nproject = 'none'\n"
        + "".join(
            f"[tool.fastenv.envs.e{n}]\nrequirements = ['good']\n"
            f"commands = [['python', '-c', '{LOOK}; assert limit == 200']]\n"
            for n in range(3)
        ),
    )
    fastenv = os.path.join(os.path.dirname(sys.executable), "fastenv")
    words = [fastenv, "run", "-e", "all", "-j", "3"]
    seeded.run(limited(seeded, "-Sn", 200, words)).is_fine()
