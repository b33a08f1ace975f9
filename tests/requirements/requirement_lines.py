"""Makes requirements files: lines as people write them, and lines with a slip in them; the same ones for a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

SHA = "0123456789abcdef" * 4
_NAMES = ("six", "Zope.Interface", "a", "A-b_c.d", "typing_extensions", "x1", "proj", "alpha")
_EXTRAS = ("", "", "", "[x]", "[x,y]", "[ x , Y_z ]", "[]", "[x.y-z]")
_VERSIONS = ("1", "1.0", "2.0.0", "1.0rc1", "1.0.post1", "1!2.0", "1.0.dev3", "1.0+local.1", "v3", "1.0-1", "2024.1.1")
_OPERATORS = ("==", ">=", "<=", "<", ">", "!=", "~=", "===")
_MARKERS = (
    "python_version > '3'",
    'python_version<"3.8"',
    "sys_platform == 'win32' and python_version >= '3'",
    "(os_name=='nt' or os_name=='posix')",
    "extra == 'x'",
    "'linux' in sys_platform",
    "platform_machine not in 'x86_64 arm64'",
    "implementation_name == 'cpython'",
)
_ADDRESSES = (
    "https://h.invalid/p/six-1.0.tar.gz",
    "http://h.invalid/six-1.0-py3-none-any.whl",
    "https://u:p@h.invalid/six.zip?x=1",
    "https://h.invalid/archive/v1.0.zip",
    "file:./dist/alpha-1.0-py3-none-any.whl",
    "git+https://h.invalid/o/r.git",
    "git+https://h.invalid/o/r@v1.0",
    "git+ssh://git@h.invalid/o/r.git",
    "https://h.invalid/o/r.git",
)
_PATHS = (
    "./proj",
    "proj/",
    "./dist/alpha-1.0-py3-none-any.whl",
    "dist/src-2.0.tar.gz",
    "./with space",
    "./nothing",
    "nothing-1.0.tar.gz",
    ".",
)
_FRAGMENTS = (
    "",
    "",
    "",
    "#egg=six",
    "#subdirectory=sub/dir",
    f"#sha256={SHA}",
    "#egg=six&subdirectory=sub",
    "#subdirectory=../x",
)
_OPTIONS = (
    "--no-binary six",
    "--no-binary=:all:",
    "--no-binary :none:",
    "--only-binary=:all:",
    "--only-binary six,A_b",
    "--prefer-binary",
    "--pre",
    "--require-hashes",
    "-i https://i.invalid/simple",
    "--index-url=https://i.invalid/simple/",
    "--extra-index-url https://e.invalid/simple",
    "-f https://l.invalid/links.html",
    "--find-links dist",
    "--no-index",
    "--trusted-host h.invalid",
    "--no-index -f dist",
    "-r nested.txt",
    "-c constraints.txt",
    "-rnested.txt",
    "--requirement=nested.txt",
    "-e ./proj",
    "-e proj",
    "--editable=./proj",
    "-e ./proj[x]",
    "-e git+https://h.invalid/o/r#egg=six",
    "-e git+https://h.invalid/o/r",
    "-i nowhere",
    "--all-releases six --only-final=:all:",
    "--no-require-hashes",
    "--pre and more words",
    "six==1.0 --no-index",
)
_SLIPS = " \t\"'#;,=<>!~@[]()-+:/\\$&|^%.0a"


def lines(seed: int, count: int) -> Iterator[str]:
    """Yield single lines; every third one has a slip."""
    chance = random.Random(seed)
    for number in range(count):
        line = _line(chance)
        yield _slipped(line, chance) if number % 3 == 2 else line


def files(seed: int, count: int) -> Iterator[str]:
    """Yield files of some lines: with comments, continuations, blank lines, other line ends."""
    chance = random.Random(seed)
    for _ in range(count):
        parts: list[str] = []
        for _ in range(chance.randint(2, 6)):
            line = _line(chance)
            change: Callable[[str], str] = chance.choice(
                (str, str, _commented, _continued, _indented, lambda text: f"\n{text}\n", lambda text: f"# {text}")
            )
            parts.append(change(line))
        yield chance.choice(("\n", "\n", "\r\n")).join(parts) + chance.choice(("", "\n"))


def _line(chance: random.Random) -> str:
    kind = chance.randrange(10)
    if kind == 0:
        return chance.choice(_OPTIONS)
    if kind == 1:
        return f"{chance.choice(_PATHS)}{chance.choice(_EXTRAS)}{_marker(chance, ' ; ')}"
    if kind == 2:
        return f"{chance.choice(_ADDRESSES)}{chance.choice(_FRAGMENTS)}{_marker(chance, ' ; ')}"
    if kind == 3:
        name = chance.choice(_NAMES) + chance.choice(_EXTRAS)
        return f"{name}{chance.choice((' @ ', '@', ' @'))}{chance.choice(_ADDRESSES)}{_marker(chance, ' ; ')}"
    if kind == 4:
        hashes = "".join(f" {_hash(chance)}" for _ in range(chance.randint(1, 2)))
        return f"{chance.choice(_NAMES)}=={chance.choice(_VERSIONS)}{hashes}"
    marker = _marker(chance, chance.choice((";", " ; ", "; ")))
    return f"{chance.choice(_NAMES)}{chance.choice(_EXTRAS)}{_specifier(chance)}{marker}"


def _specifier(chance: random.Random) -> str:
    space = chance.choice(("", "", " "))
    parts = []
    for _ in range(chance.randrange(3)):
        operator, version = chance.choice(_OPERATORS), chance.choice(_VERSIONS)
        if operator in {"==", "!="} and chance.random() < 0.2:
            version = "1.*"
        parts.append(f"{operator}{space}{version}")
    text = chance.choice((",", ", ", " , ")).join(parts)
    if text and chance.random() < 0.1:
        return f" ({text})"
    return f"{space}{text}"


def _marker(chance: random.Random, separator: str) -> str:
    return f"{separator}{chance.choice(_MARKERS)}" if chance.random() < 0.3 else ""


def _hash(chance: random.Random) -> str:
    algorithm, digest = chance.choice((("sha256", SHA), ("sha256", SHA[::-1]), ("sha512", SHA * 2)))
    return f"--hash{chance.choice(('=', ' '))}{algorithm}:{digest}"


def _slipped(line: str, chance: random.Random) -> str:
    at = chance.randrange(len(line) + 1)
    kind = chance.randrange(4)
    if kind == 0:
        return line[:at] + chance.choice(_SLIPS) + line[at:]
    if kind == 1:
        return line[:at] + line[at + 1 :]
    if kind == 2:
        return line[:at] + line[at : at + 1] * 2 + line[at + 1 :]
    return line[:at] + chance.choice(_SLIPS) + line[at + 1 :]


def _commented(line: str) -> str:
    return f"{line}  # why it is here"


def _continued(line: str) -> str:
    head, space, tail = line.partition(" ")
    return f"{head} \\\n  {tail}" if space else line


def _indented(line: str) -> str:
    return f"  {line}\t"
