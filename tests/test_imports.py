"""No module of the package imports itself through others, not even inside of functions.

Functions import for the sake of start-up time only. What is imported for annotations alone (`TYPE_CHECKING`) does not
count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest_fastenv

PACKAGE = Path(pytest_fastenv.__file__).parent


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the full names that a module imports from the package: of modules, and of what is in them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE.name):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imported(node)


def test_no_circles() -> None:
    sources = {
        ".".join((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }
    graph = {
        module: {
            name if name in sources else name.rpartition(".")[0]
            for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        }
        for module, path in sources.items()
    }
    assert len(graph) > 250
    assert sum(map(len, graph.values())) > 1000
    assert list(TopologicalSorter(graph).static_order())  # a circle is an error that shows it
