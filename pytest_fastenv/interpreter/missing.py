"""The error of a search that found nothing. On the warm path."""

from __future__ import annotations

from collections.abc import Callable

from pytest_fastenv.errors import InterpreterNotFoundError


class NothingFitsError(InterpreterNotFoundError):
    """No interpreter of this machine fits a request.

    What there is instead is found out when the text is read for the first time: who downloads an interpreter instead
    need not wait until all that are here have been asked what they are.

    :param text: the request.
    :param look: finds out where was looked, and what is there.
    """

    def __init__(self, text: str, look: Callable[[], tuple[str, str]]) -> None:
        self._look = look
        self._seen: tuple[str, str] | None = None
        super().__init__(
            f"no Python interpreter fits {text!r}",
            hint="install one, put it on PATH, or give its path; 'fastenv python list' shows what can be downloaded",
        )

    @property
    def where(self) -> str:
        """The places that were looked at."""
        return self._looked()[0]

    @where.setter
    def where(self, value: str | None) -> None:
        """Leave it to be found out."""

    @property
    def why(self) -> str:
        """The interpreters that are there, and what could not be used."""
        return self._looked()[1]

    @why.setter
    def why(self, value: str | None) -> None:
        """Leave it to be found out."""

    def _looked(self) -> tuple[str, str]:
        if self._seen is None:
            self._seen = self._look()
        return self._seen
