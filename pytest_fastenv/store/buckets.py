"""The buckets of the store: every kind of thing it keeps, and the shape of its paths.

An entry is a directory ``<root>/<bucket>/<key[:2]>/<key>/`` that counts once it has its ready mark (see
`pytest_fastenv.store.store`); a record is one JSON file ``<root>/<bucket>/<key[:2]>/<key>.json``. A bucket whose
content changes its shape gets another number; the old one is left to its users and to pruning.

Beside the buckets lie ``locks/`` (one file per key, never deleted), ``slots/`` (one file per machine-wide slot),
``tmp/`` (private directories of running processes) and ``logs/``.
"""

from __future__ import annotations

from enum import Enum


class Bucket(Enum):
    """The kinds of things in the store; the value is the directory's name."""

    WHEELS = "wheels-v1"
    """Unpacked wheels: ``wheels-v1/ab/<sha256 of the wheel>/``, with the tree and its manifest."""

    SDISTS = "sdists-v1"
    """Archives of source distributions, as downloaded: ``sdists-v1/ab/<sha256>/<file name>``."""

    BUILT = "built-v2"
    """What building gave: records from a build's key (source, interpreter, settings, build environment) to a wheel."""

    METADATA = "metadata-v1"
    """Core metadata, as records: by the digest of the artifact, or by that of its URL where it has no other."""

    INDEX = "index-v1"
    """Pages of package indexes, by the digest of their URL, with what is needed to ask again conditionally."""

    URLS = "urls-v1"
    """Records from a direct URL without hashes to the digest of what was found there."""

    CHECKOUTS = "checkouts-v1"
    """Working trees of version-control sources: ``checkouts-v1/ab/<digest of repository and commit>/``."""

    INTERPRETERS = "interpreters-v1"
    """Records of interpreters' facts, by path, size and modification time; of what searches of the machine found, or
    that they found nothing; of digests of archives that lie in a mirror's directory."""

    PYTHONS = "pythons-v1"
    """Interpreters that were downloaded: ``pythons-v1/ab/<sha256 of the archive>/``, with the installation in
    ``python/`` and what is known of it in ``interpreter.json``. An installation is never moved: it holds its path."""

    SKELETONS = "skeletons-v1"
    """Empty virtual environments, one per interpreter: copied and re-pathed for each environment."""

    BUILD_ENVIRONMENTS = "build-environments-v1"
    """Build environments, by interpreter and installed build requirements."""

    ENVIRONMENTS = "environments"
    """Environments of users: ``environments/<name>/``; named by their fingerprint."""

    ANSWERS = "answers-v1"
    """Records from a request to the environment that answered it: what a warm run reads."""

    TIMINGS = "timings-v1"
    """Records of how long builds, downloads and unpacking took, so that the longest go first."""
