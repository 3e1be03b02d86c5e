"""docs/messages.md shows messages as they are: compared by what its pictures were made of, as fonts and
browsers draw the same differently.
"""

from __future__ import annotations

import json
from types import ModuleType

import pytest

from lol_dagster.riot.modes import MODES
from lol_dagster.settings import Settings
from lol_dagster_tests.gallery.samples import Picture, pictures
from lol_dagster_tests.tooling.scripts import load_tool

MOST_BYTES = 2_000_000


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    return load_tool("gallery")


@pytest.fixture(scope="module")
def shown() -> list[Picture]:
    return pictures()


def test_the_pictures_show_what_is_sent_today(gallery: ModuleType) -> None:
    made_of = json.loads(gallery.MADE_OF.read_text())
    assert made_of == gallery.made_of(Settings(_env_file=None)), (
        "run make gallery and see how it reads"
    )


def test_the_page_names_what_is_shown_today(gallery: ModuleType) -> None:
    assert gallery.PAGE.read_text() == gallery.page(), "run make gallery and see how it reads"


def test_every_picture_is_there_and_none_too_many(gallery: ModuleType) -> None:
    files = {file.name: file for file in gallery.FOLDER.glob("*.webp")}
    assert files.keys() == json.loads(gallery.MADE_OF.read_text()).keys()
    assert sum(file.stat().st_size for file in files.values()) < MOST_BYTES
    page = gallery.PAGE.read_text()
    for name, file in files.items():
        assert f"images/messages/{name}" in page
        assert file.read_bytes()[8:12] == b"WEBP"


def test_every_family_of_modes_and_every_kind_of_message_is_shown(shown: list[Picture]) -> None:
    titles = [content.title for picture in shown for content in picture.contents]
    for family in {mode.family for mode in MODES}:
        names = {
            name
            for mode in MODES
            if mode.family == family
            for name in (mode.name, *(queue.name for queue in mode.queues))
        }
        assert any(name in title.split(" · ") for title in titles for name in names), family
    for said in ("Victory", "Defeat", "Remake", "No result", "1st place", "No placement",
                 "while I was away", "in the quiet hours", "quarantined", "Over: ", "Test message"):  # fmt: skip
        assert any(said in title for title in titles), said
    languages = {content.language for picture in shown for content in picture.contents}
    assert languages == {"en", "de"}
