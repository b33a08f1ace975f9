"""Read the metadata that a script carries in its comments (PEP 723)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.requirements.documents import Documents
from pytest_fastenv.requirements.excerpt import Excerpt
from pytest_fastenv.requirements.pyproject import PyProject, parse_toml

_BEGIN = "# /// script"
_END = "# ///"


@dataclass(frozen=True, slots=True)
class InlineMetadata:
    """What the ``script`` block says."""

    dependencies: tuple[Excerpt, ...]
    requires_python: str | None


def has_inline_metadata(content: bytes) -> bool:
    """Tell whether a file has a block of this kind."""
    return any(line.rstrip() == _BEGIN.encode() for line in content.splitlines())


def read_script(path: Path, name: str, documents: Documents) -> InlineMetadata:
    """Read the block of a script.

    :raises RequirementsError: there is none, or more than one, or it cannot be read.
    """
    try:
        text = documents.read(path).decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        raise RequirementsError(f"{name} is not UTF-8: {reason.reason}", where=name) from None
    except OSError as reason:
        raise RequirementsError(f"{name} cannot be read: {reason.strerror}", where=name) from None
    lines = text.splitlines()
    begin, end = _block(lines, name)
    block = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[begin:end])
    table = parse_toml(block, "the script block", name, first_line=begin + 1)
    items = table.get("dependencies", [])
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        what = "dependencies of the script block is not a list of strings"
        raise RequirementsError(what, where=name, hint='write dependencies = ["REQUIREMENT", ...]')
    script = PyProject(path, name, text, table)
    requires_python = table.get("requires-python")
    if requires_python is not None:
        try:
            SpecifierSet(requires_python)
        except (InvalidSpecifier, TypeError, AttributeError):
            raise script.excerpt(str(requires_python)).error("requires-python is no version specifier") from None
    return InlineMetadata(tuple(script.excerpt(item) for item in items), requires_python)


def _block(lines: list[str], name: str) -> tuple[int, int]:
    """Return the indices of the first line of the block's content and of the line that ends it."""
    begins = [index for index, line in enumerate(lines) if line.rstrip() == _BEGIN]
    if not begins:
        what = f"{name} has no inline metadata"
        raise RequirementsError(what, where=name, hint="PEP 723: comments between '# /// script' and '# ///'")
    if len(begins) > 1:
        numbers = ", ".join(str(index + 1) for index in begins)
        raise RequirementsError(f"{name} has several script blocks", where=name, why=f"they begin in lines {numbers}")
    # The last line that can end the block does: a comment of three slashes may be a part of its content.
    end = None
    for index in range(begins[0] + 1, len(lines)):
        line = lines[index]
        if not (line == "#" or line.startswith("# ")):
            break
        if line.rstrip() == _END:
            end = index
    if end is None:
        where = f"{name}:{begins[0] + 1}"
        raise RequirementsError("the script block is not ended", where=where, hint="end it with a line '# ///'")
    return begins[0] + 1, end
