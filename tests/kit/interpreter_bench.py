"""What the tests of downloaded interpreters share; also a program that installs one.

``python interpreter_bench.py STORE ARCHIVE URL [SHA256]`` tells on its standard output, line by line, what it begins
with, and what came of it.
"""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from kit.python_archives import sha256
from kit.server import IndexServer
from kit.tools import tools_of
from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.errors import FastenvError
from pytest_fastenv.index.retry import Clock
from pytest_fastenv.interpreter.installed import PYTHONS
from pytest_fastenv.interpreter_downloads.installation import install
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.model.events import Recorder, Span
from pytest_fastenv.model.target import Target
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store
from pytest_fastenv.tools import Tools

LIMITS = Limits()
VERSION = re.compile(r"cpython-([^+]+)\+")


def offer_of(archive: Path, url: str = "", digest: str = "") -> Offer:
    """Return the offer of an archive that lies on this machine, or at a URL."""
    match = VERSION.match(archive.name)
    version = match[1] if match else "3.12.1"
    url = url or archive.as_uri()
    return Offer("cpython", version, False, "linux", "x86_64", "gnu", archive.name, url, digest or sha256(archive))


@asynccontextmanager
async def tools(store: Store, limits: Limits = LIMITS) -> AsyncIterator[Tools]:
    """Give what interpreters are installed with."""
    settings = Settings(http_timeout_s=10.0, concurrent_downloads=8, concurrent_installs=2)
    clock = Clock(sleep=lambda _seconds: asyncio.sleep(0), jitter=lambda: 0.0)  # retries come at once
    async with tools_of(store, settings, {"HOME": "/nonexistent"}, clock, limits=limits) as given:
        yield given


def installing(store: Store, *offers: Offer, limits: Limits = LIMITS) -> Any:
    """Install interpreters at the same time; return the target, or all of them."""

    async def run() -> list[Target]:
        async with tools(store, limits) as given:
            return await asyncio.gather(*(install(offer, given) for offer in offers))

    targets = asyncio.run(run())
    return targets[0] if len(targets) == 1 else targets


def nothing_is_left(store: Store) -> bool:
    """Tell whether a store has no interpreter, whole or not, and no rubbish."""
    return not [path for place in (PYTHONS.directory, "tmp") for path in store.root.glob(f"{place}/*/*")]


def url_of(server: IndexServer, archive: Path) -> str:
    return f"{server.files_url}{archive.name}"


def says(python: str, code: str) -> str:
    command = [python, "-I", "-B", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def stages(recorder: Recorder) -> list[str]:
    return [str(span.args["stage"]) for span in recorder.spans if span.kind == "interpreter"]


def write_archive(path: Path, members: Iterable[tuple[str, bytes | str]], **fields: Any) -> Path:
    """Write a small archive: text in place of bytes is where a link leads to; what ends in a slash is a directory."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name.rstrip("/"))
            info.mode = 0o755 if name.startswith("python/bin/") else 0o644
            for field, value in fields.get(name, {}).items():
                setattr(info, field, value)
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) and content else None)
    return path


def altered(archive: Path, into: Path, change: Callable[[tarfile.TarInfo, bytes], bytes | None]) -> Path:
    """Write an archive again with other contents; a member for which nothing is returned is left out.

    It is not packed, which would take longer than all the rest: how one is packed is told by its bytes alone.
    """
    path = into / archive.name
    with tarfile.open(archive) as source, tarfile.open(path, "w") as target:
        for member in source:
            stream = source.extractfile(member) if member.isreg() else None
            content = change(member, stream.read() if stream else b"")
            if content is not None:
                member.size = len(content)
                target.addfile(member, io.BytesIO(content))
    return path


def main(root: str, archive: str, url: str, digest: str = "") -> int:
    recorder = Recorder()

    def tell(what: str, event: object) -> None:
        if isinstance(event, Span) and event.kind == "interpreter" and what in {"start", "end"}:
            print(what, event.args["stage"], flush=True)

    recorder.subscribe(tell)
    store = Store(Path(root), recorder=recorder)
    try:
        target = installing(store, offer_of(Path(archive), url, digest))
    except FastenvError as error:
        print(error.diagnosis(), flush=True)
        return error.exit_code
    print("installed", target.python, target.identity, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
