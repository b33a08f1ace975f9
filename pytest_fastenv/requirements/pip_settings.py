"""What pip's own settings say about requirements: variables and configuration files, as ``pip install`` takes them.

They are the weakest place: options in requirements files come on top, as they do on pip's defaults. What pip's settings
say about indexes is read by `pytest_fastenv.index.config`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Protocol

from pytest_fastenv.errors import UsageError, option
from pytest_fastenv.index.pip_config import PipValue, pip_layers
from pytest_fastenv.model.request import Request, Wanted, config_settings, uploaded_before
from pytest_fastenv.requirements.collection import Collection
from pytest_fastenv.requirements.excerpt import Excerpt

_FLAGS = ("pre", "prefer-binary", "require-hashes", "no-require-hashes", "ignore-requires-python")
_ADDING_UP = ("no-binary", "only-binary", "all-releases", "only-final")
_SOURCE = "name it as a source instead"
_SETUP_PY = "it is meant for setup.py commands: use PIP_CONFIG_SETTINGS for what a build backend understands"
_TARGET = f"an environment is for the interpreter of {option('python')}"
#: What would change what is installed if it had a say, and why it has none.
UNHEEDED: Mapping[str, str] = {
    "requirement": _SOURCE,
    "requirements-from-script": _SOURCE,
    "editable": _SOURCE,
    "group": "name it as a source instead: group:NAME",
    "only-deps": "name what is to be installed in a requirements file",
    "no-build-isolation": "builds are isolated from each other and from this environment",
    "global-option": _SETUP_PY,
    "build-option": _SETUP_PY,
    "install-option": _SETUP_PY,
    "use-deprecated": "it switches on parts of pip, which does not run here",
    "python": _TARGET,
    "python-version": _TARGET,
    "implementation": _TARGET,
    "abi": _TARGET,
    "platform": _TARGET,
}


class ReadConstraints(Protocol):
    """Reads a file of constraints."""

    def __call__(self, file: str, at: Excerpt, *, for_builds: bool) -> None:
        """Read it.

        :param at: where it is named.
        """


class PipSettings:
    """pip's settings, read once for one request.

    :raises UsageError: a file is no ini file, or a value is not accepted.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._layers = pip_layers(environ)
        self._strongest = {name: value for layer in self._layers for name, value in layer.items()}
        self._heeded: list[PipValue] = []

    def apply(self, collection: Collection, read: ReadConstraints) -> None:
        """Put into a collection what they say, before anything else is read.

        :raises RequirementsError: a constraints file cannot be read.
        """
        self._apply_rules(collection)
        for name in ("constraint", "build-constraint"):
            for value in self._heed(name):
                for file in value.words():
                    read(file, Excerpt.of(file, value.source), for_builds=name == "build-constraint")

    def _apply_rules(self, collection: Collection) -> None:
        for rule in _FLAGS:
            if self._flag(rule):
                collection.apply(rule)
        for rule in _ADDING_UP:
            for value in self._heed_all(rule):
                collection.apply(rule, value.text)
        if collection.require_hashes and not collection.hashes_imply:
            both = f"{self._strongest['require-hashes'].source} and {self._strongest['no-require-hashes'].source}"
            raise UsageError(f"{both} exclude each other", hint="unset one of them")
        for value in self._heed("uploaded-prior-to"):
            collection.uploaded_prior_to = value.text.strip()
            try:
                uploaded_before(collection.uploaded_prior_to)
            except ValueError:
                why = "expected a date (2026-01-31, 2026-01-31T12:00:00Z) or a number of days (P3D)"
                raise UsageError(f"{value.source}: {value.text!r} is not accepted", why=why) from None

    def finish(self, request: Request, named_in: Container[str]) -> Request:
        """Return a request with what holds for its requirements one by one, and with what the user is told of all this.

        :param named_in: places of requirements that stand in no file: config settings are for them alone, as for pip.
        """
        settings = self._config_settings()
        no_deps = self._flag("no-deps")

        def finished(wanted: Wanted) -> Wanted:
            own = wanted.config_settings or (settings if wanted.location.file in named_in else ())
            return replace(wanted, config_settings=own, no_deps=no_deps)

        unheeded = [name for name in UNHEEDED if name in self._strongest and self._says_something(name)]
        return replace(
            request,
            wanted=tuple(map(finished, request.wanted)) if settings or no_deps else request.wanted,
            pip_settings=tuple(dict.fromkeys(value.source for value in self._heeded)),
            warnings=(
                *request.warnings,
                *(f"{self._strongest[n].source} is not heeded: {UNHEEDED[n]}" for n in unheeded),
            ),
        )

    def _config_settings(self) -> tuple[tuple[str, str | tuple[str, ...]], ...]:
        pairs: dict[str, str | list[str]] = {}
        for value in self._heed_all("config-settings"):
            key, equals, text = value.text.strip().partition("=")
            if not equals or not key:
                raise UsageError(f"{value.source}: {value.text!r} is not accepted", why="expected KEY=VALUE")
            earlier = pairs.get(key)
            if earlier is None:
                pairs[key] = text
            else:
                pairs[key] = [*([earlier] if isinstance(earlier, str) else earlier), text]
        return config_settings(pairs)

    def _heed(self, name: str) -> list[PipValue]:
        """Return the value of an option of which the strongest place counts alone."""
        found = [self._strongest[name]] if name in self._strongest else []
        self._heeded += found
        return found

    def _heed_all(self, name: str) -> list[PipValue]:
        """Return the values of an option that adds up over its places, the weakest first."""
        found = [layer[name] for layer in self._layers if name in layer]
        self._heeded += found
        return found

    def _flag(self, name: str) -> bool:
        if name not in self._strongest or not self._strongest[name].flag():
            return False
        self._heeded.append(self._strongest[name])
        return True

    def _says_something(self, name: str) -> bool:
        return name != "only-deps" or self._strongest[name].flag()
