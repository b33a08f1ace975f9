"""Build environments: isolated, keyed by what is in them, kept in the store, shared by all builds and processes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.environment.drafts import StoreDraft
from pytest_fastenv.environment.fingerprint import distribution_identity
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.model.plan_json import plan_from_json, plan_to_json
from pytest_fastenv.model.request import FormatControl, Request
from pytest_fastenv.model.target import Target
from pytest_fastenv.requirements.specifiers import read_requirement
from pytest_fastenv.schedule.single_flight import SingleFlight
from pytest_fastenv.settings import Settings
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store

if TYPE_CHECKING:
    from pytest_fastenv.engine import Engine
