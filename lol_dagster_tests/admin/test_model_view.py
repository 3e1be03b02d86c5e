"""What every list of rows does, seen on a list of players that only these tests have."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session
from wtforms import StringField

from lol_dagster.admin.filters import DayFilter, Filter
from lol_dagster.admin.forms import EntryForm, FieldError
from lol_dagster.admin.merging import typed_value
from lol_dagster.admin.roster_view import RosterView
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AuditEntry, Player
from lol_dagster_tests._support.roster_rows import make_player
from lol_dagster_tests._support.web_visitor import Visitor

HOSTILE = "<script>alert(1)</script>"


class PlayerForm(EntryForm):
    name = StringField("Name")


class Players(RosterView):
    """Players with everything allowed."""

    can_create = can_edit = can_delete = True
    column_list = ("name", "created_at")
    column_searchable_list = ("name",)
    column_filters = (
        Filter(
            "Name", lambda value: Player.name == value, options=[("Ann", "Ann"), ("Bob", "Bob")]
        ),
        DayFilter("Since", Player.created_at),
    )
    typed_columns = (typed_value("name"),)

    def get_create_form(self) -> type[EntryForm]:
        return PlayerForm

    def get_edit_form(self) -> type[EntryForm]:
        return PlayerForm

    def searched(self, text: str) -> ColumnElement[bool]:
        return Player.name.icontains(text, autoescape=True)

    def save(self, session: Session, form: Any, row: Any | None) -> Any:
        if form.name.data == "forbidden":
            raise FieldError("name", "this name is forbidden")
        row = row or Player(created_at=self.now())
        row.name = form.name.data
        session.add(row)
        return row

    def remove(self, session: Session, row: Any) -> None:
        session.delete(row)


@pytest.fixture
def app(app: Flask) -> Flask:
    (admin,) = app.extensions["admin"]
    with app.app_context():
        admin.add_view(Players(Player, name="Test players", endpoint="people"))
    return app


@pytest.fixture
def ann(database: Database) -> int:
    with database.writing() as session:
        ann = make_player(session, "Ann").id
        make_player(session, HOSTILE)
        make_player(session, "=cmd|' /C calc'!A0")
    return int(ann)


def names(database: Database) -> list[str]:
    with database.reading() as session:
        return sorted(session.scalars(select(Player.name)))


def test_a_list_shows_hostile_names_as_text(operator: Visitor, ann: int) -> None:
    page = operator.get("/people/").text
    assert "&lt;script&gt;alert(1)" in page
    assert HOSTILE not in page


def test_filters_and_search_narrow_the_list(operator: Visitor, ann: int) -> None:
    assert "3 in all" in operator.get("/people/?flt0_name=&search=").text
    assert "1 in all" in operator.get("/people/?flt0_name=Ann").text
    assert "1 in all" in operator.get("/people/?search=cmd").text
    assert "0 in all" in operator.get("/people/?flt0_since=2025-01-01").text
    assert operator.get("/people/?flt0_since=nonsense").status_code == 200


@pytest.mark.parametrize(
    "asked",
    [
        "message/?flt0_state=no-such-state",
        "message/?flt0_kind=no-such-kind",
        "account/?flt0_state=no-such-state",
        "unfinished/?flt0_state=no-such-state",
        "game/?flt0_to=9999-12-31",  # after which there is no day
    ],
)
def test_a_filter_that_cannot_be_applied_is_said_and_left_out(
    operator: Visitor, asked: str
) -> None:
    answer = operator.get(f"/{asked}")
    assert answer.status_code == 200
    assert f"Invalid Filter Value: {asked.partition('=')[2]}" in answer.text
    assert operator.get("/" + asked.replace("/?", "/export/csv/?")).status_code == 200


def test_a_csv_holds_no_formula_and_json_holds_the_names_as_they_are(
    operator: Visitor, ann: int
) -> None:
    sheet = list(csv.reader(io.StringIO(operator.get("/people/export/csv/").text)))
    assert sheet[0] == ["name", "created_at"]
    assert {row[0] for row in sheet[1:]} == {"Ann", HOSTILE, "'=cmd|' /C calc'!A0"}
    rows = json.loads(operator.get("/people/export/json/").text)
    assert {row["name"] for row in rows} == {"Ann", HOSTILE, "=cmd|' /C calc'!A0"}
    assert rows[0]["created_at"] == "2024-01-01T00:00:00+00:00"


@pytest.mark.parametrize("key", ["0", "999", "-1", "abc", "99999999999999999999", "1,2"])
def test_a_row_that_is_not_there_is_not_found(operator: Visitor, ann: int, key: str) -> None:
    assert operator.get(f"/people/details/?id={key}").status_code == 404


def _edit(operator: Visitor, ann: int, name: str, seen: str) -> Any:
    form = {"name": name, "seen_version": seen}
    return operator.post(f"/people/edit/?id={ann}", form)


def test_a_change_is_saved_under_the_name_of_who_made_it(
    operator: Visitor, ann: int, database: Database
) -> None:
    assert (
        'name="seen_version" type="hidden" value="1"'
        in operator.get(f"/people/edit/?id={ann}").text
    )
    assert _edit(operator, ann, "Anna", "1").status_code == 302
    assert "Anna" in names(database)
    with database.reading() as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.who, entry.action, entry.after) == ("Ann (web)", "changed", {"name": "Anna"})


def test_the_second_of_two_editors_is_stopped_loses_nothing_and_may_go_on(
    operator: Visitor, ann: int, database: Database
) -> None:
    with database.writing(who="somebody else") as session:
        player = session.get(Player, ann)
        assert player is not None
        player.name = "Annabel"
    refused = _edit(operator, ann, "Anna", "1")
    assert refused.status_code == 422
    assert "somebody else has since changed this to “Annabel”" in refused.text
    assert 'value="Anna"' in refused.text
    assert "Annabel" in names(database)
    assert 'name="seen_version" type="hidden" value="2"' in refused.text
    assert _edit(operator, ann, "Anna", "2").status_code == 302
    assert "Anna" in names(database)


def test_an_error_is_shown_at_its_field(operator: Visitor, ann: int) -> None:
    refused = _edit(operator, ann, "forbidden", "1")
    assert refused.status_code == 422
    assert (
        '<ul class="wrong-list" id="name-wrong"><li>This name is forbidden.</li></ul>'
        in refused.text
    )


def test_what_the_database_refuses_is_explained_without_its_words(
    operator: Visitor, ann: int, database: Database
) -> None:
    refused = operator.post("/people/new/", {"name": "aNN"})
    assert refused.status_code == 422
    assert "This contradicts an existing entry" in refused.text
    assert "UNIQUE" not in refused.text
    assert "aNN" not in names(database)


def test_rows_are_made_and_removed(operator: Visitor, ann: int, database: Database) -> None:
    made = operator.post("/people/new/", {"name": "Cleo"})
    assert made.status_code == 302, made.text
    assert "Cleo" in names(database)
    assert operator.post("/people/delete/", {"id": str(ann)}).status_code == 302
    assert "Ann" not in names(database)
