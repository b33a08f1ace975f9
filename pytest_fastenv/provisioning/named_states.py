"""What became of environments by name, as the session inside reads it (`pytest_fastenv.runtime.named_environments`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_fastenv.environment.places import Ready
from pytest_fastenv.errors import FastenvError, InterpreterNotFoundError, Naming, argument
from pytest_fastenv.matrix.declaration import NamedEnvironment
from pytest_fastenv.matrix.variables import NAME_VARIABLE, SetVariables, pattern_of, placeholder_values
from pytest_fastenv.runtime.environment import Environment


def state_of(
    named: NamedEnvironment,
    result: Ready | FastenvError,
    *,
    root: Path,
    environ: Mapping[str, str],
    same_as: str = "",
    naming: Naming = argument,
) -> dict[str, Any]:
    """Return the state of an environment, as JSON can hold it.

    :param result: the environment, or why it cannot be had.
    :param root: the project's directory.
    :param environ: the variables outside.
    :param same_as: another one that is the same.
    :param naming: how options are called in the error.
    """
    if isinstance(result, Ready):
        try:
            variables, temporary = set_variables(named, result.environment, root, environ)
        except FastenvError as error:
            result = error
    if isinstance(result, InterpreterNotFoundError) and named.allow_missing_python:
        return {"skipped": result.what}
    if isinstance(result, FastenvError):
        return {"error": result.to_json(naming), "allow_failure": named.allow_failure}
    return {
        "environment": result.environment.to_json(),
        "summary": result.summary.to_json(),
        "set_env": variables,
        "passes": "" if named.pass_env is None else pattern_of(named.pass_env),
        "allow_failure": named.allow_failure,
        "same_as": same_as,
        "temporary": temporary,
    }


def set_variables(
    named: NamedEnvironment, environment: Environment, root: Path, environ: Mapping[str, str]
) -> tuple[dict[str, str], str]:
    """Return the variables that an environment's ``set-env`` sets for tests, and the directory made for them, if any.

    :raises UsageError: a placeholder is not known.
    """
    made: list[str] = []

    def temporary() -> str:
        if not made:
            import tempfile  # few environments ask for it

            made.append(tempfile.mkdtemp(prefix=f"fastenv-{named.name[:40]}-"))
        return made[0]

    values = placeholder_values(named, environment, root, temporary)
    variables = SetVariables(named, environ, values, root=root).all()
    return {**variables, NAME_VARIABLE: named.name}, made[0] if made else ""
