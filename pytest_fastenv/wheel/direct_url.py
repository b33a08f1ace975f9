"""The content of ``direct_url.json``: how a distribution was asked for, where that was not by name (PEP 610).

https://packaging.python.org/en/latest/specifications/direct-url-data-structure/
"""

from __future__ import annotations

import json
from typing import Any

from pytest_fastenv.model.plan import DirectUrl


def direct_url_text(value: DirectUrl, archive_sha256: str | None) -> str:
    """Return the file's text: without what may be secret in an archive's URL, as any user may read it.

    :param archive_sha256: digest of the archive at the URL when it was computed here; used where `value` has none.
    """
    is_archive = value.vcs is None and not value.is_directory
    content: dict[str, Any] = {"url": value.url.partition("?")[0] if is_archive else value.url}
    if value.vcs is not None:
        info = {"vcs": "git", "commit_id": value.vcs.commit or ""}
        content["vcs_info"] = info | ({"requested_revision": value.vcs.revision} if value.vcs.revision else {})
    elif value.is_directory:
        content["dir_info"] = {"editable": True} if value.editable else {}
    else:
        hashes = dict(value.archive_hashes or ())
        if not hashes and archive_sha256:
            hashes = {"sha256": archive_sha256}
        content["archive_info"] = {"hashes": hashes} if hashes else {}
    if value.subdirectory:
        content["subdirectory"] = value.subdirectory
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)
