"""The error of a search that found nothing. On the warm path."""

from __future__ import annotations

from pytest_fastenv.errors import InterpreterNotFoundError
from pytest_fastenv.store.store import Store


class NothingFitsError(InterpreterNotFoundError):
    """No interpreter of this machine fits a request.

    What there is instead is found out when the text is read for the first time: who downloads an interpreter instead
    need not wait until all that are here have been asked what they are.
    """

    def __init__(self, text: str, store: Store) -> None:
        self._store = store
        self._seen: tuple[str, str] | None = None
        super().__init__(
            f"no Python interpreter fits {text!r}",
            hint="install one, put it on PATH, or give its path",
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
            from pytest_fastenv.interpreter.search import looked  # imports python-discovery: for the message only

            self._seen = looked(self._store)
        return self._seen
