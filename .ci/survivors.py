"""Compare the mutants that survived with those that ``tests/mutation/survivors.md`` explains.

``python .ci/survivors.py RESULTS`` reads what ``mutmut results --all true`` printed. A mutant is known by its function
and by the change itself, since its number moves with every edit of the function.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_LINE = re.compile(r"\s*(?P<name>\S+__mutmut_\d+): (?P<outcome>.+)")


def change(mutant: str) -> str:
    """Return a mutant as one line: function, what stood there, and what stands there instead."""
    command = [sys.executable, "-m", "mutmut", "show", mutant]
    diff = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    old, new = (
        " ".join(" ".join(line[1:].split()) for line in diff if line.startswith(sign) and not line.startswith(sign * 3))
        for sign in "-+"
    )
    function = re.sub(r"\.x_|ǁ", ".", mutant.partition("__mutmut_")[0]).replace("..", ".")
    return f"`{function}`: `{old}` -> `{new}`"


def main(results: str) -> int:
    """Print figures and the survivors that are not explained; return 1 where nothing was killed."""
    found = [match for line in Path(results).read_text(encoding="utf-8").splitlines() if (match := _LINE.match(line))]
    figures = Counter(match["outcome"] for match in found)
    print(", ".join(f"{count} {outcome}" for outcome, count in figures.most_common()) or "no mutant was tried")
    survivors = [change(match["name"]) for match in found if match["outcome"] in {"survived", "no tests"}]
    explained = (_ROOT / "tests" / "mutation" / "survivors.md").read_text(encoding="utf-8")
    unknown = sorted(one for one in survivors if one not in explained)
    print(*(f"- {one}" for one in unknown), f"{len(survivors)} survivors, {len(unknown)} not explained", sep="\n")
    return 0 if figures["killed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
