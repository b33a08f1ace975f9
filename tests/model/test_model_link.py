"""Link modes: every question has an answer for every mode, and a mode that is new is found by mypy."""

from __future__ import annotations

import json
import pickle

import pytest

from pytest_fastenv.model.codec import decode
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.runtime.options import OPTIONS
from pytest_fastenv.settings.values import Settings, to_json


@pytest.mark.parametrize("mode", LinkMode)
def test_every_mode_answers_everything(mode: LinkMode) -> None:
    assert mode.ways[-1] is LinkMode.COPY
    assert LinkMode.AUTO not in mode.ways
    assert mode.names_a_way is (mode is not LinkMode.AUTO)
    assert mode.keeps_edits_apart.startswith("copy")
    assert mode.folds_directories <= mode.shares_files


def test_files_are_shared_where_a_link_may_be_made() -> None:
    links = {LinkMode.HARDLINK, LinkMode.SYMLINK}
    for mode in LinkMode:
        assert mode.shares_files is bool(links.intersection(mode.ways))


def test_a_mode_is_the_word_that_users_write() -> None:
    assert [LinkMode.parse(str(mode)) for mode in LinkMode] == list(LinkMode)
    with pytest.raises(ValueError, match="expected one of auto, clone, hardlink, copy, symlink"):
        LinkMode.parse("glue")
    (help_text,) = (option.help for option in OPTIONS if option.key == "link")
    assert help_text.endswith(LinkMode.words())


@pytest.mark.parametrize("mode", LinkMode)
def test_a_mode_goes_to_other_processes_and_comes_back(mode: LinkMode) -> None:
    told = json.loads(json.dumps(to_json(Settings(link=mode))))
    assert decode(Settings, told).link is mode
    assert pickle.loads(pickle.dumps(mode)) is mode
    assert json.dumps([mode]) == f'["{mode}"]'
