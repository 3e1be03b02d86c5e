"""Games that were quarantined, as the web view shows them and lets people decide about them."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AuditEntry, Match, Quarantine, RunRequest
from lol_dagster_tests._support.message_rows import ENDED
from lol_dagster_tests._support.web_visitor import Visitor
from lol_dagster_tests.admin.conftest import ManualClock
from lol_dagster_tests.admin.populated import QUARANTINED, populate


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(ENDED + timedelta(hours=3))


@pytest.fixture
def row_id(database: Database) -> int:
    """Of the game that is quarantined; another was once, and a third is ignored."""
    with database.writing() as session:
        populate(session)
        for match_id, state, closed_as in (
            ("EUW1_31", "processed", "processed"),
            ("EUW1_32", "quarantined", None),
        ):
            session.add(Match(match_id=match_id, state=state, listed_at=ENDED))
            session.flush()
            session.add(
                Quarantine(
                    match_id=match_id, stage="games", error="broken JSON", traceback="…",
                    code_version="1", quarantined_at=ENDED, closed_as=closed_as,
                    closed_at=ENDED + timedelta(hours=1) if closed_as else None,
                )
            )  # fmt: skip
        session.flush()
        return int(
            session.scalars(select(Quarantine.id).where(Quarantine.match_id == QUARANTINED)).one()
        )


def listed(operator: Visitor, query: str = "") -> list[str]:
    table = operator.get(f"/quarantine/?{query}").text.partition("<tbody>")[2]
    return re.findall(r"<td data-label=\"Game\">(EUW1_\d+)<", table)


def requested(database: Database) -> list[str]:
    with database.reading() as session:
        return sorted(session.scalars(select(RunRequest.match_id)))


def test_open_ones_are_listed_unless_others_are_asked_for(operator: Visitor, row_id: int) -> None:
    assert listed(operator) == ["EUW1_32", QUARANTINED]
    assert listed(operator, "flt0_which=closed") == ["EUW1_31"]
    assert listed(operator, "flt0_which=all") == ["EUW1_32", "EUW1_31", QUARANTINED]
    assert listed(operator, "flt0_stage=player_stats") == [QUARANTINED]
    assert listed(operator, "search=JSON") == ["EUW1_32"]


def test_its_page_shows_the_traceback_and_the_code_then_and_now(
    operator: Visitor, row_id: int
) -> None:
    page = operator.get(f"/quarantine/details/?id={row_id}").text
    assert "KeyError: &#39;participants&#39;" in page
    assert "0 then, " in page
    assert f"/game/payload/?id={QUARANTINED}" in page
    assert operator.get("/quarantine/details/?id=999").status_code == 404


def test_a_game_is_tried_again_or_ignored_and_the_trail_says_why(
    operator: Visitor, row_id: int, database: Database
) -> None:
    answer = operator.post("/quarantine/retry/", {"id": str(row_id)})
    assert requested(database) == [QUARANTINED]
    assert "waiting" in operator.get(answer.location).text
    operator.post("/quarantine/ignore/", {"id": str(row_id), "reason": "<i>a joke</i>"})
    page = operator.get(f"/quarantine/details/?id={row_id}").text
    assert "&lt;i&gt;a joke&lt;/i&gt;" in page
    assert "Ann (web)" in page
    with database.reading() as session:
        assert session.get_one(Match, QUARANTINED).state == "ignored"
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions[-2:] == ["run requested", "ignored"]
    # Ignored it cannot be ignored again: that is said, and what was typed stays.
    again = operator.post("/quarantine/ignore/", {"id": str(row_id), "reason": "said twice"})
    assert again.status_code == 422
    assert "cannot be ignored" in again.text
    assert 'value="said twice"' in again.text


def test_a_reason_that_is_too_long_is_refused_and_kept(
    operator: Visitor, row_id: int, database: Database
) -> None:
    reason = "why " * 51
    refused = operator.post("/quarantine/ignore/", {"id": str(row_id), "reason": reason})
    assert refused.status_code == 422
    field = refused.text.partition('<label for="reason">')[2].partition("</ul>")[0]
    assert f'value="{reason.strip()}"' in field
    assert "Say it in 200 characters." in field
    with database.reading() as session:
        assert session.get_one(Match, QUARANTINED).state == "quarantined"


def test_several_are_decided_about_at_once_each_with_its_line_in_the_trail(
    operator: Visitor, row_id: int, database: Database
) -> None:
    both = [str(row_id), str(row_id + 2)]
    operator.post("/quarantine/action/", {"action": "ignore", "rowid": both})
    with database.reading() as session:
        ignored = session.scalars(select(AuditEntry.row).where(AuditEntry.action == "ignored"))
        assert sorted(ignored) == [QUARANTINED, "EUW1_32"]
    assert listed(operator) == []
    operator.post("/quarantine/action/", {"action": "retry", "rowid": both})
    assert requested(database) == [QUARANTINED, "EUW1_32"]


def test_all_that_are_open_are_tried_again_with_one_button(
    operator: Visitor, row_id: int, database: Database
) -> None:
    answer = operator.post("/quarantine/retry-all/")
    assert "2 games are tried again." in operator.get(answer.location).text
    assert requested(database) == [QUARANTINED, "EUW1_32"]


def test_a_game_is_taken_away_as_a_scenario_for_the_test_suite(
    operator: Visitor, row_id: int
) -> None:
    answer = operator.get(f"/quarantine/export-case/?id={row_id}")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    scenario = json.loads(answer.text)
    assert scenario["failed"]["stage"] == "player_stats"
    assert scenario["payload"]["metadata"] == {}
    nothing = operator.get(f"/quarantine/export-case/?id={row_id + 2}")
    assert "nothing to export" in operator.get(nothing.location).text
