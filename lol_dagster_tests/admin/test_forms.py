"""What boxes offer where there is more than anybody would read."""

from __future__ import annotations

import re

import pytest

from lol_dagster.admin import forms
from lol_dagster.admin.app import create_app
from lol_dagster.admin.views import messages
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.roster_rows import LONG_AGO, make_channel, make_member, make_team
from lol_dagster_tests._support.web_visitor import Visitor
from lol_dagster_tests.admin.clock import ManualClock


@pytest.fixture
def operator(
    settings: Settings,
    any_database: Database,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Visitor:
    """Ann, in an installation with four teams, of which boxes offer two."""
    with any_database.writing() as session:
        for name in ("delta", "Alpha", "Charlie", "bravo"):
            team = make_team(session, name)
            make_member(session, team, f"{name}-player", game_name=name, tag_line="EUW")
            make_channel(session, team, f"{name}-channel")
    for module in (forms, messages):
        monkeypatch.setattr(module, "MOST", 2)
    operator = Visitor(create_app(settings, any_database, now=clock))
    operator.sign_in()
    return operator


def offered(page: str, name: str) -> list[str]:
    """The words of a box; what is chosen is in brackets."""
    box = re.search(rf'<select [^>]*name="{name}"[^>]*>(.*?)</select>', page, re.DOTALL)
    assert box is not None, name
    options = re.findall(r"<option ([^>]*)>([^<]*)</option>", box[1])
    return [f"[{label}]" if "selected" in how else label for how, label in options]


def test_filters_offer_the_first_by_name_and_what_is_chosen(operator: Visitor) -> None:
    page = operator.get("/game/").text
    assert offered(page, "flt0_team") == ["all", "Alpha", "bravo"]
    assert offered(page, "flt0_player") == ["all", "Alpha-player", "bravo-player"]
    # The first team that was made is delta.
    page = operator.get("/game/?flt0_team=1&flt0_player=1").text
    assert offered(page, "flt0_team") == ["all", "Alpha", "bravo", "[delta]"]
    assert offered(page, "flt0_player") == ["all", "Alpha-player", "bravo-player", "[delta-player]"]
    assert offered(operator.get("/game/?flt0_team=99").text, "flt0_team") == [
        "all",
        "Alpha",
        "bravo",
    ]


def test_removed_channels_are_offered_up_to_the_limit(
    operator: Visitor, any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with any_database.writing() as session:
        team = make_team(session, "Removed")
        make_channel(session, team, "a-channel", removed_at=LONG_AGO)
    few = ["all", "Alpha: Alpha-channel", "bravo: bravo-channel"]
    assert offered(operator.get("/message/").text, "flt0_channel") == few
    chosen = operator.get("/message/?flt0_channel=1").text
    assert offered(chosen, "flt0_channel") == [*few, "[delta: delta-channel]"]
    monkeypatch.setattr(messages, "MOST", 5)
    all_of_them = offered(operator.get("/message/").text, "flt0_channel")
    assert all_of_them[3:] == [
        "Charlie: Charlie-channel",
        "delta: delta-channel",
        "Removed: a-channel",
    ]


def test_a_form_that_is_opened_from_a_teams_page_offers_that_team(operator: Visitor) -> None:
    for form in ("/account/add/", "/channel/new/"):
        page = operator.get(form).text
        assert [each.strip("[]") for each in offered(page, "team")] == ["Alpha", "bravo"]
        assert "The first 2 by name; for any other, start from its own page." in page
        page = operator.get(f"{form}?team=delta").text
        assert offered(page, "team") == ["Alpha", "bravo", "[delta]"]
        # It is still there when the form is refused.
        assert "[delta]" in offered(operator.post(form, {"team": "delta"}).text, "team")
        assert "Not a valid choice" in operator.post(form, {"team": "echo"}).text
    assert "/account/add/?team=delta" in operator.get("/team/details/?id=1").text


def test_lists_are_sorted_as_people_do_it(operator: Visitor) -> None:
    for what, sort in (("team", 0), ("player", 0), ("channel", 1), ("account", 1)):
        for desc in ("", "1"):
            page = operator.get(f"/{what}/?sort={sort}&desc={desc}").text.partition("<tbody>")[2]
            names = re.findall(rf'href="/{what}/details/\?id=\d+">(\w+)', page)
            assert (
                list(dict.fromkeys(names))
                == ["Alpha", "bravo", "Charlie", "delta"][:: -1 if desc else 1]
            )
