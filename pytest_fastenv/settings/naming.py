"""Options in the words of the person who reads about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_fastenv.errors import PLACE, THE_REQUEST, FastenvError, error_from_json
from pytest_fastenv.settings.layers import Origin, flag_of
from pytest_fastenv.settings.options import OPTIONS

if TYPE_CHECKING:
    from pytest_fastenv.errors import Naming as Wording
    from pytest_fastenv.settings.options import Door

#: What the words of a command are, that stand for no option.
_POSITIONAL: Mapping[Door, str] = {
    "create": "sources",
    "run": "sources",
    "find": "python",
    "list": "python",
    "install": "python",
}


@dataclass(frozen=True, slots=True)
class Naming:
    """Names options for one door: where they were given, else as they can be given there.

    A naming for `pytest_fastenv.errors.FastenvError.diagnosis`.

    :ivar origins: where settings were given, by their names.
    """

    door: Door
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def __call__(self, name: str, value: str = "") -> str:
        """Return what an option is called, how a value is given to it, or where it was given (`PLACE`).

        :param name: the setting's name in `pytest_fastenv.settings.values.Settings`.
        """
        option = next((option for option in OPTIONS if option.field == name), None)
        if option is None:  # a text from elsewhere with control characters in it
            return f"{name}={value}" if value else name
        given = self.origins.get(name)
        if value == PLACE:
            return (given and given.file and given.where) or THE_REQUEST
        if given is not None and not (value and given.is_command):
            origin = given
        elif _POSITIONAL.get(self.door) == name:
            return value or option.metavar
        elif self.door in option.doors:
            origin = Origin(flag_of(option, self.door))
        else:
            # A setting without a variable has a key; a test sees to that.
            origin = Origin(option.variable or option.table_key)
        return origin.set_to(value, option) if value else str(origin)


@contextmanager
def errors_named(naming: Wording) -> Iterator[None]:
    """Write the options in a block's errors down, where those who show them do not know what was given where."""
    try:
        yield
    except FastenvError as error:
        raise error_from_json(error.to_json(naming)) from error
