"""The list of messages, a message's page, and deciding about one that the protocol cannot settle."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from lol_dagster.admin.app import create_app
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.messages.content import Icon, Line, MessageContent, Section
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Attempt,
    AuditEntry,
    Fact,
    Game,
    Match,
    Message,
    MessageText,
    Quarantine,
)
from lol_dagster_tests._support.message_rows import ENDED
from lol_dagster_tests._support.roster_rows import make_channel, make_team
from lol_dagster_tests._support.web_visitor import Visitor
from lol_dagster_tests.admin.conftest import ManualClock
from lol_dagster_tests.admin.populated import ARAM, CONTENT, FOREIGN, RANKED, add_message, populate

_REMOTE_ID = "1122334455667788990"
_OTHER_ID = "1122334455667788992"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(ENDED + timedelta(hours=3))


@pytest.fixture
def ids(database: Database) -> dict[str, int]:
    with database.writing() as session:
        return populate(session)


def message_in(database: Database, state: str) -> str:
    with database.reading() as session:
        return session.scalars(select(Message.id).where(Message.state == state)).one()


def ids_of_messages(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(select(Message.id)))


def state_of(database: Database, message_id: str) -> tuple[str, str | None]:
    with database.reading() as session:
        row = session.get_one(Message, message_id)
        return row.state, row.remote_id


def decide(operator: Visitor, message_id: str, decision: str, **more: str) -> str:
    """What the page says afterwards."""
    form = {"id": message_id, "decision": decision, **more}
    answer = operator.post("/message/decide/", form)
    assert answer.status_code == 303
    return operator.get(answer.location).text


def refused_mark(operator: Visitor, message_id: str, remote_id: str) -> str:
    """What the page says when a message cannot be marked as delivered under that id."""
    form = {"id": message_id, "decision": "mark-delivered", "remote_id": remote_id}
    answer = operator.post("/message/decide/", form)
    assert answer.status_code == 422
    return answer.text


def test_messages_are_found_by_state_channel_kind_day_game_and_id(
    settings: Settings, any_database: Database, clock: ManualClock
) -> None:
    with any_database.writing() as session:
        ids = populate(session)
    operator = Visitor(create_app(settings, any_database, now=clock))
    operator.sign_in()

    def states(query: str) -> set[str]:
        text = operator.get(f"/message/?{query}").text.partition("<tbody>")[2]
        return set(re.findall(r'class="state \w*">([\w ]+)<', text))

    assert states("") == {"delivered", "needs review", "blocked"}
    assert states("flt0_state=needs_review") == {"needs review"}
    assert states(f"flt0_channel={ids['amigos-bot']}") == {"delivered", "blocked"}
    assert states("flt0_kind=alert") == set()
    assert states("flt0_from=2026-08-01&flt0_to=2026-08-01") == {
        "delivered",
        "needs review",
        "blocked",
    }
    assert states("flt0_to=2026-07-31") == set()
    assert states(f"search={ARAM}") == {"blocked"}
    assert states(f"search={RANKED.lower()}") == {"delivered", "needs review"}
    waiting = message_in(any_database, "needs_review")
    assert states(f"search={waiting[:8].upper()}") == {"needs review"}


def test_a_message_that_is_no_message_stops_neither_list_nor_export(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    strange = message_in(database, "needs_review")
    with database.writing() as session:
        session.get_one(Message, strange).content = {"of": "another version"}
    page = operator.get("/message/")
    assert page.status_code == 200
    assert page.text.count("cannot be shown: the log says why") == 1
    assert page.text.count("/message/details/?id=") == len(ids_of_messages(database))
    rows = json.loads(operator.get("/message/export/json/").text)
    assert {row["id"] for row in rows} == ids_of_messages(database)
    assert [row["id"] for row in rows if "cannot be shown" in row["says"]] == [strange]


def test_a_messages_page_shows_what_was_sent_answered_and_concluded(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    message_id = message_in(database, "needs_review")
    with database.writing() as session:
        session.add(MessageText(message_id=message_id, rev=7, content=_older()))
    page = operator.get(f"/message/details/?id={message_id}").text
    for said in (
        "no answer within 10 s", "uncertain", "abababab", "amigos-hook", f"id={RANKED}",
        "Preview", "In Slack (its channel)", "In Discord", "Revision 7", "Before it was said",
    ):  # fmt: skip
        assert said in page, said
    assert "hidden" not in re.sub(r'type="hidden"', "", page)  # the webhook's address
    assert operator.get("/message/details/?id=nobody").status_code == 404


@pytest.mark.parametrize("kind", ["discord-bot", "slack-bot"])
def test_a_messages_page_shows_the_icons_that_its_channel_is_sent(
    operator: Visitor, ids: dict[str, int], database: Database, settings: Settings, kind: str
) -> None:
    transport = all_transports(settings)[kind]
    assert transport.icon_set is not None
    icons = {"222": "<:lol_Jinx:123456789012345678>" if kind == "discord-bot" else "https://x.example/Jinx.png"}  # fmt: skip
    line = Line("Ann", ("Jinx",), icon=Icon(222, "Jinx"))
    said = MessageContent("Victory", "Ann won", (Section((line,)),))
    with database.writing() as session:
        channel = make_channel(session, make_team(session, "Faces"), "faces", kind=kind)
        session.add(Fact(name="champion-icons", value={transport.icon_set: icons}))
        message_id = add_message(session, channel.id, RANKED, "delivered", content=said).id
    page = operator.get(f"/message/details/?id={message_id}").text
    its_own, _, other = page.partition("(its channel)")[2].partition("<figure>")
    assert (its_own.count('title="Jinx"'), other.count('title="Jinx"')) == (1, 0)


@pytest.mark.parametrize(
    "stored", [{"of": "another version"}, [], {**CONTENT.to_json(), "title": 5}]
)
def test_a_message_that_cannot_be_read_has_its_page_with_all_the_rest(
    operator: Visitor, ids: dict[str, int], database: Database, stored: Any
) -> None:
    message_id = message_in(database, "needs_review")
    decide(operator, message_id, "resend")
    with database.writing() as session:
        session.get_one(Message, message_id).content = stored
        session.add(MessageText(message_id=message_id, rev=7, content=stored))
    answer = operator.get(f"/message/details/?id={message_id}")
    assert answer.status_code == 200
    # What it says now, and what it said before.
    assert answer.text.count("The stored message cannot be read") == 2
    for said in (f"<h1>{RANKED} ", ">pending<", "no answer within 10 s", "abababab", "Ann (web)"):
        assert said in answer.text, said


def _older() -> dict[str, object]:
    return {
        "title": "Before it was said", "summary": "", "sections": [], "url": None,
        "tone": "neutral", "footer": "", "more": 0,
    }  # fmt: skip


def test_each_decision_says_what_it_risks_and_only_those_that_make_sense_are_offered(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    def offered(state: str) -> set[str]:
        page = operator.get(f"/message/details/?id={message_in(database, state)}").text
        return set(re.findall(r'name="decision" value="([^"]+)"', page))

    assert offered("needs_review") == {"resend", "mark-delivered", "drop"}
    assert offered("blocked") == {"mark-delivered", "drop"}
    assert offered("delivered") == set()
    with database.writing() as session:
        edited = session.get_one(Message, message_in(database, "delivered"))
        edited.remote_rev, edited.desired_rev = 1, 2
    assert offered("delivered") == {"give-up-edit"}
    assert "Given up" in decide(operator, message_in(database, "delivered"), "give-up-edit")
    assert offered("delivered") == set()
    unreadable = operator.get(f"/message/details/?id={message_in(database, 'needs_review')}").text
    # A Slack webhook can be neither read nor edited: there are no ids.
    assert "it will be there twice" in unreadable
    assert 'name="remote_id"' not in unreadable
    readable = operator.get(f"/message/details/?id={message_in(database, 'blocked')}").text
    assert 'name="remote_id"' in readable


def test_what_may_stand_at_the_channels_former_address_is_resent_only_by_who_has_looked_there(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    message_id = message_in(database, "needs_review")
    with database.writing() as session:
        attempt = session.scalars(select(Attempt).where(Attempt.message_id == message_id)).one()
        attempt.address = "another address"
    page = operator.get(f"/message/details/?id={message_id}").text
    assert "The channel's address was changed after it was sent" in page
    assert 'name="former_address_checked"' in page
    assert "at the address that its channel had before" in decide(operator, message_id, "resend")
    form = {"id": message_id, "decision": "resend", "former_address_checked": "on"}
    operator.post("/message/decide/", form)
    assert state_of(database, message_id)[0] == "pending"


def test_a_message_that_needs_review_is_resent_and_the_trail_says_by_whom(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    message_id = message_in(database, "needs_review")
    page = decide(operator, message_id, "resend")
    assert "Ann (web)" in page
    assert state_of(database, message_id)[0] == "pending"
    with database.reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.row == message_id)).one()
        assert (entry.who, entry.action) == ("Ann (web)", "resent")
        assert entry.before is not None
        assert entry.before["state"] == "needs_review"


def test_a_message_is_marked_as_delivered_under_the_id_that_it_has_there(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    message_id = message_in(database, "blocked")
    refused = refused_mark(operator, message_id, "<b>1</b>")
    # What was typed is still there, with what is wrong with it.
    field = refused.partition('<label for="remote_id">')[2].partition("</ul>")[0]
    assert 'value="&lt;b&gt;1&lt;/b&gt;"' in field
    assert "is no id of a discord-bot" in field
    assert state_of(database, message_id)[0] == "blocked"
    decide(operator, message_id, "mark-delivered", remote_id=f" {_OTHER_ID} ")
    assert state_of(database, message_id) == ("delivered", _OTHER_ID)


def test_an_id_that_was_typed_too_late_is_not_lost(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    delivered = message_in(database, "delivered")
    refused = refused_mark(operator, delivered, "1122334455667788991")
    assert 'value="1122334455667788991"' in refused
    assert "it is delivered" in refused
    assert state_of(database, delivered) == ("delivered", _REMOTE_ID)


@pytest.mark.parametrize(
    ("action", "states", "done", "said"),
    [
        ("drop", {"dropped"}, "dropped", "Dropped 2."),
        # The channel of one can be read, which is done first.
        ("resend", {"uncertain", "pending"}, "resent", "2 to be sent with the next delivery run"),
    ],
)
def test_several_messages_are_decided_about_at_once_each_with_its_line_in_the_trail(
    operator: Visitor,
    ids: dict[str, int],
    database: Database,
    action: str,
    states: set[str],
    done: str,
    said: str,
) -> None:
    with database.writing() as session:
        add_message(session, ids["amigos-bot"], FOREIGN, "needs_review")
    with database.reading() as session:
        waiting = set(session.scalars(select(Message.id).where(Message.state == "needs_review")))
    delivered = message_in(database, "delivered")
    listed = operator.get("/message/?flt0_state=needs_review").text
    assert re.search(f'name="action" value="{action}" data-confirm="[^"]+"', listed)
    form = {"action": action, "rowid": [*waiting, delivered, "nobody"]}
    page = operator.get(operator.post("/message/action/", form).location).text
    assert said in page
    assert "it is delivered" in page  # and so are not decided about: one that is delivered,
    assert "One of them no longer exists." in page  # and one that never was
    assert {state_of(database, each)[0] for each in waiting} == states
    assert state_of(database, delivered)[0] == "delivered"
    with database.reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == done)).all()
    assert {(entry.who, entry.row) for entry in entries} == {
        ("Ann (web)", each) for each in waiting
    }


def test_a_message_is_dropped_and_what_makes_no_sense_is_refused_in_words(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    message_id = message_in(database, "needs_review")
    assert "Dropped" in decide(operator, message_id, "drop")
    assert state_of(database, message_id)[0] == "dropped"
    assert "it is given up for good" in decide(operator, message_id, "resend")
    delivered = message_in(database, "delivered")
    assert "it is delivered" in decide(operator, delivered, "drop")
    assert state_of(database, delivered) == ("delivered", _REMOTE_ID)
    assert (
        operator.post("/message/decide/", {"id": delivered, "decision": "shout"}).status_code == 400
    )


def test_what_is_only_shown_cannot_be_added_edited_or_removed(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    def rows() -> list[int]:
        with database.reading() as session:
            return [
                session.scalar(select(func.count()).select_from(model)) or 0
                for model in (Game, Match, Message, Quarantine, AuditEntry)
            ]

    before = rows()
    keys = {"game": RANKED, "message": message_in(database, "needs_review"), "quarantine": "1",
            "audit": "1", "unfinished": RANKED}  # fmt: skip
    for view, key in keys.items():
        operator.post(f"/{view}/delete/", {"id": key})
        operator.post(f"/{view}/action/", {"action": "delete", "rowid": key})
        operator.post(f"/{view}/new/", {"match_id": "EUW1_99", "state": "processed"})
        operator.post(f"/{view}/edit/?id={key}", {"state": "dropped", "closed_as": "x"})
        operator.post(f"/{view}/ajax/update/", {"list_form_pk": key, "state": "dropped"})
    assert rows() == before
    assert message_in(database, "needs_review") == keys["message"]
