"""The options of the command, from the table of options."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_fastenv.settings.layers import Layer, Loaded, command_line, load, variables
from pytest_fastenv.settings.options import OPTIONS, of_door
from pytest_fastenv.settings.tables import tables
from pytest_fastenv.settings.values import current_directory

if TYPE_CHECKING:
    from pytest_fastenv.settings.options import Door


def add_options(parser: argparse.ArgumentParser, door: Door) -> None:
    """Add the options that one of the commands has; `read_settings` finds them."""
    for option in of_door(door):
        text = option.help[0].lower() + option.help[1:]
        if option.is_flag:
            parser.add_argument(option.flag, dest=option.field, action="store_true", help=text)
        else:
            action = "append" if option.is_list else "store"
            parser.add_argument(option.flag, dest=option.field, action=action, metavar=option.metavar, help=text)
    parser.set_defaults(door=door)


def read_settings(given: argparse.Namespace, defaults: Layer, environment: Layer | None = None) -> Loaded:
    """Combine what the command was given with variables and with the tables of the directory it is run in.

    :param defaults: what this command takes where nothing is said.
    :param environment: what an environment by name sets, over the project's table.
    :raises UsageError: a value is not accepted.
    """
    here = current_directory()
    options = {option.field: getattr(given, option.field) for option in of_door(given.door)}
    return load(
        defaults, tables(here), environment or {}, variables(os.environ), command_line(options, given.door, here)
    )


def advice_on(words: Sequence[str], door: Door) -> str:
    """Say what to write instead of words that the command does not know; empty where nothing is known of them."""
    told = (_instead(word.partition("=")[0], door) for word in words)
    return "; ".join(dict.fromkeys(filter(None, told)))


def _instead(word: str, door: Door) -> str:
    takes_sources = door in ("create", "run")
    if takes_sources and (word in ("--fastenv", "--requirement") or re.match("-r", word)):
        return f"name the file itself, without {word if word.startswith('--') else '-r'}"
    if takes_sources and word in ("-e", "--editable"):
        return (
            f"name the directory itself, without {word}; --project editable installs the one here so that it is edited"
        )
    option = next((option for option in OPTIONS if option.key and word in (option.flag, option.pytest_flag)), None)
    if option is None:
        return ""
    if door in option.doors:
        return f"write {option.flag}"
    if "pytest" in option.doors and (takes_sources or not option.variable):
        return f"{word} means something to pytest only, as {option.pytest_flag}"
    return f"that is set by the variable {option.variable}" if option.variable else ""
