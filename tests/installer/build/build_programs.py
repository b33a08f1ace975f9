"""Build one source distribution, or a tree, in a process of its own: ``build_programs.py STORE SDIST``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from build_bench import sdist, surroundings, tree  # noqa: E402

from pytest_fastenv.filesystem.source_digest import source_digest  # noqa: E402


async def main(root: str, archive: str) -> None:
    async with surroundings(Path(root)) as around:
        path = Path(archive)
        source = tree(path, source_digest(path)) if path.is_dir() else sdist(path)
        wheel = await around.builder.build(source, "demo", "1.0")
        print(
            json.dumps(
                {
                    "provenance": wheel.provenance,
                    "sha256": wheel.sha256,
                    "builds": len(around.spans("build", "build_wheel")),
                }
            )
        )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
