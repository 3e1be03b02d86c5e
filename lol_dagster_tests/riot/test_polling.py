"""What happens when a route of Riot's answers again."""

from __future__ import annotations

from lol_dagster.pipeline.records import record_route_answers
from lol_dagster.riot.polling import failing_routes, note_route_answers, note_route_fails
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AccountPoll, Match
from lol_dagster_tests._support.roster_rows import make_account, make_player
from lol_dagster_tests.riot.world import HOUR, NOW


def test_who_failed_and_what_could_not_be_fetched_is_due_at_once(any_database: Database) -> None:
    later = NOW + HOUR
    with any_database.writing() as session:
        player = make_player(session)
        for platform, failures in (("na1", 3), ("na1", 0), ("kr", 3)):
            account = make_account(session, player, platform=platform)
            session.add(AccountPoll(account_id=account.id, next_poll_at=later, failures=failures))
        for number, missing_at in ((1, None), (2, NOW)):
            session.add(
                Match(
                    match_id=f"NA1_{number}", listed_at=NOW, next_try_at=later,
                    first_missing_at=missing_at,
                )
            )  # fmt: skip
    with any_database.writing() as session:
        note_route_fails(session, "americas", "503", NOW)
        note_route_answers(session, "americas", NOW)
        record_route_answers(session, now=NOW)
    with any_database.reading() as session:
        polls = session.query(AccountPoll).order_by(AccountPoll.account_id)
        assert [poll.next_poll_at for poll in polls] == [NOW, later, later]
        matches = session.query(Match).order_by(Match.match_id)
        # The second is delayed: Riot has answered that it is not there yet.
        assert [match.next_try_at for match in matches] == [NOW, later]
        assert failing_routes(session) == set()
