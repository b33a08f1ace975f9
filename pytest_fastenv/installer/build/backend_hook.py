"""Call one hook of a build backend in this process, and write what it returns into a file.

Part of `backend_server`: standard library only, Python 3.8 and newer. Interface between frontends and backends:
https://packaging.python.org/en/latest/specifications/pyproject-toml/ and PEP 517, PEP 660.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import traceback
from typing import Any


def run(request: dict[str, Any], audit: Any) -> int:
    """Call the hook and return this process's exit status; the result file is there only when it is 0.

    :param audit: notices what the hook reads (`backend_audit`).
    """
    for lock in request["locks"]:
        os.set_inheritable(lock, False)  # held by this process, but not by programs it starts
    os.environ.update(request["environ"])
    tempfile.tempdir = None
    os.chdir(request["cwd"])
    sys.argv = ["build-backend"]
    audit.begin()
    try:
        result = _call(request)
    except SystemExit as leaving:  # a hook that leaves has returned nothing, with status 0 too
        if isinstance(leaving.code, int) or leaving.code is None:
            return leaving.code or 1
        sys.stderr.write(f"{leaving.code}\n")
        return 1
    except BaseException:  # noqa: BLE001 - everything that a backend raises belongs into its log
        traceback.print_exc()
        return 1
    result["seen"] = audit.end()
    with open(request["result"], "w", encoding="utf-8") as file:
        json.dump(result, file)
    return 0


def _call(request: dict[str, Any]) -> dict[str, Any]:
    name, _, attributes = request["backend"].partition(":")
    inside = [os.path.realpath(path) for path in request["backend_path"]]
    sys.path[:0] = inside
    try:
        backend: Any = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            return {"unavailable": str(error)}
        raise
    origin = os.path.realpath(getattr(backend, "__file__", None) or "")
    if inside and not any(origin.startswith(path + os.sep) for path in inside):
        return {"unavailable": f"{name} was found at {origin}, which is not below backend-path"}
    try:
        for attribute in filter(None, attributes.split(".")):
            backend = getattr(backend, attribute)
    except AttributeError as error:
        return {"unavailable": str(error)}
    hook = getattr(backend, request["hook"], None)
    if hook is None:
        return {"missing": request["hook"]}
    try:
        return {"return": hook(*request["arguments"])}
    except getattr(backend, "UnsupportedOperation", ()) as error:
        traceback.print_exc()
        return {"unsupported": str(error)}
