"""Thousands of mutations of requirement lines and files: refused with a diagnosis, or read as pip reads them."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from kit.mutations import COUNT, bounded, mutated, seeds
from pip_comparison import MORE_LENIENT, STRICTER, Known, compared, read, read_by_pip
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

_KNOWN = Known(
    stricter=STRICTER
    | {
        r"the file is not text": "pip reads NULs, and fails later",
        r"the backslash at the end of this comment": "pip takes the next line for a part of the comment",
        r"NO-BREAK SPACE": "pip takes it for a part of a word",
        r"no such option|could be --|needs a value": "pip takes words apart as shells do, and drops what is left over",
        r"\$\{X\} in it|the revision after @ is missing": "pip fails later",
        r"this marker cannot be read": "pip takes what stands behind ; without a space for a part of the URL",
        r"cannot be read: expected (comma|semicolon|matching RIGHT_BRACKET)": "pip has a copy of another packaging",
    },
    more_lenient=MORE_LENIENT
    | {
        r"\xa0": "packaging of another version, of which pip has a copy",
        r"#": "what stands there is a fragment, whatever it is; pip takes the whole for a name",
    },
    otherwise={
        r"^[^#]*&(egg|subdirectory)=": "pip finds a fragment's parts where there is no fragment",
        r"#.*#": "for pip a second # is a part of the fragment, and no comment",
        r"file:[^/]": "pip looks for some of these in the root directory",
        r"\xa0": "for pip it is a part of a word",
    },
)


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
            verdict = compared(text, ours, pip, base, _KNOWN)
            counts[verdict.partition(":")[0]] += 1
            if verdict.startswith("different"):
                differences.append(f"{text!r}\n    {verdict}")
    assert not differences, f"{len(differences)} of {len(cases)}:\n" + "\n".join(differences[:60])
    assert counts["read alike"] > COUNT // 10
    assert counts["refused by both"] > COUNT // 5
