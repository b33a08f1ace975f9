"""The options of the command, from the table of options."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.settings.layers import Layer, Loaded, command_line, load, variables
from pytest_fastenv.settings.options import of_door
from pytest_fastenv.settings.tables import tables

if TYPE_CHECKING:
    from pytest_fastenv.settings.options import Door


def add_options(parser: argparse.ArgumentParser, door: Door) -> None:
    """Add the options that one of the commands has; `read_settings` finds them."""
    for option in of_door(door):
        text = option.help[0].lower() + option.help[1:]
        if option.is_flag:
            parser.add_argument(option.flag, dest=option.field, action="store_true", help=text)
        else:
            action = "append" if option.repeats else "store"
            parser.add_argument(option.flag, dest=option.field, action=action, metavar=option.metavar, help=text)
    parser.set_defaults(door=door)


def read_settings(given: argparse.Namespace, defaults: Layer) -> Loaded:
    """Combine what the command was given with variables and with the tables of the directory it is run in.

    :param defaults: what this command takes where nothing is said.
    :raises UsageError: a value is not accepted.
    """
    here = Path.cwd()
    options = {option.field: getattr(given, option.field) for option in of_door(given.door)}
    return load(defaults, tables(here), variables(os.environ), command_line(options, given.door, here))
