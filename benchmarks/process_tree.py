"""Run a command and write the peak memory of all its processes together, as JSON. Linux only, standard library only.

    python process_tree.py OUTPUT COMMAND...

Every few milliseconds the proportional set sizes (PSS: a page that n processes map counts a n-th for each) of the
command, its children and theirs are added up; ``pss_bytes`` is the largest sum that was seen. Pages of files that are
written but not mapped belong to the system's page cache and do not count; ``programs`` splits the largest sum by the
names of programs. ``without_compiler_bytes`` is the largest sum of all programs but those of a C compiler: what that
takes is its own and the source's matter, and its peak may fall on another moment. This process adopts orphans, so that
a process cannot leave the sum by outliving its parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict

_INTERVAL_S = 0.02
#: Driver, compiler, assembler and linker; the kernel keeps 15 characters of a name.
_COMPILER = ("cc", "cc1", "cc1plus", "gcc", "g++", "c++", "x86_64-linux-gn", "as", "collect2", "ld", "lto1", "clang")
_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the command and return its exit code."""
    output, *command = sys.argv[1:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    peak: Counter[str] = Counter()
    without_compiler, processes, samples = 0, 0, 0
    with subprocess.Popen(command) as child:
        while child.poll() is None:
            sizes: Counter[str] = Counter()
            running = _descendants(os.getpid())
            for pid, program in running:
                sizes[program] += _pss_bytes(pid)
            peak = max(peak, sizes, key=Counter.total)
            without_compiler = max(without_compiler, sizes.total() - sum(sizes[program] for program in _COMPILER))
            processes, samples = max(processes, len(running)), samples + 1
            time.sleep(_INTERVAL_S)  # memory is sampled
    seen = {
        "pss_bytes": peak.total(),
        "without_compiler_bytes": without_compiler,
        "programs": dict(peak.most_common()),
        "processes": processes,
        "samples": samples,
    }
    with open(output, "w", encoding="ascii") as file:
        json.dump(seen, file)
    return child.returncode


def _descendants(root: int) -> list[tuple[int, str]]:
    """Return process identifier and program name of the children of a process, and of theirs."""
    children: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    words, _, numbers = file.read().rpartition(")")
            except OSError:  # it has ended
                continue
            children[int(numbers.split()[1])].append((int(name), words.partition("(")[2]))
    found: list[tuple[int, str]] = []
    waiting = [root]
    while waiting:
        new = children[waiting.pop()]
        found += new
        waiting += [pid for pid, _ in new]
    return found


def _pss_bytes(pid: int) -> int:
    """Return the proportional set size; zero for a process that has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:")), 0)
    except OSError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
