"""Print facts about the running interpreter as one line of JSON; run as a program of its own, never imported.

Standard library only, in the syntax of Python 3.6, so that an interpreter that is too old can still say so. It is
started with ``-I -S``: without ``site`` nothing of the user's is run, and the prefixes and `sysconfig` describe the
base interpreter even when the program that was started lies in a virtual environment.
"""

import json
import os
import platform
import re
import struct
import subprocess
import sys
import sysconfig
from typing import Any, Dict, List, Optional, Sequence

MARK = "fastenv-facts:"
ROOT = os.sep + "fastenv-root"


def full_version(info: Sequence[Any]) -> str:
    """Return a version with its pre-release part, as PEP 508 defines ``implementation_version``."""
    major, minor, micro, level, serial = info[:5]
    text = f"{major}.{minor}.{micro}"
    return text if level == "final" else "{}{}{}".format(text, {"candidate": "rc"}.get(level, level[0]), serial)


def markers() -> Dict[str, str]:
    """Return the marker environment (PEP 508); a local build's ``+`` is made a version (PEP 440)."""
    python_full_version = platform.python_version()
    if python_full_version.endswith("+"):
        python_full_version += "local"
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": full_version(sys.implementation.version),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": python_full_version,
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


def schemes() -> Dict[str, str]:
    """Return install locations relative to a virtual environment's root.

    The ``venv`` scheme where the interpreter has one: distributions change the default scheme, but not that one.
    Headers of a virtual environment lie in a directory of their own, because ``include`` may be the base's.
    """
    fallback = "nt" if os.name == "nt" else "posix_prefix"
    scheme = "venv" if "venv" in sysconfig.get_scheme_names() else fallback
    places = ("base", "platbase", "installed_base", "installed_platbase")
    paths = sysconfig.get_paths(scheme, vars=dict.fromkeys(places, ROOT))
    found = {}
    for name in ("purelib", "platlib", "scripts", "data"):
        found[name] = os.path.relpath(paths[name], ROOT).replace(os.sep, "/")
    found["headers"] = "include/site/python{}.{}".format(*sys.version_info[:2])
    return found


def elf_header(path: str) -> Optional[Dict[str, Any]]:
    """Return class, machine, flags and the loader's path of an ELF file, or None."""
    try:
        with open(path, "rb") as stream:
            ident = stream.read(16)
            if ident[:4] != b"\x7fELF":
                return None
            wide = bytearray(ident)[4] == 2
            order = "<" if bytearray(ident)[5] == 1 else ">"
            layout = order + ("HHIQQQIHHH" if wide else "HHIIIIIHHH")
            fields = struct.unpack(layout, stream.read(struct.calcsize(layout)))
            machine, offset, flags, size, count = fields[1], fields[4], fields[6], fields[8], fields[9]
            loader = ""
            for index in range(count):
                stream.seek(offset + index * size)
                layout = order + ("IIQQQQQQ" if wide else "IIIIIIII")
                segment = struct.unpack(layout, stream.read(struct.calcsize(layout)))
                if segment[0] == 3:  # PT_INTERP
                    begin, length = (segment[2], segment[5]) if wide else (segment[1], segment[4])
                    stream.seek(begin)
                    loader = os.fsdecode(stream.read(length)).strip("\0")
            return {"bits": 64 if wide else 32, "machine": machine, "flags": flags, "loader": loader}
    except (OSError, struct.error):
        return None


def libc(loader: str) -> Optional[str]:
    """Return ``glibc 2.36``, ``musl 1.2`` or None: what manylinux (PEP 600) and musllinux (PEP 656) tags depend on."""
    if "musl" in loader:
        process = subprocess.Popen([loader], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        answer = process.communicate()[1].decode("ascii", "replace")
        found = re.search(r"^Version (\d+\.\d+)", answer, re.MULTILINE)
        return "musl " + found.group(1) if found else None
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        return None
    return name or None


def manylinux_policy(version: str, arch: str) -> Optional[List[int]]:
    """Return the glibc versions (minor) that a distributor's ``_manylinux`` module refuses (PEP 600), or None."""
    try:
        import _manylinux  # type: ignore[import-not-found]
    except ImportError:
        return None
    decide = getattr(_manylinux, "manylinux_compatible", None)
    refused = []
    for minor in range(int(version.split(".")[1]), 4, -1):
        answer = decide(2, minor, arch) if decide else None
        if decide is None:  # the older names, one per PEP (513, 571, 599)
            older = {5: "manylinux1_compatible", 12: "manylinux2010_compatible", 17: "manylinux2014_compatible"}
            answer = getattr(_manylinux, older.get(minor, ""), None)
        if answer is not None and not answer:
            refused.append(minor)
    return refused


def base_executable() -> str:
    """Return the interpreter that a virtual environment was made from, else the running one."""
    here = os.path.dirname(sys.executable)
    for folder in (here, os.path.dirname(here)):
        try:
            with open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8") as stream:
                pairs = [line.partition("=") for line in stream]
        except OSError:
            continue
        config = {key.strip().lower(): value.strip() for key, _, value in pairs}
        home, ending = config.get("home", ""), ".exe" if os.name == "nt" else ""
        candidates = [getattr(sys, "_base_executable", None), config.get("base-executable"), config.get("executable")]
        same = os.path.basename(sys.executable)[: -len(ending) or None]
        names = ("python{}.{}".format(*sys.version_info[:2]), same, "python3", "python")
        candidates += [os.path.join(home, name + ending) for name in names]
        for candidate in candidates:
            if candidate and os.path.isfile(candidate) and os.path.abspath(candidate) != sys.executable:
                return candidate
    return sys.executable


def facts() -> Dict[str, Any]:
    """Return everything that is asked of an interpreter."""
    header = elf_header(os.path.realpath(sys.executable)) if sys.platform.startswith("linux") else None
    library = libc(header["loader"] if header else "") if sys.platform.startswith("linux") else None
    refused = None
    if library and library.startswith("glibc"):
        refused = manylinux_policy(library.split()[1], sysconfig.get_platform().split("-")[-1])
    return {
        "executable": sys.executable,
        "base_executable": base_executable(),
        "implementation": sys.implementation.name,
        "build": sys.version,
        "version": full_version(sys.version_info),
        "soabi": sysconfig.get_config_var("SOABI") or "",
        "ext_suffix": sysconfig.get_config_var("EXT_SUFFIX") or "",
        "version_nodot": str(sysconfig.get_config_var("py_version_nodot") or "{}{}".format(*sys.version_info[:2])),
        "platform": sysconfig.get_platform(),
        "bits": struct.calcsize("P") * 8,
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "debug": bool(sysconfig.get_config_var("Py_DEBUG")) or hasattr(sys, "gettotalrefcount"),
        "elf": header,
        "libc": library,
        "refused_manylinux": refused,
        "macos": list(platform.mac_ver()[::2]) if sys.platform == "darwin" else None,
        "markers": markers(),
        "schemes": schemes(),
    }


def main() -> None:
    """Print the facts; of an interpreter that is too old, its version only."""
    if sys.version_info < (3, 8):
        found = {"version": full_version(sys.version_info), "executable": sys.executable}
    else:
        found = facts()
    sys.stdout.write(f"\n{MARK}{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
