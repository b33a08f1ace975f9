"""The package index as the rest of the program sees it: projects, metadata, downloads.

Several indexes: the first one that has a project is the project's index, in the order of the configuration. An index
that is named for some projects is asked for these and no others, and these are looked for nowhere else. Find-links
locations are always looked at as well, and come first. An index that refuses (401, 403) or fails ends the search: going
on to the next one would let a public project take a private one's place.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_fastenv.errors import FastenvError, NoSolutionError, UnknownProjectError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.index.config import IndexConfig
from pytest_fastenv.index.download import copy
from pytest_fastenv.index.expected import Downloaded, Expected
from pytest_fastenv.index.http import HttpClient
from pytest_fastenv.index.links_page import LinksPage
from pytest_fastenv.index.local import is_directory_there, local_project_names, look_at_index, look_at_links
from pytest_fastenv.index.metadata import MetadataReader
from pytest_fastenv.index.page import Page
from pytest_fastenv.index.page_cache import PageCache
from pytest_fastenv.index.pages import Pages
from pytest_fastenv.index.project import Elsewhere, Project
from pytest_fastenv.index.urls import local_path, shown
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.single_flight import SingleFlight
from pytest_fastenv.store.store import Store
from pytest_fastenv.wheel.filenames import normalized


class PackageIndex:
    """Answers from the configured indexes and find-links locations; everything is asked for once in this process.

    :param http: made from the same configuration; the caller closes it.
    :ivar config: the indexes, and how they are reached.
    """

    def __init__(self, config: IndexConfig, http: HttpClient, store: Store, pools: Pools, recorder: Recorder) -> None:
        self.config = config
        self._http = http
        self._pools = pools
        self._recorder = recorder
        offline = config.network.offline
        cache = PageCache(
            store, upgrade=config.upgrade, offline=offline, max_age_s=config.max_age_s, now=http.clock.now
        )
        self._pages = Pages(http, cache)
        self._metadata = MetadataReader(http, store, pools, recorder)
        self._projects: SingleFlight[str, Project] = SingleFlight()
        self._links: SingleFlight[str, LinksPage | None] = SingleFlight()
        self._observed: dict[Observation, None] = {}

    @property
    def observed(self) -> tuple[Observation, ...]:
        """What directories and indexes on this machine's disks listed when they were looked at."""
        return tuple(self._observed)

    @property
    def oldest_at(self) -> float:
        """When the oldest page that was used was asked for; infinite where none was kept (`Pages.oldest_at`)."""
        return self._pages.oldest_at

    async def project(self, name: str) -> Project:
        """Return a project's files.

        :param name: in any spelling.
        :raises UnknownProjectError: no index and no find-links location has it.
        :raises NoSolutionError: its index has put it under quarantine (PEP 792).
        :raises AuthError: an index refused; later ones were not asked.
        :raises NetworkError: an index failed or did not answer as an index does.
        """
        key = normalized(name)
        return await self._projects.do(key, lambda: self._find(key))

    async def metadata(self, artifact: Artifact) -> CoreMetadata:
        """Return a wheel's core metadata; see `pytest_fastenv.index.metadata`."""
        return await self._metadata.read(artifact)

    async def download(
        self,
        artifact: Artifact,
        into: Path,
        on_bytes: Callable[[int], None] | None = None,
        *,
        unless: Mapping[str, str] | None = None,
    ) -> Downloaded:
        """Write an artifact to a file and check its hashes and size; a permit to download is held meanwhile.

        Where permits are waited for, source distributions get them first: they still have to be built.

        :param into: is created or replaced; removed when this fails.
        :param on_bytes: called with 0 once there is a permit, before anything is asked for; then with the number of
            further bytes, which is negative when a transfer begins again. What it raises ends the download.
        :param unless: validators of a file that need not be sent again.
        :raises UnchangedError: it is that file.
        :raises IntegrityError: it is not the artifact that was announced.
        :raises NetworkError: it could not be had; `OfflineMissError` when the network is not to be used.
        """
        async with self._pools.download(priority=1.0 if artifact.kind == "sdist" else 0.0):
            if on_bytes is not None:
                on_bytes(0)
            if artifact.url.startswith("file:"):
                expected = Expected(artifact.hashes, artifact.size_bytes)
                downloaded = await in_thread(copy, local_path(artifact.url), into, expected, artifact.url)
                if on_bytes is not None:
                    on_bytes(downloaded.size_bytes)
                return downloaded
            return await self._http.download(
                artifact.url,
                into,
                hashes=artifact.hashes,
                size_bytes=artifact.size_bytes,
                on_bytes=on_bytes,
                unless=unless,
            )

    async def _find(self, name: str) -> Project:
        pages = [page for page in [await self._linked(link, name) for link in self.config.find_links] if page]
        index_page: Page | None = None
        for location in self.config.urls_for(name):
            page = await self._page(location, name)
            if page is None:
                continue
            if index_page is None or not index_page.rows:
                index_page = page
            if page.rows:
                break
        if index_page is None and not pages:
            raise self._unknown(name)
        if index_page is not None:
            self._judge(name, index_page)
            pages.append(index_page)
        return Project(name, tuple(pages), pages[-1].location, pages[-1].status)

    async def _page(self, location: str, name: str) -> Page | None:
        async with self._pools.alone():
            await self._note(look_at_index, location, name)  # before it is read: what comes between is seen
            page = await self._pages.project(location, name)
        if page is None and location.startswith("file:") and not is_directory_there(location):
            self._recorder.notice("warning", f"index {shown(location)} is not there: skipped")
        return page

    def _judge(self, name: str, page: Page) -> None:
        """Notice what is odd in a page.

        :raises NoSolutionError: the project is under quarantine.
        """
        where = shown(page.location)
        if page.status.marker == "quarantined":
            raise NoSolutionError(
                f"{name} is under quarantine at {where}",
                why=page.status.reason or "the index gives no reason",
                hint="its files may be harmful and are not offered; see the project's page",
            )
        if page.foreign:
            self._recorder.notice(
                "warning", f"{where} lists {page.foreign} for {name}: skipped, it is another project's"
            )
        if page.newer_api:
            self._recorder.notice(
                "warning", f"{where} speaks version {page.newer_api} of the Simple API, newer than known here"
            )

    async def _linked(self, location: str, name: str) -> Page | None:
        links = await self._links.do(location, lambda: self._read_links(location))
        return links.project(name, location) if links is not None else None

    async def _read_links(self, location: str) -> LinksPage | None:
        async with self._pools.alone():
            await self._note(look_at_links, location)
            links = await self._pages.links(location)
        if links is None:
            self._recorder.notice("warning", f"find-links location {shown(location)} is not there: skipped")
        return links

    async def _note(self, look: Callable[..., list[Observation]], *place: str) -> None:
        if place[0].startswith("file:"):
            self._observed.update(dict.fromkeys(await in_thread(look, *place)))

    async def elsewhere(self, name: str, *, used: str | None, named: bool = True) -> tuple[Elsewhere, ...]:
        """Ask the indexes that were not asked for a project, as the first one that has it was enough.

        :param used: the index that it is taken from; ``None`` where none has it.
        :param named: ask also those that are for other projects only. A project that has an index of its own by name is
            looked for elsewhere only with this.
        """
        key = normalized(name)
        asked = self.config.urls_for(key)
        others = list(asked[asked.index(used) + 1 :]) if used in asked else []
        names = {one.url: one.name for one in self.config.named}
        if named:
            others += [url for url in dict.fromkeys((*self.config.index_urls, *names)) if url not in asked]
        elif self.config.named_for(key):
            return ()
        return tuple(await asyncio.gather(*(self._elsewhere(key, url, names.get(url, "")) for url in others)))

    async def _elsewhere(self, name: str, location: str, index_name: str) -> Elsewhere:
        try:
            page = await self._page(location, name)
        except FastenvError as error:
            return Elsewhere(location, index_name, trouble=error.what)
        if page is None or not page.rows:
            return Elsewhere(location, index_name)
        return Elsewhere(location, index_name, Project(name, (page,), location, page.status))

    def _unknown(self, name: str) -> UnknownProjectError:
        named = self.config.named_for(name)
        places = [*self.config.urls_for(name), *self.config.find_links]
        names = {n for url in self.config.urls_for(name) if url.startswith("file:") for n in local_project_names(url)}
        close = difflib.get_close_matches(name, names, 3, 0.8)
        what = f"the index {named[0].name} has no" if named else "no index has a"
        return UnknownProjectError(
            f"{what} project named {name}",
            where="\n".join(map(shown, places)) or "no index is configured (no-index)",
            hint=f"did you mean {' or '.join(close)}?" if close else "check the spelling and the configured indexes",
        )
