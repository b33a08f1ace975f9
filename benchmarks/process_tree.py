"""Run a command and write the peak memory of all its processes together, as JSON. Linux only, standard library only.

    python process_tree.py OUTPUT COMMAND...

Every few milliseconds the proportional set sizes (PSS: a page that n processes map counts a n-th for each) of the
command, its children and theirs are added up; ``pss_bytes`` is the largest sum that was seen. Pages of files that are
written but not mapped belong to the system's page cache and do not count. This process adopts orphans, so that a
process cannot leave the sum by outliving its parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections import defaultdict

_INTERVAL_S = 0.02
_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the command and return its exit code."""
    output, *command = sys.argv[1:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pss, rss, processes, samples = 0, 0, 0, 0
    with subprocess.Popen(command) as child:
        while child.poll() is None:
            sizes = [_sizes(pid) for pid in _descendants(os.getpid())]
            pss = max(pss, sum(one for one, _ in sizes))
            rss = max(rss, sum(two for _, two in sizes))
            processes, samples = max(processes, len(sizes)), samples + 1
            time.sleep(_INTERVAL_S)
    with open(output, "w", encoding="ascii") as file:
        json.dump({"pss_bytes": pss, "rss_bytes": rss, "processes": processes, "samples": samples}, file)
    return child.returncode


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    parent = file.read().rpartition(")")[2].split()[1]
            except OSError:  # it has ended
                continue
            children[int(parent)].append(int(name))
    found: list[int] = []
    waiting = [root]
    while waiting:
        new = children[waiting.pop()]
        found += new
        waiting += new
    return found


def _sizes(pid: int) -> tuple[int, int]:
    """Return proportional and resident set size in bytes; zeros for a process that has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as file:
            lines = dict(line.split(":", 1) for line in file.read().splitlines()[1:])
    except OSError:
        return 0, 0
    return tuple(int(lines[name].split()[0]) * 1024 for name in ("Pss", "Rss"))  # type: ignore[return-value]


if __name__ == "__main__":
    sys.exit(main())
