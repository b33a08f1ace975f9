"""Reads requirements files with the parser of an installed pip: a program of its own, started once for many files.

Standard input: a JSON list of paths. Standard output: a JSON list with what pip makes of each, or an object that says
what of pip is not as expected here.
"""

from __future__ import annotations

import json
import logging
import optparse
import sys
from typing import Any


def main() -> Any:
    """Read all files that are named."""
    try:
        from pip._internal.exceptions import PipError
        from pip._internal.index.collector import LinkCollector
        from pip._internal.index.package_finder import PackageFinder
        from pip._internal.models.release_control import ReleaseControl  # since pip 26.0
        from pip._internal.models.search_scope import SearchScope
        from pip._internal.models.selection_prefs import SelectionPreferences
        from pip._internal.network.session import PipSession
        from pip._internal.req.constructors import install_req_from_parsed_requirement
        from pip._internal.req.req_file import parse_requirements
    except ImportError as error:
        return {"unexpected": str(error)}
    logging.disable(logging.CRITICAL)
    session = PipSession()

    def finder() -> Any:
        scope = SearchScope.create(find_links=[], index_urls=["https://default.invalid/simple"], no_index=False)
        collector = LinkCollector(session=session, search_scope=scope)
        made = PackageFinder.create(link_collector=collector, selection_prefs=SelectionPreferences(allow_yanked=True))
        made.set_release_control(ReleaseControl())
        return made

    def read(path: str) -> Any:
        found, options = finder(), optparse.Values({"require_hashes": False, "features_enabled": []})
        try:
            requirements = [
                requirement(install_req_from_parsed_requirement(parsed, user_supplied=True))
                for parsed in parse_requirements(path, session=session, finder=found, options=options)
            ]
        except (PipError, ValueError, OSError, IndexError, AssertionError) as error:  # whatever a line makes it raise
            return {"error": f"{type(error).__name__}: {error}"}
        return {
            "requirements": requirements,
            "no_binary": sorted(found.format_control.no_binary),
            "only_binary": sorted(found.format_control.only_binary),
            "indexes": list(found.index_urls),
            "links": list(found.find_links),
            "prefer_binary": bool(found.prefer_binary),
            "all_releases": sorted(found.release_control.all_releases),
            "only_final": sorted(found.release_control.only_final),
        }

    try:
        return [read(path) for path in json.load(sys.stdin)]
    except (AttributeError, TypeError) as error:
        return {"unexpected": f"{type(error).__name__}: {error}"}


def requirement(made: Any) -> dict[str, Any]:
    """Return what pip made of one line."""
    hashes = {(algorithm, digest) for algorithm, all_of in made.hash_options.items() for digest in all_of}
    link = made.link
    if link is not None and link.hash_name:
        hashes.add((link.hash_name, link.hash))
    return {
        "name": made.req.name if made.req else None,
        "specifier": str(made.req.specifier) if made.req else "",
        "extras": sorted(made.extras),
        "marker": str(made.markers) if made.markers else None,
        "url": link.url_without_fragment if link else None,
        "subdirectory": link.subdirectory_fragment if link else None,
        "hashes": sorted(hashes),
        "editable": made.editable,
        "constraint": made.constraint,
    }


if __name__ == "__main__":
    json.dump(main(), sys.stdout)
