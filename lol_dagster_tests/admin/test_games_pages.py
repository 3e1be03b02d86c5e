"""The list of games, a game's page, its payload, and having it processed again."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from lol_dagster.admin.app import create_app
from lol_dagster.admin.views.games import GameView
from lol_dagster.pictures.artist import Artist
from lol_dagster.pictures.drawing import CannotDraw
from lol_dagster.pipeline.match import Failed, Started
from lol_dagster.pipeline.records import note_queued, record
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AuditEntry, Match, Participant, Player, RunRequest
from lol_dagster_tests._support.message_rows import ENDED
from lol_dagster_tests._support.roster_rows import make_membership, make_team
from lol_dagster_tests._support.web_visitor import Visitor
from lol_dagster_tests.admin.conftest import ManualClock
from lol_dagster_tests.admin.populated import (
    ARAM,
    BODY,
    FOREIGN,
    LISTED,
    QUARANTINED,
    RANKED,
    REMAKE,
    add_many_games,
    populate,
)
from lol_dagster_tests.pictures.pngs import size_of


@pytest.fixture
def clock() -> ManualClock:
    """Three hours after the last game."""
    return ManualClock(ENDED + timedelta(hours=3))


@pytest.fixture
def ids(database: Database) -> dict[str, int]:
    with database.writing() as session:
        return populate(session)


def listed(operator: Visitor, query: str = "") -> list[str]:
    """Match ids in the order of the list."""
    table = operator.get(f"/game/?{query}").text.partition("<tbody>")[2].partition("</tbody>")[0]
    return re.findall(r">(EUW1_\d+)<", table)


def test_games_are_found_by_team_player_queue_outcome_and_day(
    settings: Settings, any_database: Database, clock: ManualClock
) -> None:
    with any_database.writing() as session:
        ids = populate(session)
        zoe = session.get_one(Player, ids["Zoe"])
        # Her game ended three days before `ENDED`: in the one team she was until later.
        for name, days in (("Former", 2), ("Long left", 4)):
            team = make_team(session, name)
            make_membership(session, team, zoe, until=ENDED - timedelta(days=days))
            ids[name] = team.id
    operator = Visitor(create_app(settings, any_database, now=clock))
    operator.sign_in()
    assert listed(operator) == [RANKED, ARAM, REMAKE, FOREIGN]
    assert listed(operator, f"flt0_team={ids['Others']}") == [FOREIGN]
    assert listed(operator, f"flt0_team={ids['Former']}") == [FOREIGN]
    assert listed(operator, f"flt0_team={ids['Long left']}") == []
    assert listed(operator, f"flt0_team={ids['Amigos']}") == [RANKED, ARAM, REMAKE]
    assert listed(operator, f"flt0_player={ids['Bob']}") == [RANKED, ARAM]
    assert listed(operator, "flt0_queue=ARAM") == [ARAM]
    assert listed(operator, "flt0_outcome=win") == [RANKED, FOREIGN]
    assert listed(operator, "flt0_outcome=loss") == [ARAM]
    assert listed(operator, "flt0_outcome=remake") == [REMAKE]
    assert listed(operator, "flt0_from=2026-07-31&flt0_to=2026-07-31") == [ARAM]
    assert listed(operator, f"flt0_player={ids['Bob']}&flt0_outcome=win") == [RANKED]
    assert listed(operator, "flt0_player=99999999999999&flt0_team=x") == []
    page = operator.get("/game/").text
    for option in ("Ranked Solo", "ARAM"):  # each queue is offered once
        assert page.count(f'<option value="{option}">') == 1
    assert "4 in all" in page


def test_games_are_sorted_and_leafed_through_and_counted_up_to_a_bound(
    operator: Visitor, ids: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert listed(operator, "sort=0") == [FOREIGN, REMAKE, ARAM, RANKED]
    monkeypatch.setattr(GameView, "most_counted", 2)
    monkeypatch.setattr(GameView, "page_size", 1)
    monkeypatch.setattr(GameView, "page_size_options", (1,))
    page = operator.get("/game/").text
    assert "more than 2" in page
    assert "Page 1 of 3" in page  # not 4


def test_a_match_id_leads_to_its_page_and_a_part_of_one_to_those_that_have_it(
    operator: Visitor, ids: dict[str, int]
) -> None:
    answer = operator.get(f"/game/?search={QUARANTINED.lower()}")
    assert answer.location == f"/game/details/?id={QUARANTINED}"
    assert listed(operator, "search=_1") == [RANKED, ARAM, REMAKE, FOREIGN]
    assert listed(operator, "search=UW1_12") == [ARAM]
    assert operator.get("/game/details/?id=EUW1_404").status_code == 404


def test_a_name_that_turns_letters_around_is_shown_as_it_is_written(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    """Also one that was stored by a version which kept that."""
    with database.writing() as session:
        session.get_one(Participant, (RANKED, 1)).display_name = "Ann\u202eevil#NA1"
    page = operator.get(f"/game/details/?id={RANKED}").text
    assert "Annevil#NA1" in page
    assert "\u202e" not in page


def test_games_are_taken_away_as_csv_and_json(operator: Visitor, ids: dict[str, int]) -> None:
    rows = list(csv.DictReader(io.StringIO(operator.get("/game/export/csv/").text)))
    assert [row["match_id"] for row in rows] == [RANKED, ARAM, REMAKE, FOREIGN]
    taken = json.loads(operator.get("/game/export/json/?flt0_queue=ARAM").text)
    assert [(row["match_id"], row["players"]) for row in taken] == [
        (ARAM, ["Bob: Lux 3/9/12 loss"])
    ]


def test_a_games_page_leads_from_its_messages_back_to_what_riot_gave(
    operator: Visitor, ids: dict[str, int]
) -> None:
    page = operator.get(f"/game/details/?id={RANKED}").text
    assert "delivered at" in page
    for said in ("12/1/7", "penta kill", "amigos-hook", "needs review", "1122334455667788990"):
        assert said in page, said
    # sha256 of BODY, by hand: sha256sum
    assert page.count("sha256 of 52 bytes") == 1
    messages = re.findall(r'href="(/message/details/\?id=[^"]+)"', page)
    assert f"/game/details/?id={RANKED}" in operator.get(messages[0]).text
    quarantined = operator.get(f"/game/details/?id={QUARANTINED}").text
    assert "Quarantined: player_stats failed: no info in it." in quarantined
    assert "/quarantine/details/?id=" in quarantined
    assert "Waiting for games" in operator.get(f"/game/details/?id={LISTED}").text


def test_the_payload_is_taken_away_byte_for_byte_and_never_shown_as_a_page(
    operator: Visitor, ids: dict[str, int]
) -> None:
    answer = operator.get(f"/game/payload/?id={RANKED}")
    assert answer.data == BODY
    assert answer.mimetype == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{RANKED}.json"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert operator.get(f"/game/payload/?id={ARAM}").status_code == 404


def test_a_game_is_shown_as_a_card_of_each_team_that_had_somebody_there(
    operator: Visitor, ids: dict[str, int]
) -> None:
    page = operator.get(f"/game/details/?id={RANKED}").text
    address = f"/game/card/?id={RANKED}&amp;team={ids['Amigos']}"
    assert page.count("/game/card/") == 1
    assert f'src="{address}" alt="The game as a card, for the team Amigos"' in page
    answer = operator.get(address.replace("&amp;", "&"))
    assert answer.mimetype == "image/png"
    assert size_of(answer.data)[0] == 720
    for other in (f"id={RANKED}&team={ids['Others']}", f"id={LISTED}&team={ids['Amigos']}", ""):
        assert operator.get(f"/game/card/?{other}").status_code == 404


def test_a_card_that_cannot_be_drawn_leaves_the_page(
    operator: Visitor, ids: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise CannotDraw("no fonts")

    monkeypatch.setattr(Artist, "draw", fail)
    assert operator.get(f"/game/card/?id={RANKED}&team={ids['Amigos']}").status_code == 404
    assert operator.get(f"/game/details/?id={RANKED}").status_code == 200


def test_a_game_is_processed_again_and_its_progress_is_seen(
    operator: Visitor, ids: dict[str, int], database: Database, clock: ManualClock
) -> None:
    for _ in range(2):  # asked for twice, it is one request
        assert operator.post("/game/reprocess/", {"id": RANKED}).status_code == 303
    with database.reading() as session:
        (request,) = session.scalars(select(RunRequest))
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "run requested")
        ).one()
        assert (entry.who, entry.row, request.requested_by) == ("Ann (web)", RANKED, "Ann (web)")
        number = request.id

    def step() -> str:
        page = operator.get(f"/game/details/?id={RANKED}").text
        part = operator.get(f"/game/progress/?request={number}").text
        (on_page,) = re.findall(r'aria-current="step"[^>]*>([^<]+)<', page)
        (asked,) = re.findall(r'aria-current="step"[^>]*>([^<]+)<', part)
        assert on_page == asked
        assert ("data-poll" in part) != ("data-over" in part)
        return f"{asked} {'over' if 'data-over' in part else ''}".strip()

    now = clock()
    assert step() == "waiting"
    with database.writing() as session:
        note_queued(session, [number], "key")
    assert step() == "queued"
    with database.writing() as session:
        record(session, RANKED, Started("run-1", wanted=True), now)
    assert step() == "running"
    with database.writing() as session:
        record(session, RANKED, Failed("run-1", "games", "1", "failed", ""), now)
    assert step() == "quarantined over"
    assert operator.get("/game/progress/?request=99999999999").status_code == 404
    assert operator.post("/game/reprocess/", {"id": "EUW1_404"}).status_code == 404


def test_what_is_unprocessed_is_listed_with_its_state(
    operator: Visitor, ids: dict[str, int]
) -> None:
    page = operator.get("/unfinished/").text
    assert "2 in all" in page
    assert "quarantined" in page
    assert f"/game/details/?id={LISTED}" in page
    assert "1 in all" in operator.get("/unfinished/?flt0_state=listed").text


def test_a_players_page_shows_form_as_a_picture_and_in_words(
    operator: Visitor, ids: dict[str, int]
) -> None:
    page = operator.get(f"/player/details/?id={ids['Bob']}").text
    # Oldest first: the ARAM of the day before was lost, the ranked game won.
    assert "The last 2 games, the newest last: LW" in page
    # 4 kills and 32 assists in 13 deaths.
    assert "1 won and 1 lost of the last 2, KDA 2.8" in page
    assert f"/game/?flt0_player={ids['Bob']}" in page
    assert "2026-08-01: Thresh 1/4/20, KDA 5.2, won" in page
    idle = operator.get(f"/player/details/?id={ids['Ann']}").text
    assert "(does not count)" in idle
    assert "1 won and 0 lost of the last 1" in idle


def test_form_is_drawn_of_the_last_twenty_games(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    with database.writing() as session:
        add_many_games(session, session.get_one(Player, ids["Ann"]), 30)
    page = operator.get(f"/player/details/?id={ids['Ann']}").text
    # Every third one is lost, the one before the last of all among them; the last of all was won.
    assert "The last 20 games, the newest last: LWWLWWLWWLWWLWWLWWLW" in page
    assert "13 won and 7 lost of the last 20" in page
    assert page.count('<g class="win">') == 13


def test_a_game_that_riot_lists_and_does_not_give_can_be_ignored(
    operator: Visitor, ids: dict[str, int], database: Database
) -> None:
    page = operator.get(f"/game/details/?id={LISTED}").text
    assert ">Ignore</button>" in page
    answer = operator.post("/game/ignore/", {"id": LISTED})
    assert (answer.status_code, answer.location) == (303, f"/game/details/?id={LISTED}")
    page = operator.get(answer.location).text
    assert f"{LISTED} is ignored" in page
    assert ">Ignore</button>" not in page
    with database.reading() as session:
        assert session.get_one(Match, LISTED).state == "ignored"
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "ignored"))
        assert (entry.row, entry.who) == (LISTED, "Ann (web)")
    # What is announced stays so.
    assert ">Ignore</button>" not in operator.get(f"/game/details/?id={RANKED}").text
    operator.post("/game/ignore/", {"id": RANKED})
    assert "cannot be ignored" in operator.get(f"/game/details/?id={RANKED}").text
    assert operator.post("/game/ignore/", {"id": "EUW1_404"}).status_code == 404


def test_without_scripts_times_say_that_they_are_utc(operator: Visitor, database: Database) -> None:
    with database.writing() as session:
        populate(session)
    assert (
        'title="2026-08-01 20:00:00 UTC" data-own-zone="16">2026-08-01 20:00</time><noscript> UTC</noscript>'
        in operator.get("/game/").text
    )
