"""Thousands of mutations of requirement lines and files: refused with a diagnosis, or read as pip reads them."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest
from kit.mutations import COUNT, bounded, mutated, seeds
from pip_comparison import compared, read, read_by_pip
from requirement_lines import SHA, files, lines

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.request import Request

pytestmark = pytest.mark.slow

_PIECES = (
    *(
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\\\n",
        "\\",
        "\x0b",
        "\x0c",
        "\x85",
        "\u2028",
        "\ufeff",
        "\xa0",
        "ä",
        "\0",
        " #",
        "#",
        ";",
        " ; ",
    ),
    *(
        "[",
        "]",
        "(",
        ")",
        "@",
        " @ ",
        "://",
        "..",
        "/",
        "'",
        '"',
        "==",
        ">=",
        ",",
        "*",
        "!",
        "$",
        "${X}",
        "--",
        "-r ",
        "-e ",
        "-c",
    ),
    *(
        "--hash=sha256:",
        f" --hash=sha256:{SHA}",
        " --no-deps",
        "extra == 'x'",
        "python_version",
        " and ",
        " or ",
        "not in",
        "%20",
        "&",
    ),
)

#: What both accept and read in two ways, by the line, with the reason. Who refuses what is compared elsewhere, for
#: lines as people write them (`test_requirements_like_pip`): what only one of both refuses is read in one way.
OTHERWISE = {
    r"^[^#]*&(egg|subdirectory)=": "pip finds a fragment's parts where there is no fragment",
    r"#.*#": "for pip a second # is a part of the fragment, and no comment",
    r"file:[^/]": "pip looks for some of these in the root directory",
    r"\xa0": "for pip it is a part of a word",
    r"git\+.*\.whl": "pip names a repository after a wheel that its address seems to be",
    r"://[^\n]*(;\S|; *(#|\n|$))": "for pip a ; belongs to a URL unless a space and a marker stand behind it",
    r"@[^\n]*://[^\n]*\[": "extras behind a URL count beside those of the name, for pip in their place",
    r"\?(#|\s|$)": "pip drops empty queries",
    r"-binary.*,": "pip keeps empty names",
}


@pytest.mark.parametrize("seed", seeds())
def test_mutated_requirements_are_refused_or_read_as_by_pip(seed: int, tmp_path: Path, base: Path) -> None:
    chance, counts = random.Random(seed), Counter[str]()
    (tmp_path / "nested.txt").write_text("nested==1\n")
    (tmp_path / "constraints.txt").write_text("limit<2\n")
    cases = []
    originals = [*lines(seed + 1, COUNT * 4 // 5), *files(seed + 1, COUNT // 5)]
    for number, text in enumerate(originals):
        cases.append(tmp_path / f"{number}.txt")
        cases[-1].write_bytes(mutated(chance, text, _PIECES).encode("utf-8", "surrogatepass"))
    differences = []
    with bounded() as begin:
        for path, pip in zip(cases, read_by_pip(cases, base), strict=True):
            text = path.read_bytes().decode("utf-8", "replace")
            begin()
            try:
                ours: Request | RequirementsError = read(path, base)
            except RequirementsError as error:
                ours = error
            except BaseException as error:
                raise AssertionError(f"seed {seed}: {text!r}") from error
            if isinstance(ours, RequirementsError) or "error" in pip:
                counts["refused"] += 1
                continue
            verdict = compared(text, ours, pip, base)
            counts[verdict.partition(":")[0]] += 1
            if verdict != "read alike" and not any(re.search(pattern, text) for pattern in OTHERWISE):
                differences.append(f"{text!r}\n    {verdict}")
    assert not differences, f"{len(differences)} of {len(cases)}:\n" + "\n".join(differences[:60])
    assert counts["read alike"] > COUNT // 10
    assert counts["refused"] > COUNT // 3
