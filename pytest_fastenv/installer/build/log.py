"""The log of a build, and what is shown of it when the build fails."""

from __future__ import annotations

import re
import signal

from pytest_fastenv.errors import option

LIMIT_BYTES = 16 * 1024 * 1024
"""Where a log's middle is left out; its beginning and its end are kept."""

_SHOWN_LINES = 20
_SHOWN_COLUMNS = 400
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MISSING_MODULE = re.compile(r"^(?:ModuleNotFoundError|ImportError): No module named ['\"]?([\w.]+)", re.MULTILINE)
_MISSING_HEADER = re.compile(r"fatal error: '?([\w./+-]+\.h(?:pp)?)'?(?:: No such file| file not found)")
_MISSING_PROGRAM = re.compile(r"error: (?:command|linker) ['`]?([\w.+-]+)['`]? (?:failed: No such file|not found)")


def last_lines(output: str, count: int = _SHOWN_LINES) -> str:
    """Return the last lines of a hook's output, without control sequences, for a diagnosis."""
    lines = [_CONTROL.sub("", line.rpartition("\r")[2]).rstrip()[:_SHOWN_COLUMNS] for line in _lines(output)]
    return "\n".join([line for line in lines if line][-count:])


def _lines(output: str) -> list[str]:
    return output.replace("\r\n", "\n").split("\n")


def describe_status(status: int) -> str:
    """Say how a process ended: ``exited with status 3``, ``was ended by signal 11 (SIGSEGV)``."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was ended by signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"was ended by signal {-status}"


def hint_from(output: str) -> str | None:
    """Return the next step that a hook's last output suggests, or ``None``."""
    found = _MISSING_MODULE.findall(output)
    if found:
        return (
            f"the build imports {found[-1]}, which its build-system.requires does not bring: "
            "use a wheel or another release, or add it there if the project is yours"
        )
    header = _MISSING_HEADER.search(output)
    if header:
        return f"a header is missing ({header[1]}): install the system package that has it, or use a wheel"
    if "No space left on device" in output:
        return f"make room on the disk, or set {option('cache_dir')} to a directory on another one"
    program = _MISSING_PROGRAM.search(output)
    if program:
        return f"{program[1]} is not installed: install a compiler, or use a wheel"
    return None
