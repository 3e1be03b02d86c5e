"""Accounts in teams, and the Riot that lists their matches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from lol_dagster.pipeline.discovery import DiscoveryReport, discover
from lol_dagster.riot.client import RiotClient
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, AccountPoll, Match
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_membership,
    make_player,
    make_team,
)
from lol_dagster_tests.riot.fake_riot import FakeRiot, MatchList, Reply, Time, client_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SINCE = datetime(2026, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class World:
    """A database, a Riot, a client and one team."""

    def __init__(self, database: Database, riot: FakeRiot) -> None:
        self.database = database
        self.riot = riot
        self.time = Time()
        self.client: RiotClient = client_of(riot.server, database, self.time)
        with database.writing() as session:
            self.team_id = make_team(session).id
        riot.on("by-puuid/[^/]+$", Reply(200, {"puuid": "p"}))

    def member(
        self, *, since: datetime = SINCE, until: datetime | None = None, **account: Any
    ) -> Account:
        """An account of a player in the team."""
        with self.database.writing() as session:
            player = make_player(session)
            membership = make_membership(
                session, make_team(session), player, since=since, until=until
            )
            assert membership.player_id == player.id
            return make_account(session, player, **{"created_at": SINCE, **account})

    def list(self, account: Account, *match_ids: str) -> MatchList:
        script = MatchList(*match_ids)
        self.riot.on(f"by-puuid/{account.puuid}/ids", script)
        return script

    def discover(self, now: datetime = NOW, **options: Any) -> DiscoveryReport:
        return discover(self.database, self.client, now=now, **options)

    def forget_requests(self) -> None:
        self.riot.server.requests.clear()

    def poll(self, account: Account) -> AccountPoll:
        with self.database.reading() as session:
            return session.get_one(AccountPoll, account.id)

    def account(self, account: Account) -> Account:
        with self.database.reading() as session:
            return session.get_one(Account, account.id)

    def known(self) -> list[str]:
        with self.database.reading() as session:
            return sorted(session.scalars(select(Match.match_id)))
