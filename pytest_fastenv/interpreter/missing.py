"""The error of a search that found nothing. On the warm path."""

from __future__ import annotations

from collections.abc import Callable

from pytest_fastenv.errors import InterpreterNotFoundError


class NothingFitsError(InterpreterNotFoundError):
    """No interpreter of this machine fits a request.

    The interpreters that there are instead are looked up when the text is first read, since each of them may have to be
    started: a run that downloads an interpreter does not wait for that.

    :param text: the request.
    :param look: returns the places that were searched, and what is there.
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
        """The places that were searched."""
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
