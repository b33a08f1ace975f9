"""Legacy namespace packages: ``__init__.py`` files that several distributions bring, each in its own spelling.

https://packaging.python.org/en/latest/guides/packaging-namespace-packages/#legacy-namespace-packages
"""

from __future__ import annotations

_CALLS = frozenset({"extend_path", "declare_namespace"})
_MODULES = frozenset({"pkgutil", "pkg_resources"})
_LARGEST_BYTES = 16384


def is_namespace(content: bytes) -> bool:
    """Tell whether a module does nothing but declare its package a namespace, or nothing at all.

    Which of several such files a package has makes no difference where all its parts lie in one directory.
    """
    import ast  # only where two distributions overlap

    if len(content) > _LARGEST_BYTES:
        return False
    try:
        module = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False

    def is_harmless(statement: ast.stmt) -> bool:
        match statement:
            case ast.Expr(ast.Constant()) | ast.Pass():
                return True
            case ast.Expr(ast.Call() as call) | ast.Assign([ast.Name("__path__")], ast.Call() as call):
                return _called(call) in _CALLS
            case ast.Import(names):
                return all(alias.name in _MODULES for alias in names)
            case ast.ImportFrom(source, _):
                return source in _MODULES or source == "__future__"
            case ast.Try(body, handlers, orelse, finalbody):
                caught = [inner for handler in handlers for inner in handler.body]
                return all(map(is_harmless, [*body, *caught, *orelse, *finalbody]))
        return False

    def _called(call: ast.Call) -> str:
        match call.func:
            case ast.Attribute(_, name) | ast.Name(name):
                return name
        return ""

    return all(map(is_harmless, module.body))
