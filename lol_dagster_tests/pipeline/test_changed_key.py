"""The API key is changed: Riot encrypts every puuid anew, and our accounts stay who they are."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from lol_dagster.pipeline.match import Failed
from lol_dagster.pipeline.process import due_matches
from lol_dagster.pipeline.records import record
from lol_dagster.pipeline.scenario import export_scenario
from lol_dagster.roster.accounts import correct_account
from lol_dagster.roster.names import RiotId
from lol_dagster.roster.riot_lookup import KnownAccount
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Channel,
    FormerPuuid,
    Membership,
    Message,
    PlayerStat,
)
from lol_dagster_tests._support.payloads import match_payload, participant
from lol_dagster_tests._support.processing import process_at
from lol_dagster_tests._support.roster_rows import make_channel
from lol_dagster_tests.riot.fake_riot import ROOMY, Reply, fake_riot, refusal
from lol_dagster_tests.riot.world import HOUR, NOW, World

OLD, NEW = "NA1_1", "NA1_2"
"""A game from before the change, and one from after it."""


class KeyWorld(World):
    """Accounts whose puuids `old-ann` and so on were Riot's under another key than the client's."""

    def friend(self, name: str, *, channel: str) -> Account:
        account = self.member(
            puuid=f"old-{name}", puuid_key="the old key", game_name=name, tag_line="NA1"
        )
        with self.database.writing() as session:
            membership = session.scalars(
                select(Membership).where(Membership.player_id == account.player_id)
            ).one()
            make_channel(session, membership.team, channel)
        self.riot.on(f"by-puuid/old-{name}", refusal(400, "Exception decrypting"))
        self.riot.on(f"by-riot-id/{name}/", Reply(200, {"puuid": f"new-{name}"}))
        return account

    def game(self, match_id: str, *puuids: str) -> None:
        said = match_payload(
            match_id,
            participants=[participant(puuid=puuid) for puuid in puuids],
            ended_at=NOW - HOUR,
        )
        self.riot.on(f"matches/{match_id}$", Reply(200, json.dumps(said).encode()))

    def process(self, match_id: str) -> None:
        process_at(self.database, self.client, match_id, NOW)

    def counting(self, match_id: str) -> list[str]:
        """For whom the game counts."""
        with self.database.reading() as session:
            return list(
                session.scalars(
                    select(Account.game_name)
                    .join(PlayerStat, PlayerStat.account_id == Account.id)
                    .where(PlayerStat.match_id == match_id)
                    .order_by(Account.id)
                )
            )

    def written(self) -> list[tuple[str, str]]:
        """Channel and game of each message."""
        with self.database.reading() as session:
            rows = session.execute(
                select(Channel.name, Message.subject)
                .join(Channel, Channel.id == Message.channel_id)
                .order_by(Message.subject, Channel.name)
            )
            return [(channel, subject) for channel, subject in rows]

    def due(self) -> list[str]:
        with self.database.reading() as session:
            return due_matches(session, now=NOW + HOUR, limit=10)

    def correct(self, account: Account, riot_id: RiotId, puuid: str, key: str) -> None:
        with self.database.writing() as session:
            version = session.get_one(Account, account.id).version
            known = KnownAccount(riot_id, "na1", puuid, key)
            correct_account(session, account.id, known, version=version)


@pytest.fixture
def keys(any_database: Database) -> Iterator[KeyWorld]:
    with fake_riot() as riot:
        yield KeyWorld(any_database, riot)


def test_a_game_from_before_the_change_counts_when_it_is_processed_again(keys: KeyWorld) -> None:
    keys.friend("ann", channel="amigos")
    keys.game(OLD, "old-ann")
    keys.process(OLD)
    keys.riot.on("by-puuid/new-ann/ids", Reply(200, [OLD]))
    keys.discover()

    keys.process(OLD)

    assert keys.counting(OLD) == ["ann"]
    with keys.database.reading() as session:
        assert export_scenario(session, OLD)["tracked"] != []


def test_a_game_that_was_quarantined_before_the_change_is_announced_when_it_is_cured(
    keys: KeyWorld,
) -> None:
    ann = keys.friend("ann", channel="amigos")
    keys.game(OLD, "old-ann")
    keys.game(NEW, "old-ann")
    keys.process(NEW)
    with keys.database.writing() as session:
        # As a bug in the stage had it: the payload is archived, and no row of it is there.
        session.get_one(Account, ann.id).puuid = "unknown"
    keys.process(OLD)
    with keys.database.writing() as session:
        session.get_one(Account, ann.id).puuid = "old-ann"
        record(session, OLD, Failed("run", "player_stats", "0", "a bug", ""), NOW)
    assert keys.written() == [("amigos", NEW)]
    keys.riot.on("by-puuid/new-ann/ids", Reply(200, [NEW]))
    keys.discover()

    keys.process(OLD)

    assert keys.counting(OLD) == ["ann"]
    assert keys.written() == [("amigos", OLD), ("amigos", NEW)]


def test_a_game_that_came_before_an_account_had_its_new_puuid_is_announced_to_its_team_too(
    keys: KeyWorld,
) -> None:
    for name, channel in (("ann", "amigos"), ("bob", "buddies")):
        keys.friend(name, channel=channel)
        keys.riot.on(f"by-puuid/new-{name}/ids", Reply(200, [NEW, OLD]))
    keys.game(OLD, "old-ann", "old-bob")
    keys.game(NEW, "new-ann", "new-bob")
    keys.process(OLD)
    keys.riot.on("by-riot-id/bob/", Reply(503, b"", ROOMY))
    with keys.database.writing() as session:
        bob = session.scalars(select(Account).where(Account.game_name == "bob")).one()
        # A usual poll, not the daily one.
        session.get_one(AccountPoll, bob.id).last_deep_poll_at = NOW
    keys.discover()
    keys.process(NEW)
    assert keys.counting(NEW) == ["ann"], "bob is asked for later"
    assert keys.written() == [("amigos", OLD), ("buddies", OLD), ("amigos", NEW)]

    keys.time.now += 3600  # the route's rest is over
    keys.riot.on("by-riot-id/bob/", Reply(200, {"puuid": "new-bob"}))
    keys.discover(NOW + HOUR)

    assert keys.due() == [NEW], "and not what counts for all"
    keys.process(NEW)
    assert keys.counting(NEW) == ["ann", "bob"]
    assert keys.written() == [
        ("amigos", OLD), ("buddies", OLD), ("amigos", NEW), ("buddies", NEW),
    ]  # fmt: skip
    assert keys.due() == []


def test_a_new_account_whose_games_came_through_anothers_list_is_recognised_in_them(
    keys: KeyWorld,
) -> None:
    """It was added when the game had been processed, as having been in the team before."""
    keys.friend("ann", channel="amigos")
    keys.game(NEW, "old-ann", "new-bob")
    keys.process(NEW)
    keys.friend("bob", channel="buddies")
    with keys.database.writing() as session:
        bob = session.scalars(select(Account).where(Account.game_name == "bob")).one()
        bob.puuid, bob.puuid_key = "new-bob", keys.client.key_fingerprint
    keys.riot.on("by-puuid/new-.*/ids", Reply(200, [NEW]))

    keys.discover()

    assert keys.due() == [NEW]
    keys.process(NEW)
    assert keys.counting(NEW) == ["ann", "bob"]


def test_a_stranger_who_took_the_name_is_not_taken_for_the_player(keys: KeyWorld) -> None:
    """Renamed before the change, and somebody else bears the old Riot ID now."""
    ann = keys.friend("ann", channel="amigos")
    keys.game(OLD, "old-ann")
    keys.process(OLD)
    keys.riot.on("by-riot-id/ann/", Reply(200, {"puuid": "strangers"}))
    keys.riot.on("by-puuid/strangers/ids", Reply(200, ["NA1_77"]))

    report = keys.discover()

    assert report.new_match_ids == ()
    assert keys.known() == [OLD]
    assert keys.account(ann).puuid == "old-ann"
    assert (keys.poll(ann).last_error or "").startswith(
        "the API key was changed, and nothing shows that ann#NA1 is still the account that it was"
    )

    # The operator knows the new name.
    keys.correct(ann, RiotId("anna", "NA1"), "new-ann", keys.client.key_fingerprint)
    keys.riot.on("by-puuid/new-ann/ids", Reply(200, [NEW, OLD]))
    assert keys.discover(NOW + HOUR).new_match_ids == (NEW,)
    keys.process(OLD)
    assert keys.counting(OLD) == ["anna"], "it is the same account, under another key"


def test_an_account_of_which_no_game_is_known_is_the_operators_to_confirm(keys: KeyWorld) -> None:
    ann = keys.friend("ann", channel="amigos")
    keys.riot.on("by-puuid/new-ann/ids", Reply(200, ["NA1_77"]))
    keys.discover()
    assert "say so: lol-dagster account correct 'ann#NA1'." in (keys.poll(ann).last_error or "")
    assert keys.known() == []


def test_a_game_that_proves_it_may_be_on_a_later_page(keys: KeyWorld) -> None:
    """After a hundred newer games."""
    ann = keys.friend("ann", channel="amigos")
    keys.game(OLD, "old-ann")
    keys.process(OLD)
    newer = [f"NA1_{number}" for number in range(300, 200, -1)]
    keys.riot.on("by-puuid/new-ann/ids.*start=100", Reply(200, [OLD]))
    keys.riot.on("by-puuid/new-ann/ids.*start=0", Reply(200, newer))
    keys.discover()
    assert keys.account(ann).puuid == "new-ann"


def test_a_key_that_was_used_before_needs_no_proof(keys: KeyWorld) -> None:
    """Its puuids are known, whatever the list shows."""
    ann = keys.friend("ann", channel="amigos")
    with keys.database.writing() as session:
        session.add(FormerPuuid(puuid="new-ann", account_id=ann.id, puuid_key="whatever"))
    keys.riot.on("by-puuid/new-ann/ids", Reply(200, [NEW]))
    assert keys.discover().new_match_ids == (NEW,)
    row = keys.account(ann)
    assert (row.puuid, row.puuid_key) == ("new-ann", keys.client.key_fingerprint)
    with keys.database.reading() as session:
        former = session.scalars(select(FormerPuuid)).one()
    assert (former.puuid, former.account_id) == ("old-ann", ann.id)


def test_an_entry_that_stood_for_somebody_else_forgets_their_puuid(keys: KeyWorld) -> None:
    """A key gives an account one puuid: with another one it is another account."""
    ann = keys.friend("ann", channel="amigos")
    keys.game(OLD, "old-ann")
    keys.process(OLD)
    assert keys.counting(OLD) == ["ann"]

    keys.correct(ann, RiotId("anna", "NA1"), "another", "the old key")

    keys.process(OLD)
    assert keys.counting(OLD) == []


def test_the_key_under_which_riot_takes_a_puuid_is_remembered(keys: KeyWorld) -> None:
    """A renewed development key is another key of the same application."""
    ann = keys.friend("ann", channel="amigos")
    keys.riot.on("by-puuid/old-ann/ids", Reply(200, []))
    keys.discover()
    assert keys.account(ann).puuid_key == keys.client.key_fingerprint
    keys.correct(ann, RiotId("anna", "NA1"), "another", keys.client.key_fingerprint)
    with keys.database.reading() as session:
        assert session.scalars(select(FormerPuuid)).all() == []
