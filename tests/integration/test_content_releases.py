"""What an index has released since: asked for as often as the age of answers allows, and no oftener."""

from __future__ import annotations

import pytest
from content_desk import ContentDesk
from front_doors import DOORS, Desk
from kit.archives import make_wheel
from kit.server import IndexServer

pytestmark = pytest.mark.slow


class Pages:
    """Tells how often the page of a project was asked for since the last look."""

    def __init__(self, server: IndexServer, name: str) -> None:
        self._server = server
        self._name = name
        self._seen = 0

    def asked(self) -> int:
        count = len([path for path in self._server.paths() if path.startswith(f"/simple/{self._name}/")])
        before, self._seen = self._seen, count
        return count - before


@pytest.mark.parametrize("door", DOORS)
def test_an_age_of_nothing_asks_the_index_again(door: str, seeded: Desk) -> None:
    """Its own pages say that they are fresh for ten minutes; who gives an age of nothing does not believe them."""
    assert seeded.server is not None
    assert seeded.server.cache_control == "max-age=600"
    here, pages = ContentDesk(seeded, door), Pages(seeded.server, "demo")
    make_wheel(seeded.server.directory, "demo", "1.0")
    assert here.finds("demo", sources=("demo",)) == {"demo": "1.0"}
    assert pages.asked() == 1
    make_wheel(seeded.server.directory, "demo", "2.0")
    assert here.finds("demo", sources=("demo",)) == {"demo": "1.0"}
    assert here.finds("demo", sources=("demo>=1",)) == {"demo": "1.0"}  # resolved anew, by the page that is there
    assert pages.asked() == 0
    assert here.finds("demo", sources=("demo>=1",), max_age="0") == {"demo": "2.0"}
    assert pages.asked() == 1
    assert here.finds("demo", sources=("demo>=1",), max_age="0") == {"demo": "2.0"}
    assert pages.asked() == 1
    assert here.finds("demo", sources=("demo>=1",)) == {"demo": "2.0"}
    assert pages.asked() == 0
