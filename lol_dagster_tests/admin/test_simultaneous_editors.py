"""Twenty people at one form in the same moment, against the real server, on both databases."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests
from sqlalchemy import select

from lol_dagster.admin.app import create_app
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AuditEntry, Membership, Team
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_player, make_team
from lol_dagster_tests._support.web_visitor import PASSWORD
from lol_dagster_tests.admin.conftest import served
from lol_dagster_tests.admin.page_forms import filled_in

EDITORS = 20
TEAM = "/team/edit/?id=1"


@dataclass
class Editor:
    """A person with a browser of their own."""

    name: str
    site: str
    session: requests.Session

    def get(self, path: str) -> str:
        return self.session.get(self.site + path, timeout=60).text

    def post(self, path: str, form: dict[str, list[str]]) -> requests.Response:
        return self.session.post(
            self.site + path, form, headers={"Origin": self.site}, allow_redirects=False, timeout=60
        )

    def sign_in(self) -> None:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/sign-in"))
        assert token is not None
        said = {"csrf_token": [token[1]], "name": [self.name], "password": [PASSWORD]}
        assert self.post("/sign-in", said).status_code == 303


@pytest.fixture
def editors(settings: Settings, any_database: Database) -> Iterator[list[Editor]]:
    with served(create_app(settings, any_database)) as site:
        people = [Editor(f"editor-{number}", site, requests.Session()) for number in range(EDITORS)]
        yield people
        for each in people:
            each.session.close()


def all_at_once(
    editors: list[Editor], typed: Callable[[Editor, str], dict[str, list[str]]]
) -> dict[str, requests.Response]:
    """Everybody opens the form, and when all have it, everybody saves it."""
    opened = threading.Barrier(len(editors), timeout=120)

    def edit(editor: Editor) -> requests.Response:
        form = typed(editor, editor.get(TEAM))
        opened.wait()
        return editor.post(TEAM, form)

    with ThreadPoolExecutor(len(editors)) as pool:
        return dict(zip([each.name for each in editors], pool.map(edit, editors), strict=True))


def test_of_twenty_editors_one_is_saved_and_the_others_see_who_it_was(
    editors: list[Editor], any_database: Database
) -> None:
    """And of rows of their own, all are taken."""
    with any_database.writing() as session:
        make_team(session, "Amigos")
        for each in editors:
            make_player(session, each.name)
    for each in editors:
        each.sign_in()

    accepted = [_renamed_by_one_of(editors, "one"), _renamed_by_one_of(editors, "two")]

    answers = all_at_once(
        editors, lambda editor, page: filled_in(page, memberships__0__player=editor.name)
    )
    assert {answer.status_code for answer in answers.values()} == {302}

    with any_database.reading() as session:
        trail = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.table == "teams", AuditEntry.action == "changed")
            .order_by(AuditEntry.id)
        ).all()
        assert [(each.before, each.after) for each in trail] == [
            ({"name": "Amigos"}, {"name": accepted[0]}),
            ({"name": accepted[0]}, {"name": accepted[1]}),
        ]
        assert session.get_one(Team, 1).name == accepted[1]
        members = [row.player.name for row in session.scalars(select(Membership))]
        assert sorted(members) == sorted(each.name for each in editors)


@pytest.mark.parametrize("path", ["team", "player", "account", "channel"])
def test_every_list_is_searched_and_sorted_alike_on_both_databases(
    editors: list[Editor], any_database: Database, path: str
) -> None:
    with any_database.writing() as session:
        team = make_team(session, "Amigos")
        make_member(session, team, "Amigo", game_name="Amigo")
        make_channel(session, team, "amigos")
    editors[0].sign_in()
    for query in ("", "?search=AMIGO", "?sort=0&desc=1", "?search=nobody%25"):
        page = editors[0].get(f"/{path}/{query}")
        assert ("0 in all" if "nobody" in query else "1 in all") in page


def _renamed_by_one_of(editors: list[Editor], word: str) -> str:
    """The name that was taken; all others see it and keep what they typed."""
    answers = all_at_once(
        editors, lambda editor, page: filled_in(page, name=f"{editor.name} {word}")
    )
    (winner,) = [name for name, answer in answers.items() if answer.status_code == 302]
    for name, answer in answers.items():
        if name != winner:
            assert answer.status_code == 422
            said = f"{winner} (web) has since changed this to “{winner} {word}”"
            assert said in answer.text
            assert f'value="{name} {word}"' in answer.text
    return f"{winner} {word}"
