"""All buckets of the store; each is declared by the room that fills it."""

from __future__ import annotations

from typing import Any

from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.questions import QUESTIONS
from pytest_fastenv.environment.request_cache import REQUESTS
from pytest_fastenv.environment.skeleton import SKELETONS
from pytest_fastenv.index.git import CHECKOUTS, REPOSITORIES
from pytest_fastenv.index.metadata import METADATA
from pytest_fastenv.index.page_cache import PAGES
from pytest_fastenv.installer.build.built_wheels import BUILT
from pytest_fastenv.installer.build.records import RECIPES
from pytest_fastenv.installer.bytecode import BYTECODE
from pytest_fastenv.installer.fetch import URLS
from pytest_fastenv.installer.sdists import SDISTS
from pytest_fastenv.installer.timings import TIMINGS
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.interpreter.discovery import SEARCHES
from pytest_fastenv.interpreter.installed import PYTHONS
from pytest_fastenv.interpreter.known import INTERPRETERS
from pytest_fastenv.interpreter_downloads.supply import ARCHIVES
from pytest_fastenv.provisioning.build_environments import BUILD_ENVIRONMENTS
from pytest_fastenv.provisioning.installations import INSTALLATIONS
from pytest_fastenv.provisioning.resolutions import RESOLUTIONS
from pytest_fastenv.store.buckets import EntryBucket, RecordBucket
from pytest_fastenv.upkeep.diary import DIARY

ENTRIES: tuple[EntryBucket, ...] = (
    WHEELS,
    BYTECODE,
    SDISTS,
    REPOSITORIES,
    CHECKOUTS,
    PYTHONS,
    SKELETONS,
    BUILD_ENVIRONMENTS,
    ENVIRONMENTS,
)
RECORDS: tuple[RecordBucket[Any], ...] = (
    BUILT,
    RECIPES,
    METADATA,
    PAGES,
    URLS,
    INTERPRETERS,
    SEARCHES,
    ARCHIVES,
    REQUESTS,
    QUESTIONS,
    RESOLUTIONS,
    INSTALLATIONS,
    TIMINGS,
    DIARY,
)
