"""The ways to get there, by name: what each tool is told to do in a round, and how long that takes."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.first_test.needs import RELEASES, Needs
from benchmarks.settling import settle
from benchmarks.tools import Programs, bare_variables

_TAIL_LINES = 25


@dataclass(frozen=True, slots=True)
class Bench:
    """Where it is measured.

    :ivar work: on the file system that is measured.
    :ivar far_url: the same index over a slow link.
    """

    needs: Needs
    programs: Programs
    work: Path
    index_url: str
    far_url: str

    @property
    def suite(self) -> Path:
        """The suite's directory."""
        return self.work / "suite"

    def file(self, name: str, text: str) -> Path:
        """Return a requirements file, written when it is first asked for."""
        path = self.work / f"{name}.txt"
        if not path.exists() or path.read_text(encoding="ascii") != text:
            path.write_text(text, encoding="ascii")
        return path

    @property
    def requirements(self) -> Path:
        """The requirements of the environment: in the suite's directory, where people have them."""
        return self.file("suite/requirements", self.needs.text(RELEASES[0]))


@dataclass(frozen=True, slots=True)
class Turn:
    """One way in one round.

    :ivar place: a directory of its own, which does not exist yet.
    """

    bench: Bench
    place: Path

    def ours(self, *words: object, cache: str = "", url: str = "", **variables: str) -> float:
        """Return the seconds that a command of this project takes.

        :param cache: ``filled`` for the one of all rounds, else a new one.
        """
        environ = {
            "FASTENV_INDEX_URL": url or self.bench.index_url,
            "FASTENV_CACHE_DIR": str(self._cache("fastenv", cache)),
            "PIP_CONFIG_FILE": "/dev/null",
            **variables,
        }
        return self._timed([list(words)], environ)

    def ours_until_test(self, *words: object, cache: str = "", test: str = "test_first.py", **variables: str) -> float:
        """Return the seconds until the first test has passed."""
        return self._until_test(lambda **log: self.ours(*words, test, cache=cache, **variables, **log))

    def uvs(
        self,
        environment: Path,
        *,
        cache: str = "",
        url: str = "",
        link: str = "",
        requirements: Path | None = None,
        then: Sequence[object] = (),
        **variables: str,
    ) -> float:
        """Return the seconds that uv takes to make an environment, and to run something in it where that is given."""
        uv, python = self.bench.programs.uv, environment / "bin" / "python"
        environ = {
            "UV_DEFAULT_INDEX": url or self.bench.index_url,
            "UV_CACHE_DIR": str(self._cache("uv", cache)),
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            **variables,
        }
        options = ["--link-mode", link] if link else []
        asked = requirements or self.bench.requirements
        commands: list[Sequence[object]] = [
            [uv, "venv", "-q", "--python", self.bench.programs.python, environment],
            [uv, "pip", "install", "-q", *options, "--python", python, "-r", asked],
        ]
        return self._timed([*commands, *([[python, "-m", "pytest", "-q", *then]] if then else [])], environ)

    def uvs_until_test(self, *, cache: str = "", link: str = "") -> float:
        """Return the seconds until the first test has passed in an environment that uv has made."""
        environment = self.place / "environment"
        return self._until_test(
            lambda **log: self.uvs(environment, cache=cache, link=link, then=["test_first.py"], **log)
        )

    def plain_until_test(self, environment: Path) -> float:
        """Return the seconds until the small test has passed, by pytest in an environment that is there."""
        command = [environment / "bin" / "python", "-m", "pytest", "-q", "test_small.py"]
        return self._until_test(lambda **log: self._timed([command], log))

    def timed(self, *words: object, **variables: str) -> float:
        """Return the seconds of any command."""
        return self._timed([words], variables)

    def _cache(self, tool: str, cache: str) -> Path:
        return self.bench.work / "caches" / tool if cache == "filled" else self.place / "cache"

    def _until_test(self, run: Callable[..., float]) -> float:
        self.place.mkdir(parents=True, exist_ok=True)
        log = self.place / "first-test"
        begun_ns = time.monotonic_ns()
        run(SUITE_LOG=str(log))
        return (int(log.read_text(encoding="ascii")) - begun_ns) / 1e9

    def _timed(self, commands: Sequence[Sequence[object]], variables: Mapping[str, str]) -> float:
        self.place.mkdir(parents=True, exist_ok=True)
        begun = time.perf_counter()
        for words in commands:
            command = list(map(str, words))
            ran = subprocess.run(
                command, cwd=self.bench.suite, env={**bare_variables(), **variables}, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            if ran.returncode:
                told = (ran.stdout + ran.stderr).splitlines()[-_TAIL_LINES:]
                raise BenchmarkError("\n".join([f"{shlex.join(command)} failed:", *told]))
        return time.perf_counter() - begun


Way = Callable[[Turn], float]


def _pytest(turn: Turn, *options: object) -> list[object]:
    program = turn.bench.programs.fastenv.with_name("pytest")
    return [program, "-q", "-p", "no:cacheprovider", "--fastenv", turn.bench.requirements, *options]


def _create(turn: Turn, name: str, *options: object) -> list[object]:
    return [turn.bench.programs.fastenv, "create", "-q", *options, turn.bench.requirements, turn.place / name]


def _changed(turn: Turn) -> float:
    """Take the time of an environment in which one requirement has another release, beside the one that stands."""
    asked = turn.place / "changing.txt"
    turn.place.mkdir(parents=True)
    options = ["-q", "--dir", turn.place / "environments"]
    words = [turn.bench.programs.fastenv, "run", *options, asked, "--", "python", "-c", ""]
    for release in RELEASES:
        asked.write_text(turn.bench.needs.text(release), encoding="ascii")
        seconds = turn.ours(*words, cache="filled")
    return seconds


def _grown(count: int) -> Way:
    def take(turn: Turn) -> float:
        asked = turn.bench.file(f"growing-{count}", turn.bench.needs.growing(count))
        return turn.ours(turn.bench.programs.fastenv, "create", "-q", asked, turn.place / "new", cache="filled")

    return take


def _grown_by_uv(count: int) -> Way:
    def take(turn: Turn) -> float:
        asked = turn.bench.file(f"growing-{count}", turn.bench.needs.growing(count))
        return turn.uvs(turn.place / "new", cache="filled", requirements=asked)

    return take


def _resolved(turn: Turn) -> float:
    asked = turn.bench.file("roots", "".join(f"{line}\n" for line in turn.bench.needs.roots))
    output = turn.place / "pylock.toml"
    return turn.ours(turn.bench.programs.fastenv, "lock", "-q", "--upgrade", asked, "-o", output, cache="filled")


def _resolved_by_uv(turn: Turn) -> float:
    asked = turn.bench.file("roots", "".join(f"{line}\n" for line in turn.bench.needs.roots))
    environ = {
        "UV_DEFAULT_INDEX": turn.bench.index_url,
        "UV_CACHE_DIR": str(turn.bench.work / "caches" / "uv"),
        "UV_NO_CONFIG": "1",
    }
    options = ["-q", "--refresh", "--generate-hashes", "--python", turn.bench.programs.python]
    command = [turn.bench.programs.uv, "pip", "compile", *options, asked, "-o", turn.place / "locked.txt"]
    return turn.timed(*command, **environ)


def _run_command(turn: Turn) -> float:
    words = [turn.bench.programs.fastenv, "run", "-q", turn.bench.requirements, "--", "python", "-m", "pytest", "-q"]
    return turn.ours_until_test(*words, cache="filled", test="test_small.py")


def ways(needs: Needs) -> dict[str, Way]:
    """Return all ways by name, in the order of a round."""
    return {
        "cold": lambda t: t.ours(*_create(t, "new")),
        "uv cold": lambda t: t.uvs(t.place / "new"),
        "cold far": lambda t: t.ours(*_create(t, "new"), url=t.bench.far_url),
        "uv cold far": lambda t: t.uvs(t.place / "new", url=t.bench.far_url),
        "cold test": lambda t: t.ours_until_test(*_pytest(t)),
        "uv cold test": lambda t: t.uvs_until_test(),
        "warm": lambda t: t.ours(*_create(t, "new"), cache="filled"),
        "uv warm": lambda t: t.uvs(t.place / "new", cache="filled"),
        "warm symlink": lambda t: t.ours(*_create(t, "new", "--link", "symlink"), cache="filled"),
        "warm test": lambda t: t.ours_until_test(*_pytest(t, "--fastenv-dir", t.place / "new"), cache="filled"),
        "uv warm test": lambda t: t.uvs_until_test(cache="filled"),
        "warm test symlink": lambda t: t.ours_until_test(
            *_pytest(t, "--fastenv-dir", t.place / "new", "--fastenv-link", "symlink"), cache="filled"
        ),
        "uv warm test symlink": lambda t: t.uvs_until_test(cache="filled", link="symlink"),
        "unchanged test": lambda t: t.ours_until_test(*_pytest(t), cache="filled", test="test_small.py"),
        "unchanged run": _run_command,
        "plain test": lambda t: t.plain_until_test(t.bench.work / "standing"),
        "changed": _changed,
        "lock": _resolved,
        "uv lock": _resolved_by_uv,
        **{f"grown {count}": _grown(count) for count in needs.growth},
        **{f"uv grown {count}": _grown_by_uv(count) for count in needs.growth},
    }


def prepare(bench: Bench, tell: Callable[[str], None]) -> None:
    """Fill the caches as somebody has them who has run all this before, and make what stands already.

    :raises BenchmarkError: something failed.
    """
    bench.needs.write_suite(bench.suite)
    turn = Turn(bench, bench.work / "preparing")
    tell("filling caches")
    turn.uvs(bench.work / "standing", cache="filled")
    turn.plain_until_test(bench.work / "standing")
    for _ in range(2):
        turn.ours_until_test(*_pytest(turn), cache="filled")
        turn.ours_until_test(*_pytest(turn, "--fastenv-link", "symlink"), cache="filled")
        _run_command(turn)
        settle(bench.work / "caches" / "fastenv")
    for link in ("auto", "symlink"):
        turn.ours(*_create(turn, link, "--link", link), cache="filled")
    for name, way in ways(bench.needs).items():
        if name.startswith(("lock", "uv lock", "grown", "uv grown")):
            way(Turn(bench, bench.work / f"preparing-{name.replace(' ', '-')}"))
