"""Runs of a project's tests in clean environments: this project beside tox, tox with uv, nox and hatch."""
