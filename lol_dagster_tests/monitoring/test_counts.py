"""The figures by state are right without counting all there ever was."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from lol_dagster.monitoring.counts import count_everything, count_matches, count_messages
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match, Message
from lol_dagster_tests._support.health_rows import NOW, all_well, hours_ago, match, message

TONIGHT = NOW + timedelta(hours=3)


def _shown(database: Database) -> tuple[dict[str, int], dict[str, int]]:
    """What is not 0, of matches and of messages."""
    with database.reading() as session:
        both = count_matches(session), count_messages(session)
    matches, messages = ({state: n for state, n in each.items() if n} for each in both)
    return matches, messages


def test_what_is_open_and_what_is_new_is_counted_after_the_night(any_database: Database) -> None:
    with any_database.writing() as session:
        channel = all_well(session)
        for number, state in enumerate(("processed", "processed", "not_found", "quarantined")):
            match(session, number, state=state)
        for number, state in enumerate(("delivered", "dropped", "pending")):
            message(session, channel, number, state=state)
    before = (
        {"processed": 2, "not_found": 1, "quarantined": 1},
        {"delivered": 1, "dropped": 1, "pending": 1},
    )
    assert _shown(any_database) == before
    count_everything(any_database, TONIGHT)
    assert _shown(any_database) == before
    with any_database.writing() as session:
        match(session, 10, state="processed", listed_at=TONIGHT)
        match(session, 11, state="ignored", listed_at=TONIGHT)
        # Stamped before the count, and not seen by it.
        match(session, 12, state="listed", listed_at=TONIGHT - timedelta(minutes=5))
        # Open in the night, and closed since.
        session.execute(update(Match).where(Match.match_id == "NA1_3").values(state="processed"))
        session.execute(update(Message).where(Message.subject == "NA1_2").values(state="delivered"))
    assert _shown(any_database) == (
        {"processed": 4, "not_found": 1, "ignored": 1, "listed": 1},
        {"delivered": 2, "dropped": 1},
    )


def test_how_what_is_old_and_closed_is_divided_is_as_of_the_night(any_database: Database) -> None:
    with any_database.writing() as session:
        for number in range(3):
            match(session, number, state="processed", listed_at=hours_ago(30))
    count_everything(any_database, NOW)
    with any_database.writing() as session:
        session.execute(update(Match).where(Match.match_id == "NA1_1").values(state="ignored"))
    assert _shown(any_database)[0] == {"processed": 3}
    count_everything(any_database, NOW)
    assert _shown(any_database)[0] == {"processed": 2, "ignored": 1}
